"""Moment matrices: which derivative a filter approximates, how accurately, and the filter with given moments.

The correlation (q * u)(x) = sum_k q[k] u(x + k dx) has the Taylor series sum_b M(q)_b dx^b d^b u(x) with the
moments M(q)_b = sum_k q[k] prod_i k_i^b_i / b_i!, where k_i = -(N-1)/2, ..., (N-1)/2 and b runs over
multi-indices. Division by dx^a gives the derivative d^a u to accuracy r when M_a = 1 and every other moment
of total order up to |a| + r - 1 vanishes (PDE-Net, arXiv 1710.09668, section 2; PDE-Net 2.0, arXiv
1812.04426).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from contdepth import checks

__all__ = [
    "accuracy_order",
    "best_accuracy",
    "derivatives",
    "filter_from_moments",
    "finite_difference",
    "fixed_moments",
    "moment_matrix",
    "multi_index",
    "sum_rules",
]

LARGEST = 99
"""Largest order of a derivative and width of a filter: moments of more points have no digits left."""


def derivatives(order: int, dim: int) -> list[tuple[int, ...]]:
    """All multi-indices of total order <= ``order`` in 1 to 3 dimensions: by order, x before y before z.

    ``derivatives(2, 2)`` is (0,0), (1,0), (0,1), (2,0), (1,1), (0,2). Raises ``TypeError`` or ``ValueError``
    for an ``order`` that is no integer >= 0 and a ``dim`` outside 1, 2, 3.
    """
    order, dim = checks.integer("order", order, at_least=0, at_most=LARGEST), _dimension(dim)
    found = [a for a in itertools.product(range(order + 1), repeat=dim) if sum(a) <= order]
    return sorted(found, key=lambda a: (sum(a), *(-i for i in a)))


def multi_index(argument: str, value: Iterable[int], dim: int | None = None) -> tuple[int, ...]:
    """Return ``value`` as a tuple of 1 to 3 integers >= 0 (exactly ``dim`` of them where given), or raise."""
    if dim is not None:
        dim = _dimension(dim)
    try:
        alpha = tuple(value)
    except TypeError:
        checks.fail(argument, "a multi-index such as (1, 0)", repr(value), error=TypeError)
    for entry in alpha:
        checks.integer(f"{argument} entry", entry, at_least=0)
    if len(alpha) not in ((1, 2, 3) if dim is None else (dim,)):
        count = "1 to 3" if dim is None else dim
        checks.fail(argument, f"{count} entries, one per space dimension", repr(alpha))
    return tuple(int(entry) for entry in alpha)


def moment_matrix(q: Tensor, dim: int | None = None) -> Tensor:
    """Moments M(q)_b, b_i = 0, ..., N-1, of the filters ``q`` (*batch, N, ...), in the same shape.

    The filters lie in the last ``dim`` axes, all of them unless given, so a batch needs ``dim``. Raises
    ``TypeError`` or ``ValueError`` for a tensor that is not floating-point and filter axes that are not
    equal, odd and >= 3.
    """
    return _along_axes(q, "q", dim, _powers)


def filter_from_moments(m: Tensor, dim: int | None = None) -> Tensor:
    """The filters with the moments ``m`` (*batch, N, ...): the inverse of ``moment_matrix``, errors alike."""
    return _along_axes(m, "m", dim, _inverse_powers)


def finite_difference(size: int, alpha: Iterable[int], *, dtype: torch.dtype = torch.float64) -> Tensor:
    """The frozen filter (size,)*dim for the derivative ``alpha``: M_alpha = 1, all other moments zero.

    It is the product of the central differences of highest accuracy on ``size`` points (the identity for
    order 0). Raises ``ValueError`` where ``size`` points cannot hold the derivative.
    """
    checks.instance("dtype", dtype, torch.dtype)
    size, alpha = _size(size), multi_index("alpha", alpha)
    _holds(size, alpha)
    q = torch.ones((), dtype=torch.float64)
    for a in alpha:
        q = q[..., None] * _inverse_powers(size)[:, a]
    return q.to(dtype)


def best_accuracy(size: int, alpha: Iterable[int]) -> float:
    """The largest accuracy order of the derivative ``alpha`` on ``size`` points an axis; inf for order 0.

    Moments of order m >= N along an axis are no free parameters: they are combinations of the lower moments
    of the same parity. M_alpha = 1 forces the first of them away from zero: m = N for odd alpha_i, N + 1 for
    even alpha_i > 0.
    """
    size, alpha = _size(size), multi_index("alpha", alpha)
    _holds(size, alpha)
    return min((size + (a + 1) % 2 - a for a in alpha if a), default=math.inf)


def fixed_moments(size: int, alpha: Iterable[int], accuracy: int) -> Tensor:
    """Bool mask (size,)*dim of the moments fixed for the derivative ``alpha`` at order ``accuracy`` >= 1.

    True where |b| <= |alpha| + accuracy - 1 (the paper's total sum rules of order K minus {|alpha| + 1}, with
    K = |alpha| + accuracy); False marks the free moments. Raises ``ValueError`` where ``size`` points cannot
    hold the derivative or reach the accuracy, naming the best that they reach.
    """
    size, alpha = _size(size), multi_index("alpha", alpha)
    accuracy, best = checks.integer("accuracy", accuracy, at_least=1), best_accuracy(size, alpha)
    if accuracy > best:
        checks.fail(
            "accuracy",
            f"at most {best} for the derivative {alpha} on {size} points",
            accuracy,
            "take a larger size (odd) or a lower accuracy",
        )
    grid = torch.meshgrid(*[torch.arange(size)] * len(alpha), indexing="ij")
    return sum(grid) <= sum(alpha) + accuracy - 1  # type: ignore[return-value]


def sum_rules(q: Tensor, alpha: Iterable[int], accuracy: int = 1, *, tolerance: float = 1e-10) -> bool:
    """Whether ``q`` (N, ...) has the moments fixed for ``alpha`` and ``accuracy``, up to ``tolerance``."""
    checks.real("tolerance", tolerance, above=0)
    alpha = multi_index("alpha", alpha, checks.tensor("q", q).ndim)
    moments, mask = moment_matrix(q.detach()), fixed_moments(q.shape[0], alpha, accuracy)
    moments[alpha] -= 1
    return bool(moments[mask.to(q.device)].abs().max() <= tolerance)


def accuracy_order(q: Tensor, alpha: Iterable[int], *, tolerance: float = 1e-10) -> float:
    """The order r of (q * u) / dx^alpha = d^alpha u + O(dx^r), from the moments of ``q`` (N, ...) alone.

    It counts dependent moments (order >= N along an axis) too. Zero or negative: no approximation of the
    derivative; inf: exact (the identity). A moment counts as zero up to ``tolerance`` times the sum of the
    sizes of its terms (at least 1). Raises ``TypeError`` or ``ValueError`` as ``moment_matrix`` does.
    """
    checks.real("tolerance", tolerance, above=0)
    size = _sizes("q", checks.floating("q", q), q.ndim)
    alpha = multi_index("alpha", alpha, q.ndim)
    _holds(size, alpha)
    last = max(q.ndim * (size - 1), sum(alpha) + size + 1)
    rows = torch.stack([_power(size, b) for b in range(last + 1)])
    value, weight = q.detach().double().cpu(), q.detach().double().cpu().abs()
    for _ in range(q.ndim):
        value = torch.tensordot(value, rows, dims=([0], [1]))
        weight = torch.tensordot(weight, rows.abs(), dims=([0], [1]))
    value[alpha] -= 1
    wrong = (value.abs() > tolerance * weight.clamp(min=1)).nonzero().sum(1)
    wrong = wrong[wrong <= last]
    return int(wrong.min()) - sum(alpha) if len(wrong) else math.inf


def _power(size: int, b: int) -> Tensor:
    """k^b / b! at the ``size`` points k."""
    points = range(-(size // 2), size // 2 + 1)
    return torch.tensor([k**b / math.factorial(b) for k in points], dtype=torch.float64)


@lru_cache
@torch.inference_mode(False)
def _powers(size: int) -> Tensor:
    """The matrix A[b, k] = k^b / b!, b = 0, ..., N-1, which maps filters to moments along one axis."""
    return torch.stack([_power(size, b) for b in range(size)])


@lru_cache
@torch.inference_mode(False)
def _inverse_powers(size: int) -> Tensor:
    """The inverse of ``_powers``, in rational arithmetic: b! times the coefficients of Lagrange's basis."""
    points = range(-(size // 2), size // 2 + 1)
    rows = []
    for k in points:
        line = [Fraction(1)]
        for j in points:
            if j != k:
                shifted, kept = [Fraction(0), *line], [*line, Fraction(0)]
                line = [(s - j * c) / (k - j) for s, c in zip(shifted, kept, strict=True)]
        rows.append([float(c * math.factorial(b)) for b, c in enumerate(line)])
    return torch.tensor(rows, dtype=torch.float64)


@lru_cache
@torch.inference_mode(False)
def _placed(matrix: Callable[[int], Tensor], size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """``matrix(size)`` on a device, moved there once."""
    return matrix(size).to(device, dtype)


def _along_axes(value: Tensor, argument: str, dim: int | None, matrix: Callable[[int], Tensor]) -> Tensor:
    """Apply ``matrix(size)`` along each of the last ``dim`` axes."""
    checks.floating(argument, value)
    dim = _dimension(value.ndim if dim is None else dim)
    factor = _placed(matrix, _sizes(argument, value, dim), value.device, value.dtype)
    for axis in range(value.ndim - dim, value.ndim):
        value = torch.movedim(torch.movedim(value, axis, -1) @ factor.T, -1, axis)
    return value


def _dimension(dim: int) -> int:
    return checks.integer("dim", dim, at_least=1, at_most=3, hint="give dim= for a batch of filters")


def _size(size: int) -> int:
    size = checks.integer("size", size, at_least=3, at_most=LARGEST)
    return size if size % 2 else checks.fail("size", "an odd number of points", size)


def _sizes(argument: str, value: Tensor, dim: int) -> int:
    shape = tuple(value.shape[-dim:])
    if not 1 <= dim <= 3 or value.ndim < dim or len(set(shape)) != 1 or shape[0] < 3 or shape[0] % 2 == 0:
        checks.fail(argument, f"{dim} filter axes of one odd size >= 3", f"shape {tuple(value.shape)}")
    return shape[0]


def _holds(size: int, alpha: tuple[int, ...]) -> None:
    if max(alpha) > size - 1:
        least = max(alpha) + 1 + max(alpha) % 2
        checks.fail("size", f"at least {least} points for the derivative {alpha}", size)
