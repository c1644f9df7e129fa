"""Hidden physics: covariances against autograd, the likelihood against SciPy, coefficients of known equations."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import scipy.stats
import sympy
import torch
from sklearn.base import clone

from contdepth.errors import EquationWarning
from contdepth.pde import HiddenPhysics, NotFittedError
from contdepth.pde.hidden.covariance import covariance, cross_covariance
from contdepth.pde.hidden.kernel import derivative_table
from contdepth.pde.hidden.likelihood import Likelihood
from contdepth.pde.hidden.snapshots import snapshots_of
from contdepth.pde.hidden.terms import linearised, read_terms


def burgers(x, t, nu=0.1):
    """The solution that starts at -sin πx, by Cole and Hopf's integral."""
    eta = np.linspace(-8, 8, 2001) * np.sqrt(4 * nu * t)
    y = x[:, None] - eta
    weight = np.exp(-np.cos(np.pi * y) / (2 * np.pi * nu) - eta**2 / (4 * nu * t))
    return (-np.sin(np.pi * y) * weight).sum(1) / weight.sum(1)


def places(seed, *counts):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(-1, 1, count)) for count in counts]


@pytest.fixture(scope="module")
def model():
    x0, x1 = places(0, 71, 69)
    return HiddenPhysics(["u*u_x", "u_xx"], starts=1).fit(x0, burgers(x0, 0.3), x1, burgers(x1, 0.35), dt=0.05)


def test_derivatives_of_the_kernel_are_those_of_autograd():
    r = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor(1.7, dtype=torch.float64)
    wanted = torch.exp(-weight * r.square() / 2)
    for found in derivative_table(r.detach(), weight, 6):
        torch.testing.assert_close(found, wanted.detach(), rtol=1e-10, atol=1e-10)
        (wanted,) = torch.autograd.grad(wanted.sum(), r, create_graph=True)


def test_covariance_of_two_fields_on_two_axes_is_the_operator_applied_by_autograd():
    rng = np.random.default_rng(1)
    x0, x1 = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    data = snapshots_of(x0, rng.normal(size=(3, 2)), x1, rng.normal(size=(2, 2)), 0.3)
    rows = read_terms({"u": ["u*v_x", "u_xxy"], "v": ["v**2", "u_y", "u*v_yy"]}, ("u", "v"), 2)
    values = torch.tensor([0.7, -1.1, 0.4, 0.9, -0.6], dtype=torch.float64)
    sizes, noise = torch.tensor([1.3, 0.8], dtype=torch.float64), torch.tensor([0.1, 0.2], dtype=torch.float64)
    weights = torch.tensor([[0.5, 1.1], [0.9, 0.7]], dtype=torch.float64)

    def kernel(p, a, b):
        return sizes[p] * torch.exp(-(weights[p] * (a - b).square()).sum() / 2)

    def slope(f, which, orders):
        """∂^orders of f(a, b) by its argument ``which``."""
        for axis, order in enumerate(orders):
            for _ in range(order):

                def f(a, b, f=f, axis=axis):
                    points = [a, b]
                    return torch.func.jacrev(lambda p: f(*points[:which], p, *points[which + 1 :]))(points[which])[
                        axis
                    ]

        return f

    u0 = data.u0
    parts = [  # field acted on, orders, factor at the earlier point i
        lambda i: [(0, (0, 0), 1.0), (1, (1, 0), -0.3 * 0.7 * u0[i, 0]), (0, (2, 1), 0.3 * 1.1)],
        lambda i: [
            (1, (0, 0), 1.0), (1, (0, 0), -0.3 * 0.4 * u0[i, 1]), (0, (0, 1), -0.3 * 0.9),
            (1, (0, 2), 0.3 * 0.6 * u0[i, 0]),
        ],
    ]  # fmt: skip
    measured = [("late", q, i) for q in (0, 1) for i in range(2)] + [
        ("early", q, i) for q in (0, 1) for i in range(3)
    ]

    def entry(one, other):
        acting = []
        for when, field, i in (one, other):
            late = when == "late"
            point = (data.x1 if late else data.x0)[i]
            acting.append((point, [(field, (0, 0), 1.0)] if late else parts[field](i)))
        (a, left), (b, right) = acting
        total = 0.0
        for (p, alpha, c), (q, beta, d) in itertools.product(left, right):
            if p == q:
                total = total + c * d * slope(slope(lambda s, t, p=p: kernel(p, s, t), 0, alpha), 1, beta)(a, b)
        return float(total)

    wanted = torch.tensor([[entry(one, other) for other in measured] for one in measured], dtype=torch.float64)
    wanted += torch.diag(torch.tensor([0.1] * 2 + [0.2] * 2 + [0.1] * 3 + [0.2] * 3, dtype=torch.float64))
    found = covariance(data, rows, values, sizes, weights, noise)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    for field in (0, 1):
        cross = cross_covariance(data.x1, field, data, rows, values, sizes, weights)
        block = wanted[2 * field : 2 * field + 2].clone()
        block[:, 2 * field : 2 * field + 2] -= noise[field] * torch.eye(2, dtype=torch.float64)
        torch.testing.assert_close(cross, block, rtol=1e-9, atol=1e-9)


