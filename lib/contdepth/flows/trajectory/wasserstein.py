"""Exact Wasserstein distances between two samples of equal size: the best of all assignments."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from contdepth import checks

__all__ = ["wasserstein1", "wasserstein2"]


def wasserstein1(x: Tensor, y: Tensor) -> Tensor:
    """Return W₁ = min over permutations π of the mean of ``|x_i - y_π(i)|``, a number of shape ``()``.

    Both samples are ``(n, d)``, each point of weight 1/n, and the distance is Euclidean. The assignment is found
    on the CPU in O(n³); the result is where ``x`` is and can be differentiated for the assignment found.

    Raises:
        TypeError, ValueError: samples that are not real, finite, of one shape and dtype.
    """
    return _matched(x, y).square().sum(-1).sqrt().mean()


def wasserstein2(x: Tensor, y: Tensor) -> Tensor:
    """Return W₂, the root of the least mean of ``|x_i - y_π(i)|²`` over permutations π, of shape ``()``.

    Otherwise as :func:`wasserstein1`. A flow from ``x`` to ``y`` within T has a kinetic energy ∫|f|² dt of at
    least W₂²/T on average over its points (Benamou & Brenier 2000).

    Raises:
        TypeError, ValueError: samples that are not real, finite, of one shape and dtype.
    """
    return _matched(x, y, power=2).square().sum(-1).mean().sqrt()


def _matched(x: Tensor, y: Tensor, power: int = 1) -> Tensor:
    """Return the differences ``(n, d)`` of matched points, least in the sum of their lengths to the ``power``."""
    checks.finite("x", checks.reals("x", x, ndim=2))
    checks.finite("y", checks.reals("y", y, ndim=2, like=x))
    if x.numel() == 0:
        checks.fail("x", "points (n, d), none of these zero", f"shape {tuple(x.shape)}")
    checks.same_shape("y", y, tuple(x.shape), "as many points as x, of its dimension")
    checks.affordable("x", len(x), len(x), hint="take fewer points")
    there, here = y.detach().to("cpu", torch.float64), x.detach().to("cpu", torch.float64)
    lengths = torch.cdist(here, there, compute_mode="donot_use_mm_for_euclid_dist")
    chosen = linear_sum_assignment(lengths.pow(power).numpy())[1]
    return x - y[torch.from_numpy(chosen).to(y.device)]
