"""What a page's kernel is given: this very interpreter, this checkout, and nothing of the user's own: no start-up
files, no settings, no styles; it needs no home that can be written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from companion.errors import RunError

__all__ = ["kernel_environment", "own_interpreter", "prepared"]


def kernel_environment(root: Path, scratch: Path, checkpoints: Path) -> dict[str, str | None]:
    """Return the variables of a kernel, None for one that is to be unset, after writing its kernelspec into the
    folder ``scratch``.
    """
    folder = scratch / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}), encoding="utf-8"
    )
    inherited = os.environ.get("JUPYTER_PATH")
    return {
        "JUPYTER_PATH": os.pathsep.join([str(scratch), *([inherited] if inherited else [])]),
        "IPYTHONDIR": str(scratch / "ipython"),
        "COMPANION_ROOT": str(root),
        "COMPANION_RUN": "1",
        "COMPANION_CHECKPOINTS": str(checkpoints),
        "PYTHONSTARTUP": None,
        "PYTHONOPTIMIZE": None,  # else a page's assertions would say nothing
        **_matplotlib(scratch),
    }


def _matplotlib(scratch: Path) -> dict[str, str | None]:
    """Return the variables by which Matplotlib finds no settings or styles of the user's, and a folder for its
    list of fonts: one below the user's cache, or ``scratch`` where that cannot be written.
    """
    from platformdirs import user_cache_path

    folder = user_cache_path("contdepth-companion") / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        folder = scratch / "matplotlib"
        folder.mkdir(exist_ok=True)
    if not any(folder.glob("fontlist-*.json")):  # in a kernel Matplotlib may say on stderr that this takes long
        command = [sys.executable, "-P", "-c", "import matplotlib.font_manager"]
        environment = {**os.environ, "MPLCONFIGDIR": str(folder)}
        subprocess.run(command, env=environment, capture_output=True, check=False)
    # one folder for all kernels, so that warm ones can be forked; a backend would keep figures out of the notebook
    return {"MPLCONFIGDIR": str(folder), "MATPLOTLIBRC": None, "MPLBACKEND": None}


def prepared(environment: Mapping[str, str | None]) -> dict[str, str | None]:
    """Put the variables into this process's environment, and return what stood there before."""
    before = {name: os.environ.get(name) for name in environment}
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def own_interpreter() -> None:
    """Raise :class:`RunError` where the kernel ``python3`` is another interpreter than this one."""
    from jupyter_client.kernelspec import KernelSpecManager

    chosen = KernelSpecManager().get_kernel_spec("python3").argv[0]
    if chosen != sys.executable:
        raise RunError(f"kernel python3: expected the interpreter {sys.executable}, found {chosen}")
