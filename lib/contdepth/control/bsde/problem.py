"""Semilinear parabolic equations as backward stochastic differential equations (BSDEs) along Brownian paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from contdepth import checks

__all__ = ["BSDE", "allen_cahn", "default_risk", "hamilton_jacobi_bellman"]


@dataclass(frozen=True)
class BSDE:
    """∂_t u + (σ²/2) Δu + f(u, |σ∇u|²) = 0 on [0, T], u(T, ·) = g; wanted is u(0, 0).

    Along X = σW, Y = u(t, X) and Z = σ∇u(t, X) obey dY = -f(Y, |Z|²) dt + Z·dW with Y_T = g(X_T) (Han, Jentzen,
    E 2018, equations 4 and 5, with a scalar volatility and the start at 0).

    Args:
        dim, horizon, volatility: d, T and σ, positive.
        driver: f(y, square of z) for tensors (…); it must take any shape.
        terminal: g of points (…, d), as a tensor (…).
        coupled: whether f depends on y.
        strength: λ of a quadratic driver f = -(λ/2)|z|²: the optimal control is then the drift -λσZ of X, and
            paths can be drawn along it; 0 for none.
        symmetry: the form of Z that :func:`solve_bsde` learns: "axes", an entry of Z from that of x, with a gain
            of its own; "rotations", with one gain for all; or "least", where u is like the least of prices that
            grow with the coordinates.

    Raises:
        TypeError, ValueError: numbers that are not positive, an unknown symmetry.
    """

    dim: int
    horizon: float
    volatility: float
    driver: Callable[[Tensor, Tensor], Tensor]
    terminal: Callable[[Tensor], Tensor]
    coupled: bool = True
    strength: float = 0.0
    symmetry: str = "axes"

    def __post_init__(self) -> None:
        checks.integer("dim", self.dim, at_least=1)
        checks.real("horizon", self.horizon, above=0)
        checks.real("volatility", self.volatility, above=0)
        checks.real("strength", self.strength, at_least=0)
        checks.one_of("symmetry", self.symmetry, ("axes", "rotations", "least"))


def hamilton_jacobi_bellman(dim: int = 100, strength: float = 1.0) -> BSDE:
    """∂_t u + Δu - λ|∇u|² = 0, g = ln((1 + |x|²)/2), T = 1 (Han, Jentzen, E 2018, equation 13), λ = ``strength``.

    With σ = √2 the driver is -λ|z|²/2; until March 2022 the authors' code had no factor ½ and solved it for 2λ.
    """
    strength = checks.real("strength", strength, at_least=0)

    def driver(y: Tensor, square: Tensor) -> Tensor:
        return -strength / 2 * square

    def terminal(x: Tensor) -> Tensor:
        return ((1 + x.square().sum(-1)) / 2).log()

    return BSDE(dim, 1.0, math.sqrt(2), driver, terminal, coupled=False, strength=strength)


def allen_cahn(dim: int = 100) -> BSDE:
    """∂_t u + Δu + u - u³ = 0, g = 1/(2 + 0.4|x|²), T = 0.3 (Han, Jentzen, E 2018, equation 15)."""

    def driver(y: Tensor, square: Tensor) -> Tensor:
        return y - y.pow(3)

    def terminal(x: Tensor) -> Tensor:
        return 1 / (2 + 0.4 * x.square().sum(-1))

    return BSDE(dim, 0.3, math.sqrt(2), driver, terminal)


def _pair(name: str, values: tuple[float, float]) -> list[float]:
    both = checks.several(name, values, "give two numbers")
    if len(both) != 2:
        checks.fail(name, "two numbers", f"{len(both)}")
    return [checks.real(name, each, at_least=0) for each in both]


def default_risk(
    dim: int = 100,
    price: float = 100.0,
    *,
    intensities: tuple[float, float] = (0.2, 0.02),
    levels: tuple[float, float] = (50.0, 70.0),
) -> BSDE:
    """The value of the least of ``dim`` assets if its issuer may default (Han, Jentzen, E 2018, first example).

    ∂_t u + μ̄ s·∇u + (σ̄²/2) Σ s_i² ∂²u/∂s_i² - (1 - δ) Q(u) u - R u = 0, u(T, s) = min s_i, with T = 1,
    μ̄ = R = 0.02, σ̄ = 0.2, δ = 2/3; wanted is u(0, ``price``, …). Q(y) is the rate of default: γʰ where y is under
    vʰ, γˡ over vˡ, linear between; ``intensities`` are (γʰ, γˡ) and ``levels`` (vʰ, vˡ).

    The assets are s_i = ``price`` exp((μ̄ - σ̄²/2) t + x_i) with x = σ̄W, so that the equation has constant
    coefficients in x. Departures: the authors' code takes Euler's steps for s, here it is exact at each step; and
    Z is learned in the form "least".

    Raises:
        TypeError, ValueError: a number outside its range, levels that are not increasing.
    """
    checks.integer("dim", dim, at_least=1)
    start = checks.real("price", price, above=0)
    high, low = _pair("intensities", intensities)
    below, above = _pair("levels", levels)
    if above <= below:
        checks.fail("levels", "two increasing numbers", levels)
    horizon, growth, volatility, recovery, rate = 1.0, 0.02, 0.2, 2 / 3, 0.02
    at_end = start * math.exp((growth - volatility**2 / 2) * horizon)

    def driver(y: Tensor, square: Tensor) -> Tensor:
        share = ((y - below) / (above - below)).clamp(0, 1)
        return -((1 - recovery) * (high + (low - high) * share) + rate) * y

    def terminal(x: Tensor) -> Tensor:
        return at_end * x.amin(-1).exp()

    return BSDE(dim, horizon, volatility, driver, terminal, symmetry="least")
