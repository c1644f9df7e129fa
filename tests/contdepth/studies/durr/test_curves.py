"""Curves of PSNR over steps, and what stopping gains."""

from __future__ import annotations

import pytest
import torch
from restoration_toys import Blur

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import trajectory
from contdepth.schemes import ForwardEuler
from contdepth.studies.durr.curves import best_step, best_stop_gain, noisy_copies, step_curves


def test_curves_are_psnr_of_the_iterates():
    unit, clean = Blur(), torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    noisy = noisy_copies(clean, [10, 30], seed=0)
    curves = step_curves(unit, clean, noisy, 3)
    assert curves.shape == (2, 4, 2)
    for level in range(2):
        expected = psnr(trajectory(unit, noisy[level], 3), clean)
        torch.testing.assert_close(curves[level].double(), expected.double(), rtol=0, atol=1e-4)
    euler = step_curves(unit, clean, noisy, 3, scheme=ForwardEuler())
    assert torch.equal(curves, euler)
    half = step_curves(unit, clean, noisy, 6, scheme=ForwardEuler(), h=0.5)
    assert not torch.equal(half[:, 2], curves[:, 1]) and torch.equal(half[:, 0], curves[:, 0])


def test_levels_share_one_draw_of_the_noise():
    clean = torch.full((3, 1, 8, 8), 0.5)
    a, b = noisy_copies(clean, [10, 30], seed=0) - clean
    torch.testing.assert_close(3 * a, b, rtol=0, atol=1e-6)
    assert not torch.equal(a, (noisy_copies(clean, [10], seed=1) - clean)[0])


def test_best_steps_and_what_they_gain():
    curves = torch.tensor([[20.0, 25, 24, 20], [15, 18, 21, 22]])[..., None]
    assert best_step(curves).tolist() == [1, 3]
    gain, single = best_stop_gain(curves)
    assert single == 2 and gain == pytest.approx((25 + 22 - 24 - 21) / 2)
    assert best_stop_gain(curves, 0)[0] == pytest.approx((5 + 7) / 2)
