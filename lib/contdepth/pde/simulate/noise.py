"""Measurement noise: independent Gaussian errors whose size is relative to the data."""

from __future__ import annotations

import numpy as np
import torch

from contdepth import checks
from contdepth.seeds import derive

__all__ = ["add_noise"]


def add_noise(u: torch.Tensor, level: float, *, seed: int = 0, relative_to: str = "std") -> torch.Tensor:
    """``u`` (N, T, F, *space) plus independent Gaussian noise; a new tensor, ``u`` is left alone.

    The standard deviation of the noise is ``level`` times that of u (``relative_to="std"``), as in the official
    codes of both papers, or times the largest |u| ("max", about three times as much for the data sets here).
    Either is taken per trajectory and field over all times and points; the codes take the first frame
    (PDE-Net 1: of the batch).
    """
    checks.floating("u", u)
    if u.ndim < 4:
        checks.fail("u", "trajectories of shape (N, T, F, *space)", f"shape {tuple(u.shape)}")
    if u.numel() == 0:
        raise ValueError(f"u: expected at least one value, found shape {tuple(u.shape)}")
    checks.real("level", level, at_least=0)
    checks.one_of("relative_to", relative_to, ("max", "std"))
    if level == 0:
        return u.clone()
    flat = u.transpose(1, 2).flatten(2)
    size = flat.abs().amax(2) if relative_to == "max" else flat.std(2, correction=0)
    size = size[:, None, :].reshape(u.shape[0], 1, u.shape[2], *(1,) * (u.ndim - 3))
    draws = np.random.default_rng(derive(seed, "measurement noise")).standard_normal(tuple(u.shape))
    return u + level * size * torch.from_numpy(draws).to(u)