def test_the_likelihood_is_that_of_scipy_and_its_gradient_that_of_differences():
    x0, x1 = places(2, 6, 5)
    data = snapshots_of(x0, np.sin(3 * x0), x1, np.cos(2 * x1), 0.1)
    likelihood = Likelihood(data, read_terms(["u*u_x", "u_xx"], ("u",), 1))
    point = torch.tensor([0.3, 0.05, -0.2, 1.1, -3.0], dtype=torch.float64)
    matrix = covariance(data, likelihood.rows, *likelihood.parts(point))
    wanted = -scipy.stats.multivariate_normal(cov=matrix.numpy()).logpdf(data.values.numpy())
    assert abs(float(likelihood(point)) - wanted) < 1e-9
    assert torch.autograd.gradcheck(likelihood, point.requires_grad_())


def test_burgers_from_140_values(model):
    (slope, viscosity), (off, _) = model.values_, model.deviations_
    assert abs(slope + 1) < 0.02 and abs(viscosity - 0.1) < 0.002 and 0 < off < 0.01
    assert model.noise_[0] < 1e-3 and 0.1 < model.lengths_[0, 0] < 0.4
    u, u_x, u_xx = sympy.symbols("u u_x u_xx")
    assert {str(t) for t in model.equations()[0].rhs.as_ordered_terms()} == {
        str(slope * u * u_x), str(viscosity * u_xx)
    }  # fmt: skip
    x = np.linspace(-0.9, 0.9, 50)
    mean, deviation = model.posterior(x)
    assert np.abs(mean - burgers(x, 0.35)).max() < 1e-3 and deviation.max() < 1e-2


def test_the_error_of_the_step_is_of_order_one():
    """Linear: u = exp(-νk²t) sin k(x - ct), two waves; backward Euler is exact for other coefficients."""
    x0, x1 = places(3, 40, 41)

    def exact(x, t):
        waves = (np.exp(-0.05 * k**2 * t) * np.sin(k * (x - 0.8 * t)) for k in (2.0, 5.0))
        return sum(waves)

    errors = []
    for dt in (0.08, 0.04, 0.02):
        found = HiddenPhysics(["u_x", "u_xx"], starts=1).fit(x0, exact(x0, 0), x1, exact(x1, dt), dt=dt)
        errors.append(np.abs(found.values_ - [-0.8, 0.05]))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 0.7).all() and (orders < 1.4).all()


