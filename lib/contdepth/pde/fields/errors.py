"""How far predicted frames are from the true ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from contdepth import checks

if TYPE_CHECKING:
    from contdepth.pde.estimator import Estimator

__all__ = ["prediction_error", "rollout_error"]


def prediction_error(frames: Tensor, truth: Tensor) -> Tensor:
    """Relative L² error ‖u - u*‖ / ‖u* - mean u*‖ of every frame: (B, T, F, *space) twice to (B, T).

    A trajectory that blew up counts as infinite from there on.
    """
    checks.reals("truth", truth)
    checks.same_shape("frames", checks.reals("frames", frames, like=truth), truth.shape)
    if truth.ndim < 4:
        raise ValueError(f"truth: expected frames (B, T, F, *space), found shape {tuple(truth.shape)}")
    wrong = (frames - truth).flatten(2).norm(dim=2)
    mean = truth.flatten(3).mean(3).view(*truth.shape[:3], *[1] * (truth.ndim - 3))
    size = (truth - mean).flatten(2).norm(dim=2)
    return torch.nan_to_num(wrong / size, nan=math.inf, posinf=math.inf)


def rollout_error(model: Estimator, truth: Tensor) -> np.ndarray:
    """``prediction_error`` of what a fitted ``model`` makes of the first frames: (B, T, F, *space) to (B, T)."""
    if not hasattr(model, "rollout"):
        raise TypeError(f"model: expected a fitted estimator, found {type(model).__name__}")
    if checks.reals("truth", truth).ndim < 4:
        raise ValueError(f"truth: expected frames (B, T, F, *space), found shape {tuple(truth.shape)}")
    truth = truth.detach()
    return prediction_error(model.rollout(truth[:, 0], truth.shape[1] - 1), truth).cpu().numpy()
