"""Gradients against torchsde: as it computes them now, and as a page has them stored."""

from __future__ import annotations

import json

import pytest
import torch

from contdepth import schemes
from contdepth.schemes import BrownianTree
from contdepth.studies.depth.stochastic.gradients import gradient
from contdepth.studies.depth.stochastic.problems import GEOMETRIC, WELL
from contdepth.studies.depth.stochastic.torchsde_gradients import distance

EQUAL = {
    "heun": (schemes.StratonovichHeun(), "adjoint"),
    "reversible_heun": (schemes.ReversibleHeun(), "reversible"),
}


@pytest.mark.parametrize("equation", [GEOMETRIC, WELL], ids=lambda one: one.name)
@pytest.mark.parametrize("method", EQUAL)
def test_the_same_scheme_along_the_same_path_has_the_same_gradient(method, equation):
    """To rounding: our adjoint is its adjoint with Heun's scheme, our reversal its reversible Heun."""
    assert distance(equation, method, *EQUAL[method]) < 1e-12
    assert distance(equation, "midpoint", *EQUAL[method]) > 1e-5  # the file says what it should not equal


@pytest.mark.parametrize("equation", [GEOMETRIC, WELL], ids=lambda one: one.name)
def test_what_is_stored_is_what_torchsde_finds(equation):
    pytest.importorskip("torchsde", reason="an outside oracle: pip install torchsde==0.2.6")
    from schemes.torchsde_reference import FILE, METHODS, PATHS, STEPS, gradients

    stored = json.loads(FILE.read_text(encoding="utf-8"))
    assert (stored["paths"], stored["steps"]) == (PATHS, STEPS)
    for method in METHODS:
        found = torch.tensor(gradients(equation, method))
        torch.testing.assert_close(found, torch.tensor(stored["gradients"][equation.name][method]))
    ours = gradient(equation, BrownianTree((PATHS, 1)), STEPS, *EQUAL["heun"])[1]
    for one, other in zip(ours, gradients(equation, "heun"), strict=True):
        torch.testing.assert_close(one.flatten(), torch.tensor(other, dtype=torch.float64), rtol=1e-12, atol=1e-12)