@pytest.mark.filterwarnings("ignore:iterations")
def test_two_fields_on_two_axes():
    """A rotation of two fields that diffuse: u_t = v + 0.1 Δu, v_t = -u + 0.1 Δv, by two waves."""
    rng = np.random.default_rng(4)

    def exact(x, t):
        waves = np.sin(x[:, 0] + 2 * x[:, 1]), np.sin(x[:, 0] - 2 * x[:, 1])
        u, v = (sum(w * f(t + k) for k, w in enumerate(waves)) for f in (np.cos, np.sin))
        return np.exp(-0.5 * t) * np.stack([u, -v], 1)

    x0, x1 = rng.uniform(-2, 2, (24, 2)), rng.uniform(-2, 2, (25, 2))
    terms = {"u": ["v", "u_xx"], "v": ["u", "v_yy"]}  # the wave has u_yy = 4 u_xx, so one of each is enough
    found = HiddenPhysics(terms, starts=1, iterations=60).fit(x0, exact(x0, 0.5), x1, exact(x1, 0.55), dt=0.05)
    np.testing.assert_allclose(found.values_, [1, 0.5, -1, 0.125], atol=0.04)


def test_terms_are_split_as_written():
    names = ("u", "v")
    split = {t: linearised(t, names, 2) for t in ("u*u_x", "u**2*v", "v**3", "u*v*v_xy", "u_yy", "u")}
    shown = {t: (s.powers, s.field, s.orders) for t, s in split.items()}
    assert shown == {
        "u*u_x": ((1, 0), 0, (1, 0)),
        "u**2*v": ((2, 0), 1, (0, 0)),
        "v**3": ((0, 2), 1, (0, 0)),
        "u*v*v_xy": ((1, 1), 1, (1, 1)),
        "u_yy": ((0, 0), 0, (0, 2)),
        "u": ((0, 0), 0, (0, 0)),
    }


@pytest.mark.parametrize("term", ["u_x*u_x", "u_x**2", "2*u", "sin(u)", "w", "u_z", "1", "u**-1", "u_x*v_x"])
def test_other_terms_are_refused(term):
    with pytest.raises(ValueError, match="terms: expected a product of powers of u, v"):
        linearised(term, ("u", "v"), 2)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"dt": 0.0}, ValueError, "dt: expected a number > 0"),
        ({"u0": np.ones(5)}, ValueError, "u0: expected values .* at 6 points"),
        ({"u0": np.ones(6), "u1": np.ones(5)}, ValueError, "fields that vary"),
        ({"x1": np.ones((5, 2))}, ValueError, "x1: expected 1 columns"),
        ({"u1": np.ones((5, 2))}, ValueError, "u1: expected 1 columns"),
        ({"x0": np.full(6, np.nan)}, ValueError, "x0: expected finite"),
        ({"x0": np.ones((6, 4))}, ValueError, "up to three axes"),
        ({"names": ("a",)}, ValueError, "terms: expected a product of powers of a"),
    ],
)
def test_bad_snapshots_get_one_sentence(change, kind, words):
    x0, x1 = places(5, 6, 5)
    good = {"x0": x0, "u0": np.sin(x0), "x1": x1, "u1": np.sin(x1), "dt": 0.1}
    with pytest.raises(kind, match=words):
        HiddenPhysics(["u_x"]).fit(**good | change)


def test_bad_terms_get_one_sentence(model):
    for terms, kind, words in (
        ({"u": ["u_x"]}, ValueError, "an entry for each of u, v"),
        ({"u": "u_x", "v": ["u"]}, TypeError, "a list of terms for u"),
        ({"u": ["u_x", "u_x"], "v": []}, ValueError, "each term of u once"),
        ({"u": [], "v": []}, ValueError, "at least one term"),
    ):
        with pytest.raises(kind, match=words):
            read_terms(terms, ("u", "v"), 1)
    with pytest.raises(ValueError, match="field"):
        model.posterior(np.zeros(1), "w")


def test_copies_and_few_iterations(model, capsys):
    again = pickle.loads(pickle.dumps(model))
    assert (again.values_ == model.values_).all() and again.posterior(np.zeros(1)) == model.posterior(np.zeros(1))
    with pytest.raises(NotFittedError, match="call fit first"):
        clone(model).coefficients()
    model.print()
    assert capsys.readouterr().out.startswith("u_t = -1.0")
    x0, x1 = places(0, 9, 9)
    with pytest.warns(EquationWarning, match="stopped after 2"):
        HiddenPhysics(["u_x"], starts=1, iterations=2).fit(x0, np.sin(x0), x1, np.sin(x1), dt=0.1)
