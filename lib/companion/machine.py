"""What a record says of the machine: processors, versions, the state of the checkout."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from companion import git
from companion.errors import CompanionError

__all__ = ["THREADS", "cores", "device_line", "git_state", "threads", "threads_of", "versions"]

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that tell numerical libraries how many threads to use."""
INSTRUCTIONS = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512 BF16",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "avx": "AVX",
}
"""Flags of a processor to their names, the widest first."""
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "torchdiffeq",
    "matplotlib",
    "contdepth",
    "numba",
    "sympy",
    "scikit-learn",
    "scikit-image",
    "PyWavelets",
    "pysindy",
    "bm3d",
)
"""Packages whose versions a record names: those that numbers or figures come from."""


CHANGES = ("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none", "--", "lib", "book")
"""How git is asked for local changes, whatever the user's settings leave out."""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Return how many threads numerical libraries use: ``OMP_NUM_THREADS``, else one for each processor."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) else cores()


def device_line(device: str = "cpu", count: int | None = None) -> str:
    """Return the device in words: ``cpu, 2 threads, <model>, family <n> model <n>, <instructions>``, or
    ``cuda, <model>`` where ``device`` says cuda; ``count`` is the number of threads if not :func:`threads`.

    Behind it stands what ``OPENBLAS_CORETYPE`` makes OpenBLAS take the processor for: two machines of one line
    compute the same bits.
    """
    if device.startswith("cuda"):
        return f"cuda, {_gpu_model()}"
    count = count or threads()
    blas = os.environ.get("OPENBLAS_CORETYPE")
    parts = [_cpu_model(), _generation(), _instructions(), f"OpenBLAS for {blas}" if blas else ""]
    return ", ".join([f"cpu, {count} thread{'s' if count > 1 else ''}", *filter(None, parts)])


def threads_of(line: str) -> int | None:
    """Return how many threads a device line names; None for a GPU."""
    found = re.match(r"cpu, (\d+) thread", line)
    return int(found[1]) if found else None


def _instructions() -> str:
    """Return the widest vector instructions of the processor that numerical libraries choose their code by: models
    of one name may differ in them.
    """
    flags = _cpuinfo("flags").split()
    return next((words for flag, words in INSTRUCTIONS.items() if flag in flags), "")


def _generation() -> str:
    """Return family and model of the processor: clouds call several generations by one name."""
    family, model = _cpuinfo("cpu family"), _cpuinfo("model")
    return f"family {family} model {model}" if family and model else ""


@cache
def _cpuinfo(key: str) -> str:
    """Return what Linux says of the first processor under ``key``; an empty string where it says nothing."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    told = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in told if name.strip() == key), "")


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine() or "unknown model"


@cache
def _gpu_model() -> str:
    try:
        answer = (
            subprocess.run(
                ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
            .stdout.split("\n")[0]
            .strip()
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown model"
    return answer or "unknown model"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the numerical packages that are installed, looked at once."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(root: Path) -> tuple[str, bool]:
    """Return the checkout's commit and whether ``lib/`` or ``book/`` differ from it; ``("unknown", True)``
    without git, and where ``root`` is no repository of its own.
    """
    try:
        commit = git.ask(root, "rev-parse", "--verify", "HEAD").decode().strip()
        return commit, bool(git.ask(root, *CHANGES).strip())
    except CompanionError:
        return "unknown", True
