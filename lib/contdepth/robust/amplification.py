"""How much a map stretches a small change of its input: the norm of its Jacobian, and a product that bounds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import vjp

from contdepth import checks
from contdepth.seeds import generator

__all__ = ["amplification_bound", "jacobian_norm"]

Map = Callable[[Tensor], Tensor]


def jacobian_norm(function: Map, x: Tensor, *, iterations: int = 50, seed: int = 0) -> Tensor:
    """Largest singular value of the Jacobian of ``function`` at each vector of ``x`` (..., d) -> (...).

    ``function`` maps (..., d) to (..., m), each vector by itself: a batch norm has to be in evaluation mode.
    Power iteration on JᵀJ through products with J and Jᵀ, from random vectors of ``seed``; no Jacobian is built.
    What it returns is a length |J v| with |v| = 1, so it is never above the norm (but for rounding).

    Raises:
        TypeError, ValueError: ``x`` is no floating tensor or holds no number, ``iterations`` is not positive,
            ``function`` returns other leading axes.
    """
    x = checks.reals("x", checks.floating("x", x)).detach()
    checks.integer("iterations", iterations, at_least=1)
    source = generator(seed, "power iteration")
    if x.ndim < 1 or not x.numel():
        checks.fail("x", "vectors (..., d) with at least one number", f"shape {tuple(x.shape)}")
    value, back = vjp(function, x)  # type: ignore[misc]
    if not isinstance(value, Tensor) or value.shape[:-1] != x.shape[:-1]:
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        checks.fail("function", f"a map to vectors with leading axes {tuple(x.shape[:-1])}", found)
    # Jᵀu is linear in u, so that its own product with a vector from the left is J v
    _, along = vjp(lambda u: back(u)[0], torch.zeros_like(value))  # type: ignore[misc]
    smallest = torch.finfo(x.dtype).tiny
    v = torch.randn(x.shape, generator=source, dtype=x.dtype).to(x.device)
    for _ in range(iterations):
        v = v / v.norm(dim=-1, keepdim=True).clamp_min(smallest)
        (image,) = along(v)
        (v,) = back(image)
    return image.norm(dim=-1).detach()


def amplification_bound(
    branches: Sequence[Map], states: Sequence[Tensor], h: float | Tensor, *, iterations: int = 50
) -> Tensor:
    """∏ (1 + h ‖F_n'(x_n)‖) along x_0, x_1, …, a bound of ‖∂x_L/∂x_0‖ for x_{n+1} = x_n + h F_n(x_n).

    ``branches`` F_0 … F_{L-1}, ``states`` x_0 … x_{L-1} (..., d) (more are not looked at), ``h`` a number or a
    tensor that broadcasts with (...); the result is (...). A ReLU after the sum leaves it a bound, as its slopes
    are 0 or 1. Source: Zhang et al. 2019 (arXiv 1902.10887), as restated for this book.

    Raises:
        TypeError, ValueError: no branch, fewer states than branches, ``h`` not positive; as ``jacobian_norm``.
    """
    maps, along = checks.several("branches", branches, "of maps"), checks.several("states", states, "of tensors")
    if not maps or len(along) < len(maps):
        checks.fail("states", f"a state for each of {len(maps)} branches, at least one", len(along))
    if not isinstance(h, Tensor):
        checks.real("h", h, above=0)
    norms = [jacobian_norm(f, x, iterations=iterations) for f, x in zip(maps, along, strict=False)]
    bound = torch.ones_like(norms[0])
    for norm in norms:
        bound = bound * (1 + h * norm)
    return bound
