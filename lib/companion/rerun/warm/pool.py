"""The warm kernels of one pytest process: one server for each number of threads, ended with the process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from companion.machine import THREADS
from companion.rerun.warm.kernels import WarmKernels

__all__ = ["cool_down", "warm_kernel"]

_SERVERS: pytest.StashKey[dict[str, tuple[WarmKernels, tempfile.TemporaryDirectory]]] = pytest.StashKey()


def warm_kernel(config: pytest.Config) -> str | None:
    """Return the name of a warm kernel that fits this process's environment, after putting its spec into
    ``JUPYTER_PATH``; None with ``--cold``, or where kernels cannot be forked.
    """
    if config.getoption("cold"):
        return None
    servers = config.stash.setdefault(_SERVERS, {})
    threads = " ".join(os.environ.get(name, "") for name in THREADS)
    if threads not in servers:
        folder = tempfile.TemporaryDirectory(prefix="companion-warm-")
        kernels = WarmKernels(Path(folder.name))
        kernels.start()
        servers[threads] = kernels, folder
    kernels, folder = servers[threads]
    os.environ["JUPYTER_PATH"] = os.pathsep.join([folder.name, os.environ.get("JUPYTER_PATH", "")])
    return kernels.name if kernels.process else None


def cool_down(config: pytest.Config) -> None:
    """End the servers of this process."""
    for kernels, folder in config.stash.get(_SERVERS, {}).values():
        kernels.stop()
        folder.cleanup()
