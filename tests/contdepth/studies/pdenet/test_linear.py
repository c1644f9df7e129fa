"""PDE-Net 1's linear study: exact flow, noise, modified step, against independent forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contdepth.pde.simulate.catalogue import convection_diffusion2d
from contdepth.pde.simulate.solution import solve
from contdepth.studies.pdenet import linear as linear_study
from contdepth.studies.pdenet.linear import (
    by_hand,
    fit_linear,
    follow,
    low_pass_noise,
    step_coefficients,
    training_pairs,
    true_coefficients,
)

WAVES = (2, 3)


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_flow_agrees_with_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    start = low_pass_noise(2, 40, 0, WAVES)
    wanted = solve(convection_diffusion2d(), start, 0.015 * np.arange(4), rtol=1e-9, atol=1e-11)
    assert relative(follow(start, 3), wanted) < 1e-4
    monkeypatch.setattr(linear_study, "DIFFUSION", (0.3, 0.2))
    assert relative(follow(start, 3, dt=0.015 + 1e-9), wanted) > 5e-3  # a step of its own: flows are kept


def test_noise_is_one_function_on_every_grid_and_has_its_waves() -> None:
    coarse, fine = low_pass_noise(20, 20, 3, WAVES), low_pass_noise(20, 40, 3, WAVES)
    torch.testing.assert_close(fine[..., ::2, ::2], coarse, rtol=0, atol=1e-12)
    power = torch.fft.fft2(fine[:, 0]).abs().amax(0)
    assert power[:4, :4].min() > 1 and power[4:37].max() < 1e-9 and power[:, 4:37].max() < 1e-9
    with pytest.raises(ValueError, match="grid"):
        low_pass_noise(1, 6, 0, WAVES)


def test_training_pairs_have_two_frames_and_the_noise_asked_for() -> None:
    options = dict(batch=6, grid=24, cutoffs=WAVES)
    noisy, clean = (training_pairs(1, (1, 3), noise=level, **options) for level in (0.1, 0.0))
    assert noisy.present.sum(1).tolist() == [2] * 12
    assert noisy.present[:6, 1].all() and noisy.present[6:, 3].all()
    wrong = (noisy.values - clean.values)[noisy.present]
    assert float(wrong.std()) == pytest.approx(0.1, rel=0.03)
    whole = training_pairs(1, (1, 3), fresh=False, noise=0.0, **options)
    assert whole.present.all() and whole.values.shape[:2] == (6, 4)
    torch.testing.assert_close(whole.values[:, 1], clean.values[:6, 1])
    torch.testing.assert_close(clean.values[6:, 3], follow(clean.values[6:, 0], 3)[:, 3])


def test_step_coefficients_equal_the_formula_and_cancel_the_error() -> None:
    grid, dt = 40, 0.01
    truth, step = true_coefficients(grid), step_coefficients(grid, dt)
    a, b = truth[1, 0], truth[0, 1]
    x = 2 * np.pi / grid * np.arange(grid)
    slope = (np.pi - x) * np.sin(x) + x * (2 * np.pi - x) * np.cos(x) / 2  # a_x
    np.testing.assert_allclose(step[2, 0], 0.2 + dt / 2 * (a**2 + 0.4 * slope[:, None]), atol=1e-12)
    np.testing.assert_allclose(step[0, 2], 0.3 + dt / 2 * (b**2 - 1.2 * np.sin(x)[None]), atol=1e-12)
    np.testing.assert_allclose(step[2, 2], np.full((grid, grid), dt * 0.2 * 0.3), atol=1e-12)
    start = low_pass_noise(2, grid, 0, WAVES)
    wanted = follow(start, 1, dt)[:, 1]
    with torch.no_grad():
        errors = [relative(by_hand(c, grid, grid // 2, dt=dt)(start), wanted) for c in (truth, step)]
    assert errors[1] < 0.2 * errors[0]


def test_fit_linear_reports_every_stage() -> None:
    data = dict(grid=24, batch=8, cutoffs=WAVES)
    fit = fit_linear(
        0, data, dict(size=5, order=2, mesh=6, blocks=(1, 2), iterations=8, batch=8), test=3, horizon=4
    )
    assert fit.errors.shape == (3, 3, 5)
    assert np.allclose(fit.errors[:, :, 0], 0) and fit.errors[-1, :, -1].max() < 0.3
