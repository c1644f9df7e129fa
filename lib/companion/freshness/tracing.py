"""Which lines of the library a run executes: in its kernel, in threads, in forked, spawned and other processes.

Coverage starts with every Python process whose environment says so, and writes one file of lines a process.
Compiled Numba code runs no Python and so counts as not executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from companion.errors import RunError

__all__ = ["environment", "executed", "seen"]

CONFIGURATION = """[run]
data_file = {folder}/lines
source = {source}
parallel = true
concurrency = thread
core = ctrace
patch =
    _exit
    fork
sigterm = true
disable_warnings =
    already-imported
    couldnt-parse
    include-ignored
    module-not-imported
    module-not-measured
    module-not-python
    no-ctracer
    no-data-collected
    trace-changed
"""


def environment(folder: Path, source: Path) -> dict[str, str]:
    """Return the variables that make every Python process write which lines below ``source`` it executes into
    ``folder``, which is made; raise :class:`RunError` where coverage is not installed.
    """
    if find_spec("coverage") is None:
        raise RunError("coverage: expected it to be installed (pip install -e '.[run]'), found that it is not")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "coverage.ini"
    file.write_text(CONFIGURATION.format(folder=folder, source=source), encoding="utf-8")
    return {
        "COVERAGE_PROCESS_START": str(file),
        "NUMBA_JIT_COVERAGE": "0",  # the default, which an environment may change: compiled is not executed
    }


def executed(folder: Path, source: Path) -> dict[str, frozenset[int]]:
    """Return the executed lines by file, named relative to the folder above ``source``; raise
    :class:`RunError` where ``folder`` tells of none.
    """
    from coverage import CoverageData
    from coverage.exceptions import CoverageException

    found: dict[str, set[int]] = {}
    for path in sorted(folder.glob("lines.*")):
        data = CoverageData(basename=str(path))
        try:
            data.read()
            for file in data.measured_files():
                if Path(file).is_relative_to(source):
                    name = Path(file).relative_to(source.parent).as_posix()
                    found.setdefault(name, set()).update(data.lines(file) or ())
        except CoverageException:
            continue  # of a process that was killed while it wrote
        finally:
            data.close()
    if not any(found.values()):
        raise RunError("coverage: expected lines of the library that the run executed, found none")
    return {name: frozenset(lines) for name, lines in sorted(found.items())}


def seen(lines: Mapping[str, Iterable[int]], path: str, first: int, last: int) -> bool:
    """Tell whether one of the lines ``first`` to ``last`` of ``path`` is among ``lines``."""
    return any(first <= line <= last for line in lines.get(path, ()))
