"""Reference trajectories of many starts, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.problems import reference
from contdepth.schemes.base import Field

__all__ = ["simulate"]


def simulate(f: Field, starts: Tensor, times: Tensor, *, tolerance: float = 1e-11) -> Tensor:
    """Return the states ``(N + 1, ..., d)`` float64 at ``times`` from ``starts`` ``(..., d)`` at the first.

    By SciPy's DOP853 with common steps for all starts, as of ``problems.reference``; the result is where
    ``starts`` are. f is given states in float64.

    Args:
        f: right-hand side f(t, u), such as the ``field`` of a system.
        starts: states at ``times[0]``.
        times: ``(N + 1,)``, increasing.
        tolerance: relative tolerance; the absolute one is a tenth of it.

    Raises:
        TypeError, ValueError: a wrong argument.
        RuntimeError: DOP853 does not reach the end, as where bodies meet.
    """
    checks.finite("starts", checks.reals("starts", starts))
    if starts.numel() == 0 or starts.ndim < 1:
        checks.fail("starts", "states (..., d), at least one", f"shape {tuple(starts.shape)}")
    checks.finite("times", checks.reals("times", times, ndim=1))
    if len(times) < 2 or not bool((times.diff() > 0).all()):
        checks.fail("times", "at least two, increasing", times.tolist())
    checks.affordable("times", len(times), starts.numel())
    if not callable(f):
        checks.fail("f", "a function of (t, u)", type(f).__name__, error=TypeError)
    begin, shape = times[0].double(), starts.shape

    def flat(t: Tensor, u: Tensor) -> Tensor:
        rate = checks.tensor("f(t, u)", f(begin.to(t.device) + t, u.reshape(shape)))
        return checks.same_shape("f(t, u)", rate, tuple(shape)).reshape(-1)

    found = reference(flat, starts.double().reshape(-1), times.double() - begin, tolerance=tolerance)
    return found.reshape(len(times), *shape).to(starts.device, torch.float64)
