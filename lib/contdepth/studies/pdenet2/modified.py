"""What a forward-Euler block reads beside the equation: the term δt/2 F'F, worked out for any polynomial F.

Along u_t = F(u, u_x, …) the chain rule gives u_tt = F'F: every derivative D^α u in F changes at the rate D^α F.
The right-hand side whose Euler step reproduces the flow over δt is therefore F + δt/2 F'F + O(δt²).

For Burgers' equations without viscosity, F = -(u u_x + v u_y) in the equation of u, and the same of v:

    u_tt = -(u_t u_x + v_t u_y) - u (u_t)_x - v (u_t)_y
         = u² u_xx + 2 u v u_xy + v² u_yy + 2 u u_x² + 2 v u_x u_y + 2 u v_x u_y + 2 v u_y v_y,

and for v with u and v, x and y exchanged. The leading mixed term is 2 u v u_xy.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from contdepth import checks
from contdepth.pde.symbolic.terms import Term, by_field

__all__ = ["acceleration", "along", "within", "wrong_terms"]

Terms = dict[str, dict[Term, float]]
"""Field → {term: coefficient}."""


def acceleration(equation: object) -> Terms:
    """Terms of u_tt = F'F along the solutions of ``equation``, field by field.

    Args:
        equation: field → right-hand side F, as ``by_field`` takes it; constant coefficients, derivatives in x, y
            and z named as ``symbol_name`` does.

    Raises:
        ValueError: a symbol is not a derivative of one of the fields.
    """
    right = {name: _expression(terms) for name, terms in by_field(equation).items()}
    return by_field({name: sympy.expand(_rate(expression, right)) for name, expression in right.items()})


def within(terms: Mapping[str, Mapping[Term, float]], order: int) -> Terms:
    """Those ``terms`` whose derivatives are at most of ``order``: what a library of that order can hold."""
    checks.integer("order", order, at_least=0)
    return {
        name: {term: c for term, c in own.items() if all(len(_parts(s)[1]) <= order for s in term.free_symbols)}
        for name, own in terms.items()
    }


def wrong_terms(found: object, truth: object) -> Terms:
    """Terms of ``found`` that the equation ``truth`` does not have, field by field."""
    true = by_field(truth)
    have = by_field(found, list(true))
    return {name: {t: c for t, c in have[name].items() if t not in true[name]} for name in true}


def along(
    terms: Mapping[str, Mapping[Term, float]], direction: Mapping[str, Mapping[Term, float]]
) -> tuple[float, float]:
    """Projection of ``terms`` on ``direction``, both as one vector of the coefficients of all fields.

    Returns:
        (how many times ``direction`` is in ``terms``, share of the sum of squares of ``terms`` that this accounts
        for). The first is 1 and the second 1 where both are equal; a vector of zeros has the share 0.

    Raises:
        ValueError: ``direction`` has no coefficient other than 0.
    """
    squares = sum(c * c for own in direction.values() for c in own.values())
    if squares == 0:
        checks.fail("direction", "at least one coefficient other than 0", "none")
    product = sum(c * terms.get(name, {}).get(t, 0.0) for name, own in direction.items() for t, c in own.items())
    total = sum(c * c for own in terms.values() for c in own.values())
    return product / squares, product**2 / (squares * total) if total else 0.0


def _expression(terms: Mapping[Term, float]) -> sympy.Expr:
    """Sum of the terms with exact coefficients, so that nothing is left of what cancels."""
    return sympy.Add(*(sympy.nsimplify(c, rational=True) * term for term, c in terms.items()))


def _rate(expression: sympy.Expr, right: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """Time derivative of ``expression`` along the solutions: ∂/∂(D^α f) times D^α of the right-hand side of f."""
    return sympy.Add(*(sympy.diff(expression, s) * _derived(right, s) for s in expression.free_symbols))


def _derived(right: Mapping[str, sympy.Expr], symbol: sympy.Symbol) -> sympy.Expr:
    name, axes = _parts(symbol)
    checks.one_of(f"field of {symbol}", name, list(right))
    expression = right[name]
    for axis in axes:
        expression = sympy.expand(_total(expression, axis))
    return expression


def _total(expression: sympy.Expr, axis: str) -> sympy.Expr:
    """Derivative along ``axis`` of an expression in the fields' derivatives."""
    return sympy.Add(*(sympy.diff(expression, s) * _next(s, axis) for s in expression.free_symbols))


def _next(symbol: sympy.Symbol, axis: str) -> sympy.Symbol:
    name, axes = _parts(symbol)
    return sympy.Symbol(f"{name}_{''.join(sorted(axes + axis))}")


def _parts(symbol: sympy.Basic) -> tuple[str, str]:
    """Field and axes of a derivative: ``u_xy`` is ("u", "xy"), ``u`` is ("u", "")."""
    name, _, axes = str(symbol).rpartition("_")
    return (name, axes) if name and set(axes) <= set("xyz") else (str(symbol), "")
