"""Noisy residual steps: shake-shake, stochastic depth and stochastic LM, as weak schemes for SDEs.

One random number per sample and step is shared by all coordinates (u is ``(..., d)``, the number ``(...,
1)``), so every limit is driven by one scalar Brownian motion B. For linear f each class gives the moments E
X_N^m in closed form or recursion, and those of its limit, so that weak errors need no sampling.

Weak order 1 for every smooth test function needs a weight whose third central moment is O(h²). That of
shake-shake is 0. That of stochastic depth is h^{3/2} p (1 - p) (1 - 2p), so its weak order is 1/2 unless p =
1/2, although mean and second moment of a linear equation converge with order 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, axpy

__all__ = ["Rate", "ShakeShake", "StochasticDepth", "StochasticTwoStep", "WithMoments"]

Rate = TypeVar("Rate", float, tuple[float, float], contravariant=True)
"""The coefficient of a linear f, or those of a pair (f1, f2)."""


class WithMoments(Protocol[Rate]):
    """What a random scheme states for linear f: the moments of its steps, and the SDE of its limit."""

    def linear_moment(self, power: int, rate: Rate, steps: int, T: float, x0: float = 1.0) -> float:
        """Return E X_N^power exactly."""
        ...

    def limit_coefficients(self, rate: Rate) -> tuple[float, float]:
        """Return a and b of the limit dX = a X dt + b X dB."""
        ...

    def limit_moment(self, power: int, rate: Rate, T: float, x0: float = 1.0) -> float:
        """Return E X(T)^power of the limit."""
        ...

    def linear_moments(self, rate: Rate, steps: int, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X_N and E X_N² exactly."""
        ...

    def limit_moments(self, rate: Rate, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X(T) and E X(T)² of the limit."""
        ...


def _uniform(u: Tensor, generator: torch.Generator) -> Tensor:
    """Return one number in [0, 1) per sample of ``u``, shape ``(..., 1)``, drawn on the generator's device."""
    size, kind = (*u.shape[:-1], 1), u.real.dtype
    return torch.rand(size, generator=generator, dtype=kind, device=generator.device).to(u.device)


def _root(h: float | Tensor) -> float | Tensor:
    if isinstance(h, Tensor):
        return h.sqrt()
    return math.sqrt(checks.real("t", h, above=0.0, hint="an SDE step needs an increasing grid"))


@contextmanager
def representable() -> Iterator[None]:
    """Say what a number too large for a float came from."""
    try:
        yield
    except OverflowError:
        raise ValueError(
            "moment: expected one below 1e308, found a larger one; take a smaller rate, T, x0 or power"
        ) from None


def _step_size(T: float, steps: int) -> float:
    return checks.real("T", T, above=0.0) / checks.integer("steps", steps, at_least=1)


class _LinearMoments:
    """Moments for linear f, for classes that state ``linear_moment`` and ``limit_coefficients``."""

    def linear_moments(
        self: WithMoments[Rate], rate: Rate, steps: int, T: float, x0: float = 1.0
    ) -> tuple[float, float]:
        """Return E X_N and E X_N² exactly, see :meth:`linear_moment`."""
        return self.linear_moment(1, rate, steps, T, x0), self.linear_moment(2, rate, steps, T, x0)

    def limit_moments(self: WithMoments[Rate], rate: Rate, T: float, x0: float = 1.0) -> tuple[float, float]:
        """Return E X(T) and E X(T)² of the limit, see :meth:`limit_moment`."""
        return self.limit_moment(1, rate, T, x0), self.limit_moment(2, rate, T, x0)

    @representable()
    def limit_moment(self: WithMoments[Rate], power: int, rate: Rate, T: float, x0: float = 1.0) -> float:
        """Return E X(T)^power of the limit SDE of the class, scaled or not: a geometric Brownian motion."""
        m = checks.integer("power", power, at_least=1, at_most=100)
        drift, diffusion = self.limit_coefficients(rate)
        for number in (drift, diffusion, x0, T):
            checks.real("rate, x0 and T", number)
        return x0**m * math.exp((m * drift + m * (m - 1) / 2 * diffusion**2) * T)


@dataclass(frozen=True)
class ShakeShake(_LinearMoments):
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

    def step(
        self, f: tuple[Field, Field], t: Tensor, u: Tensor, h: float | Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        noise = _root(h) * (_uniform(u, generator) - 0.5)
        return u + (h / 2 + noise) * f[0](t, u) + (h / 2 - noise) * f[1](t, u)

    @representable()
    def linear_moment(self, power: int, rate: tuple[float, float], steps: int, T: float, x0: float = 1.0) -> float:
        """Return E X_N^power exactly for f1 = rate[0] x and f2 = rate[1] x, N = ``steps`` to time T."""
        for r in (*rate, x0):
            checks.real("rate and x0", r)
        m, h, (r1, r2) = checks.integer("power", power, at_least=1, at_most=100), _step_size(T, steps), rate
        mean, square = 1 + h * (r1 + r2) / 2, h * (r1 - r2) ** 2  # a factor is mean + (η - 1/2) √square
        even = range(0, m + 1, 2)  # E (η - 1/2)^j = 2^-j / (j + 1), j even
        factor = sum(math.comb(m, j) * mean ** (m - j) * (square / 4) ** (j // 2) / (j + 1) for j in even)
        return x0**m * factor**steps

    def limit_coefficients(self, rate: tuple[float, float]) -> tuple[float, float]:
        """Return a and b of the SDE above, dX = a X dt + b X dB, for these linear f1 and f2."""
        r1, r2 = rate
        return (r1 + r2) / 2, (r1 - r2) / math.sqrt(12)


@dataclass(frozen=True)
class StochasticDepth(_LinearMoments):
    """X' = X + (p h + √h (η - p)) f(X), P(η = 1) = p, else η = 0: weak order 1/2, or 1 if p = 1/2.

    Huang et al. 2016 (stochastic depth) is h = 1: X + η f. Lu et al. 2018 read the family as an approximation
    of dX = p f dt + √(p(1 - p)) f dB. Not dropout: the whole branch is dropped.

    For linear f, mean and second moment converge with order 1. Other test functions see the skew of the
    noise, E (√h (η - p))³ = h^{3/2} p (1 - p) (1 - 2p), which the SDE does not have: order 1/2 unless p is
    1/2 (or 0 or 1, where nothing is random).

    Args:
        p: probability that the branch is kept.
        scaled: with ``False`` the drop is plain, X' = X + h η f (what halving the step of a network does):
            the noise then vanishes like √h and the limit is the ODE x' = p f.
    """

    name: ClassVar[str] = "stochastic depth"
    stages: ClassVar[int] = 1
    random: ClassVar[bool] = True

    p: float = 0.5
    scaled: bool = True

    def __post_init__(self) -> None:
        checks.real("p", self.p, at_least=0.0, at_most=1.0)

    @property
    def order(self) -> float:
        """Weak order for all smooth test functions: 1 if p is 0, 1/2 or 1, else 1/2.

        Not scaled: 1 for every p, with respect to its own limit, the ODE.
        """
        return 1 if not self.scaled or self.p in (0, 0.5, 1) else 0.5

    def step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor, generator: torch.Generator) -> Tensor:
        """Return the state at ``t + h`` from ``u`` ``(..., d)`` at ``t``."""
        return u + self.weight(u, h, generator) * f(t, u)

    def weight(self, u: Tensor, h: float | Tensor, generator: torch.Generator) -> Tensor:
        """Draw the weight of f, ``(..., 1)``: mean p h, variance p (1 - p) h, or h² for h if not scaled."""
        kept = (_uniform(u, generator) < self.p).to(u.real.dtype)
        return self.p * h + (_root(h) if self.scaled else h) * (kept - self.p)

    def weighted_power(self, power: int, a: float, b: float, h: float) -> float:
        """Return E (a + b w)^power exactly, w the weight of a step of size ``h``."""
        mean, size = self.p * h, math.sqrt(h) if self.scaled else h
        kept, dropped = mean + size * (1 - self.p), mean - size * self.p
        return self.p * (a + b * kept) ** power + (1 - self.p) * (a + b * dropped) ** power

    @representable()
    def linear_moment(self, power: int, rate: float, steps: int, T: float, x0: float = 1.0) -> float:
        """Return E X_N^power exactly for f = rate x and N = ``steps`` steps to time T."""
        for r in (rate, x0):
            checks.real("rate and x0", r)
        m = checks.integer("power", power, at_least=1, at_most=100)
        return x0**m * self.weighted_power(m, 1.0, rate, _step_size(T, steps)) ** steps

    def limit_coefficients(self, rate: float) -> tuple[float, float]:
        """Return a and b of the SDE above, dX = a X dt + b X dB, for f = rate x."""
        return self.p * rate, math.sqrt(self.p * (1 - self.p)) * rate


@dataclass(frozen=True)
class StochasticTwoStep(_LinearMoments):
    """X_{n+1} = (1 - k) X_n + k X_{n-1} + w_n f(X_n), w_n the random weight of :class:`StochasticDepth`.

    Lu et al. 2018 write it (2 + g) X_n - (1 + g) X_{n-1} + η_n f(X_n) with g = -1 - k (see :meth:`from_g`):
    the branch is dropped, both skip terms stay. Derived here: a weak approximation of (1 + k) dX = p f dt +
    √(p(1 - p)) f dB for |k| < 1, of the order of :class:`StochasticDepth` (1/2, or 1 if p = 1/2). At k = 1,
    which the deterministic scheme allows, even and odd states add up different draws, and the variance is not
    that of the SDE. Started by a :class:`StochasticDepth` step with f divided by 1 + k, so that the start
    obeys the limit too (the paper does not say how it starts).
    """

    name: ClassVar[str] = "stochastic LM"
    stages: ClassVar[int] = 1
    random: ClassVar[bool] = True
    two_step: ClassVar[bool] = True

    k: float = 0.0
    p: float = 0.5
    scaled: bool = True

    def __post_init__(self) -> None:
        checks.real("k", self.k, above=-1.0, below=1.0)
        checks.real("p", self.p, at_least=0.0, at_most=1.0)

    @classmethod
    def from_g(cls, g: float, p: float = 0.5, scaled: bool = True) -> StochasticTwoStep:
        """Return the scheme whose skip weights are (2 + g, -(1 + g))."""
        return cls(k=-1 - checks.real("g", g), p=p, scaled=scaled)

    @property
    def order(self) -> float:
        """Weak order, that of :attr:`StochasticDepth.order`."""
        return self.depth.order

    @property
    def g(self) -> float:
        """The paper's parameter, -1 - k."""
        return -1 - self.k

    @cached_property
    def depth(self) -> StochasticDepth:
        """The one-step scheme that draws the weights."""
        return StochasticDepth(self.p, self.scaled)

    def first_step(self, f: Field, t: Tensor, u: Tensor, h: float | Tensor, generator: torch.Generator) -> Tensor:
        """Return X_1 from X_0 ``(..., d)``."""
        return u + self.depth.weight(u, h, generator) / (1 + self.k) * f(t, u)

    def next_step(
        self,
        n: int,
        f: Field,
        t: Tensor,
        u: Tensor,
        previous: Tensor,
        h: float | Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Return X_{n+1} from X_n and X_{n-1}, each ``(..., d)``."""
        return axpy(torch.lerp(u, previous, self.k), self.depth.weight(u, h, generator) * f(t, u), 1.0)

    @representable()
    def linear_moment(self, power: int, rate: float, steps: int, T: float, x0: float = 1.0) -> float:
        """Return E X_N^power exactly for f = rate x, by the recursion of E X_n^i X_{n-1}^{m-i}, m = power."""
        m, h = checks.integer("power", power, at_least=1, at_most=100), _step_size(T, steps)
        weighted, k = self.depth.weighted_power, self.k
        drawn = [weighted(i, 1 - k, rate, h) for i in range(m + 1)]  # E (1 - k + rate w)^i
        advance = np.zeros((m + 1, m + 1))  # new i from old j
        for i in range(m + 1):
            for j in range(i + 1):
                advance[i, j + m - i] = math.comb(i, j) * drawn[j] * k ** (i - j)
        start = [weighted(i, 1.0, rate / (1 + k), h) for i in range(m + 1)]
        return x0**m * float((np.linalg.matrix_power(advance, steps - 1) @ start)[m])

    def limit_coefficients(self, rate: float) -> tuple[float, float]:
        """Return a and b of the SDE above, dX = a X dt + b X dB, for f = rate x."""
        return self.depth.limit_coefficients(rate / (1 + self.k))
