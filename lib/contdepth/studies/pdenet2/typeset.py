"""A recovered system under the true one, in LaTeX; terms in HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sympy

from contdepth import checks
from contdepth.pde.symbolic.comparison import compare
from contdepth.pde.symbolic.terms import by_field, monomial

__all__ = ["html_term", "latex_systems", "latex_term"]


def latex_term(term: object) -> str:
    r"""LaTeX of a term: ``u u_{xy}``, ``u^{2} v``; the constant term is empty."""
    return r"\,".join(
        base + (f"_{{{axes}}}" if axes else "") + (f"^{{{power}}}" if power != "1" else "")
        for base, axes, power in _factors(term)
    )


def html_term(term: object) -> str:
    """HTML of a term: ``<i>u</i><sup>2</sup> <i>u<sub>xx</sub></i>``; the constant term is 1."""
    return (
        " ".join(
            f"<i>{base}{f'<sub>{axes}</sub>' if axes else ''}</i>"
            + (f"<sup>{power}</sup>" if power != "1" else "")
            for base, axes, power in _factors(term)
        )
        or "1"
    )


def latex_systems(
    found: object, truth: Mapping[str, object], *, precision: int = 3, threshold: float = 0.01
) -> str:
    r"""LaTeX of the true system and, under each equation, of the one that was read, term below term.

    A line below holds the wrong terms of at least ``threshold``, largest first, and the number of the smaller
    ones. True terms are shown whatever their size.

    Args:
        found: coefficients by field, as ``terms()`` gives.
        truth: true equations by field.
        precision: significant digits.
        threshold: smallest wrong coefficient that is shown.

    Returns:
        str: one ``array``, without dollar signs.
    """
    checks.integer("precision", precision, at_least=1)
    checks.real("threshold", threshold, at_least=0)
    both = compare(found, truth)
    lines = []
    width = max(len(terms) for terms in by_field(truth).values())
    for field in by_field(truth):
        main = [row for row in both.main if row.field == field]
        others = [(row.term, row.found) for row in both.spurious if row.field == field]
        shown = [pair for pair in others if abs(pair[1]) >= threshold]
        for label, values in (("true", [r.true for r in main]), ("read", [r.found for r in main])):
            cells = [_signed(v, r.term, precision) for v, r in zip(values, main, strict=True)]
            lines.append(rf"\text{{{label}}} & {field}_t = & " + " & ".join(cells) + " &" * (width - len(cells)))
        rest = len(others) - len(shown)
        ends = [_signed(value, term, precision) for term, value in shown]
        ends += [rf"\;\text{{and {rest} term{'s' * (rest > 1)} below {threshold:g}}}"] if rest else []
        if ends:
            lines.append(r"& & \rlap{" + " ".join(ends) + "}" + " &" * (width - 1))
    return rf"\begin{{array}}{{lr{'l' * width}}}" + "\n" + " \\\\\n".join(lines) + "\n" + r"\end{array}"


def _signed(value: float, term: object, precision: int) -> str:
    size = f"{abs(value):#.{precision}g}".rstrip(".")
    if "e" in size:
        mantissa, _, power = size.partition("e")
        size = rf"{mantissa}\cdot 10^{{{int(power)}}}"
    return f"{'-' if value < 0 else '+'} {size}" + (rf"\,{latex_term(term)}" if latex_term(term) else "")


def _factors(term: object) -> Sequence[tuple[str, str, str]]:
    """Factors of a product as (field, axes, power), fields before derivatives, as ``format_term`` sorts them."""
    found = []
    for factor in sympy.Mul.make_args(monomial(term)):
        if factor == 1:
            continue
        base, power = factor.as_base_exp()
        match = re.fullmatch(r"(\w+?)(?:_([xyz]+))?", str(base))
        if match is None:
            checks.fail("term", "a product of fields, derivatives and their powers", repr(str(term)))
        found.append((match[1], match[2] or "", str(power)))
    return sorted(found, key=lambda f: (bool(f[1]), f))
