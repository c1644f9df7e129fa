"""One page in one process: ``python -m companion.run.worker`` reads a job from stdin and reports on stdout, as
JSON lines.

The previous run stays as it is until the new notebook and record are complete; then both are put in place by
rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.book.ledger import load_ledger
from companion.book.pages import Page, find_page
from companion.errors import CompanionError, RunError
from companion.evidence.record import Record, extract, seeds_of
from companion.evidence.soundness import notebook_problems
from companion.freshness.fingerprint import fingerprint
from companion.machine import device_line, git_state, versions
from companion.root import carry_path, checkpoints_path, notebook_path, record_path
from companion.run.kernel_environment import kernel_environment, own_interpreter, prepared
from companion.run.tidy import WITHOUT_PICTURES, tidy
from companion.text import write_texts

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = ["main", "run_page"]

Report = Callable[..., None]
SAMPLE_S = 0.2


def main() -> int:
    """Run the job on stdin; return 0 when it is stored, 1 otherwise."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not break the lines
    lock = threading.Lock()

    def report(event: str, **fields: Any) -> None:
        with lock:
            print(json.dumps({"event": event, **fields}), file=out, flush=True)

    job = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        run_page(
            find_page(Path(job["root"]), job["page"]),
            job["profile"],
            job["overrides"],
            Path(job["results"]),
            strict=job["strict"],
            report=report,
        )
    except CompanionError as error:
        report("error", text=str(error))
        return 1
    return 0


def _stop_with_parent() -> None:
    sys.stdin.read()  # ends when the parent is gone
    os.kill(os.getpid(), signal.SIGTERM)


def run_page(
    page: Page, profile: str, overrides: dict[str, Any], results: Path, *, strict: bool, report: Report
) -> Record:
    """Execute ``page`` and store notebook and record below ``results``; raise :class:`RunError` where a cell
    fails.

    With ``strict`` a run that is no evidence (a claim not checked, output on stderr) is an error too and not
    stored.
    """
    ledger = load_ledger(page.root, page.chapter)
    parameters, injected = page.parameters(profile, overrides), page.injected(profile, overrides)
    mark = fingerprint(page, profile, overrides)
    state = git_state(page.root)
    home = page.root if results.resolve() == (page.root / "results").resolve() else results
    checkpoints = checkpoints_path(home, profile, page.chapter, page.name, mark["digest"])
    started, clock = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="companion-") as scratch:
        prepared(kernel_environment(page.root, Path(scratch), checkpoints))
        own_interpreter()
        with _PeakMemory() as memory:
            sockets = Path(scratch) / "socket"
            notebook = _execute(page, profile, injected, report, sockets)
    duration = time.monotonic() - clock
    if fingerprint(page, profile, overrides, mark)["digest"] != mark["digest"]:
        raise RunError(
            f"page {page.id}: expected the page and its library to stay as they were during the run, found them "
            f"changed; run it again"
        )
    tidy(
        notebook,
        page.name,
        page.source.relative_to(page.root).as_posix(),
        profile,
        pictures=profile not in WITHOUT_PICTURES or bool(overrides),
    )
    found = notebook_problems(notebook, page.name, profile, ledger)
    if strict and found:
        raise RunError(f"page {page.id}: expected evidence, found that {'; '.join(found)}")
    checks, values = extract(notebook)

    def record(digest: str) -> Record:
        return Record(
            chapter=page.chapter,
            page=page.name,
            profile=profile,
            parameters=parameters,
            seeds=seeds_of(parameters, checks),
            started=started.isoformat(timespec="seconds"),
            duration_s=round(duration, 2),
            peak_memory_mb=round(memory.peak / 2**20, 1),
            device=device_line("cpu" if page.asked(profile) else str(parameters.get("device", "cpu"))),
            versions=versions(),
            commit=state[0],
            dirty=state[1],
            notebook_sha256=digest,
            fingerprint=mark,
            checks=checks,
            values=values,
        )

    stored = _store(notebook, record, results, profile, page)
    shutil.rmtree(checkpoints, ignore_errors=True)
    report("done", seconds=round(duration, 1), checks=len(checks), memory=stored.peak_memory_mb)
    return stored


