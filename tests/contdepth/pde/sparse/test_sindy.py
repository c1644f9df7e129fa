"""Sparse regression for ODEs: against PySINDy, against exact equations, on odd input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sympy
import torch
from sklearn.base import clone

from contdepth.errors import EquationWarning
from contdepth.pde import NotFittedError, Polynomials, SINDy, stlsq
from contdepth.pde.sparse.rates import rates_of
from contdepth.schemes import solve
from contdepth.studies.control.lorenz import lorenz


@pytest.fixture(scope="module")
def path():
    """Lorenz's attractor: states ``(2000, 3)`` in steps of 0.01, and exact rates."""
    t = torch.linspace(0, 20, 2001, dtype=torch.float64)
    u = solve(lorenz, torch.tensor([-8.0, 8, 27], dtype=torch.float64), t, rtol=1e-10, atol=1e-12).u
    return u, lorenz(t, u)


def _noisy(rates, size, seed=0):
    return rates + size * torch.randn(
        rates.shape, generator=torch.Generator().manual_seed(seed), dtype=rates.dtype
    )


@pytest.mark.parametrize(("ridge", "threshold", "noise"), [(0.0, 0.05, 1.0), (0.05, 0.2, 5.0), (2.0, 0.5, 0.1)])
def test_equals_pysindy(path, ridge, threshold, noise):
    pysindy = pytest.importorskip("pysindy")
    u, rates = path
    theta, noisy = Polynomials(3, 3)(u), _noisy(rates, noise)
    theirs = pysindy.STLSQ(threshold=threshold, alpha=ridge, max_iter=20).fit(theta.numpy(), noisy.numpy()).coef_.T
    ours = stlsq(theta, noisy, threshold, ridge=ridge).numpy()
    assert ((theirs != 0) == (ours != 0)).all() and (ours != 0).sum() < ours.size / 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_polynomials_are_those_of_scikit_learn():
    from sklearn.preprocessing import PolynomialFeatures

    x = np.random.default_rng(0).normal(size=(7, 4))
    for constant in (True, False):
        other = PolynomialFeatures(3, include_bias=constant).fit(x)
        library = Polynomials(4, 3, constant=constant)
        assert len(library) == other.n_output_features_
        np.testing.assert_allclose(library(torch.from_numpy(x)).numpy(), other.transform(x), rtol=1e-13)
    terms = Polynomials(2, 2).terms(("a", "b"))
    a, b = sympy.symbols("a b")
    assert terms == [1, a, b, a**2, a * b, b**2]


@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0])
def test_lorenz_from_noisy_rates(path, noise):
    u, rates = path
    found = SINDy(degree=3, threshold=0.3).fit(u, rates=_noisy(rates, noise)).terms()
    x, y, z = sympy.symbols("x y z")
    true = {"x": {x: -10, y: 10}, "y": {x: 28, y: -1, x * z: -1}, "z": {z: -8 / 3, x * y: 1}}
    assert {n: set(t) for n, t in found.items()} == {n: set(t) for n, t in true.items()}
    worst = max(abs(found[n][e] - c) for n, terms in true.items() for e, c in terms.items())
    assert worst < (1e-9 if noise == 0 else 0.5 * noise)


def test_without_threshold_it_is_least_squares_and_dense(path):
    u, rates = path
    theta, noisy = Polynomials(3, 2)(u), _noisy(rates, 1.0)
    found = stlsq(theta, noisy, 0.0)
    torch.testing.assert_close(found, torch.linalg.lstsq(theta, noisy).solution, rtol=1e-8, atol=1e-8)
    assert int((found != 0).sum()) == 30


def test_rates_of_differences_have_order_two():
    errors = []
    for n in (101, 201, 401):
        t = np.linspace(0, 1, n) ** 1.3 * 3  # unequal steps
        x = np.stack([np.cos(t), np.sin(t)], 1)
        model = SINDy(degree=1, threshold=0.2, constant=False).fit(x, t=t)
        errors.append(np.abs(model.coefficients_ - [[0, 1], [-1, 0]]).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.7).all() and (orders < 2.3).all()


def test_rates_of_a_parabola_are_exact_to_its_ends():
    t = np.array([0, 0.1, 0.3, 0.4, 0.8])
    found = rates_of((t**2 - t)[:, None], t, None, None)[1]
    np.testing.assert_allclose(found.numpy()[:, 0], 2 * t - 1, atol=1e-12)


