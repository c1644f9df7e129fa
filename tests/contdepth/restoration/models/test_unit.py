"""Restoration units: sizes, starts, scaling, and the recurrence as forward Euler."""

from __future__ import annotations

import pytest
import torch
from restoration_plans import awake, images

from contdepth.restoration.models.unit import UnitShape, make_unit, trajectory
from contdepth.schemes import ForwardEuler, integrate


@pytest.mark.parametrize(
    "shape, count",
    [(UnitShape(), 49_732), (UnitShape(width=48), 109_156), (UnitShape("unet", 32, activation="prelu"), 192_233)],
)
def test_parameter_counts(shape, count):
    assert sum(p.numel() for p in make_unit(shape, 0).parameters()) == count


@pytest.mark.parametrize(
    "shape", [UnitShape(width=4), UnitShape("unet", 4), UnitShape("unet", 4, activation="prelu")]
)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 11), (1, 1)])
def test_any_size_and_a_start_that_does_nothing(shape, size):
    x, y = images(2, 1, *size), images(2, 1, *size, seed=1)
    assert awake(shape)(x, y).shape == x.shape
    assert torch.equal(make_unit(shape, 0).step(x, y), x)


def test_units_depend_on_the_seed_alone():
    a, b, c = (make_unit(UnitShape(width=4), seed) for seed in (3, 3, 4))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True))


@pytest.mark.parametrize("layout", ["compact", "unet"])
def test_without_biases_a_unit_commutes_with_scaling(layout):
    x, y = images(1, 1, 16, 16).double(), images(1, 1, 16, 16, seed=1).double()
    for bias in (False, True):
        unit = awake(UnitShape(layout, 8, bias)).double()
        gap = (unit(0.3 * x, 0.3 * y) - 0.3 * unit(x, y)).abs().max()
        assert (gap < 1e-14) != bias


def test_the_recurrence_is_forward_euler():
    unit, y = awake(UnitShape(width=8)), images(2, 1, 12, 12)
    with torch.no_grad():
        states = integrate(unit.field(y), y, torch.arange(5.0), ForwardEuler())
    assert torch.equal(states, trajectory(unit, y, 4))


def test_the_unit_sees_iterate_and_observation():
    unit = awake(UnitShape(width=8))
    x, y = images(1, 1, 8, 8), images(1, 1, 8, 8, seed=1)
    assert not torch.equal(unit(x, y), unit(y, x))


def test_kaiming_weights_are_larger():
    small, large = (make_unit(UnitShape(start=start), 0).body[1].weight.std() for start in ("pytorch", "kaiming"))
    assert large > 2 * small and make_unit(UnitShape(start="kaiming"), 0).body[-2].weight.abs().max() == 0
