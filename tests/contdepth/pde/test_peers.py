"""The peers: PySINDy's library in our terms, known equations, the plain network."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sympy
import torch
from scipy.integrate import solve_ivp

from contdepth.errors import EquationWarning
from contdepth.pde.ensembles import Ensemble
from contdepth.pde.fields.trajectories import Trajectories, windows
from contdepth.pde.filters.moments import derivatives
from contdepth.pde.peers import PDEFIND, KnownEquation, PlainCNN, WeakSINDy
from contdepth.pde.peers import sindy as sindy_module
from contdepth.pde.simulate.catalogue import burgers1d
from contdepth.pde.simulate.noise import add_noise
from contdepth.pde.simulate.solution import solve
from contdepth.pde.symbolic.comparison import compare
from contdepth.seeds import generator

pysindy = pytest.importorskip("pysindy")
TAU = 2 * np.pi


def grid_values(points: int, lengths: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    return np.meshgrid(*(np.arange(points) * side / points for side in lengths), indexing="ij")


@pytest.fixture(scope="module")
def burgers() -> Trajectories:
    """1-D Burgers on [0, 16), 64 points, two smooth starts: u_t = -u u_x + 0.1 u_xx."""
    (x,) = grid_values(64, (16.0,))
    k = TAU / 16
    first = np.sin(k * x) + 0.5 * np.cos(2 * k * x) + 0.2
    second = 0.6 * np.cos(k * x) - 0.4 * np.sin(3 * k * x)
    u0 = torch.from_numpy(np.stack([first, second])[:, None])
    u = solve(burgers1d(), u0, np.arange(31) * 0.02, rtol=1e-9)
    return Trajectories(u, 0.02, 0.25)


TRUTH = {"u": {"u*u_x": -1.0, "u_xx": 0.1}}


# ---------------------------------------------------------------- order of PySINDy's columns


def closed_form(names: tuple[str, ...], dim: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Trigonometric fields with exact derivatives by SymPy; grid values (*space, 1, fields)."""
    axes = sympy.symbols(list("xyz"[:dim]))
    phases = [sum((i + 1 + f) % 2 * a + a for i, a in enumerate(axes)) + f for f in range(len(names))]
    exact = [sympy.sin(p) + sympy.cos(axes[0] + axes[-1] * 2) / 3 for p in phases]
    points = grid_values(12, (TAU,) * dim)
    table = {}
    for name, value in zip(names, exact, strict=True):
        for orders in np.ndindex(*(4,) * dim):
            letters = "".join(str(a) * o for a, o in zip(axes, orders, strict=True))
            rate = value
            for axis, order in zip(axes, orders, strict=True):
                rate = sympy.diff(rate, axis, order)
            number = sympy.lambdify(axes, rate, "numpy")(*points)
            table[f"{name}_{letters}" if letters else name] = np.broadcast_to(number, points[0].shape)
    return table, np.stack([table[name] for name in names], -1)[..., None, :]


def assert_terms_name_the_columns(names: tuple[str, ...], dim: int, order: int, degree: int, bias: bool) -> None:
    table, values = closed_form(names, dim)
    alphas = derivatives(order, dim)[1:]
    polynomials = pysindy.PolynomialLibrary(degree=degree, include_bias=False)
    library = pysindy.PDELibrary(
        function_library=polynomials,
        derivative_order=order,
        include_bias=bias,
        spatial_grid=np.stack(grid_values(12, (TAU,) * dim), -1),
        multiindices=np.array(alphas),
        differentiation_method=pysindy.SpectralDerivative,
    )
    labelled = pysindy.AxesArray(values, pysindy.utils.comprehend_axes(values))
    columns = np.asarray(library.fit_transform(labelled))
    terms = sindy_module.library_terms(names, alphas, polynomials.powers_, bias)
    assert columns.shape[-1] == len(terms) == len(set(terms))
    for column, term in zip(np.moveaxis(columns, -1, 0), terms, strict=True):
        unknowns = sorted(term.free_symbols, key=str)
        exact = sympy.lambdify(unknowns, term, "numpy")(*(table[str(s)] for s in unknowns))
        assert np.allclose(column[..., 0], exact, atol=1e-9), term


