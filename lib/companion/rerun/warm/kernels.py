"""Kernels that start with their packages imported: forked from one process, by a kernelspec of this module.

What pages import from other packages is imported once, when the first kernel is asked for, and each kernel is a
fork of that process. The code under test is imported by the kernel itself. A warm kernel computes and prints what
a cold one does, but it cannot show

- that a package, or a part of one such as ``scipy.special``, is used and was not imported: another had done it;
- a warning that an import gives, where a page or a user's start-up file asks for those that are silent by default;
- what depends on the seed of ``hash`` (one for all kernels of a server), on the depth of the stack (three frames
  more), or on the memory of a process that imports no more than it uses.

A cold run shows these.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from companion.text import write_text

__all__ = ["PRELOADED", "WarmKernels", "warm_kernels"]

PRELOADED = (
    "ipykernel.kernelapp",
    "yaml",
    "jsonschema",  # every page
    "torch",
    "matplotlib.pyplot",
    "scipy.optimize",
    "scipy.integrate",  # every page, or all but one
    "sklearn.datasets",
    "sympy",
    "torchdiffeq",
    "safetensors.torch",  # 16, 10, 7 and 7 of 34 pages, or more
    "torch._dynamo",  # imported where an optimiser is made
)
"""What the kernels of the pages import, as measured. Numba, PySINDy, BM3D and scikit-image are for few pages each,
which import them themselves."""


class WarmKernels:
    """A server of warm kernels and its kernelspec, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, modules: Sequence[str] = PRELOADED
    ) -> None:
        """``folder`` stands in ``JUPYTER_PATH`` when kernels are started; ``environment`` holds all variables that
        they will have, as a rule those of this process. A kernel with other numbers of threads starts cold.
        """
        self.folder, self.modules = folder, modules
        self.environment = dict(os.environ if environment is None else environment)
        self.name = f"warm-{os.getpid()}"
        self.process: subprocess.Popen | None = None
        self._kept = contextlib.ExitStack()

    @property
    def log(self) -> Path:
        """The file with one line for each kernel: ``warm`` and its process, or ``cold`` and why."""
        return self.folder / "kernels" / self.name / "log.txt"

    def start(self) -> str | None:
        """Write the kernelspec, start the server, which imports nothing before the first kernel, and return the
        kernel's name; None where kernels cannot be forked.
        """
        if sys.platform != "linux":
            return None
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            os.close(os.pidfd_open(os.getpid()))
            address = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="companion-"))) / "socket"
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, self.log.open("w") as log:
                listener.bind(str(address))
                listener.listen(64)
                self.process = subprocess.Popen(
                    [
                        sys.executable,
                        _beside("server.py"),
                        str(listener.fileno()),
                        str(os.getpid()),
                        *self.modules,
                    ],
                    env={name: value for name, value in self.environment.items() if name not in LEFT_OUT},
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                )
            argv = [sys.executable, "-I", "-S", _beside("launch.py"), str(address), "-f", "{connection_file}"]
            spec = {
                "argv": argv,
                "display_name": "Python 3 (warm)",
                "language": "python",
                "metadata": {"debugger": True},
            }
            write_text(self.log.with_name("kernel.json"), json.dumps(spec))
            self._kept = stack.pop_all()
            return self.name
        self.stop()
        return None

    def stop(self) -> None:
        """End the server, and with it every kernel that still runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None
        self._kept.close()


LEFT_OUT = ("PYTHONPATH", "MPLBACKEND", "JPY_PARENT_PID")
"""Variables that the server does without and its kernels get: it must find third-party packages only."""


def _beside(name: str) -> str:
    return str(Path(__file__).resolve().with_name(name))


@contextlib.contextmanager
def warm_kernels(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[str | None]:
    """Yield the name of the warm kernel, whose spec is written below ``folder``, or None; end the server at exit.

    The arguments are those of :class:`WarmKernels`.
    """
    kernels = WarmKernels(folder, environment)
    try:
        yield kernels.start()
    finally:
        kernels.stop()