def test_a_window_halves_the_error_of_rates_of_noisy_states(path):
    u, rates = path[0].numpy(), path[1].numpy()
    noisy = u + 0.1 * np.random.default_rng(1).normal(size=u.shape)
    off = [np.sqrt(np.square(rates_of(noisy, 0.01, None, w)[1].numpy() - rates).mean()) for w in (None, 15)]
    assert off[1] < 0.5 * off[0]
    t = np.arange(20) * 0.1
    cubic = np.stack([t**3 - t, 2 * t**2], 1)
    smooth, slopes = rates_of(cubic, 0.1, None, 7)
    np.testing.assert_allclose(smooth.numpy(), cubic, atol=1e-12)
    np.testing.assert_allclose(slopes.numpy(), np.stack([3 * t**2 - 1, 4 * t], 1), atol=1e-11)


def test_lists_simulation_score_copies(path):
    u, rates = path[0].numpy(), path[1].numpy()
    model = SINDy(threshold=0.3).fit([u[:900], u[900:]], rates=[rates[:900], rates[900:]], names=("a", "b", "c"))
    assert [str(e.lhs) for e in model.equations()] == ["a_t", "b_t", "c_t"]
    assert model.score(u, rates=rates) > 1 - 1e-12
    np.testing.assert_allclose(model.predict(u), rates, rtol=1e-6, atol=1e-6)
    t = np.linspace(0, 1, 101)
    np.testing.assert_allclose(model.simulate(u[0], t), u[:101], atol=1e-3)
    assert model.simulate(u[:4], t).shape == (4, 101, 3)
    again = pickle.loads(pickle.dumps(model))
    assert (again.coefficients_ == model.coefficients_).all()
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError, match="call fit first"):
        clone(model).predict(u)


def test_a_blow_up_is_named():
    x = np.linspace(1, 2, 50)[:, None]
    model = SINDy(threshold=0.3).fit(x, rates=x**2)
    with pytest.warns(EquationWarning, match="none after"):
        states = model.simulate(np.array([1.0]), np.linspace(0, 3, 31))
    assert np.isfinite(states[:9]).all() and np.isnan(states[-1]).all()


def test_thresholds_above_everything_leave_nothing_and_say_so(path):
    u, rates = path
    with pytest.warns(EquationWarning, match="none for x, y, z"):
        model = SINDy(threshold=1e3).fit(u, rates=rates)
    assert not model.coefficients_.any() and model.terms() == {"x": {}, "y": {}, "z": {}}


def test_dependent_columns_are_no_trouble():
    x = torch.linspace(0, 1, 50, dtype=torch.float64)
    theta = torch.stack([x, x, torch.ones_like(x)], 1)
    found = stlsq(theta, (2 * x + 3)[:, None], 0.1)
    torch.testing.assert_close(found[:, 0], torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros((2, 2, 2))}, r"x: expected an array \(samples, states\)"),
        ({"x": np.array([[1.0], [np.nan], [2.0]])}, "finite states, found NaN or inf in sample 1"),
        ({"t": None}, "t: expected a time step"),
        ({"t": -1.0}, "t: expected a number > 0"),
        ({"t": [0.0, 1.0]}, "t: expected 50 times"),
        ({"t": np.zeros(50)}, "increasing times"),
        ({"rates": np.zeros((3, 2))}, r"rates: expected shape \(50, 2\)"),
        ({"x": [np.zeros((9, 2)), np.zeros((9, 3))]}, r"x\[1\]: expected 2 states"),
        ({"x": []}, "at least one trajectory"),
        ({"x": np.zeros((4, 2))}, "as many samples as terms, 6, found 4"),
        ({"names": ("a", "a")}, "2 distinct identifiers"),
    ],
)
def test_bad_arrays_get_one_sentence(change, words):
    good = {"x": np.random.default_rng(0).normal(size=(50, 2)), "t": 0.1}
    with pytest.raises(ValueError, match=words):
        SINDy().fit(**good | change)


def test_bad_settings_get_one_sentence():
    with pytest.raises(ValueError, match="an odd length"):
        SINDy(window=6)
    with pytest.raises(ValueError, match="equal steps"):
        SINDy(window=5).fit(np.zeros((9, 1)), t=np.arange(9.0) ** 2)
    with pytest.raises(ValueError, match="at most 5000 terms"):
        Polynomials(12, 8)
    with pytest.raises(ValueError, match="a last axis of 3 states"):
        Polynomials(3, 2)(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="a row for each"):
        stlsq(torch.ones(4, 1), torch.ones(3, 1), 0.1)