CASES = [
    (("u",), 1, 3, 3, False),
    (("u", "v"), 2, 2, 2, True),
    (("a", "b", "c"), 2, 1, 2, False),
    (("u",), 3, 2, 1, True),
]


@pytest.mark.parametrize("case", CASES)
def test_terms_name_the_columns_of_pysindys_library(case: tuple) -> None:
    assert_terms_name_the_columns(*case)


def test_that_test_sees_two_columns_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sindy_module.library_terms

    def wrong(*args: object) -> list:
        terms = right(*args)
        return [*terms[:-2], terms[-1], terms[-2]]

    monkeypatch.setattr(sindy_module, "library_terms", wrong)
    with pytest.raises(AssertionError):
        assert_terms_name_the_columns(*CASES[1])


def test_weak_library_has_pysindys_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """PySINDy fixes the derivatives of its weak library itself; our names must follow it."""
    named, right = [], sindy_module.library_terms

    def noted(names: tuple[str, ...], alphas: list, *rest: object) -> list:
        named.append(alphas)
        return right(names, alphas, *rest)

    monkeypatch.setattr(sindy_module, "library_terms", noted)
    for dim in (1, 2, 3):
        sides = [np.arange(6.0)] * (dim + 1)
        library = pysindy.WeakPDELibrary(
            function_library=pysindy.PolynomialLibrary(degree=1, include_bias=False),
            derivative_order=2,
            spatiotemporal_grid=np.stack(np.meshgrid(*sides, indexing="ij"), -1),
            K=2,
            H_xt=np.full(dim + 1, 2.0),
        )
        u = np.random.default_rng(dim).normal(size=(6,) * (dim + 1))
        WeakSINDy(order=2, degree=1, domains=40, threshold=0.0).fit(u, dt=1.0, dx=(1.0,) * dim)
        assert [tuple(int(a) for a in row) for row in library.multiindices] == named.pop()


# ---------------------------------------------------------------- identification


@pytest.mark.parametrize(("derivatives", "most"), [("spectral", 2e-3), (4, 2e-2), (2, 0.2)])
def test_pde_find_recovers_burgers(burgers: Trajectories, derivatives: str | int, most: float) -> None:
    model = PDEFIND(derivatives=derivatives, threshold=0.05).fit(burgers)
    table = compare(model.coefficients(), TRUTH)
    assert table.worst < most and table.largest_spurious < max(most, 1e-9)
    if derivatives == "spectral":
        assert not table.spurious


def test_weak_sindy_recovers_burgers_with_noise_and_leaves_numpys_generator(burgers: Trajectories) -> None:
    noisy = Trajectories(add_noise(burgers.values, 0.01, seed=0), burgers.dt, burgers.dx)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = WeakSINDy(domains=100, degree=1, size=(2.0, 0.15), threshold=0.05).fit(noisy)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    again = model.with_parameters().fit(noisy)
    other = model.with_parameters(seed=1).fit(noisy)
    assert model.coefficients() == again.coefficients() != other.coefficients()
    table = compare(model.coefficients(), TRUTH)
    assert table.worst < 0.1 and not table.spurious


def test_wrong_axis_or_time_step_is_seen(burgers: Trajectories) -> None:
    """Planted faults: twice the time step halves the diffusion, twice the spacing makes it four times."""
    slow = Trajectories(burgers.values, 0.04, burgers.dx)
    wide = Trajectories(burgers.values, burgers.dt, 0.5)
    assert PDEFIND(threshold=0.02).fit(slow).coefficients()["u"]["u_xx"] == pytest.approx(0.05, rel=0.01)
    assert PDEFIND(threshold=0.02).fit(wide).coefficients()["u"]["u_xx"] == pytest.approx(0.4, rel=0.01)


