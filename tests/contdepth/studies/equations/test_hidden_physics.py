"""Films against their equations, pairs, splines on a known solution, slopes, coverage."""

from __future__ import annotations

import numpy as np
import pytest

from contdepth.studies.equations.hpm import contest, films


def burgers_by_cole_hopf(x: np.ndarray, t: float, nu: float = 0.1) -> np.ndarray:
    """The solution that starts at exp(-(x + 2)²), by Cole and Hopf's integral on the line."""
    from scipy.special import erf

    y = np.linspace(-14, 14, 6001)
    phi = np.exp(-np.sqrt(np.pi) / (4 * nu) * (erf(y + 2) + 1))
    heat = phi * np.exp(-((x[:, None] - y) ** 2) / (4 * nu * t))
    return ((x[:, None] - y) / t * heat).sum(1) / heat.sum(1)


def test_our_film_is_the_solution() -> None:
    film = films.burgers_film(simulated=True)
    inner = np.abs(film.x) < 5
    np.testing.assert_allclose(film.u[10][inner], burgers_by_cole_hopf(film.x, film.t[10])[inner], atol=2e-3)
    soliton = films.kdv_film(simulated=True)
    x, t = soliton.x, soliton.t[-1]
    np.testing.assert_allclose(soliton.u[-1], 0.5 / np.cosh(0.5 * (x - t)) ** 2, atol=1e-5)


def test_pairs_are_points_of_their_frames_and_repeat() -> None:
    film = films.burgers_film(simulated=True)
    one, again, other = (films.pair(film, first, 2, 0.0) for first in (4, 4, 5))
    assert len(one.x0) == 31 and len(one.x1) == 29 and one.dt == pytest.approx(0.2)
    np.testing.assert_array_equal(one.u0, film.u[4][np.searchsorted(film.x, one.x0)])
    np.testing.assert_array_equal(one.u1, film.u[6][np.searchsorted(film.x, one.x1)])
    np.testing.assert_array_equal(one.x0, again.x0)
    assert not np.array_equal(one.x0, other.x0)
    noisy = films.pair(film, 4, 2, 0.5)
    assert (noisy.frames[0] - film.u[4]).std() == pytest.approx(0.5 * film.u[4].std(), rel=0.3)
    assert len(films.pair(film, 4, 2, 0.0, share=0.5).x0) == 16


def test_splines_find_both_coefficients_of_a_fine_film() -> None:
    x = np.linspace(-5, 5, 200)
    early, late = burgers_by_cole_hopf(x, 2.0), burgers_by_cole_hopf(x, 2.05)
    film = films.Film(
        x, np.array([2.0, 2.05]), np.stack([early, late]), ("u*u_x", "u_xx"), (-1.0, 0.1), (9, 9), (1, 2)
    )
    data = films.Pair(x, early, x, late, 0.05, film.u)
    np.testing.assert_allclose(contest.by_splines(film, data, noisy=False), film.truth, rtol=0.01)


def test_a_process_is_near_and_says_how_near() -> None:
    film = films.burgers_film(simulated=True)
    found = contest.over_pairs(film, [4], 1, 0.0)
    assert np.abs(found.off).max() < 0.4
    assert np.isfinite(found.deviations).all()
    np.testing.assert_allclose(found.middle, found.off[0] + 1)


def test_coverage_and_slopes() -> None:
    found = contest.Found(
        np.array([[1.1, 3.0], [1.3, 2.0]]), np.array([[0.1, 0.1], [0.1, np.nan]]), np.array([1.0, 2.0])
    )
    assert found.covered().tolist() == [[1, 0], [0, 0]]
    np.testing.assert_allclose(found.off, [[0.1, 0.5], [0.3, 0.0]])
    assert contest.slope([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


def test_exercise_one_wave() -> None:
    """What the Euler step says of the viscosity of a wave whose product with Δt k² is a tenth."""
    nu, k, dt = 0.2, 2.0, 0.125
    growth = np.exp(nu * k**2 * dt)
    assert (growth - 1) / (k**2 * dt) / nu == pytest.approx(1.052, abs=5e-4)
