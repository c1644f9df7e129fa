"""The table of wrong terms: what is foretold comes first, what is not is shown where a fit has it."""

import re

import pytest

from contdepth.pde.symbolic.terms import by_field
from contdepth.studies.pdenet2.wrong_table import wrong_table

TRUTH = {"u": {"u*u_x": -1.0}}
STEP = by_field({"u": {"u*u_x**2": 0.01, "u**2*u_xx": 0.005, "u_xx": 0.001}})
FITS = {
    "Euler": {"u": {"u*u_x": -0.97, "u*u_x**2": 0.0107, "v": -0.006, "u_xx": 0.0049}},
    "midpoint": {"u": {"u*u_x": -0.98, "v": 0.002, "u": 0.0049}},
}


def rows(**options):
    html = wrong_table(STEP, FITS, TRUTH, head="foretold", **options)
    found = re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', html)
    return {re.sub(r"<[^>]+>", "", name): re.findall(r">([^<]+)</td>", cells) for name, cells in found}


def test_rows_and_their_order():
    found = rows()
    assert list(found) == ["u ux2", "u2 uxx", "v"]  # uxx and u are below 0.005 in every fit, u ux is true
    assert found["u ux2"] == ["0.0100", "0.0107", "0"]
    assert found["v"] == ["0", "−0.0060", "0.0020"]


def test_a_lower_threshold_shows_more_and_what_is_foretold_of_it():
    found = rows(shown=0.004)
    assert list(found) == ["u ux2", "u2 uxx", "v", "u", "uxx"]
    assert found["uxx"] == ["0.0010", "0.0049", "0"]
    with pytest.raises(ValueError, match="shown: expected"):
        rows(shown=0.0)