def test_missing_frames_cut_trajectories_and_frames_can_be_skipped(burgers: Trajectories) -> None:
    present = burgers.present.clone()
    present[0, [3, 14, 15]] = False
    model = PDEFIND(threshold=0.05, every=2).fit(Trajectories(burgers.values, 0.02, 0.25, present=present))
    assert compare(model.coefficients(), TRUTH).worst < 2e-3
    present[:] = torch.arange(31) % 3 < 2
    with pytest.raises(ValueError, match="5 consecutive frames"):
        PDEFIND().fit(Trajectories(burgers.values, 0.02, 0.25, present=present))


def test_two_fields_in_two_dimensions_with_different_spacings() -> None:
    """u_t = 0.3 v_x - 0.2 u_yy, v_t = 0.1 u_xy: exact values at one instant, rates by differences in time."""
    right = {"u": {"v_x": 0.3, "u_yy": 0.2}, "v": {"u_xy": 0.1, "v_xx": 0.05}}
    x, y = grid_values(16, (TAU, 2 * TAU))
    u0 = np.stack([np.sin(x + y / 2) + np.cos(2 * x), np.cos(y) + np.sin(2 * x - y / 2)], -1)
    dx = (TAU / 16, 2 * TAU / 16)
    known = KnownEquation(equation=right, derivatives=8, rtol=1e-9)
    known.fit(np.stack([u0, u0], -2), dt=0.01, dx=dx)
    model = PDEFIND(degree=1, derivatives=8, threshold=0.02).fit(known.simulate(u0, 10), dt=0.01, dx=dx)
    assert compare(model.coefficients(), right).worst < 1e-3


def test_found_equation_predicts(burgers: Trajectories) -> None:
    model = PDEFIND(threshold=0.05).fit(burgers)
    run = model.rollout(burgers.values[:, 0], 30)
    assert (run - burgers.values).abs().max() < 2e-3
    assert model.score(burgers) > 0.9999


@pytest.mark.parametrize(("alpha", "accuracy"), [((1, 0), 2), ((2, 0), 2), ((0, 3), 4), ((1, 1), 4)])
def test_one_sided_differences_are_pysindys(alpha: tuple[int, int], accuracy: int) -> None:
    u, dx = np.random.default_rng(0).normal(size=(11, 12)), (0.3, 0.2)
    name = "u_" + "x" * alpha[0] + "y" * alpha[1]
    model = KnownEquation(equation=name, derivatives=accuracy, boundary="one-sided")
    model.fit(np.stack([u, u], -1), dt=1, dx=dx)
    exact = u
    for axis, order in enumerate(alpha):
        if order:
            how = pysindy.FiniteDifference(order=accuracy, d=order, axis=axis, is_uniform=True)
            exact = np.asarray(how._differentiate(exact, dx[axis]))
    assert np.allclose(model.predict(u), exact, rtol=1e-9, atol=1e-7)
    wrong = model.with_parameters(boundary="replicate").fit(np.stack([u, u], -1), dt=1, dx=dx).predict(u)
    assert not np.allclose(wrong, exact, rtol=1e-3)


def test_without_periodicity_the_border_is_fitted_predicted_and_scored_alike() -> None:
    """u = exp(t - x) + 2 t + x^2 obeys u_t = u_xx on a grid that is not periodic."""
    x, t = np.arange(24)[:, None] * 0.1, np.arange(9) * 0.01
    u = np.exp(t - x) + 2 * t + x**2
    model = PDEFIND(degree=1, derivatives=4, boundary="replicate", threshold=0.5).fit(u, dt=0.01, dx=0.1)
    (value,) = model.coefficients()["u"].values()
    assert model.coefficients()["u"].keys() == {"u_xx"} and value == pytest.approx(1.0, abs=1e-3)
    assert np.allclose(model.predict(u), np.exp(t - x) + 2, atol=5e-3)
    assert model.score(u) > 0.99

    class Everywhere(PDEFIND):
        def _scored(self, values: torch.Tensor) -> torch.Tensor:
            return values

    assert Everywhere(**model.get_params()).fit(u, dt=0.01, dx=0.1).score(u) < 0.9


