"""Noisy residual steps: shake-shake, stochastic depth and stochastic LM, as weak schemes for SDEs.

One random number per sample and step is shared by all coordinates (u is ``(..., d)``, the number ``(...,
1)``), so every limit is driven by one scalar Brownian motion B. For linear f each class gives the moments E
X_N and E X_N² in closed recursion, and those of its limit, so that weak errors need no sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy

__all__ = ["ShakeShake", "StochasticDepth", "StochasticTwoStep"]


def _uniform(u: Tensor, generator: torch.Generator) -> Tensor:
    """Return one number in [0, 1) per sample of ``u``, shape ``(..., 1)``."""
    return torch.rand((*u.shape[:-1], 1), generator=generator, dtype=u.real.dtype, device=u.device)


def _root(h: float | Tensor) -> float | Tensor:
    if isinstance(h, Tensor):
        return h.sqrt()
    return math.sqrt(checks.real("t", h, above=0.0, hint="an SDE step needs an increasing grid"))


def _product_moments(factor: tuple[float, float], steps: int, x0: float) -> tuple[float, float]:
    """E X and E X² of X_N = x0 times N independent factors of the given mean and variance."""
    mean, variance = factor
    return x0 * mean**steps, x0**2 * (mean**2 + variance) ** steps


def _geometric_moments(drift: float, diffusion: float, T: float, x0: float) -> tuple[float, float]:
    """E X and E X² at T of dX = drift X dt + diffusion X dB."""
    return x0 * math.exp(drift * T), x0**2 * math.exp((2 * drift + diffusion**2) * T)


@dataclass(frozen=True)
class ShakeShake:
    """X' = X + (h/2 + √h (η - 1/2)) f1 + (h/2 - √h (η - 1/2)) f2, η uniform on (0, 1): weak order 1.

    Gastaldi 2017 (shake-shake) is h = 1: X + η f1 + (1 - η) f2. Lu et al. 2018 read the family as an
    approximation of dX = (f1 + f2)/2 dt + (f1 - f2)/√12 dB. Here η is drawn once per step; shake-shake's
    second draw for the backward pass is not a property of the scheme and is left out. Takes a pair ``f = (f1,
    f2)``.
    """

    name: ClassVar[str] = "shake-shake"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1
    fields: ClassVar[int] = 2
    random: ClassVar[bool] = True

    def step(self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor,
             generator: torch.Generator) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        noise = _root(h) * (_uniform(u, generator) - 0.5)
        return u + (h / 2 + noise) * f[0](t, u) + (h / 2 - noise) * f[1](t, u)

    def linear_moments(self, rate: tuple[float, float], steps: int, T: float,
                       x0: float = 1.0) -> tuple[float, float]:
        """Return E X_N and E X_N² exactly for f1 = rate[0] x and f2 = rate[1] x, N = ``steps`` to time T."""
        h, (r1, r2) = T / steps, rate
        return _product_moments((1 + h * (r1 + r2) / 2, h * (r1 - r2) ** 2 / 12), steps, x0)

    def limit_moments(self, rate: tuple[float, float], T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X(T) and E X(T)² of the SDE above."""
        r1, r2 = rate
        return _geometric_moments((r1 + r2) / 2, (r1 - r2) / math.sqrt(12), T, x0)


