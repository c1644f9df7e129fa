"""A reference for equations whose driver depends on u alone, in any dimension: multilevel Picard iteration."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from contdepth import checks, seeds
from contdepth.control import BSDE

__all__ = ["picard_estimates"]


def _estimate(problem: BSDE, level: int, base: int, t: Tensor, x: Tensor, source: torch.Generator) -> Tensor:
    """One multilevel Picard estimate of u for each of the points ``x`` (n, d), times ``t`` (n,); 0 at level 0."""
    if level == 0:
        return torch.zeros_like(t)

    def moved(count: int, span: Tensor) -> Tensor:
        shape, root = (len(t), count, x.shape[1]), problem.volatility * span.sqrt()
        drawn = torch.randn(shape, generator=source, dtype=x.dtype)
        return x[:, None] + root[..., None] * drawn

    left, nothing = (problem.horizon - t)[:, None], torch.zeros(1, dtype=x.dtype)
    count = base**level
    u = problem.terminal(moved(count, left.expand(-1, count))).mean(1)
    u = u + left[:, 0] * problem.driver(nothing, nothing)
    for k in range(1, level):
        count = base ** (level - k)
        span = left * torch.rand(len(t), count, generator=source, dtype=x.dtype)
        there, then = moved(count, span).flatten(0, 1), (t[:, None] + span).flatten()
        fine = _estimate(problem, k, base, then, there, source)
        coarse = _estimate(problem, k - 1, base, then, there, source)
        gap = problem.driver(fine, nothing) - problem.driver(coarse, nothing)
        u = u + left[:, 0] * gap.view(len(t), count).mean(1)
    return u


def picard_estimates(problem: BSDE, level: int, base: int, count: int, seed: int = 0) -> np.ndarray:
    """Return ``count`` independent estimates of u(0, 0) by E, Hutzenthaler, Jentzen, Kruse's multilevel Picard.

    U_n = (mean of g over M^n ends) + Σ_{k<n} T (mean over M^{n-k} times of f(U_k) - f(U_{k-1})), U_0 = 0, with
    M = ``base`` and random times; all ends and times are drawn anew. Their mean has the bias of n sweeps of
    Picard's iteration, of the size (LT)ⁿ/n! of the first error with L the Lipschitz constant of f, and of noise
    within f, of the order 1/M.

    Raises:
        TypeError, ValueError: no problem, or a number outside its range.
    """
    checks.instance("problem", problem, BSDE)
    n = checks.integer("level", level, at_least=1, at_most=8)
    checks.integer("base", base, at_least=1)
    checks.integer("count", count, at_least=1)
    source, found = seeds.generator(seed, "picard"), []
    start = torch.zeros(1, problem.dim, dtype=torch.float64)
    for _ in range(count):
        found.append(float(_estimate(problem, n, base, start[:, 0], start, source)))
    return np.array(found)
