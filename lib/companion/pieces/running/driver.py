"""The process that speaks to Parsl: ``python -m companion.pieces.running.driver FILE FOLDER``.

It reads jobs from stdin and writes outcomes to stdout, as JSON lines, and ends when stdin does. It is apart from
the command so that it can be ended whatever Parsl waits for.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from companion.errors import CompanionError

__all__ = ["load_config", "main", "offers"]


def main(file: str, folder: str) -> int:
    """Load the configuration, say what it offers, and pass jobs on until stdin ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not break the lines
    lock = threading.Lock()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command says when to end

    def say(**told: Any) -> None:
        with lock:
            print(json.dumps(told), file=out, flush=True)

    try:
        config = load_config(Path(file), Path(folder))
        kernel, app = _started(config)
    except CompanionError as error:
        say(error=str(error))
        return 2
    except Exception as error:
        say(error=f"--on {file}: expected that Parsl starts with it, found {type(error).__name__}: {error}")
        return 2
    say(**offers(config))
    for line in sys.stdin:
        told = json.loads(line)

        def ended(future: Future[dict[str, Any]], number: int = told["number"]) -> None:
            error = future.exception()
            said = {"error": f"{type(error).__name__}: {error}"} if error is not None else future.result()
            say(number=number, **{"outcome" if error is None else "lost": said})

        app(told["job"]).add_done_callback(ended)
    kernel.cleanup()
    return 0


def load_config(file: Path, folder: Path) -> Any:
    """Return ``config`` of the Python file ``file``, set to keep its files in ``folder``.

    While the file is read, looking for this machine's address by asking a server is an error: Parsl does so for an
    executor that is made without one. Raises :class:`CompanionError` where that, or ``config``, is missing.
    """
    import parsl
    import parsl.addresses
    import parsl.executors.high_throughput.executor as executor

    def refuse(*arguments: object, **options: object) -> Any:
        raise CompanionError(
            f'--on {file}: expected an address for each executor (address="127.0.0.1" for this one), found none, '
            "with which Parsl asks a public server for it"
        )

    before = parsl.addresses.address_by_query, executor.get_all_addresses
    parsl.addresses.address_by_query = executor.get_all_addresses = refuse
    try:
        config = runpy.run_path(str(file)).get("config")
    except CompanionError:
        raise
    except (Exception, SystemExit) as error:
        raise CompanionError(
            f"--on {file}: expected a file that can be run, found {type(error).__name__}: {error}"
        ) from None
    finally:
        parsl.addresses.address_by_query, executor.get_all_addresses = before
    if not isinstance(config, parsl.Config):
        raise CompanionError(f"--on {file}: expected config, a parsl.Config, found {type(config).__name__}")
    config.run_dir, config.usage_tracking = str(folder), 0
    config.retries = max(1, config.retries)  # a lost worker is no failure of the piece
    return config


def _started(config: Any) -> tuple[Any, Any]:
    """Return Parsl's kernel and the function that submits a job."""
    import parsl

    from companion.pieces.running.remote import do

    kernel = parsl.load(config)
    return kernel, parsl.python_app(do, data_flow_kernel=kernel, cache=False)


def offers(config: Any) -> dict[str, Any]:
    """Return how many pieces at a time the executors take at most, and the threads for each."""
    slots, threads = 0, 1
    for executor in config.executors:
        provider = getattr(executor, "provider", None)
        blocks = getattr(provider, "max_blocks", 1) * getattr(provider, "nodes_per_block", 1)
        slots += max(1, blocks) * max(1, int(getattr(executor, "workers_per_node", 1)))
        threads = max(threads, int(getattr(executor, "cores_per_worker", 1)))
    return {"slots": slots, "threads": threads}


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # threads of Parsl may still wait
