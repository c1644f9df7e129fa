"""Terms such as ``u*u_x``, split into what the earlier snapshot gives and the derivative that the kernel takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy

from contdepth import checks
from contdepth.pde.symbolic.terms import Term, monomial

__all__ = ["Linearised", "linearised", "read_terms"]

AXES = "xyz"


@dataclass(frozen=True)
class Linearised:
    """A term as factor · ∂^``orders`` of ``field``; ``powers`` are the exponents of the fields in the factor."""

    term: Term
    powers: tuple[int, ...]
    field: int
    orders: tuple[int, ...]


def linearised(term: object, names: Sequence[str], dim: int) -> Linearised:
    """Return ``term`` with all but one factor taken from data.

    That one is the derivative, if there is one, else a factor of the field with the lowest power, the first of
    these: ``u*u_x`` is u · ∂u/∂x, ``u**2*v`` is u² · v, and ``u**3`` is u² · u.

    Raises:
        TypeError, ValueError: the term is no product of fields and at most one derivative of ``names`` along
            ``dim`` axes.
    """
    found = monomial(term)
    number, bare = found.as_coeff_Mul()
    expected = f"a product of powers of {', '.join(names)} and at most one derivative such as {names[0]}_x"
    if number != 1 or not bare.free_symbols:
        checks.fail("terms", expected, f"{term}", "coefficients are what is sought")
    powers, slope = [0] * len(names), None
    for factor in sympy.Mul.make_args(bare):
        base, power = factor.as_base_exp()
        name, _, letters = str(base).partition("_")
        whole = base.is_Symbol and power.is_Integer and power > 0 and name in names
        if not whole or any(letter not in AXES[:dim] for letter in letters):
            checks.fail("terms", expected, f"{term}", f"space has {dim} axes")
        if not letters:
            powers[names.index(name)] += int(power)
        elif slope is not None or power != 1:
            hint = "of two derivatives one would have to be known from data"
            checks.fail("terms", expected, f"{term}", hint)
        else:
            slope = (names.index(name), tuple(letters.count(letter) for letter in AXES[:dim]))
    if slope is None:
        field = min((k for k, power in enumerate(powers) if power), key=lambda k: powers[k])
        powers[field] -= 1
        slope = (field, (0,) * dim)
    return Linearised(bare, tuple(powers), *slope)


def read_terms(terms: object, names: Sequence[str], dim: int) -> list[list[Linearised]]:
    """Return the terms of each field; ``terms`` maps fields to lists, or is the list of a single field.

    Raises:
        TypeError, ValueError: a field has no entry, an entry is no list of terms, or a term stands there twice.
    """
    if not isinstance(terms, Mapping):
        terms = {names[0]: terms}
    if set(terms) != set(names):
        checks.fail("terms", f"an entry for each of {', '.join(names)}", ", ".join(map(str, terms)) or "none")
    found = []
    for name in names:
        entry = terms[name]
        if isinstance(entry, str) or not isinstance(entry, Sequence):
            checks.fail("terms", f"a list of terms for {name}", type(entry).__name__, error=TypeError)
        row = [linearised(term, names, dim) for term in entry]
        if len({one.term for one in row}) < len(row):
            checks.fail("terms", f"each term of {name} once", ", ".join(map(str, entry)))
        found.append(row)
    if not any(found):
        checks.fail("terms", "at least one term", "none")
    return found
