"""Schedules and unrolling: every patch its own loops, with the gradients of single patches."""

from __future__ import annotations

import pytest
import torch
from restoration_plans import awake, images

from contdepth.restoration.models.unit import UnitShape
from contdepth.restoration.training.schedule import unroll
from contdepth.studies.durr.catalogue import LOOPS


def test_every_patch_gets_its_own_loops_and_keeps_its_place():
    calls = []

    def step(x, y):
        calls.append(len(x))
        return x + y

    y = torch.arange(1.0, 6.0).view(5, 1, 1, 1)
    loops = [2, 5, 1, 3, 2]
    expected = y * (1 + torch.tensor(loops).view(5, 1, 1, 1))
    assert torch.equal(unroll(step, y, loops), expected)
    assert calls == [5, 4, 2, 1, 1] and sum(calls) == sum(loops)


def test_unrolling_has_the_gradients_of_single_patches():
    unit, y = awake(UnitShape(width=8)).double(), images(3, 1, 8, 8).double()
    loops = [1, 3, 2]
    unroll(unit.step, y, loops).square().sum().backward()
    together = [p.grad.clone() for p in unit.parameters()]
    unit.zero_grad()
    for one, count in zip(y, loops, strict=True):
        x = one[None]
        for _ in range(count):
            x = unit.step(x, one[None])
        x.square().sum().backward()
    for found, p in zip(together, unit.parameters(), strict=True):
        torch.testing.assert_close(found, p.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loops", [[1, 2], [1, 0, 2], [1, 2, 3, 4]])
def test_loops_must_fit(loops):
    with pytest.raises(ValueError, match="loops: expected 3 integers >= 1"):
        unroll(lambda x, y: x, torch.zeros(3, 1, 2, 2), loops)


def test_schedules():
    index = torch.tensor([0, 1, 2, 3, 3, 0])
    source = torch.Generator().manual_seed(0)
    assert LOOPS["refined"].draw(index, source).tolist() == [2, 3, 4, 5, 5, 2]
    assert LOOPS["naive8"].draw(index, source).tolist() == [8] * 6
    drawn = LOOPS["random"].draw(torch.zeros(4000, dtype=torch.int64), source)
    assert drawn.unique().tolist() == list(range(1, 9)) and abs(drawn.float().mean() - LOOPS["random"].mean) < 0.15
    assert [LOOPS[k].mean for k in ("refined", "naive4", "naive8", "random")] == [3.5, 4, 8, 4.5]
