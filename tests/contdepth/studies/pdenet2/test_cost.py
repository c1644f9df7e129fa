"""The measured closures compute the same loss and gradient, and their work is counted by the rule."""

import numpy as np
import pytest

from contdepth.pde.pdenet2 import pdenet2
from contdepth.studies.pdenet2 import cost


@pytest.mark.parametrize("scheme, upwind", [("euler", True), ("midpoint", True), ("euler", False)])
def test_both_sides_compute_the_same(scheme, upwind):
    sides = cost.closures(2, 8, 2, scheme=scheme, upwind=upwind)
    assert max(cost.disagreement(sides)) <= 1e-10
    assert np.mean(sides["ours"]()[1] != 0) > 0.8  # all but the product weights that reach no earlier row


def test_upwind_images_differ():
    """With equal images the comparison would not see a wrong side."""
    central, upwind = (cost.closures(2, 8, 1, upwind=flag)["ours"]()[0] for flag in (False, True))
    assert abs(central - upwind) > 1e-6 * upwind


def test_a_wrong_loss_is_seen(monkeypatch):
    right = pdenet2.objective
    monkeypatch.setattr(cost, "objective", lambda *args, **options: (1 + 1e-8) * right(*args, **options))
    value, gradient = cost.disagreement(cost.closures(2, 8, 1))
    assert value > 1e-9 and gradient > 1e-9


def test_work_is_counted(monkeypatch):
    monkeypatch.setattr(cost, "cpu_seconds", lambda sides, repeats: dict.fromkeys(sides, 1.0))
    assert cost.scaling("grid", (16, 64), 1)[0] == [0.25, 4.0]
    assert cost.scaling("blocks", (1, 2), 1) == ([0.5, 1.0], [1.0, 1.0])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cost.closures(0, 8, 1), "n: expected a number >= 1"),
        (lambda: cost.closures(1, 4, 1)["ours"](), "u: expected at least 5 points along every space axis"),
        (lambda: cost.closures(1, 8, 0), "blocks: expected a number >= 1"),
        (lambda: cost.scaling("seeds", (1,), 1), "axis: expected one of 'samples', 'grid', 'blocks', 'size'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
