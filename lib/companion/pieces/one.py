"""One piece in a process of its own: ``python -m companion.pieces.one JOB.json``.

It needs the library, NumPy and PyTorch, and nothing of what the bookkeeping is made with, so that it runs on a
machine that has no more. It ends with 0 when the piece is done and its receipt written, with 75 when it was
stopped by SIGTERM, and goes on from its checkpoint the next time.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["STOPPED", "main"]

STOPPED = 75
"""Exit status of a piece that was stopped and goes on next time."""
AGAIN_S = 0.5
"""Seconds between two signals to a piece whose parent is gone."""


class _Stop(BaseException):
    """SIGTERM: no ``except Exception`` on the way keeps the piece from ending."""


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit status."""
    from companion.errors import CompanionError

    job = json.loads(Path((arguments or sys.argv[1:])[0]).read_text(encoding="utf-8"))
    if job.get("ends_with_parent"):
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    tries = None
    try:
        signal.signal(signal.SIGTERM, _stop)
        from companion.pieces.tries import Tries

        tries = Tries(job)
        receipt, weights = _receipt(job, tries)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is computed is kept
        _write(Path(job["folder"]), receipt, weights)
    except _Stop:
        if tries is not None:
            tries.end()
        print("stopped; it goes on from its checkpoint", flush=True)
        return STOPPED
    except CompanionError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stop


def _stop_with_parent() -> None:
    while os.read(0, 4096):  # ends when the parent is gone
        pass
    while True:  # a signal that comes just before a call that waits does not end the call
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(AGAIN_S)


def _receipt(job: Mapping[str, Any], tries: Any) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Return the receipt of a job that is computed here, and its weights."""
    from companion.machine import device_line, versions
    from companion.pieces.plain import plain_result

    started = datetime.now(UTC)
    returned = _function(job["function"])(**job["arguments"], **_passed(job))
    result, weights = plain_result(job["id"], returned)
    if job["device"] == "cuda":
        sys.modules["torch"].cuda.synchronize()
    tries.end()
    receipt = {
        "schema": 1,
        **{name: job[name] for name in ("id", "key", "function", "code", "arguments", "data")},
        "needs": {name: need["key"] for name, need in job["needs"].items()},
        "result": result,
        "weights": None,
        "device": _device(job["device"], job["threads"]),
        "machine": device_line("cpu", job["threads"]),
        "versions": versions(),
        "commit": job["commit"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(tries.seconds, 2),
        "tries": tries.count,
        "peak_mib": round(_peak() / 2**20, 1),
        "peak_device_mib": _peak_device(job["device"]),
    }
    return receipt, weights


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _passed(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the function takes besides its arguments: device, checkpoint folder, what it needs."""
    known = inspect.signature(_function(job["function"])).parameters
    found: dict[str, Any] = {}
    if "device" in known:
        found["device"] = job["device"]
    if "checkpoint" in known:
        found["checkpoint"] = Path(job["work"]) / "checkpoint"
        found["checkpoint"].mkdir(parents=True, exist_ok=True)
    if "given" in known:
        found["given"] = {name: _given(need) for name, need in job["needs"].items()}
    return found


def _given(need: Mapping[str, Any]) -> dict[str, Any]:
    from companion.pieces.receipts import read_receipt
    from companion.pieces.weights import read_weights

    receipt = read_receipt(Path(need["receipt"]), need["key"])
    weights = {} if receipt.weights_file is None else {"weights": read_weights(receipt.weights_file)}
    return {"result": receipt.result, **weights}


def _device(kind: str, threads: int) -> dict[str, str]:
    from companion.machine import device_line

    if kind == "cuda":
        return {"kind": kind, "name": str(sys.modules["torch"].cuda.get_device_name())}
    return {"kind": kind, "name": device_line("cpu", threads)}


def _peak() -> int:
    """Return the most bytes of memory that this process or one that it waited for has held."""
    whole = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return whole if sys.platform == "darwin" else whole * 1024


def _peak_device(kind: str) -> float | None:
    if kind != "cuda":
        return None
    return round(sys.modules["torch"].cuda.max_memory_allocated() / 2**20, 1)


def _write(folder: Path, receipt: dict[str, Any], weights: Mapping[str, Any] | None) -> None:
    from companion.pieces.files import write_whole
    from companion.pieces.weights import described, write_weights

    if weights:
        path = folder / "weights.safetensors"
        write_weights(path, weights)
        receipt["weights"] = described(path)
    write_whole(folder / "receipt.json", (json.dumps(receipt, indent=1, allow_nan=False) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
