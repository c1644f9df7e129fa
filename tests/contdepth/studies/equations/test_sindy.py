"""Systems against right-hand sides by hand, reduced fits against full ones, forecasts of known series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contdepth.pde import stlsq
from contdepth.studies.control.lorenz import lorenz
from contdepth.studies.equations.sindy import contest, lynx
from contdepth.studies.equations.sindy import systems as known

SIX = (known.LINEAR2, known.CUBIC, known.LINEAR3, known.LORENZ, known.HOPF, known.mean_field(slow=False))


def by_hand(name: str, u: np.ndarray) -> list[float]:
    x, y = u[0], u[1]
    if name == "linear, 2 states":
        return [-0.1 * x + 2 * y, -2 * x - 0.1 * y]
    if name == "cubic, 2 states":
        return [-0.1 * x**3 + 2 * y**3, -2 * x**3 - 0.1 * y**3]
    if name == "linear, 3 states":
        return [-0.1 * x - 2 * y, 2 * x - 0.1 * y, -0.3 * u[2]]
    if name == "Lorenz":
        return lorenz(torch.zeros(()), torch.from_numpy(u)).tolist()
    if name == "mean field":
        r = x * x + y * y
        return [0.1 * x - y - 0.1 * x * u[2], x + 0.1 * y - 0.1 * y * u[2], -10 * (u[2] - r)]
    p, r = u[2], x * x + y * y
    return [p * x - y - x * r, x + p * y - y * r, 0.0]


@pytest.mark.parametrize("system", SIX, ids=lambda s: s.name)
def test_terms_are_the_equation_by_hand_in_words_and_on_the_library(system: known.System) -> None:
    u = np.random.default_rng(0).normal(size=len(system.letters))
    wanted = by_hand(system.name, u)
    np.testing.assert_allclose(system.rate(0.0, u), wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        system.library()(torch.from_numpy(u)) @ system.truth(), wanted, rtol=1e-12, atol=1e-12
    )


def test_paths_are_those_of_the_exponential() -> None:
    path = known.LINEAR2.paths(200)[0].numpy()
    t = 0.01 * np.arange(200)
    wanted = 2 * np.exp(-0.1 * t)[:, None] * np.stack([np.cos(2 * t), -np.sin(2 * t)], 1)
    np.testing.assert_allclose(path, wanted, atol=1e-8)


def test_reduced_fits_are_those_of_all_rows() -> None:
    system = replace(known.LORENZ, step=0.01, degree=3)
    data = contest.reduced(system, 1500)
    theta = system.library()(system.paths(1500)[0])
    rates = theta @ system.truth()
    q, r = torch.linalg.qr(theta)
    noise = torch.randn(rates.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(data.target, q.T @ rates)
    full, short = stlsq(theta, rates + noise, 0.5), stlsq(data.r, data.target + q.T @ noise, 0.5)
    assert ((full != 0) == (short != 0)).all()
    torch.testing.assert_close(full, short, rtol=1e-6, atol=1e-6)


def test_projected_noise_has_the_law_of_least_squares() -> None:
    """Deviations of coefficients without threshold are those of the inverse normal matrix."""
    data = contest.reduced(known.LINEAR3, 400)
    fits = contest.with_noise(data, 0.3, 0.0, range(300))
    spread = torch.stack(fits.found)[:, :, 0].std(0)
    theta = known.LINEAR3.library()(known.LINEAR3.paths(400)[0])
    wanted = 0.3 * torch.linalg.inv(theta.T @ theta).diagonal().sqrt()
    torch.testing.assert_close(spread, wanted, rtol=0.15, atol=0)


def test_judging_counts_lost_and_further_terms() -> None:
    truth = torch.tensor([[1.0, 0.0], [0.0, -2.0]], dtype=torch.float64)
    fits = contest._judged([truth, torch.tensor([[0.0, 0.5], [0.0, -2.1]], dtype=torch.float64)], truth)
    assert fits.right.tolist() == [1, 0] and fits.lost.tolist() == [0, 1] and fits.extra.tolist() == [0, 1]
    np.testing.assert_allclose(fits.worst, [0, 1])
    np.testing.assert_allclose(fits.percent, [0, 100])


def test_norm_one_knows_no_units() -> None:
    data = contest.reduced(known.LINEAR2, 500)
    scaled = replace(data, r=data.r * 7, columns=data.columns * 7)
    one, other = (
        contest.with_noise(d, 0.01, 0.01, [3], relative=True, unit=True).found[0] for d in (data, scaled)
    )
    torch.testing.assert_close(one, 7 * other, rtol=1e-8, atol=1e-10)


def test_differences_have_the_noise_that_is_said() -> None:
    x = 0.2 * np.random.default_rng(0).normal(size=20000)
    slopes = (x[2:] - x[:-2]) / 0.02
    assert slopes.std() == pytest.approx(contest.difference_noise(0.2, 0.01), rel=0.02)


def test_without_noise_states_give_the_terms_and_the_ring_has_radius_one() -> None:
    system = known.LINEAR2
    fits = contest.from_states(system, system.paths(1000)[0], 0.0, None, [0], 0.05)
    assert fits.right.all() and 0 < fits.worst[0] < 1e-3
    wake = known.mean_field(slow=True)
    assert contest.radii(wake, [wake.truth()])[0] == pytest.approx(1, abs=1e-4)


def test_equals_pysindy() -> None:
    pytest.importorskip("pysindy")
    assert contest.apart_from_pysindy(replace(known.LORENZ, step=0.01, degree=3), 1000, 1.0, 0.3, 0) < 1e-10


def test_delays_and_forecasts_of_a_pure_cycle() -> None:
    t = np.arange(114)
    v = np.sin(0.65 * t)
    states, slopes = lynx.delays(v)
    assert states.shape == slopes.shape == (110, 2)
    np.testing.assert_allclose(states[:, 0], v[3:-1])
    np.testing.assert_allclose(states[:, 1], v[1:-3])
    np.testing.assert_allclose(slopes[:, 0], np.cos(0.65 * t[3:-1]) * np.sin(0.65), atol=1e-12)
    found = lynx.forecasts(10 ** (2 + v), 80, 2, [0.01], [2])
    assert found["linear"] < 1e-8 < found["equations"] < 0.3 < found["last value"]
    assert found["mean"] == pytest.approx(1, abs=0.1)
    assert lynx.supports(10 ** (2 + v), 0.05)[0] == 0


def test_exercise_units_of_the_threshold() -> None:
    """States twenty times as large divide the coefficient of xz by twenty, and leave linear ones as they are."""
    u = known.LORENZ.paths(3000)[0]
    theta = known.LORENZ.library()(u)[:, :10]
    rates = known.LORENZ.library()(u) @ known.LORENZ.truth()
    for s, kept in ((19.0, True), (21.0, False)):
        scaled = torch.cat([theta[:, :1], s * theta[:, 1:4], s * s * theta[:, 4:]], 1)
        found = stlsq(scaled, s * rates, 0.05)[:, 1]
        assert bool(found[6] != 0) == kept
        if kept:
            assert found[6].item() == pytest.approx(-1 / s) and found[1].item() == pytest.approx(28)
