"""Heat flow with a free end: flow against other solvers, risk against draws, best time against a table."""

from __future__ import annotations

import math
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import expm
from torch import Tensor
from torchdiffeq import odeint

from contdepth.restoration import photos
from contdepth.seeds import generator
from contdepth.studies.durr.heat import best_time, cross_derivative, eigenvalues, flow, measured_risk, risk

LEVELS = (15, 25, 35, 45, 55, 65, 75)
TABLE = {
    "camera": (
        (0.259, 0.444, 0.627, 0.827, 1.036, 1.275, 1.543),
        (28.73, 26.48, 25.13, 24.16, 23.41, 22.80, 22.28),
    ),
    "chelsea": (
        (0.393, 0.720, 1.149, 1.625, 2.143, 2.684, 3.248),
        (30.25, 28.32, 27.18, 26.39, 25.78, 25.28, 24.86),
    ),
    "coffee": (
        (0.303, 0.527, 0.759, 1.018, 1.297, 1.625, 1.966),
        (29.24, 27.13, 25.84, 24.92, 24.21, 23.63, 23.15),
    ),
    "motorcycle": (
        (0.197, 0.348, 0.501, 0.660, 0.827, 1.036, 1.253),
        (27.88, 25.46, 24.06, 23.07, 22.32, 21.71, 21.22),
    ),
}


def image(height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 1, height, width, generator=generator(0, "image"), dtype=torch.float64)


def laplacian(size: int) -> np.ndarray:
    """One-dimensional, positive semidefinite, with reflecting ends."""
    matrix = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    matrix[0, 0] -= 1
    matrix[-1, -1] -= 1
    return matrix


def operator(height: int, width: int) -> np.ndarray:
    return np.kron(laplacian(height), np.eye(width)) + np.kron(np.eye(height), laplacian(width))


def decibel(value: Tensor) -> Tensor:
    return 20 * math.log10(255) - 10 * torch.log10(value)


@pytest.mark.parametrize("size", [(5, 7), (1, 6), (4, 1), (1, 1)])
def test_eigenvalues_are_those_of_the_operator(size: tuple[int, int]) -> None:
    found = np.sort(eigenvalues(*size).numpy().ravel())
    assert np.allclose(found, np.linalg.eigvalsh(operator(*size)), atol=1e-12)


@pytest.mark.parametrize("tau", [0.0, 0.3, 4.0])
def test_flow_is_the_matrix_exponential(tau: float) -> None:
    y = image(6, 5)
    expected = expm(-tau * operator(6, 5)) @ y.numpy().ravel()
    assert np.allclose(flow(y, tau).numpy().ravel(), expected, atol=1e-12)


def test_flow_solves_the_heat_equation() -> None:
    y = image(9, 12)

    def slope(t: Tensor, x: Tensor) -> Tensor:
        around = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        inner = around[..., 1:-1, 2:] + around[..., 1:-1, :-2] + around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
        return inner - 4 * x

    path = odeint(slope, y, torch.tensor([0.0, 0.5, 1.5], dtype=torch.float64), rtol=1e-9, atol=1e-11)
    assert torch.allclose(flow(y, 0.5), path[1], atol=1e-8) and torch.allclose(flow(y, 1.5), path[2], atol=1e-8)


def test_flow_is_a_smoothing_semigroup_that_keeps_the_mean() -> None:
    y = image(20, 17)
    assert torch.allclose(flow(flow(y, 0.7), 1.1), flow(y, 1.8), atol=1e-12)
    assert torch.allclose(flow(y, 0), y, atol=1e-14)
    assert flow(y, 3).mean().item() == pytest.approx(y.mean().item(), abs=1e-12)
    assert flow(y, 3).amin() >= y.amin() and flow(y, 3).amax() <= y.amax()
    assert flow(y, 1e6).std() < 1e-10
    variances = [flow(y, t).var().item() for t in (0, 0.1, 1, 10)]
    assert variances == sorted(variances, reverse=True)


def test_flow_takes_a_time_for_every_image() -> None:
    y = image(8, 9, 2).float()
    out = flow(y, torch.tensor([0.2, 2.0]))
    assert out.dtype == torch.float32
    assert torch.allclose(out[:1], flow(y[:1], 0.2), atol=1e-6)
    assert torch.allclose(out[1:], flow(y[1:], 2.0), atol=1e-6)


def test_white_noise_that_is_left() -> None:
    """The variance factor mean(e^{-2 tau lam}) is the squared norm of the heat kernel, 1/(8 pi tau)."""
    left = risk(torch.zeros(1, 1, 256, 256), 10, 30.0).item() / 100
    at_border = (1 + math.sqrt(2 * math.pi * 30) / 256) ** 2
    assert left == pytest.approx(at_border / (8 * math.pi * 30), rel=0.01)


def test_risk_at_the_ends() -> None:
    clean = image(16, 24, 2)
    levels = torch.tensor([10.0, 30.0])
    values = risk(clean, levels, torch.tensor([0.0, 1e5], dtype=torch.float64))
    assert values.shape == (2, 2) and values.dtype == torch.float64
    assert values[:, 0].tolist() == pytest.approx([100, 900])
    spread = 255**2 * clean.var(dim=(1, 2, 3), correction=0)
    assert values[:, 1].tolist() == pytest.approx((spread + levels**2 / (16 * 24)).tolist())