def test_small_grids_work_or_are_refused_by_name() -> None:
    u = np.random.default_rng(0).normal(size=(12, 12))
    for points, frames in [(8, 8), (10, 8), (5, 5), (12, 12)]:
        WeakSINDy(domains=20, degree=1, order=1, threshold=0.0).fit(u[:points, :frames], dt=0.1, dx=0.2)
    for order, accuracy in [(1, 2), (2, 2), (3, 4), (2, 4)]:
        PDEFIND(order=order, degree=1, derivatives=accuracy, boundary="replicate", threshold=0.0).fit(
            u[: order + accuracy], dt=0.1, dx=0.2
        ).predict(u[: order + accuracy])
        points = 2 * ((order + 1) // 2) - 1 + accuracy
        PDEFIND(order=order, degree=1, derivatives=accuracy, threshold=0.0).fit(
            u[:points], dt=0.1, dx=0.2
        ).predict(u[:points])
    for call, text in [
        (lambda: WeakSINDy().fit(u[:4], dt=0.1, dx=0.2), "at least five points along axis 0, found 4"),
        (lambda: WeakSINDy().fit(u[:, :4], dt=0.1, dx=0.2), "five consecutive frames"),
        (lambda: WeakSINDy(size=(0.5, 0.7)).fit(u, dt=0.1, dx=0.2), "there are 12 consecutive frames"),
        (lambda: PDEFIND().fit(u[:3], dt=0.1, dx=0.2), "at least 4 grid points"),
        (lambda: PDEFIND(derivatives=4).fit(u[:4], dt=0.1, dx=0.2), "at least 5 grid points per space axis"),
        (
            lambda: PDEFIND(order=3, derivatives=4, boundary="replicate").fit(u[:6], dt=0.1, dx=0.2),
            "at least 7 grid points per space axis for derivatives of order 3",
        ),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


def test_peers_refuse_bad_parameters(burgers: Trajectories) -> None:
    for call, text in [
        (lambda: PDEFIND(order=0), "order"),
        (lambda: PDEFIND(derivatives=3), "even accuracy"),
        (lambda: PDEFIND(boundary="replicate"), "not periodic"),
        (lambda: PDEFIND(threshold=-1.0), "threshold"),
        (lambda: PDEFIND(time_accuracy=3), "time_accuracy"),
        (lambda: WeakSINDy(domains=0), "domains"),
        (lambda: PDEFIND(threshold=1e6).fit(burgers), "at least one term"),
        (lambda: WeakSINDy(size=(1.0,)).fit(burgers), "2 half widths"),
        (lambda: WeakSINDy(size=(1.0, 5.0)).fit(burgers), "half widths from"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


def test_missing_pysindy_names_the_extra(burgers: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysindy", None)
    with pytest.raises(ImportError, match=r"contdepth\[peers\]"):
        PDEFIND().fit(burgers)


# ---------------------------------------------------------------- known equations


def heat(derivatives: str | int, points: int) -> float:
    """Largest error of the rate of u_t = 0.1 u_xx + 0.2 u_xy - u u_y on exp(sin x + cos y), closed form."""
    x, y = grid_values(points, (TAU, TAU))
    u = np.exp(np.sin(x) + np.cos(y))
    ux, uy = np.cos(x) * u, -np.sin(y) * u
    uxx, uxy = (np.cos(x) ** 2 - np.sin(x)) * u, -np.sin(y) * ux
    model = KnownEquation(equation="0.1*u_xx + 0.2*u_xy - u*u_y", derivatives=derivatives)
    model.fit(np.stack([u, u], -1), dt=0.1, dx=(TAU / points,) * 2)
    rate = model.predict(np.stack([u, u], -1))[..., 0]
    return float(np.abs(rate - (0.1 * uxx + 0.2 * uxy - u * uy)).max())


@pytest.mark.parametrize("order", [2, 4, 6])
def test_differences_have_their_order(order: int) -> None:
    assert np.log2(heat(order, 32) / heat(order, 64)) == pytest.approx(order, abs=0.25)


def test_spectral_rates_are_exact() -> None:
    assert heat("spectral", 64) < 1e-9


def test_method_of_lines_agrees_with_scipy_on_a_stencil() -> None:
    """Replicated ends and a source, against a matrix written by hand."""
    points, h = 12, 0.3
    u0 = np.random.default_rng(1).normal(size=points)

    def rate(t: float, u: np.ndarray) -> np.ndarray:
        wide = np.concatenate([u[:1], u, u[-1:]])
        return 0.2 * (wide[2:] - 2 * u + wide[:-2]) / h**2 + np.sin(u)

    model = KnownEquation(equation="0.2*u_xx + sin(u)", derivatives=2, boundary="replicate", rtol=1e-9)
    model.fit(np.stack([u0, u0], -1), dt=0.1, dx=h)
    exact = solve_ivp(rate, (0, 0.5), u0, t_eval=np.arange(6) * 0.1, rtol=1e-10, atol=1e-12).y
    assert np.allclose(model.simulate(u0, 5), exact, atol=1e-7)
    model.boundary = "periodic"
    model.fit(np.stack([u0, u0], -1), dt=0.1, dx=h)
    assert not np.allclose(model.simulate(u0, 5), exact, atol=1e-2)


def test_stiff_dispersion_travels() -> None:
    """u_t = -u_xxx moves sin(k x) with speed -k^2: exact, by the exponential integrator."""
    (x,) = grid_values(32, (TAU,))
    model = KnownEquation(equation={"u": {"u_xxx": -1.0}}).fit(np.stack([x, x], -1), dt=0.5, dx=TAU / 32)
    frames = model.simulate(np.sin(2 * x), 3)
    exact = np.stack([np.sin(2 * (x + 4 * t)) for t in (0, 0.5, 1, 1.5)], -1)
    assert np.allclose(frames, exact, atol=1e-6)


def test_blow_up_is_nan_and_leaves_other_trajectories_alone() -> None:
    """u_t = u^2 from 2 ends at t = 1/2; from -1 it is -1 / (1 + t)."""
    model = KnownEquation(equation="u**2", derivatives=2)
    model.fit(np.zeros((8, 2)), dt=0.2, dx=1)
    with pytest.warns(EquationWarning, match=r"inf or NaN from u0\[0\] at t = 0.6, step 3"):
        bad, good = model.simulate([np.full(8, 2.0), np.full(8, -1.0)], 5)
    assert np.allclose(bad[:, :3], [[2, 2 / 0.6, 10]], rtol=1e-4) and np.isnan(bad[:, 3:]).all()
    assert np.allclose(good, -1 / (1 + 0.2 * np.arange(6)), rtol=1e-5)


def test_known_equation_refuses_what_does_not_fit() -> None:
    u = np.zeros((8, 6, 2))
    with pytest.raises(ValueError, match="equal side lengths"):
        KnownEquation(equation="u_xx").fit(u, dt=1, dx=(1, 1)).predict(u)
    with pytest.raises(ValueError, match="one right-hand side for each"):
        KnownEquation(equation={"w": "u_xx"}).fit(u, dt=1, dx=(1, 1)).expressions()
    with pytest.raises(ValueError, match="u_q"):
        KnownEquation(equation="u_q", derivatives=2).fit(u, dt=1, dx=(1, 1)).predict(u)
    with pytest.raises(ValueError, match="grid points per axis for u_xxxx"):
        KnownEquation(equation="u_xxxx", derivatives=6).fit(u, dt=1, dx=(1, 1)).predict(u)


# ---------------------------------------------------------------- the plain network

SMALL = {"layers": 2, "width": 8, "size": 3, "blocks": 2, "iterations": 150, "rate": 3e-2}


def test_network_learns_better_than_persistence_and_repeats_itself(burgers: Trajectories) -> None:
    model = PlainCNN(**SMALL).fit(burgers)
    assert model.losses[-1] < 0.2 * model.losses[0]
    assert model.score(burgers) > 0.9
    twin = PlainCNN(**SMALL).fit(burgers)
    assert torch.equal(model.predict(burgers), twin.predict(burgers))
    other = PlainCNN(**SMALL | {"seed": 1, "iterations": 1}).fit(burgers)
    assert not torch.equal(other.network[0].weight, twin.network[0].weight)
    with pytest.raises(NotImplementedError, match="a plain network"):
        model.equations()


def assert_moves_with_its_input(model: PlainCNN, u: torch.Tensor) -> None:
    assert torch.allclose(model.rollout(u.roll(3, 2), 2), model.rollout(u, 2).roll(3, 3))


def test_network_is_periodic(burgers: Trajectories) -> None:
    model = PlainCNN(**SMALL | {"iterations": 1}).fit(burgers)
    u = burgers.values[:, 0]
    assert_moves_with_its_input(model, u)
    for layer in model.network:
        if hasattr(layer, "padding_mode"):
            layer.padding_mode = "zeros"
    with pytest.raises(AssertionError):
        assert_moves_with_its_input(model, u)


@pytest.mark.parametrize(("dim", "budget"), [(1, 300), (2, 5000), (3, 4000)])
def test_budget_is_used_up_and_not_passed(dim: int, budget: int) -> None:
    u = np.random.default_rng(0).normal(size=(6,) * dim + (3, 2))
    options = {"layers": 3, "size": 3, "iterations": 0, "blocks": 1}
    model = PlainCNN(budget=budget, **options).fit(u, dt=1, dx=(1.0,) * dim)
    width = model.network[0].out_channels
    assert model.count <= budget < PlainCNN(width=width + 1, **options).fit(u, dt=1, dx=(1.0,) * dim).count
    with pytest.raises(ValueError, match="budget"):
        PlainCNN(budget=5, **options).fit(u, dt=1, dx=(1.0,) * dim)


def test_network_ignores_what_stands_in_missing_frames(burgers: Trajectories) -> None:
    present = burgers.present.clone()
    present[0, 5:8] = False
    spoilt = burgers.values.clone()
    spoilt[0, 5:8] = 1e9
    options = SMALL | {"iterations": 5}
    first, second = (
        PlainCNN(**options).fit(Trajectories(v, 0.02, 0.25, present=present)) for v in (burgers.values, spoilt)
    )
    assert torch.equal(first.predict(burgers), second.predict(burgers))


def test_loss_leaves_masked_targets_out(burgers: Trajectories) -> None:
    """The first loss is that of the untrained network on the windows drawn, present targets alone."""
    present = burgers.present.clone()
    present[:, 2::3] = False
    data = Trajectories(burgers.values, 0.02, 0.25, present=present)
    options = SMALL | {"blocks": 3}
    starts, targets, mask = windows(data, 3)
    picks = torch.randint(len(starts), (16,), generator=generator(0, "plain cnn/windows"))
    starts, targets, mask = starts[picks], targets[picks], mask[picks]
    rates = (data.values[:, 1:] - data.values[:, :-1])[present[:, :-1] & present[:, 1:]] / 0.02
    frames = PlainCNN(**options | {"iterations": 0}).fit(data).rollout(starts, 3)[:, 1:]
    errors = (frames - targets).square().mean((2, 3)) / ((3 * 0.02) ** 2 * rates.square().mean())
    (loss,) = PlainCNN(**options | {"iterations": 1}).fit(data).losses
    assert loss == pytest.approx(float(errors[mask].mean())) != pytest.approx(float(errors.mean()))


@pytest.mark.slow
def test_a_member_trained_in_another_process_is_the_same(burgers: Trajectories) -> None:
    options = SMALL | {"iterations": 3}
    here, there = (Ensemble(PlainCNN(**options), seeds=(3,), workers=w).fit(burgers) for w in (1, 2))
    for a, b in zip(here.members, there.members, strict=True):
        assert torch.allclose(a.predict(burgers), b.predict(burgers), rtol=1e-10)
