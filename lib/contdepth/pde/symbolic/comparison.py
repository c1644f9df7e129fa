"""Found terms against the true ones: a table and the largest wrong term."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy

from contdepth.pde.symbolic.terms import by_field, format_term

__all__ = ["Row", "Terms", "compare"]


@dataclass(frozen=True)
class Row:
    """One term of one field: its ``true`` and its ``found`` coefficient."""

    field: str
    term: sympy.Expr
    true: float
    found: float

    @property
    def error(self) -> float:
        """|found - true| / |true|, or |found| for a term that is not in the truth."""
        return abs(self.found - self.true) / (abs(self.true) or 1.0)


@dataclass(frozen=True)
class Terms:
    """``main``: the terms of the truth, in its order. ``spurious``: all other found terms, largest first."""

    main: tuple[Row, ...]
    spurious: tuple[Row, ...]

    @property
    def worst(self) -> float:
        """Largest relative error of a true term."""
        return max((row.error for row in self.main), default=0.0)

    @property
    def relative(self) -> float:
        """Euclidean norm of all coefficient errors over that of the true coefficients."""
        errors = [row.found - row.true for row in (*self.main, *self.spurious)]
        return float(np.linalg.norm(errors) / np.linalg.norm([row.true for row in self.main]))

    @property
    def largest_spurious(self) -> float:
        """Largest absolute coefficient of a term that is not in the truth."""
        return self.spurious[0].error if self.spurious else 0.0

    def count_spurious(self, threshold: float = 0.0) -> int:
        """Number of wrong terms whose absolute coefficient is above ``threshold``."""
        return sum(row.error > threshold for row in self.spurious)

    def __str__(self) -> str:
        head = f"{'field':6} {'term':14} {'true':>10} {'found':>10} {'error':>9}"
        lines = [
            f"{r.field:6} {format_term(r.term):14} {r.true:10.4g} {r.found:10.4g} {100 * r.error:8.2f}%"
            for r in self.main
        ]
        if self.spurious:
            row = self.spurious[0]
            lines.append(
                f"{row.field:6} {format_term(row.term):14} {0:10.4g} {row.found:10.4g}   largest of "
                f"{len(self.spurious)} wrong terms"
            )
        return "\n".join([head, *lines])


def compare(found: object, truth: object) -> Terms:
    """Compare coefficients term by term.

    Args:
        found: field → expression or term mapping, as ``coefficients()`` and ``expressions()`` give.
        truth: the same for the true equation; its fields are the ones compared. Coefficients are numbers.

    Raises:
        ValueError: ``found`` lacks a field of ``truth``.
    """
    true = by_field(truth)
    have = by_field(found, list(true))
    main, spurious = [], []
    for field, terms in true.items():
        main += [Row(field, term, value, have[field].get(term, 0.0)) for term, value in terms.items()]
        spurious += [Row(field, t, 0.0, value) for t, value in have[field].items() if t not in terms]
    return Terms(tuple(main), tuple(sorted(spurious, key=lambda row: -row.error)))
