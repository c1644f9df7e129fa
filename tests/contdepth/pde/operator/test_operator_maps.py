"""Gaussian fields by their spectrum, and Burgers' map against the exact solution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from exact_burgers import cole_hopf
from scipy import stats

from contdepth.pde.simulate import burgers1d, burgers_map, gaussian_field, solve


def test_coefficients_have_the_variances_of_the_covariance():
    """N |a_k|^2 / s_k^2 sums to a chi-square variable, for each wave."""
    n, waves = 4000, 24
    a = gaussian_field(n, 64, frequency=waves, seed=1)[:, 0]
    found = torch.fft.rfft(a, norm="forward")[:, : waves + 1]
    k = torch.arange(waves + 1, dtype=torch.float64)
    size = 625 / (4 * math.pi**2 * k**2 + 25) ** 2
    assert float(size[0]) == 1
    square = (found.abs().square() / size).sum(0)
    shares = [stats.chi2(n).cdf(float(square[0])), *stats.chi2(2 * n).cdf(2 * square[1:].numpy())]
    assert min(shares) > 1e-4
    assert max(shares) < 1 - 1e-4
    apart = (found[:, 1:, None] * found[:, None, 1:].conj()).mean(0) / (size[1:, None] * size[1:]).sqrt()
    apart.fill_diagonal_(0)
    assert float(apart.abs().max()) < 5 / math.sqrt(n)
    assert float(found[:, 1:].square().mean(0).abs().div(size[1:]).max()) < 5 / math.sqrt(n)


def test_other_parameters_scale_the_spectrum():
    one = gaussian_field(3, 32, scale=4.0, shift=9.0, power=3.0, frequency=5)
    two = gaussian_field(3, 32, frequency=5)
    k = torch.arange(6, dtype=torch.float64)
    ratio = torch.fft.rfft(one)[..., :6] / torch.fft.rfft(two)[..., :6]
    line = 4 * math.pi**2 * k**2
    wanted = 2 * (line + 9) ** -1.5 / (25 / (line + 25))
    torch.testing.assert_close(ratio.real, wanted.expand_as(ratio.real), rtol=1e-10, atol=0)


def test_one_seed_is_one_function_on_every_grid():
    fine = gaussian_field(3, 256, frequency=40, seed=2)
    for grid in (1, 4, 64, 128):
        torch.testing.assert_close(
            gaussian_field(3, grid, frequency=40, seed=2), fine[..., :: 256 // grid], rtol=0, atol=1e-13
        )
    third = gaussian_field(3, 27, frequency=40, seed=2)[..., ::9]
    torch.testing.assert_close(gaussian_field(3, 81, frequency=40, seed=2)[..., ::27], third, rtol=0, atol=1e-13)
    torch.testing.assert_close(gaussian_field(1, 256, frequency=40, seed=2), fine[:1], rtol=0, atol=1e-14)
    bare = gaussian_field(3, 256, frequency=40, seed=2, constant=False)
    torch.testing.assert_close(bare, fine - fine.mean(2, keepdim=True), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("viscosity", "tolerance"), [(0.1, 1e-6), (0.05, 1e-6)])
def test_burgers_is_the_exact_solution(viscosity, tolerance):
    a, u = burgers_map(6, 512, viscosity=viscosity, fine=512, seed=3)
    exact = cole_hopf(a[:, 0].numpy(), viscosity, 1.0)[:, ::4]
    error = np.linalg.norm(u[:, 0].numpy() - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert error.max() < tolerance


def test_burgers_is_that_of_the_adaptive_solver():
    a, u = burgers_map(2, 64, fine=64, time=0.2, steps=100, seed=4)
    frames = solve(burgers1d(0.1, 1.0), a, [0.0, 0.2], rtol=1e-9)
    torch.testing.assert_close(u, frames[:, -1], rtol=0, atol=1e-7)


def test_a_coarse_grid_is_a_subsampled_fine_one():
    fine = burgers_map(2, 8192, fine=64, steps=20, seed=5)
    for grid in (16, 64, 1024):
        for few, many in zip(burgers_map(2, grid, fine=64, steps=20, seed=5), fine, strict=True):
            assert few.shape == (2, 1, grid)
            torch.testing.assert_close(few, many[..., :: 8192 // grid], rtol=0, atol=1e-13)


def test_means_stay_and_a_blow_up_is_named():
    a, u = burgers_map(2, 33, fine=33, steps=20)
    torch.testing.assert_close(a.mean(2), u.mean(2), rtol=0, atol=1e-13)
    with pytest.raises(RuntimeError, match="Burgers: no finite solution at t = 100 in 3 steps; take more steps"):
        burgers_map(4, 64, viscosity=1e-9, fine=64, steps=3, time=100.0)


@pytest.mark.parametrize("change", [{"n": 0}, {"grid": 0}, {"power": 0.5}, {"shift": 0.0}, {"frequency": -1}])
def test_arguments_of_a_field_are_checked(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        gaussian_field(**({"n": 1, "grid": 8} | change))