def _execute(page: Page, profile: str, injected: dict[str, Any], report: Report, sockets: Path) -> Any:
    """Return the executed notebook; raise :class:`RunError` with cell and traceback where a cell fails."""
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.engines import NBClientEngine, papermill_engines

    source = page.notebook(profile)
    total = sum(cell.cell_type == "code" for cell in source.cells) + bool(injected)
    report("start", cells=total)
    timeout = page.setting(profile).timeout
    deadline = time.monotonic() + timeout if timeout else None
    position, running, failed = 0, source, False
    status: int | None = None

    class Manager(AsyncKernelManager):
        """jupyter_client's manager, taking note of how the kernel ended."""

        async def is_alive(self) -> bool:  # type: ignore[override]
            nonlocal status
            if status is None and self.provisioner is not None:
                status = await self.provisioner.poll()
            return await super().is_alive()

    class Engine(NBClientEngine):
        """papermill's engine, reporting each cell and holding the page as a whole to its time limit."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            nonlocal running
            begin_cell, running = nb_man.cell_start, nb_man.nb

            def cell_start(cell: Any, index: int | None = None, **rest: Any) -> None:
                nonlocal position
                if cell.cell_type == "code":
                    position += 1
                    report("cell", number=position)
                begin_cell(cell, index, **rest)

            nb_man.cell_start = cell_start
            if deadline is not None:
                options["timeout_func"] = lambda cell: max(1, int(deadline - time.monotonic()))
            options["kernel_manager_class"] = Manager
            return super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register("companion", Engine)
    try:
        executed = papermill.execute_notebook(
            source,
            None,
            parameters=injected,
            engine_name="companion",
            kernel_name="python3",
            progress_bar=False,
            cwd=page.source.parent,
            config=_own_sockets(sockets),
        )
    except papermill.PapermillExecutionError:
        executed, failed = running, True
    except CellTimeoutError:
        raise RunError(
            f"page {page.id}, code cell {position} of {total}: expected the page to end within {timeout:g} s, "
            "found it still running"
        ) from None
    except DeadKernelError:
        raise RunError(
            f"page {page.id}, code cell {position} of {total}: expected a live kernel, found that it "
            f"{_end(status)}"
        ) from None
    said = ""
    for number, cell in enumerate([cell for cell in executed.cells if cell.cell_type == "code"], 1):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if errors:  # papermill names the last such cell, and lets SystemExit pass
            position, failed = number, True
            said = f"\n\n{cell.source}\n\n" + "\n".join(errors[0].traceback)
            break
    if failed:
        raise RunError(f"page {page.id}, code cell {position} of {total} failed{said}")
    return executed


def _end(status: int | None) -> str:
    """Return in words how a kernel ended: by a signal, or by itself."""
    if status is None or status == -9:
        return "died (out of memory?)"
    if status < 0:
        return f"died of signal {-status}"
    return f"ended itself with exit code {status}, here or at the end of the cell before"


def _own_sockets(prefix: Path) -> Config:
    """Return the settings that let a kernel listen on files ``prefix-1``, ``prefix-2``, … where that works.

    Free TCP ports are looked up first and bound later: of kernels that start at the same time one may find its
    port taken, and die.
    """
    from traitlets.config import Config

    settings = Config()
    if sys.platform == "linux":
        settings.KernelManager.transport, settings.KernelManager.ip = "ipc", str(prefix)
    return settings


def _store(notebook: Any, record: Callable[[str], Record], results: Path, profile: str, page: Page) -> Record:
    """Write notebook and record beside their places, then rename; the record names the notebook's hash."""
    import nbformat

    nbformat.validate(notebook)
    target = notebook_path(results, profile, page.chapter, page.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = nbformat.writes(notebook) + "\n"
    stored = record(hashlib.sha256(text.encode()).hexdigest())
    write_texts({target: text, record_path(results, profile, page.chapter, page.name): stored.json()})
    carry_path(results, profile, page.chapter, page.name).unlink(missing_ok=True)  # of the run before
    return stored


class _PeakMemory:
    """Sample the resident memory of all child processes while the block runs; ``peak`` is in bytes."""

    def __enter__(self) -> _PeakMemory:
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        import psutil

        this = psutil.Process()
        while not self._end.wait(SAMPLE_S):
            total = 0
            for child in this.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    sys.exit(main())
