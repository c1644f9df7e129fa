"""L-BFGS with a backtracking line search, on a function whose value and gradient may be inexact."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["lbfgs"]


def lbfgs(
    value: Callable[[Tensor], float],
    gradient: Callable[[Tensor], tuple[float, Tensor]],
    x: Tensor,
    steps: int,
    *,
    memory: int = 10,
    halvings: int = 15,
    slope: float = 1e-4,
) -> tuple[Tensor, list[float]]:
    """Minimise from ``x`` ``(n,)``; the point after ``steps`` steps, and the values (steps + 1,) on the way.

    The first trial of each step is 1; it is halved until the value is ``slope`` times its slope lower (Armijo),
    ``halvings`` - 1 times at most. Pairs with s·y <= 1e-12 ‖s‖‖y‖ are not remembered. The matrix to begin with is
    s·y/y·y of the last pair, or the inverse of the gradient's norm where there is none.
    """
    pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=memory)
    at, g = gradient(x)
    values = [at]
    for _ in range(steps):
        way = direction(g, pairs)
        fall, length = float(g @ way), 1.0
        for turn in range(halvings):
            if value(x - length * way) <= at - slope * length * fall or turn == halvings - 1:
                break
            length /= 2
        new = x - length * way
        at, g_new = gradient(new)
        s, y = new - x, g_new - g
        if float(s @ y) > 1e-12 * float(s.norm() * y.norm()):
            pairs.append((s, y, 1 / float(s @ y)))
        x, g = new, g_new
        values.append(at)
    return x, values


def direction(g: Tensor, pairs: deque[tuple[Tensor, Tensor, float]]) -> Tensor:
    """The inverse Hessian's approximation times ``g``: the two-loop recursion of Nocedal 1980."""
    way, alphas = g.clone(), []
    for s, y, rho in reversed(pairs):
        alphas.append(rho * float(s @ way))
        way -= alphas[-1] * y
    if pairs:
        s, y, rho = pairs[-1]
        way /= rho * float(y @ y)
    else:
        way /= torch.linalg.vector_norm(way).clamp(min=1e-300)
    for (s, y, rho), alpha in zip(pairs, reversed(alphas), strict=True):
        way += (alpha - rho * float(y @ way)) * s
    return way