@dataclass(frozen=True)
class StochasticDepth:
    """X' = X + (p h + √h (η - p)) f(X), P(η = 1) = p, else η = 0: weak order 1.

    Huang et al. 2016 (stochastic depth) is h = 1: X + η f. Lu et al. 2018 read the family as an approximation
    of dX = p f dt + √(p(1 - p)) f dB. Not dropout: the whole branch is dropped.

    Args:
        p: probability that the branch is kept.
        scaled: with ``False`` the drop is plain, X' = X + h η f (what halving the step of a network does):
            the noise then vanishes like √h and the limit is the ODE x' = p f.
    """

    name: ClassVar[str] = "stochastic depth"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1
    random: ClassVar[bool] = True

    p: float = 0.5
    scaled: bool = True

    def __post_init__(self) -> None:
        checks.real("p", self.p, at_least=0.0, at_most=1.0)

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor, generator: torch.Generator) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        return u + self.weight(u, h, generator) * f(t, u)

    def weight(self, u: Tensor, h: float | Tensor, generator: torch.Generator) -> Tensor:
        """Draw the weight of f, ``(..., 1)``: mean p h, variance p (1 - p) h, or h² for h if not scaled."""
        kept = (_uniform(u, generator) < self.p).to(u.real.dtype)
        return self.p * h + (_root(h) if self.scaled else h) * (kept - self.p)

    def weight_moments(self, h: float) -> tuple[float, float]:
        """Return mean and variance of :meth:`weight`."""
        return self.p * h, self.p * (1 - self.p) * (h if self.scaled else h**2)

    def linear_moments(self, rate: float, steps: int, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X_N and E X_N² exactly for f = rate x and N = ``steps`` steps to time T."""
        mean, variance = self.weight_moments(T / steps)
        return _product_moments((1 + rate * mean, rate**2 * variance), steps, x0)

    def limit_moments(self, rate: float, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X(T) and E X(T)² of the SDE above, whether or not this object is scaled."""
        return _geometric_moments(self.p * rate, math.sqrt(self.p * (1 - self.p)) * rate, T, x0)


@dataclass(frozen=True)
class StochasticTwoStep:
    """X_{n+1} = (1 - k) X_n + k X_{n-1} + w_n f(X_n), w_n the random weight of :class:`StochasticDepth`.

    Lu et al. 2018 write it (2 + g) X_n - (1 + g) X_{n-1} + η_n f(X_n) with g = -1 - k (see :meth:`from_g`):
    the branch is dropped, both skip terms stay. Derived here: a weak order-1 approximation of (1 + k) dX = p
    f dt + √(p(1 - p)) f dB for |k| < 1. Started by a :class:`StochasticDepth` step with f divided by 1 + k,
    so that the start obeys the limit too (the paper does not say how it starts).
    """

    name: ClassVar[str] = "stochastic LM"
    order: ClassVar[int] = 1
    stages: ClassVar[int] = 1
    random: ClassVar[bool] = True
    two_step: ClassVar[bool] = True

    k: float = 0.0
    p: float = 0.5
    scaled: bool = True

    def __post_init__(self) -> None:
        checks.real("k", self.k, above=-1.0, at_most=1.0)
        checks.real("p", self.p, at_least=0.0, at_most=1.0)

    @classmethod
    def from_g(cls, g: float, p: float = 0.5, scaled: bool = True) -> StochasticTwoStep:
        """Return the scheme whose skip weights are (2 + g, -(1 + g))."""
        return cls(k=-1 - g, p=p, scaled=scaled)

    @property
    def g(self) -> float:
        """The paper's parameter, -1 - k."""
        return -1 - self.k

    @property
    def depth(self) -> StochasticDepth:
        """The one-step scheme that draws the weights."""
        return StochasticDepth(self.p, self.scaled)

    def first_step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor,
                   generator: torch.Generator) -> Tensor:
        """Return X_1 from X_0 ``(..., d)``."""
        return u + self.depth.weight(u, h, generator) / (1 + self.k) * f(t, u)

    def next_step(self, n: int, f: Field, t: Tensor, u: Tensor, previous: Tensor, h: float | Tensor,
                  generator: torch.Generator) -> Tensor:
        """Return X_{n+1} from X_n and X_{n-1}, each ``(..., d)``."""
        return axpy(torch.lerp(u, previous, self.k), self.depth.weight(u, h, generator) * f(t, u), 1.0)

    def linear_moments(self, rate: float, steps: int, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X_N and E X_N² exactly for f = rate x, by the recursion of moments of (X_n, X_{n-1})."""
        mean, variance = self.depth.weight_moments(T / steps)
        start, spread = 1 + rate * mean / (1 + self.k), rate**2 * variance / (1 + self.k) ** 2
        m, m_old = start * x0, x0
        s, cross, s_old = (start**2 + spread) * x0**2, start * x0**2, x0**2
        c, k, v = 1 - self.k + rate * mean, self.k, rate**2 * variance
        for _ in range(steps - 1):
            m, m_old = c * m + k * m_old, m
            s, cross, s_old = (c**2 + v) * s + 2 * c * k * cross + k**2 * s_old, c * s + k * cross, s
        return m, s

    def limit_moments(self, rate: float, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X(T) and E X(T)² of the SDE above."""
        return self.depth.limit_moments(rate / (1 + self.k), T, x0)
