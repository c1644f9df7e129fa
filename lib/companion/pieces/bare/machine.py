"""What this machine has, and what a piece said last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from companion.errors import CompanionError

__all__ = ["gpu_count", "gpu_name", "last_line"]

COUNT = "import torch; print(torch.cuda.device_count())"


def gpu_count() -> int:
    """Return how many GPUs PyTorch can use; raise :class:`CompanionError` where there is none."""
    asked = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False)
    if not asked.stdout.strip().isdigit() or not int(asked.stdout):
        raise CompanionError("device: expected a GPU that PyTorch can use, found none; --device cpu goes without")
    return int(asked.stdout)


def gpu_name(number: int) -> str:
    """Return what ``CUDA_VISIBLE_DEVICES`` calls the GPU of this number, among those that it names here."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[number] if number < len(named) else str(number)


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, the end of it."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 4096))
            lines = stream.read().decode(errors="replace").replace("\r", "\n").split("\n")
    except OSError:
        return "says nothing yet"
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "says nothing yet")
