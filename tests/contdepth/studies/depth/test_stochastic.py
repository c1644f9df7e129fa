"""The experiments on gradients of stochastic equations: formulas, limits, and what is counted."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth.schemes import BrownianTree, ReversibleHeun, StratonovichHeun
from contdepth.seeds import generator
from contdepth.studies.depth.stochastic.brownian_law import differing_values, distance_from_a_bridge
from contdepth.studies.depth.stochastic.gradients import (
    gradient,
    gradient_errors,
    neural_gradient,
    slope,
)
from contdepth.studies.depth.stochastic.problems import GEOMETRIC, PULLED, SQUEEZED, WELL, exact
from contdepth.studies.depth.stochastic.reversal import contraction, round_trip


@pytest.mark.parametrize("equation", [GEOMETRIC, SQUEEZED], ids=lambda one: one.name)
def test_formulas_solve_their_equations(equation):
    """X(1) and its gradients by many small steps are those of the formula."""
    tree = BrownianTree((20, 1))
    found = gradient(equation, tree, 2048, StratonovichHeun(), "backprop")
    true = exact(equation, tree, 0)
    torch.testing.assert_close(found[0], true[0], rtol=1e-3, atol=1e-3)
    for one, other in zip(found[1], true[1], strict=True):
        torch.testing.assert_close(one, other, rtol=4e-3, atol=4e-3)


def test_without_a_formula_small_steps_are_the_reference():
    tree = BrownianTree((5, 1))
    found, true = gradient(WELL, tree, 64, StratonovichHeun(), "backprop"), exact(WELL, tree, 64)
    for one, other in zip((found[0], *found[1]), (true[0], *true[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_the_naive_way_back_tends_to_its_limit():
    """In Itô's notation geometric motion ends at x0 exp(-b²), in Stratonovich's at x0; states lie in order."""
    tree = BrownianTree((50, 1))
    trips = {name: round_trip(GEOMETRIC, tree, 512, name) for name in ("stratonovich", "ito", "ito, corrected")}
    assert trips["ito"].miss == pytest.approx(1 - math.exp(-0.25), abs=0.02)
    assert trips["stratonovich"].miss < 2e-4 and trips["ito, corrected"].miss < 0.03
    for trip in trips.values():
        assert torch.equal(trip.back[-1], trip.forth[-1]) and trip.back.shape == trip.forth.shape == (513, 50, 1)
    assert (trips["stratonovich"].back - trips["stratonovich"].forth).abs().max() < 5e-3


def test_contraction_drives_the_way_back_apart():
    tree = BrownianTree((20, 1), seed=2)
    gentle, strong = contraction(PULLED, tree, 1, 64), contraction(PULLED, tree, 32, 64)
    assert gentle[0] < 1e-2 and gentle[1] < 1e-2 and gentle[2] < 1e-12
    assert strong[0] > 1 and strong[1] > 1


def test_errors_of_gradients_and_paths_that_matter():
    found = gradient_errors(GEOMETRIC, BrownianTree((100, 1)), (8, 64), StratonovichHeun(), "adjoint")
    assert all(0.8 < one < 1.2 for one in found.orders.values())
    assert found.paths_that_matter("a", 1) == pytest.approx((found.spread["a"] / found.means["a"][1]) ** 2)
    assert slope([1.0, 0.25], [10, 20]) == 2


def test_a_neural_gradient_is_the_same_each_way():
    exactly = neural_gradient(10, 16, "backprop", generator(0, "weights"))
    for how, near in (("checkpoints", 1e-12), ("adjoint", 1e-2), ("reversible", 5e-2)):
        for one, other in zip(neural_gradient(10, 16, how, generator(0, "weights")), exactly, strict=True):
            torch.testing.assert_close(one, other, rtol=near, atol=near)


def test_what_is_no_brownian_path_is_told(monkeypatch):
    """Another seed differs in every number but the first; a middle of half the variance is far from a bridge."""
    trees = [BrownianTree((50,), seed=seed) for seed in (0, 1, 1)]
    assert differing_values(trees[1], trees[2], 12) == 0 and differing_values(trees[0], trees[1], 12) == 12 * 50
    many = BrownianTree((4000,), seed=3)
    assert distance_from_a_bridge(many, 3) < 4.5
    drawn = BrownianTree._drawn
    monkeypatch.setattr(BrownianTree, "_drawn", lambda self, node: drawn(self, node) / math.sqrt(2))
    assert distance_from_a_bridge(BrownianTree((4000,), 0.0, 1.0, 4), 3) > 10


def test_reversal_is_one_of_the_gradients():
    tree = BrownianTree((5, 1))
    found, true = (gradient(WELL, tree, 32, ReversibleHeun(), how)[1] for how in ("reversible", "backprop"))
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
