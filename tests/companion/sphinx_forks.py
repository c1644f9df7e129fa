"""Builds of toy books by one process that has imported Sphinx and forks for each of them.

A build of a toy book is two seconds of imports and one of work. ``python sphinx_forks.py`` imports, reads one
request a line (JSON: arguments, folder, environment, files for what is said) and answers with the exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

MODULES = (
    "jupyter_book.cli.main",
    "jupyter_book.config",
    "jupyter_book.sphinx",
    "companion.sphinxext",
    "companion.report.export",
    "companion.run.variations",
    "myst_nb.sphinx_ext",
    "myst_parser.sphinx_ext.main",
    "sphinx_book_theme",
    "sphinx_comments",
    "sphinx_copybutton",
    "sphinx_design.extension",
    "sphinx_external_toc.events",
    "sphinx_jupyterbook_latex",
    "sphinx_multitoc_numbering",
    "sphinx_proof",
    "sphinx_thebe",
    "sphinx_togglebutton",
    "sphinxcontrib.bibtex",
    "pybtex.database.input.bibtex",
    "PIL.PngImagePlugin",
    "jupytext",
    "nbclient",
    "scipy.stats",
    "sqlalchemy.dialects.sqlite",
)
"""What a build imports, with Sphinx's own extensions; it imports by itself what is missing here."""

_lock = threading.Lock()
_server: subprocess.Popen[str] | None = None


def build(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run ``jupyter-book ARGUMENTS`` in a process of its own and return what it said and its exit code.

    Raises:
        RuntimeError: the process that forks is gone.
    """
    with _lock, tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder, name)) for name in ("out", "err")]
        request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ), "files": files}
        server = _started()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        if not answer:
            raise RuntimeError(f"builds: expected a process that forks, found that it ended with {server.wait()}")
        out, err = (Path(file).read_text(encoding="utf-8", errors="replace") for file in files)
        return subprocess.CompletedProcess(arguments, int(answer), out, err)


def _started() -> subprocess.Popen[str]:
    """Return the process that forks, started at the first build; it ends when this process does."""
    global _server
    if _server is None:
        _server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        atexit.register(_server.communicate)  # no more requests: it ends
    return _server


def serve() -> None:
    """Answer requests until the input ends."""
    sys.path[0] = ""  # as for ``python -c``
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for name in (*MODULES, *importlib.import_module("sphinx.application").builtin_extensions):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _build(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _build(request: dict) -> None:
    """Do one request in this process and end it."""
    code = 1
    try:
        for number, path in ((1, request["files"][0]), (2, request["files"][1]), (0, os.devnull)):
            file = os.open(path, os.O_RDWR | os.O_CREAT)
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv = ["jupyter-book", *request["arguments"]]
        from jupyter_book.cli.main import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
