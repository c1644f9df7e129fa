"""A linear unit whose flow is known: X' = (mean - X) rate, so that X(t) - mean decays by exp(-rate t)."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.schemes import HEUN2, ForwardEuler, RungeKutta
from contdepth.schemes.runge_kutta import Tableau
from contdepth.studies.durr.curves import step_curves
from contdepth.studies.durr.refine import LIMIT, WAYS, Way, observed_order, refine, refine_stored, share_of_way

RATE = 0.4


class Decay(RestorationUnit):
    """Goes to the mean of each observation at a rate."""

    def forward(self, x, y):
        return RATE * (y.mean(dim=(1, 2, 3), keepdim=True) - x)


@pytest.fixture
def pictures():
    clean = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return clean, clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()


def exact(y, t):
    """The flow of ``Decay`` at time ``t``."""
    mean = y.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (y - mean) * math.exp(-RATE * t)


def errors(pictures, scheme, sizes, time=3):
    """Share of the way between each end state and the exact flow, mean over the pictures."""
    clean, y = pictures
    ways = {str(h): Way(scheme, h) for h in sizes}
    found = refine(Decay(), clean, y, time, time, ways)
    flow = exact(y, time)
    return [float(share_of_way(found[str(h)].end, flow, y, flow).mean()) for h in sizes]


def test_euler_is_of_first_order_and_heun_of_second(pictures):
    euler = errors(pictures, ForwardEuler(), (1 / 8, 1 / 16))
    heun = errors(pictures, RungeKutta(HEUN2), (1 / 8, 1 / 16))
    assert observed_order(*euler) == pytest.approx(1, abs=0.03)
    assert observed_order(*heun) == pytest.approx(2, abs=0.03)
    assert heun[0] < euler[0] / 20


def test_a_broken_scheme_loses_its_order(pictures):
    bent = RungeKutta(Tableau("bent Heun", 0, ((), (1.0,)), (0.5, 0.45), (0.0, 1.0)))
    assert observed_order(*errors(pictures, bent, (1 / 8, 1 / 16))) < 0.3


def test_the_way_called_limit_stands_for_the_flow(pictures):
    clean, y = pictures
    found = refine(Decay(), clean, y, 3, 4)
    flow = exact(y, 3)
    assert float(share_of_way(found[LIMIT].end, flow, y, flow).max()) < 1e-5
    for name, run in found.items():
        assert run.psnr.shape == (4 * WAYS[name].per_unit + 1, 2)
        torch.testing.assert_close(run.every()[3], psnr(run.end, clean).to(run.psnr))
    torch.testing.assert_close(
        found[LIMIT].every(4)[2].double(), psnr(exact(y, 0.5), clean).double(), atol=1e-3, rtol=0
    )


def test_euler_with_one_is_the_recurrence(pictures):
    clean, y = pictures
    found = refine(Decay(), clean, y, 0, 3)["Euler, h = 1"]
    assert torch.equal(found.psnr, step_curves(Decay(), clean, y[None], 3)[0])
    assert torch.equal(found.end, y)


def test_shares_and_orders_by_hand():
    start, limit = torch.zeros(1, 1, 1, 2), torch.tensor([3.0, 4.0]).reshape(1, 1, 1, 2)
    assert share_of_way(limit, 0.9 * limit, start, limit).item() == pytest.approx(0.1)
    assert observed_order(0.4, 0.1) == pytest.approx(2)
    assert WAYS[LIMIT].evaluations == 16 and WAYS["Heun, h = 1/2"].evaluations == 4


def test_wrong_input_is_named(pictures):
    clean, y = pictures
    with pytest.raises(ValueError, match="h: expected one over a whole number"):
        Way(ForwardEuler(), 0.3)
    with pytest.raises(ValueError, match="at: "):
        refine(Decay(), clean, y, 5, 4)
    with pytest.raises(ValueError, match="noisy"):
        refine(Decay(), clean, y[:1], 1, 1)
    with pytest.raises(ValueError, match="limit"):
        share_of_way(y, y, y, y)
    with pytest.raises(ValueError, match="parts"):
        refine(Decay(), clean, y, 1, 1)["Euler, h = 1/2"].every(3)
    with pytest.raises(ValueError, match="fine"):
        observed_order(0.1, 0)


def test_a_stored_unit_is_a_job():
    y = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = refine_stored("naive4-0", y, y, 1, 1)
    assert set(found) == set(WAYS) and found[LIMIT].psnr.shape == (5, 1)
