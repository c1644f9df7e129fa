"""Wrong coefficients of several fits beside those that a theory foretells, as a table."""

from __future__ import annotations

from collections.abc import Mapping

from contdepth import checks
from contdepth.pde.symbolic.terms import Term, by_field
from contdepth.studies.common.tables import table
from contdepth.studies.pdenet2.modified import wrong_terms
from contdepth.studies.pdenet2.typeset import html_term

__all__ = ["wrong_table"]


def wrong_table(
    foretold: Mapping[str, Mapping[Term, float]],
    found: Mapping[str, object],
    truth: Mapping[str, object],
    *,
    head: str,
    least: float = 0.0025,
    shown: float = 0.005,
) -> str:
    """HTML of wrong coefficients, a group of rows for each field.

    First come the terms that are foretold with at least ``least``, largest first, then every other wrong term
    that one of the fits has with at least ``shown``, largest first. A coefficient that is not in a fit is 0.

    Args:
        foretold: field → {term: coefficient}.
        found: label of a fit → its coefficients by field, true terms among them.
        truth: true equations by field.
        head: head of the column of ``foretold``.
        least: smallest foretold coefficient that brings a term into the table.
        shown: smallest found one that does.
    """
    checks.real("least", least, above=0)
    checks.real("shown", shown, above=0)
    fits = {label: wrong_terms(terms, truth) for label, terms in found.items()}
    groups = {}
    for field in by_field(truth):
        theory = foretold.get(field, {})
        sizes: dict[Term, float] = {}
        for own in (fit[field] for fit in fits.values()):
            for term, value in own.items():
                sizes[term] = max(sizes.get(term, 0.0), abs(value))
        rows = _sorted({t: abs(c) for t, c in theory.items() if abs(c) >= least})
        rows += _sorted({t: size for t, size in sizes.items() if size >= shown and t not in rows})
        groups[f"equation of {field}"] = {
            html_term(t): [_number(c.get(t, 0.0)) for c in (theory, *(fit[field] for fit in fits.values()))]
            for t in rows
        }
    caption = "Coefficients of wrong terms, means over the seeds."
    return table(caption, ["term", head, *fits], groups)


def _sorted(sizes: Mapping[Term, float]) -> list[Term]:
    return sorted(sizes, key=lambda term: (-sizes[term], str(term)))


def _number(value: float) -> str:
    return f"{value:.4f}".replace("-", "−") if round(value, 4) else "0"
