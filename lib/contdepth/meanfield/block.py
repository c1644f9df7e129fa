"""The residual branch f(X, θ) as a function of one particle's parameters θ."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["Block"]

ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "tanh": (torch.tanh, 1.0),
    "relu": (torch.relu, math.inf),
}
"""Name -> (σ, sup |σ|); both have slopes in [0, 1]."""

MOST = 100_000
"""Largest dimension and width: more is a slip."""


class Block:
    """f(X, θ) = (1/m) Σ_j a_j σ(⟨w_j, X⟩ + b_j), a two-layer block of ``width`` m on states of ``dimension`` d.

    θ is a flat vector of ``size`` m(2d + 1): a (m, d), then w (m, d), then b (m). With m = 1 this is the block of
    Lu et al. 2020 (arXiv 2003.05508) in its smallest form; the paper asks for a regular f whose span is dense.
    Leading dimensions of θ and X broadcast, so it can be used under ``torch.func`` and with many particles at
    once.

    Raises:
        TypeError, ValueError: a dimension or width below 1, an unknown activation.
    """

    def __init__(self, dimension: int, width: int = 1, activation: str = "tanh") -> None:
        self.dimension = checks.integer("dimension", dimension, at_least=1, at_most=MOST)
        self.width = checks.integer("width", width, at_least=1, at_most=MOST)
        self.activation = checks.one_of("activation", activation, tuple(ACTIVATIONS))
        self.sigma, self.ceiling = ACTIVATIONS[self.activation]

    def __repr__(self) -> str:
        return f"Block(dimension={self.dimension}, width={self.width}, activation={self.activation!r})"

    @property
    def size(self) -> int:
        """Parameters of one particle, m(2d + 1)."""
        return self.width * (2 * self.dimension + 1)

    def parts(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(a, w, b) of shapes (..., m, d), (..., m, d), (..., m) from θ (..., size)."""
        m, d = self.width, self.dimension
        if checks.reals("theta", theta).ndim == 0:
            raise ValueError(f"theta: expected {self.size} numbers a particle, found a single number")
        if theta.shape[-1] != self.size:
            checks.fail("theta", f"{self.size} numbers a particle", f"shape {tuple(theta.shape)}")
        a, w, b = theta.split((m * d, m * d, m), dim=-1)
        return a.unflatten(-1, (m, d)), w.unflatten(-1, (m, d)), b

    def __call__(self, theta: Tensor, x: Tensor) -> Tensor:
        """f(X, θ): θ (..., size) and X (..., batch, d) -> (..., batch, d)."""
        a, w, b = self.parts(theta)
        checks.reals("x", x, like=theta)
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            raise ValueError(f"x: expected states (..., batch, {self.dimension}), found shape {tuple(x.shape)}")
        try:
            torch.broadcast_shapes(theta.shape[:-1], x.shape[:-2])
        except RuntimeError:
            raise ValueError(
                f"x: expected leading axes that broadcast with those of theta, found {tuple(x.shape)} and "
                f"{tuple(theta.shape)}"
            ) from None
        return self.sigma(x @ w.mT + b[..., None, :]) @ (a / self.width)

    def chain(self, theta: Tensor, weights: Tensor, start: Tensor) -> list[Tensor]:
        """X_0 … X_L with X_{l+1} = X_l + c_l f(X_l, θ_l): θ (L, size), c (L,), X_0 (batch, d); no checks.

        The factors are multiplied into a once, so that a layer is two matrix products and σ.
        """
        a, w, b = self.parts(theta)
        a = a * (weights / self.width)[:, None, None]
        states = [start]
        for out, into, bias in zip(a.unbind(), w.mT.unbind(), b.unbind(), strict=True):
            states.append(torch.addmm(states[-1], self.sigma(torch.addmm(bias, states[-1], into)), out))
        return states

    def chain_of_many(self, theta: Tensor, weights: Tensor, start: Tensor) -> Tensor:
        """X_L of R runs at once: θ (L, size, R), c (L, R), X_0 (d, batch, R) -> (d, batch, R); no checks.

        Runs are the last dimension, so that each layer is a few long elementwise operations; ``torch.func.vmap``
        of ``chain`` gives the same numbers through many small matrix products, in two to three times the time.
        """
        m, d = self.width, self.dimension
        a, w, b = theta.split((m * d, m * d, m), dim=1)
        neurons = (m,) if m > 1 else ()
        a = (a * (weights / m)[:, None]).unflatten(1, (*neurons, d, 1)).unbind()
        layers = zip(
            a, w.unflatten(1, (*neurons, d, 1)).unbind(), b.unflatten(1, (*neurons, 1)).unbind(), strict=True
        )
        state = start
        for out, into, bias in layers:
            active = self.sigma((state * into).sum(-3) + bias)
            state = torch.addcmul(state, active, out) if m == 1 else state + (active[:, None] * out).sum(0)
        return state

    def lipschitz(self, theta: Tensor) -> Tensor:
        """Bound of ‖∂f/∂X‖₂ for every X: (1/m) Σ_j ‖a_j‖‖w_j‖, shape (...)."""
        a, w, _ = self.parts(theta)
        return (a.norm(dim=-1) * w.norm(dim=-1)).mean(-1)

    def bound(self, theta: Tensor) -> Tensor:
        """Bound of ‖f(X, θ)‖₂ for every X: (1/m) Σ_j ‖a_j‖ sup|σ|, shape (...); infinite for ReLU unless a = 0."""
        size = self.parts(theta)[0].norm(dim=-1).mean(-1)
        return size if self.ceiling == 1 else torch.where(size > 0, torch.inf, size)

    def draw(
        self, shape: tuple[int, ...], source: torch.Generator, *, scale: float = 1.0, mean: float = 0.0
    ) -> Tensor:
        """Independent N(``mean``, ``scale``²) parameters, (*shape, size), float64, on the device of ``source``."""
        checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
        shape = tuple(checks.integer("shape", n, at_least=0) for n in shape)
        checks.affordable("shape", *shape, self.size)
        mean, scale = checks.real("mean", mean), checks.real("scale", scale)
        size = (*shape, self.size)
        return mean + scale * torch.randn(size, generator=source, dtype=torch.float64, device=source.device)
