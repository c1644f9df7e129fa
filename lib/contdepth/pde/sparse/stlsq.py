"""Least squares with sequential thresholds, Brunton, Proctor and Kutz, PNAS 113 (2016), 3932-3937."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["stlsq"]


def stlsq(features: Tensor, rates: Tensor, threshold: float, *, ridge: float = 0.0, rounds: int = 20) -> Tensor:
    """Return coefficients Ξ of Θ Ξ ≈ Ẋ with few entries that are not zero.

    Least squares and setting coefficients below the threshold to zero take turns, for each column of Ẋ by itself,
    until the support stays; then the terms that are left are fitted once more, without ``ridge``.

    Args:
        features: Θ ``(n, m)``, a column for each term.
        rates: Ẋ ``(n, d)``, a column for each equation.
        threshold: least modulus of a coefficient that stays, in the units of Ẋ over those of Θ: columns are not
            scaled, as in the paper.
        ridge: weight of |ξ|² in the rounds, as PySINDy's ``alpha``, whose default is 0.05. The paper has none.
        rounds: at most so many.

    Returns:
        Ξ ``(m, d)``. After the last fit an entry may be below the threshold, as PySINDy's may. Where columns that
        are left depend on each other, the solution of least norm.

    Raises:
        TypeError, ValueError: no floating tensors of one dtype, not finite, unlike lengths; fewer samples than
            terms; threshold or ridge negative.
    """
    theta = checks.finite("features", checks.reals("features", features, ndim=2))
    target = checks.finite("rates", checks.reals("rates", rates, ndim=2, like=theta))
    if len(theta) != len(target):
        checks.fail("rates", f"a row for each of {len(theta)} samples", f"shape {tuple(target.shape)}")
    if len(theta) < theta.shape[1]:
        hint = "take more samples or fewer terms"
        checks.fail("features", f"as many samples as terms, {theta.shape[1]}", len(theta), hint)
    least, weight = checks.real("threshold", threshold, at_least=0), checks.real("ridge", ridge, at_least=0)
    checks.integer("rounds", rounds, at_least=1)
    columns = [_sparse(theta, column, least, weight, rounds) for column in target.T]
    return torch.stack(columns, 1) if columns else theta.new_zeros(theta.shape[1], 0)


def _sparse(theta: Tensor, rate: Tensor, threshold: float, ridge: float, rounds: int) -> Tensor:
    """Coefficients ``(m,)`` of one equation."""
    kept = torch.ones(theta.shape[1], dtype=torch.bool, device=theta.device)
    for _ in range(rounds):
        found = torch.zeros_like(theta[0])
        found[kept] = _fitted(theta[:, kept], rate, ridge)
        big = kept & (found.abs() >= threshold)
        if bool((big == kept).all()):
            break
        kept = big
    found = torch.zeros_like(theta[0])
    found[kept] = _fitted(theta[:, kept], rate, 0.0)
    return found


def _fitted(theta: Tensor, rate: Tensor, ridge: float) -> Tensor:
    """argmin |Θ ξ - ẋ|² + ridge |ξ|² by singular values, which take dependent columns for what they are."""
    if theta.shape[1] == 0:
        return theta.new_zeros(0)
    left, sizes, right = torch.linalg.svd(theta, full_matrices=False)
    least = sizes[0] * max(theta.shape) * torch.finfo(theta.dtype).eps
    weights = torch.where(sizes > least, sizes / (sizes.square() + ridge).clamp_min(least.square()), 0)
    return right.mH @ (weights * (left.mH @ rate))
