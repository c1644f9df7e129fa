"""The equations of the PDE-Net papers and the one-dimensional ones of the equation-discovery literature."""

from __future__ import annotations

import math

import sympy
from sympy import Expr, Symbol, cos, pi, sin

from contdepth import checks
from contdepth.pde.simulate.equations import Equation

__all__ = [
    "burgers1d",
    "burgers2d",
    "convection_diffusion2d",
    "convection_diffusion_reaction2d",
    "diffusion_source2d",
    "heat2d",
    "kdv",
    "kuramoto_sivashinsky",
    "variable_a",
    "variable_b",
]

_x, _y = sympy.symbols("x y")
_u, _v = sympy.symbols("u v")


def _d(name: str) -> Symbol:
    return Symbol(name)


def variable_a(x: Expr = _x, y: Expr = _y) -> Expr:
    """a(x, y) = 0.5 (cos y + x (2 pi - x) sin x) + 0.6, the x velocity of PDE-Net's linear equation."""
    checks.instance("x", x, Expr)
    checks.instance("y", y, Expr)
    return (cos(y) + x * (2 * pi - x) * sin(x)) / 2 + sympy.Float(0.6)


def variable_b(x: Expr = _x, y: Expr = _y) -> Expr:
    """b(x, y) = 2 (cos y + sin x) + 0.8, the y velocity of PDE-Net's linear equation."""
    checks.instance("x", x, Expr)
    checks.instance("y", y, Expr)
    return 2 * (cos(y) + sin(x)) + sympy.Float(0.8)


def heat2d(diffusion: float = 0.1, length: float = 2 * math.pi) -> Equation:
    """u_t = diffusion (u_xx + u_yy). The default coefficient is this project's choice."""
    if not isinstance(diffusion, Expr):
        checks.real("diffusion", diffusion)
    return Equation(
        "heat equation",
        ("u",),
        2,
        length,
        {"u": diffusion * (_d("u_xx") + _d("u_yy"))},
        source="PDE-Net 2.0, heat equation",
    )


def convection_diffusion2d(
    a: Expr | float | None = None,
    b: Expr | float | None = None,
    c: float = 0.2,
    d: float = 0.3,
    length: float = 2 * math.pi,
) -> Equation:
    """u_t = a u_x + b u_y + c u_xx + d u_yy, with a and b numbers or expressions in Symbols x, y.

    The defaults are PDE-Net's linear example with ``variable_a`` and ``variable_b`` on [0, 2 pi)^2. There a is
    periodic only up to its first derivative, so spectra fall off algebraically.
    """
    a, b = variable_a() if a is None else a, variable_b() if b is None else b
    for name, value in (("a", a), ("b", b), ("c", c), ("d", d)):
        if not isinstance(value, Expr):
            checks.real(name, value)
    rhs = a * _d("u_x") + b * _d("u_y") + c * _d("u_xx") + d * _d("u_yy")
    return Equation(
        "convection-diffusion",
        ("u",),
        2,
        length,
        {"u": rhs},
        source="PDE-Net, linear equation with variable coefficients",
    )


def diffusion_source2d(diffusion: float = 0.3, strength: float = 15.0, length: float = 2 * math.pi) -> Equation:
    """u_t = diffusion (u_xx + u_yy) + strength sin u, PDE-Net's equation with a non-linear source."""
    for name, value in (("diffusion", diffusion), ("strength", strength)):
        if not isinstance(value, Expr):
            checks.real(name, value)
    rhs = diffusion * (_d("u_xx") + _d("u_yy")) + strength * sin(_u)
    return Equation("diffusion with a source", ("u",), 2, length, {"u": rhs}, source="PDE-Net, source")


def _convection(field: str, diffusion: float) -> Expr:
    return -_u * _d(f"{field}_x") - _v * _d(f"{field}_y") + diffusion * (_d(f"{field}_xx") + _d(f"{field}_yy"))


def burgers2d(viscosity: float = 0.05, length: float = 2 * math.pi) -> Equation:
    """u_t = -u u_x - v u_y + viscosity (u_xx + u_yy) and the same for v (PDE-Net 2.0)."""
    if not isinstance(viscosity, Expr):
        checks.real("viscosity", viscosity)
    return Equation(
        "Burgers 2-D",
        ("u", "v"),
        2,
        length,
        {f: _convection(f, viscosity) for f in "uv"},
        source="PDE-Net 2.0, Burgers",
    )


def convection_diffusion_reaction2d(
    diffusion: float = 0.1, beta: float = 1.0, length: float = 2 * math.pi
) -> Equation:
    """Burgers convection, diffusion and a lambda-omega reaction with A^2 = u^2 + v^2.

    u_t = -u u_x - v u_y + diffusion Lap u + (1 - A^2) u + beta A^2 v,
    v_t = -u v_x - v v_y + diffusion Lap v - beta A^2 u + (1 - A^2) v.
    Form and coefficients are PDE-Net 2.0's reactive example from memory, not checked.
    """
    for name, value in (("diffusion", diffusion), ("beta", beta)):
        if not isinstance(value, Expr):
            checks.real(name, value)
    square = _u**2 + _v**2
    rhs = {
        "u": _convection("u", diffusion) + (1 - square) * _u + beta * square * _v,
        "v": _convection("v", diffusion) - beta * square * _u + (1 - square) * _v,
    }
    return Equation("convection-diffusion-reaction", ("u", "v"), 2, length, rhs, source="PDE-Net 2.0, from memory")


def burgers1d(viscosity: float = 0.1, length: float = 16.0) -> Equation:
    """u_t = -u u_x + viscosity u_xx."""
    if not isinstance(viscosity, Expr):
        checks.real("viscosity", viscosity)
    return Equation(
        "Burgers",
        ("u",),
        1,
        length,
        {"u": -_u * _d("u_x") + viscosity * _d("u_xx")},
        source="Burgers 1948; defaults as in PDE-FIND's file",
    )


def kdv(convection: float = 6.0, dispersion: float = 1.0, length: float = 60.0) -> Equation:
    """u_t = -convection u u_x - dispersion u_xxx (Korteweg-de Vries)."""
    for name, value in (("convection", convection), ("dispersion", dispersion)):
        if not isinstance(value, Expr):
            checks.real(name, value)
    return Equation(
        "Korteweg-de Vries",
        ("u",),
        1,
        length,
        {"u": -convection * _u * _d("u_x") - dispersion * _d("u_xxx")},
        stiff=True,
        source="Korteweg and de Vries 1895; defaults as in PDE-FIND's file",
    )


def kuramoto_sivashinsky(length: float = 32 * math.pi) -> Equation:
    """u_t = -u u_x - u_xx - u_xxxx (Kuramoto-Sivashinsky)."""
    return Equation(
        "Kuramoto-Sivashinsky",
        ("u",),
        1,
        length,
        {"u": -_u * _d("u_x") - _d("u_xx") - _d("u_xxxx")},
        stiff=True,
        source="Kuramoto 1976, Sivashinsky 1977; default length as in PDE-FIND's file",
    )
