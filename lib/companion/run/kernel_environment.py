"""What a page's kernel is given: this very interpreter, this checkout, and nothing of the user's own start-up."""

from __future__ import annotations

import json
import os
import sys
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
        "MPLBACKEND": None,  # else figures would not reach the notebook
    }


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
