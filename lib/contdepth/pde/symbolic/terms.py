"""Equations as SymPy expressions: symbols of derivatives, coefficients of terms, text."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import sympy

from contdepth import checks

if TYPE_CHECKING:
    import torch

__all__ = [
    "by_field",
    "collect",
    "format_equation",
    "format_term",
    "monomial",
    "symbol_name",
    "symbols",
    "term_size",
    "typical_sizes",
]

Term: TypeAlias = sympy.Expr


def symbol_name(name: str, alpha: Sequence[int]) -> str:
    """Name of a derivative of a field: ``symbol_name("u", (1, 1))`` is ``"u_xy"``; order 0 is ``"u"``."""
    letters = "".join(
        letter * checks.integer("alpha", int(a), at_least=0) for letter, a in zip("xyz", alpha, strict=False)
    )
    return f"{name}_{letters}" if letters else name


def symbols(names: Iterable[str], derivatives: Iterable[Sequence[int]]) -> tuple[sympy.Symbol, ...]:
    """Symbols of every derivative of every field, field by field: ``(u, u_x, …, v, v_x, …)``."""
    derivatives = list(derivatives)
    return tuple(sympy.Symbol(symbol_name(name, alpha)) for name in names for alpha in derivatives)


def monomial(term: object) -> Term:
    """A term as SymPy expression: ``"u*u_x"``, ``"u u_x"``, ``"u**2"``, ``"sin(u)"``, or a number."""
    if isinstance(term, sympy.Expr | int | float) and not isinstance(term, bool):
        return sympy.sympify(term)
    if not isinstance(term, str) or not re.fullmatch(r"[\w\s*+\-/().,]+", term):
        checks.fail("term", "a SymPy expression or a product such as 'u*u_x'", repr(term))
    text = re.sub(r"(?<=[\w)])\s+(?=[\w(])", "*", term.strip())
    known = {word: sympy.Symbol(word) for word in re.findall(r"[A-Za-z]\w*(?!\w*\s*\()", text)}
    return sympy.sympify(text, locals=known)


def collect(expression: object) -> dict[Term, float]:
    """Coefficients of the terms of a right-hand side.

    Args:
        expression: a SymPy expression, which is expanded; or a mapping term → coefficient with SymPy or
            string terms, whose equal terms are added up.

    Returns:
        dict: term → coefficient, where a term is a product of symbols, powers and functions without number;
            the constant term is ``sympy.Integer(1)``. Zero coefficients are left out.
    """
    if isinstance(expression, Mapping):
        parts = [(monomial(term).as_coeff_Mul(), value) for term, value in expression.items()]
        pairs = [(float(number) * float(value), term) for (number, term), value in parts]
    else:
        expanded = sympy.expand(monomial(expression))
        pairs = [term.as_coeff_Mul() for term in sympy.Add.make_args(expanded)]
    found: dict[Term, float] = {}
    for value, term in pairs:
        found[term] = found.get(term, 0.0) + float(value)
    return {term: value for term, value in found.items() if value != 0}


def by_field(terms: object, names: Sequence[str] | None = None) -> dict[str, dict[Term, float]]:
    """Coefficients for every field; a single expression or term mapping belongs to the field ``u``.

    Args:
        terms: ``{"u": …, "v": …}`` with expressions or term mappings, or just one of these. A mapping goes by
            field if its keys are all among ``names`` or a value is a mapping or an expression.
        names: fields that must be there, in this order.

    Raises:
        ValueError: a field of ``names`` is missing; or all keys are among ``names`` and all values are Python
            numbers, so that ``{"u": 0.5}`` may mean 0.5 u or the constant 0.5.
    """
    nested = isinstance(terms, Mapping) and _goes_by_field(terms, names)
    fields = {str(key): collect(value) for key, value in terms.items()} if nested else {"u": collect(terms)}  # type: ignore[attr-defined]
    for name in names or ():
        if name not in fields:
            checks.fail("terms", f"an entry for the field {name!r}", sorted(fields))
    return {name: fields[name] for name in names} if names else fields


def _goes_by_field(terms: Mapping[object, object], names: Sequence[str] | None) -> bool:
    values = list(terms.values())
    if names and terms and {str(key) for key in terms} <= set(names):
        if any(values) and all(isinstance(v, numbers.Real) and not isinstance(v, sympy.Expr) for v in values):
            key, value = next(iter(terms.items()))
            checks.fail(
                "terms",
                "term mappings or expressions by field",
                f"{{{str(key)!r}: {value!r}}}",
                f"write {{{str(key)!r}: {{{str(key)!r}: {value!r}}}}} for a term of that name",
            )
        return True
    return any(isinstance(v, Mapping | sympy.Expr | str) and not isinstance(v, sympy.Number) for v in values)


def format_term(term: object) -> str:
    """Text of a term without stars: ``u u_x``, ``u^2 v``; the constant is ``1``."""
    term = monomial(term)
    factors = sorted(sympy.Mul.make_args(term), key=lambda f: ("_" in str(f), str(f)))
    return " ".join(str(f).replace("**", "^") for f in factors)


def typical_sizes(values: torch.Tensor, names: Sequence[str], dx: Sequence[float]) -> dict[str, float]:
    """Typical sizes in ``values`` (M, F, *space): of fields, of their variation, and their rates along the axes.

    Returns:
        dict: ``"u"`` → root mean square, ``"u_"`` → that of the deviation from the mean of a frame, ``"u_x"`` →
            that of differences along x over ``dx``, divided by the deviation. For ``term_size``.
    """
    sizes: dict[str, float] = {}
    for name, u in zip(names, values.transpose(0, 1), strict=True):
        scale = float(u.abs().amax()) or 1.0  # squares of the rest are near 1
        u = u / scale
        spread = float((u - u.flatten(1).mean(1).view(-1, *[1] * (u.ndim - 1))).square().mean().sqrt())
        sizes |= {name: scale * float(u.square().mean().sqrt()), f"{name}_": scale * spread}
        for axis, (letter, h) in enumerate(zip("xyz", dx, strict=False), 1):
            steps = u.diff(dim=axis)
            slope = float(steps.square().mean().sqrt()) / h if steps.numel() else 0.0
            sizes[f"{name}_{letter}"] = slope / spread if spread else 0.0
    return sizes


def term_size(term: Term, sizes: Mapping[str, float]) -> float:
    """Typical size of a term by ``typical_sizes``: u_xxy counts as variation × rate in x squared × rate in y.

    Functions of the fields, coefficients c(x) and coordinates count as 1.
    """
    size = 1.0
    for factor in sympy.Mul.make_args(term):
        base, power = factor.as_base_exp()
        name, _, letters = str(base).partition("_")
        if not base.is_Symbol or name not in sizes or not power.is_number:
            continue
        keys = [f"{name}_", *(f"{name}_{letter}" for letter in letters)] if letters else [name]
        size *= math.prod(sizes[key] for key in keys) ** float(power)
    return size


def format_equation(
    field: str,
    expression: object,
    *,
    precision: int = 3,
    threshold: float | None = 0.0,
    rest: bool = False,
    sizes: Mapping[Term, float] | None = None,
) -> str:
    """One line such as ``u_t = -0.973 u u_x - 0.966 v u_y + 0.0494 u_xx``, largest coefficient first.

    Args:
        field: name of the field on the left.
        expression: SymPy expression or mapping term → coefficient.
        precision: significant digits.
        threshold: terms with a smaller absolute coefficient are left out; None is one thousandth of the
            largest coefficient or, with ``sizes``, of the largest contribution.
        rest: tell at the end how many terms are left out, as ``(+ 17 terms below 0.001)``.
        sizes: typical size of every term; without ``threshold``, terms are then chosen by what they contribute,
            coefficient times size, which is the same in all units.
    """
    checks.integer("precision", precision, at_least=1)
    terms = collect(expression)
    weight = {term: abs(value) for term, value in terms.items()}
    by_size = threshold is None and sizes is not None
    if by_size:
        weight = {term: value * sizes.get(term, 1.0) for term, value in weight.items()}  # type: ignore[union-attr]
    if threshold is None:
        threshold = max(weight.values(), default=0.0) / 1000
    checks.real("threshold", threshold, at_least=0)
    kept = [(term, value) for term, value in terms.items() if weight[term] >= threshold]
    gone = len(terms) - len(kept)
    line = ""
    for term, value in sorted(kept, key=lambda pair: (-abs(pair[1]), str(pair[0]))):
        sign = ("-" if value < 0 else "") if not line else (" - " if value < 0 else " + ")
        line += f"{sign}{abs(value):.{precision}g}" + ("" if term == 1 else f" {format_term(term)}")
    least = "1/1000 of the largest contribution" if by_size else f"{threshold:.3g}"
    end = f" (+ {gone} term{'s' * (gone > 1)} below {least})" if rest and gone else ""
    return f"{field}_t = {line or '0'}{end}"
