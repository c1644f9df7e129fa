"""A picture of found terms against the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy
from matplotlib.axes import Axes

from contdepth import checks
from contdepth.pde.symbolic.terms import by_field, format_term, monomial
from contdepth.studies.common.plots import COLOURS, MARKERS

__all__ = ["draw_terms"]


def draw_terms(
    ax: Axes,
    found: Mapping[str, object],
    truth: object = None,
    *,
    field: str = "u",
    intervals: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]] | None = None,
    terms: Sequence[object] | None = None,
) -> None:
    """Draw found over true coefficient of the main terms, a column per term, a marker per method; 1 is right.

    Without ``truth``, the coefficients themselves, on a symmetric logarithmic axis if their sizes differ by
    more than a factor of 30.

    Args:
        ax: axes to draw in.
        found: label of a method → its coefficients, field by field, as ``coefficients()`` gives.
        truth: true coefficients, field by field, or None if they are not known.
        field: the field whose equation is drawn.
        intervals: label → field → term → (low, high), as ``Ensemble.intervals()`` gives.
        terms: which terms of the truth, all by default; without truth any terms, by default the eight with
            the largest coefficients.
    """
    if not found:
        checks.fail("found", "at least one method", "none")
    chosen = None if terms is None else [monomial(t) for t in terms]
    if truth is None:
        main = _largest(found, field) if chosen is None else chosen
        scale = np.ones(len(main))
    else:
        true = by_field(truth)
        checks.one_of("field", field, list(true))
        main = list(true[field]) if chosen is None else chosen
        for term in main:
            if term not in true[field]:
                known = [str(t) for t in true[field]]
                checks.fail("terms", f"terms of the true equation, {known}", str(term))
        scale = np.array([true[field][term] for term in main])
    sizes = []
    width = 0.6 / max(len(found) - 1, 1)
    for index, (label, coefficients) in enumerate(found.items()):
        have = by_field(coefficients, [field])[field]
        place = np.arange(len(main)) + (width * index - 0.3 if len(found) > 1 else 0.0)
        centre = np.array([have.get(term, 0.0) for term in main]) / scale
        sizes += [size for size in np.abs(centre) if size > 0]
        bars = None
        if intervals and label in intervals:
            ranges = {monomial(t): limits for t, limits in intervals[label][field].items()}
            ends = np.array([ranges.get(term, (0.0, 0.0)) for term in main]) / scale[:, None]
            bars = np.abs(np.sort(ends, 1).T - centre)
        ax.errorbar(
            place,
            centre,
            yerr=bars,
            fmt=MARKERS[index % len(MARKERS)],
            capsize=3,
            label=label,
            color=COLOURS[index % len(COLOURS)],
        )
    if truth is None and sizes and max(sizes) > 30 * min(sizes):
        ax.set_yscale("symlog", linthresh=max(min(sizes), 1e-4 * max(sizes)))
    ax.axhline(0.0 if truth is None else 1.0, color="#5a5a5a", linewidth=1, zorder=0)
    ax.set_xticks(range(len(main)), [format_term(term) for term in main])
    quantity = "coefficient" if truth is None else "found / true"
    ax.set(xlim=(-0.5, len(main) - 0.5), ylabel=f"{quantity}, equation of {field}")
    if len(found) > 1:
        ax.legend()


def _largest(found: Mapping[str, object], field: str, most: int = 8) -> list[sympy.Expr]:
    """The terms with the largest absolute coefficient in any method, largest first."""
    sizes: dict[sympy.Expr, float] = {}
    for coefficients in found.values():
        for term, value in by_field(coefficients, [field])[field].items():
            sizes[term] = max(sizes.get(term, 0.0), abs(value))
    if not sizes:
        checks.fail("found", f"at least one term in the equation of {field}", "none")
    return sorted(sizes, key=lambda term: (-sizes[term], str(term)))[:most]
