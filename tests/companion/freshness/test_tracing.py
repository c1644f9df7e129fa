"""Executed lines: every kind of process counts, compiled code does not."""

import os
import subprocess
import sys

import pytest

from companion.errors import RunError
from companion.freshness.tracing import environment, executed

PROGRAM = """
import multiprocessing as mp, os, subprocess, sys, threading, warnings
from concurrent.futures import ProcessPoolExecutor
from contdepth import work
warnings.simplefilter("ignore")
if __name__ == "__main__":
    for name in ("fork", "spawn"):
        with ProcessPoolExecutor(1, mp.get_context(name)) as pool:
            list(pool.map(getattr(work, name), [1]))
    thread = threading.Thread(target=work.thread, args=(1,))
    thread.start(), thread.join()
    if (child := os.fork()) == 0:
        work.bare(1)
        os._exit(0)
    os.waitpid(child, 0)
    subprocess.run([sys.executable, "-c", "from contdepth.work import other; other(1)"], check=True)
    work.compiled(1.0)
"""
WORK = "from numba import njit\n" + "".join(
    f"{'@njit' if name == 'compiled' else ''}\ndef {name}(x):\n    return x + 1\n"
    for name in ("fork", "spawn", "thread", "bare", "other", "never", "compiled")
)


def test_lines_of_every_kind_of_process_count_and_compiled_ones_do_not(tmp_path):
    pytest.importorskip("numba")
    library, lines = tmp_path / "lib/contdepth", tmp_path / "lines"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("")
    (library / "work.py").write_text(WORK)
    (tmp_path / "program.py").write_text(PROGRAM)
    settings = {"PYTHONPATH": str(tmp_path / "lib"), **environment(lines, library)}
    with pytest.raises(RunError, match="found none"):
        executed(lines, library)
    subprocess.run([sys.executable, tmp_path / "program.py"], env={**os.environ, **settings}, check=True)
    found = executed(lines, library)["contdepth/work.py"]
    text = WORK.splitlines()
    ran = {text[number - 2] for number in found if text[number - 1].startswith("    return")}
    assert ran == {f"def {name}(x):" for name in ("fork", "spawn", "thread", "bare", "other")}
