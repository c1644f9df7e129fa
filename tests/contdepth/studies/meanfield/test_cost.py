"""What training costs, on a clock that counts its readings."""

from __future__ import annotations

import itertools

import pytest

from contdepth.meanfield import small_net, waves
from contdepth.meanfield.particles import WEIGHTINGS
from contdepth.studies.meanfield import cost


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_costs_are_a_step_s_and_add_up_over_the_runs(monkeypatch: pytest.MonkeyPatch, weighting: str) -> None:
    """Reading n of the clock says n²: two readings for the batch, then two a run, deepest first."""
    readings = itertools.count()
    monkeypatch.setattr(cost.devices, "now", lambda device: float(next(readings)) ** 2)
    found = cost.training_cost(small_net(1, weighting), (8, 24), (0, 1), *waves(12), steps=2)
    assert found == ((1 - 0) / 2, (5 + 9 + 13 + 17) / 2, (5 + 9) / 2 / 2)
