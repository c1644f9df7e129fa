"""``contdepth.parallel.run_all`` under the name that the room offers."""

from __future__ import annotations

from contdepth.parallel import run_all

__all__ = ["run_all"]