def test_risk_is_the_mean_over_draws() -> None:
    clean = photos.test_crops(64)[1]
    levels, tau = torch.tensor([15.0, 25.0, 45.0, 75.0]), torch.tensor([0.0, 0.3, 1.0, 3.0])
    expected = risk(clean, levels, tau)
    found = measured_risk(clean, levels, tau, 60, generator(0, "draws"))
    assert found.shape == (4, 4)
    assert ((found - expected).abs() / expected).max() < 0.015


def test_cross_derivative_is_that_of_the_risk() -> None:
    clean = image(12, 15)
    tau = torch.tensor([0.1, 0.8, 3.0], dtype=torch.float64)
    step, levels = 1e-4, (20.0, 40.0)
    slopes = [(risk(clean, level, tau + step) - risk(clean, level, tau - step)) / (2 * step) for level in levels]
    found = (slopes[1] - slopes[0])[0] / (levels[1] ** 2 - levels[0] ** 2)
    expected = cross_derivative(12, 15, tau)
    assert torch.allclose(found, expected, rtol=1e-5) and (expected < 0).all()
    assert cross_derivative(12, 15, 0).item() == pytest.approx(-2 * eigenvalues(12, 15).mean().item())


def test_best_time_is_the_minimum_over_a_fine_grid() -> None:
    clean = torch.cat([image(24, 31), flow(image(24, 31), 2.0)])
    grid = torch.logspace(-3, 3, 4001, dtype=torch.float64)
    for level in (5, 25, 75):
        found, values = best_time(clean, level), risk(clean, level, grid)
        for k in range(2):
            assert found[k].item() == pytest.approx(grid[values[k].argmin()].item(), rel=0.005)
            assert risk(clean[k : k + 1], level, found[k]).item() <= values[k].min().item() * (1 + 1e-12)


def test_best_time_at_the_ends() -> None:
    assert best_time(image(9, 9), 0).tolist() == [0]
    assert best_time(torch.full((1, 1, 9, 9), 0.5), 25).item() > 50
    assert math.isfinite(best_time(torch.full((1, 1, 1, 1), 0.5), 25).item())


@pytest.fixture(scope="module")
def crops() -> dict[str, Tensor]:
    """The test crops in the grey of the table: Rec. 709 weights (scikit-image's ``rgb2gray``), not rounded."""
    weights = np.array([0.2125, 0.7154, 0.0721])
    out = {}
    for name in TABLE:
        package, file = photos.FILES[name]
        with files(package).joinpath(file).open("rb") as source, Image.open(source) as picture:
            pixels = np.asarray(picture) / 255
        grey = pixels @ weights if pixels.ndim == 3 else pixels
        top, left = ((side - 256) // 2 for side in grey.shape)
        out[name] = torch.from_numpy(grey[top : top + 256, left : left + 256])[None, None]
    return out


@pytest.mark.parametrize("name", TABLE)
def test_best_times_and_figures_of_the_test_crops(crops: dict[str, Tensor], name: str) -> None:
    clean, (expected_times, expected_figures) = crops[name], TABLE[name]
    found = torch.cat([best_time(clean, level) for level in LEVELS])
    figures = [decibel(risk(clean, s, t)).item() for s, t in zip(LEVELS, found, strict=True)]
    assert found.tolist() == pytest.approx(expected_times, rel=0.03)
    assert figures == pytest.approx(expected_figures, abs=0.02)
    assert (found.diff() > 0).all()


def test_the_grey_of_this_library_gives_nearly_the_same() -> None:
    names, clean = photos.test_crops()
    for k, level in ((0, 15), (3, 45), (6, 75)):
        found = best_time(clean, level)
        for name, image_, tau in zip(names, clean, found, strict=True):
            assert tau.item() == pytest.approx(TABLE[name][0][k], rel=0.04)
            assert decibel(risk(image_[None], level, tau)).item() == pytest.approx(TABLE[name][1][k], abs=0.12)


@pytest.mark.parametrize(
    ("tau", "error", "words"),
    [
        (-0.1, ValueError, ">= 0"),
        (math.nan, ValueError, "finite"),
        (math.inf, ValueError, "finite"),
        ("1", TypeError, "real number"),
        (torch.tensor([0.1, -1.0]), ValueError, "times >= 0"),
        (torch.tensor([0.1, math.inf]), ValueError, "finite"),
        (torch.zeros(2, 2), ValueError, "vector"),
        (torch.zeros(0), ValueError, "vector"),
        (torch.zeros(2, dtype=torch.complex64), TypeError, "real numbers"),
    ],
)
def test_bad_times(tau, error, words) -> None:
    y = image(8, 8, 2)
    for call in (lambda: flow(y, tau), lambda: risk(y, 25, tau), lambda: cross_derivative(8, 8, tau)):
        with pytest.raises(error, match=words):
            call()


def test_bad_images_levels_and_draws() -> None:
    y = image(8, 8, 2)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        flow(y, torch.tensor([1.0]))
    for call in (lambda bad: flow(bad, 1.0), lambda bad: risk(bad, 25, 1.0), lambda bad: best_time(bad, 25)):
        with pytest.raises(ValueError, match="4 dimensions"):
            call(y[0])
        with pytest.raises(ValueError, match="one channel"):
            call(y.expand(2, 3, 8, 8))
        with pytest.raises(TypeError, match="real numbers"):
            call(y.to(torch.complex64))
    for call in (lambda level: risk(y, level, 1.0), lambda level: best_time(y, level)):
        with pytest.raises(ValueError, match=">= 0"):
            call(-1)
    with pytest.raises(ValueError, match="draws"):
        measured_risk(y, 25, 1.0, 0, generator(0, "draws"))
