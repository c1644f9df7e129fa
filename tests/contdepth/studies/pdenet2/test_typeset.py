"""Typeset equations: the coefficients shown are those of the model, term under term."""

import pytest

from contdepth.studies.pdenet2.typeset import html_term, latex_systems, latex_term

TRUTH = {"u": {"u*u_x": -1.0, "u_xx": 0.05}, "v": {"v_yy": 0.05}}
FOUND = {
    "u": {"u_xx": 0.0515, "u*u_x": -0.9678, "u*u_x**2": 0.0107, "v": -0.02, "u": 0.003},
    "v": {"v_yy": 0.0524},
}


def test_terms():
    assert latex_term("u*u_x**2") == r"u\,u_{x}^{2}"
    assert latex_term("v_xy*u") == r"u\,v_{xy}" and latex_term(1) == ""
    assert html_term("u**2*u_xx") == "<i>u</i><sup>2</sup> <i>u<sub>xx</sub></i>" and html_term(1) == "1"
    with pytest.raises(ValueError, match="term: expected a product of fields"):
        latex_term("sin(u)")


def test_what_was_read_stands_under_the_truth():
    lines = latex_systems(FOUND, TRUTH).splitlines()
    assert lines[0] == r"\begin{array}{lrll}" and lines[-1] == r"\end{array}"
    true, read, other = (line.removesuffix(r" \\").split(" & ") for line in lines[1:4])
    assert true == [r"\text{true}", "u_t =", r"- 1.00\,u\,u_{x}", r"+ 0.0500\,u_{xx}"]
    assert read == [r"\text{read}", "u_t =", r"- 0.968\,u\,u_{x}", r"+ 0.0515\,u_{xx}"]
    assert r"\rlap{- 0.0200\,v + 0.0107\,u\,u_{x}^{2} \;\text{and 1 term below 0.01}}" in lines[3]
    assert lines[5] == r"\text{read} & v_t = & + 0.0524\,v_{yy} &"  # nothing wrong: no line below


def test_rows_have_as_many_cells_as_columns():
    lines = latex_systems(FOUND, TRUTH).splitlines()[1:-1]
    assert {line.removesuffix(r" \\").count("&") for line in lines} == {3}


def test_a_missing_true_term_is_shown_as_nothing():
    assert r"+ 0.00\,u_{xx}" in latex_systems({"u": {"u*u_x": -1.0}, "v": {}}, TRUTH)
