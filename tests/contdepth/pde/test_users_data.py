"""Data as users bring them: rounded times, grids with both ends, other units, extremes, and what is said."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from contdepth.errors import EquationWarning
from contdepth.pde import Ensemble, Estimator, PDENet, PDENet2, Trajectories, format_equation, trajectories
from contdepth.pde.fields.periodic import open_axes
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.peers import PDEFIND, KnownEquation, PlainCNN, WeakSINDy
from contdepth.pde.simulate import burgers1d, burgers2d, kuramoto_sivashinsky, random_fourier, solve
from contdepth.pde.symbolic.terms import term_size, typical_sizes

TAU = 2 * np.pi
T = 0.01 * np.arange(30)


def heat(x: np.ndarray, t: np.ndarray = T) -> np.ndarray:
    """Three decaying waves of period 2 pi, u_t = 0.1 u_xx: (x, t)."""
    x = x[:, None]
    return (
        np.exp(-0.1 * t) * np.sin(x)
        + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)
        + np.exp(-0.9 * t) * np.sin(3 * x)
    )


def ring(points: int = 64) -> np.ndarray:
    return TAU * np.arange(points) / points


def moving(x: np.ndarray, diffusion: float, t: np.ndarray = T) -> np.ndarray:
    """u_t = -u_x + diffusion u_xx, three waves of period 2 pi."""
    x = x[:, None] - t
    return sum(a * np.exp(-diffusion * k * k * t) * np.sin(k * x + k) for k, a in ((1, 1.0), (2, 0.5), (3, 1.0)))


# ---------------------------------------------------------------- times that are rounded


ROUNDED = {
    "float32 at 1000": ((1000 + 0.01 * np.arange(60)).astype("f4"), 0.01),
    "float32, 3,000 frames": ((0.01 * np.arange(3000)).astype("f4"), 0.01),
    "float32 kept in float64": ((1000 + 0.01 * np.arange(60)).astype("f4").astype(float), 0.01),
    "float16": ((1 + 0.0625 * 1.03 * np.arange(15)).astype("f2"), 0.0644),
    "a float32 tensor": (torch.arange(3000) * 0.01, 0.01),
    "30 frames a second in ms": (np.round(np.arange(400) / 30, 3), 1 / 30),
    "60 frames a second in ms": (np.round(7.0 + np.arange(900) / 60, 3), 1 / 60),
    "24 frames a second in whole ms": (np.round(1000 * np.arange(300) / 24), 1000 / 24),
    "a calendar's seconds in float64": (1.7e9 + 0.01 * np.arange(60), 0.01),
}


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("given", [False, True])
def test_rounded_times_are_a_uniform_grid(name: str, given: bool) -> None:
    t, dt = ROUNDED[name]
    data = trajectories(np.random.default_rng(0).normal(size=(4, len(t))), t=t, dx=1, dt=dt if given else None)
    assert data.dt == pytest.approx(dt, rel=2e-3) and bool(data.present.all())
    assert data.present.shape == (1, len(t))


def test_rounded_times_with_missing_frames() -> None:
    kept = np.delete(np.arange(400), [3, 4, 50, 51, 52, 300])
    for t in (np.round(kept / 30, 3), (500 + kept / 30).astype("f4")):
        data = trajectories(np.ones((4, len(t))), t=t, dx=1)
        assert data.present[0].nonzero()[:, 0].tolist() == kept.tolist()
    halves = [np.round(np.arange(9) / 30, 3), np.round(np.arange(5) * 2 / 30, 3)]
    data = trajectories([np.ones((4, 9)), np.ones((4, 5))], t=halves, dx=1)
    assert data.present.sum(1).tolist() == [9, 5] and data.present.shape == (2, 9)


@pytest.mark.parametrize(
    ("t", "dt", "text"),
    [
        ([0, 1, 2, 3.3, 4, 5], None, "time 3.3; interpolate to uniform times"),
        (np.arange(6) + [0, 0.04, -0.03, 0.05, 0.01, 0], None, "interpolate to uniform times"),
        (np.arange(6) * 0.07, 0.1, "whole multiples of dt = 0.1, found time 0.07; leave out dt"),
        (np.arange(6.0), 0.7, "whole multiples of dt = 0.7"),
        (np.round(np.arange(60) / 30, 3), 0.033, "leave out dt, or interpolate"),
        ((1e6 + 0.01 * np.arange(9)).astype("f4"), None, "rounding made times equal: subtract the first one"),
        (np.sort(np.random.default_rng(0).uniform(size=9)), None, "interpolate to uniform times"),
    ],
)
def test_times_that_are_not_uniform_are_refused(t: object, dt: float | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        trajectories(np.ones((4, len(t))), t=np.asarray(t), dt=dt, dx=1)


def test_score_of_data_with_rounded_times() -> None:
    u = heat(ring())
    model = PDEFIND().fit(u, dt=0.01, dx=TAU / 64)
    t = (1000 + T).astype("f4")
    assert model.score(u, t=t) == pytest.approx(model.score(u), abs=1e-6)
    assert PDEFIND().fit(u, t=t, dx=TAU / 64).score(u, dt=0.01) > 0.999


# ---------------------------------------------------------------- fields at the ends of the grid


def wiggly(points: int, noise: float = 0.0) -> np.ndarray:
    """Frames (space, time) of a smooth periodic field on half-open grids."""
    return heat(ring(points)) + noise * np.random.default_rng(1).normal(size=(points, 30))


def as_frames(u: np.ndarray) -> torch.Tensor:
    """(*space, time) to (time, 1, *space)."""
    return torch.from_numpy(np.moveaxis(u, -1, 0)[:, None].copy())


closed = np.linspace(0, TAU, 64)
plane = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("u", "found"),
    [
        (heat(closed), {0: "end point"}),
        (heat(closed) + 0.01 * np.random.default_rng(0).normal(size=(64, 30)), {0: "end point"}),
        (heat(np.linspace(1, 1 + TAU, 24)), {0: "end point"}),
        (np.tanh(20 * np.sin(closed - np.pi / 2))[:, None] + 0 * T, {}),  # flat ends: nothing to see
        (
            np.sin(closed)[:, None] * np.tanh(40 * np.sin(closed - 1.5))[:, None] + 0 * T,
            {0: "end point"},
        ),  # a front
        (heat(np.linspace(0, 3, 64)), {0: "field"}),
        (np.exp(T - ring()[:, None]), {0: "field"}),
        (heat(np.linspace(0, np.pi, 64)) * 1e-9, {0: "field"}),
        (np.sin(np.linspace(0, np.pi, 50))[:, None] * np.exp(-T), {0: "field"}),  # zero at both ends
        (wiggly(64).T, {0: "field"}),  # time first
        (wiggly(32)[:, None] * np.cos(closed)[None, :, None], {1: "end point"}),
        (wiggly(64), {}),
        (wiggly(16), {}),
        (wiggly(64, 0.05), {}),
        (np.cos(ring(40) + TAU / 80)[:, None] * np.exp(-T), {}),  # equal ends at cell centres
        (np.random.default_rng(0).normal(size=(12, 3)), {}),
        (np.sign(np.sin(ring(40) + 1e-3))[:, None] + 0 * T, {}),  # a front at the seam and one elsewhere
        (np.ones((20, 30)), {}),
        (np.zeros((20, 30)), {}),
        (1e-300 * wiggly(20), {}),
        (1e80 * heat(closed), {0: "end point"}),
        (wiggly(8), {}),
    ],
)
def test_ends_of_the_grid(u: np.ndarray, found: dict) -> None:
    assert open_axes(as_frames(u)) == found


def test_fields_of_different_units_are_judged_alike() -> None:
    both = torch.cat([as_frames(1e6 * heat(closed)), as_frames(1e-6 * heat(closed + 1))], 1)
    assert open_axes(both) == {0: "end point"}
    open_one = torch.cat([as_frames(1e6 * wiggly(64)), as_frames(1e-6 * heat(closed / 2))], 1)
    assert open_axes(open_one) == {0: "field"}


def test_solutions_of_the_book_are_periodic() -> None:
    plane = solve(burgers2d(), random_fourier(2, 32, TAU, dim=2, fields=2, seed=0), np.arange(4) * 0.1)
    line = solve(burgers1d(), random_fourier(3, 64, 16.0, dim=1, frequency=2, seed=3), np.arange(9) * 0.5)
    assert not open_axes(plane.flatten(0, 1)) and not open_axes(line.flatten(0, 1))
    assert all(not open_axes(frame[None]) for frame in line.flatten(0, 1))


def few(method: type, **options: object) -> Estimator:
    """A weak form with few boxes; of other methods the usual settings."""
    return method(**({"domains": 80} if method is WeakSINDy else {}) | options)


QUICK: dict[str, Callable[[], Estimator]] = {
    "PDEFIND": PDEFIND,
    "PDENet": lambda: PDENet(coefficients="constant", order=2, size=5, blocks=(1,), iterations=2),
    "PDENet2": lambda: PDENet2(hidden=1, blocks=(1,), iterations=2),
    "PlainCNN": lambda: PlainCNN(layers=2, width=2, iterations=1),
    "Ensemble": lambda: Ensemble(PDENet2(hidden=1, blocks=(1,), iterations=2), seeds=(0, 1)),
}


@pytest.mark.parametrize("name", QUICK)
def test_fit_names_the_end_point_counted_twice_and_a_field_that_is_not_periodic(name: str) -> None:
    for u, text in (
        (heat(closed), "first point of axis 0 again as its last; leave that out"),
        (heat(closed / 2), "kink"),
    ):
        with pytest.warns(EquationWarning, match=text) as said:
            QUICK[name]().fit(u, dt=0.01, dx=closed[1])
        about = [w for w in said if "periodic" in str(w.message)]
        assert len(about) == 1 and about[0].filename == __file__ and "\n" not in str(about[0].message)
    QUICK[name]().fit(heat(ring()), dt=0.01, dx=TAU / 64)  # a warning would be an error


def test_without_a_periodic_boundary_nothing_is_said_and_the_equation_is_right() -> None:
    model = PDEFIND(derivatives=4, boundary="replicate").fit(heat(closed), dt=0.01, dx=closed[1])
    assert model.coefficients()["u"] == {"u_xx": pytest.approx(0.1, rel=0.01)}
    assert model.score(heat(closed)) > 0.99


def test_states_that_are_not_periodic_are_named_wherever_they_come_in() -> None:
    model = PDEFIND().fit(heat(ring()), dt=0.01, dx=TAU / 64)
    known = KnownEquation(equation="0.1*u_xx").fit(heat(closed), dt=0.01, dx=TAU / 64)  # takes the grid alone
    for one in (model, known):
        for call in (
            lambda one=one: one.predict(heat(closed / 2)),
            lambda one=one: one.predict(heat(closed / 2)[:, 0]),
            lambda one=one: one.simulate(heat(closed / 2)[:, 0], 1),
            lambda one=one: one.score(heat(closed / 2)),
        ):
            with pytest.warns(EquationWarning, match="periodic on the grid, found a jump or kink"):
                call()
    inside = KnownEquation(equation="0.1*u_xx", derivatives=4, boundary="replicate")
    inside.fit(heat(closed), dt=0.01, dx=TAU / 64).predict(heat(closed / 2))


@pytest.mark.parametrize(
    "x", [np.linspace(0, 3, 64), closed, np.linspace(0.3, 5, 80)], ids=["part", "ends", "long"]
)
def test_score_of_a_weak_form_speaks_for_its_equation(x: np.ndarray) -> None:
    u = heat(x)
    model = few(WeakSINDy, degree=1).fit(u, dt=0.01, dx=x[1] - x[0])
    assert model.coefficients()["u"] == {"u_xx": pytest.approx(0.1, rel=0.02)}
    assert model.score(u) > 0.99 and model.boundary == "periodic"
    assert Ensemble.of([model]).score(u) == model.score(u)
    model._found = {"u": 2 * model._found["u"]}  # another equation, and the score says so
    model._prepare()
    assert model.score(u) < 0.5
    periodic = heat(ring())
    kept = few(WeakSINDy, degree=1).fit(periodic, dt=0.01, dx=TAU / 64)
    assert kept._scorer(trajectories(periodic, dt=0.01, dx=TAU / 64)) is kept


# ---------------------------------------------------------------- units


UNITS = [(1e-3, 1.0, 1.0), (1e3, 1.0, 1.0), (1.0, 1e-4, 1.0), (1.0, 1.0, 1e6), (1e-2, 1e3, 1e-6)]


def read(model: Estimator, capsys: pytest.CaptureFixture) -> list[str]:
    """The terms that ``print`` shows, in its order."""
    model.print()
    line = capsys.readouterr().out.split("=")[1].split("(+")[0]
    return [" ".join(part.split()[1:]) for part in line.replace(" - ", " + ").lstrip(" -").split(" + ")]


@pytest.fixture(scope="module")
def net() -> PDENet2:
    return PDENet2(hidden=1, blocks=(1,), iterations=(50, 10), size=3).fit(heat(ring()), dt=0.01, dx=TAU / 64)


@pytest.mark.parametrize("unit", UNITS)
def test_printed_terms_are_the_same_in_all_units(unit: tuple, net: PDENet2, capsys: pytest.CaptureFixture) -> None:
    in_x, in_t, in_u = unit
    other = net.with_parameters().fit(in_u * heat(ring()), dt=0.01 * in_t, dx=TAU / 64 * in_x)
    shown = read(other, capsys)
    assert "u_xx" in shown and set(shown) == set(read(net, capsys)) == set(read(Ensemble.of([other]), capsys))
    assert other.coefficients()["u"]["u_xx"] == pytest.approx(0.1 * in_x**2 / in_t, rel=0.05)


def test_printed_terms_of_exact_equations_in_other_units(capsys: pytest.CaptureFixture) -> None:
    for length in (1.0, 1e-3, 1e3):
        model = PDEFIND(threshold=0, degree=1).fit(moving(ring(), 0.05), dt=0.01, dx=TAU / 64 * length)
        assert set(read(model, capsys)) == {"u_x", "u_xx"} and len(model.coefficients()["u"]) > 2


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", [PDEFIND, WeakSINDy])
def test_relative_thresholds_find_the_same_in_all_units(method: type, unit: tuple[float, float, float]) -> None:
    in_x, in_t, in_u = unit
    u = moving(ring(), 0.05)
    plain = few(method, normalise=True).fit(u, dt=0.01, dx=TAU / 64)
    model = plain.with_parameters().fit(in_u * u, dt=0.01 * in_t, dx=TAU / 64 * in_x)
    assert {"u_x", "u_xx"} <= model.coefficients()["u"].keys() == plain.coefficients()["u"].keys()
    assert model.coefficients()["u"]["u_x"] == pytest.approx(-in_x / in_t, rel=0.01)
    assert model.coefficients()["u"]["u_xx"] == pytest.approx(0.05 * in_x**2 / in_t, rel=0.03)


def test_a_plain_network_learns_the_same_in_all_units() -> None:
    net = PlainCNN(layers=2, width=2, iterations=20)
    losses = [
        net.with_parameters().fit(unit * heat(ring()), dt=0.01, dx=TAU / 64).losses for unit in (1.0, 1e-14, 1e14)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6) and losses[2] == pytest.approx(losses[0], rel=1e-6)


def test_typical_sizes_scale_with_the_units() -> None:
    one = typical_sizes(as_frames(heat(ring())), ["u"], [0.1])
    two = typical_sizes(as_frames(7.0 * heat(ring())), ["u"], [0.02])
    terms = ["1", "u", "u_x", "u*u_xx", "u**2*u_x**3", "sin(u)", "c(x)*u_xx"]
    sizes = [[term_size(format_term, s) for format_term in map(_monomial, terms)] for s in (one, two)]
    assert np.array(sizes[1]) / sizes[0] == pytest.approx([1, 7, 7 * 5, 49 * 25, 7**5 * 5**3, 1, 7 * 25])
    exact = np.sqrt((heat(ring(), T)[:, :] ** 2).mean())
    assert one["u"] == pytest.approx(exact)
    assert typical_sizes(torch.ones(2, 1, 5), ["u"], [1.0]) == {"u": 1.0, "u_": 0.0, "u_x": 0.0}


def _monomial(text: str):
    import sympy

    return sympy.sympify(text, locals={"c": sympy.Function("c")})


def test_an_equation_by_contributions() -> None:
    terms = {"u": -7e-4, "u_xx": 1e-7, "u*u_x": 1e-12}
    sizes = {_monomial(k): v for k, v in {"u": 1.0, "u_xx": 9e6, "u*u_x": 3e3}.items()}
    line = format_equation("u", terms, threshold=None, rest=True, sizes=sizes)
    assert line == "u_t = 1e-07 u_xx (+ 2 terms below 1/1000 of the largest contribution)"
    assert format_equation("u", terms, threshold=1e-5, sizes=sizes) == "u_t = -0.0007 u"


# ---------------------------------------------------------------- thresholds


@pytest.mark.parametrize("method", [PDEFIND, WeakSINDy])
@pytest.mark.parametrize(("diffusion", "said"), [(0.01, True), (0.015, True), (0.05, False)])
def test_a_threshold_above_a_coefficient_is_named(method: type, diffusion: float, said: bool) -> None:
    u = moving(ring(), diffusion)
    if not said:
        assert few(method).fit(u, dt=0.01, dx=TAU / 64).coefficients()["u"].keys() == {"u_x", "u_xx"}
        return
    with pytest.warns(
        EquationWarning, match=rf"found 0.02, which removes {diffusion:.2g}\d* u_xx.*normalise=True"
    ):
        assert few(method).fit(u, dt=0.01, dx=TAU / 64).coefficients()["u"].keys() == {"u_x"}
    for cure in ({"threshold": 0.005}, {"normalise": True}):
        found = few(method, **cure).fit(u, dt=0.01, dx=TAU / 64).coefficients()["u"]
        assert found["u_xx"] == pytest.approx(diffusion, rel=0.05)


def test_a_threshold_that_removes_noise_or_truncation_is_not_named() -> None:
    u = moving(ring(), 0.05)
    for noise, options in [(0.01, {}), (0.0, {"derivatives": 2, "time_accuracy": 2}), (0.001, {"derivatives": 4})]:
        noisy = u + noise * np.random.default_rng(0).normal(size=u.shape)
        PDEFIND(**options).fit(noisy, dt=0.01, dx=TAU / 64)  # a warning would be an error


SCALES = [(1.0, 1.0, 1.0), (1e-3, 1.0, 1.0), (1.0, 1e3, 1.0), (1.0, 1.0, 1e-3), (1.0, 1e3, 1e3)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", [WeakSINDy, PDEFIND])
def test_no_kept_coefficient_is_below_the_threshold(method: type, scale: tuple[float, float, float]) -> None:
    """Units that make true coefficients larger: the ridge alone lifts terms over the threshold there."""
    in_u, in_x, in_t = scale
    u = in_u * moving(ring(), 0.05)
    found = few(method, threshold=0.02).fit(u, dt=0.01 * in_t, dx=TAU / 64 * in_x).coefficients()["u"]
    assert min(map(abs, found.values())) >= 0.02
    assert found["u_x"] == pytest.approx(-in_x / in_t, rel=1e-4)
    assert found["u_xx"] == pytest.approx(0.05 * in_x**2 / in_t, rel=1e-4)
    if method is PDEFIND:
        assert found.keys() == {"u_x", "u_xx"}


def test_a_ridge_that_is_large_beside_a_column_does_not_remove_it(burgers: torch.Tensor) -> None:
    for method in (PDEFIND, WeakSINDy):
        found = few(method, threshold=0.02).fit(Trajectories(1e-3 * burgers, 0.02, 0.25)).coefficients()["u"]
        assert found["u*u_x"] == pytest.approx(-1000, rel=0.02) and found["u_xx"] == pytest.approx(0.1, rel=0.02)
        assert min(map(abs, found.values())) >= 0.02


@pytest.fixture(scope="module")
def burgers() -> torch.Tensor:
    """u_t = -u u_x + 0.1 u_xx on [0, 16), 64 points, 31 frames of 0.02."""
    x = 16 * np.arange(64) / 64
    u0 = torch.from_numpy(np.sin(TAU / 16 * x) + 0.5 * np.cos(TAU / 8 * x) + 0.2)[None, None]
    return solve(burgers1d(), u0, np.arange(31) * 0.02, rtol=1e-9)


# ---------------------------------------------------------------- coefficients that the model uses


@pytest.mark.parametrize("options", [{}, {"average": "identity"}, {"filters": "frozen"}, {"order": 3, "size": 7}])
def test_printed_coefficients_are_those_of_a_step(options: dict, capsys: pytest.CaptureFixture) -> None:
    u = heat(ring()) + 0.01 * np.random.default_rng(0).normal(size=(64, 30))
    settings = {"order": 2, "size": 5, "coefficients": "constant", "blocks": (1, 2), "iterations": 30} | options
    model = PDENet(**settings).fit(u, dt=0.01, dx=TAU / 64)
    used = {"u_x": 1, "u_xx": 2}
    found = model.coefficients()["u"]
    for term, k in used.items():
        assert found[term] == pytest.approx(float(model.effective_fields()[k,].mean()), rel=1e-12)
    # the rate of a long wave is that of the printed equation
    wave = np.exp(1j * ring())
    rate = model.predict(wave.real) + 1j * model.predict(wave.imag)
    high = sum(
        float(model.effective_fields()[k,].mean()) * 1j**k for k in (1, 2, 3) if (k,) in model.effective_fields()
    )
    assert np.vdot(wave, rate) / 64 == pytest.approx(high, abs=5e-3)
    assert model.expressions()["u"].coeff(_monomial("u_xx")) == pytest.approx(found["u_xx"])
    assert Ensemble.of([model]).coefficients()["u"]["u_xx"] == pytest.approx(found["u_xx"])
    model.print(precision=6, threshold=0)
    assert f"{abs(found['u_xx']):.6g} u_xx" in capsys.readouterr().out


# ---------------------------------------------------------------- copies


COPIED: dict[str, Callable[[], Estimator]] = QUICK | {
    "WeakSINDy": lambda: few(WeakSINDy, degree=1),
    "KnownEquation": lambda: KnownEquation(equation="0.1*u_xx - u*u_x"),
    "differences": lambda: KnownEquation(equation="0.1*u_xx - u*u_x", derivatives=4),
}


@pytest.mark.parametrize("name", COPIED)
def test_copies_before_and_after_use(name: str) -> None:
    u = heat(ring())
    model = COPIED[name]().fit(u, dt=0.01, dx=TAU / 64)
    for _ in ("fitted", "used"):
        for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
            assert np.array_equal(twin.predict(u), model.predict(u)) and twin.score(u) == model.score(u)
        model.simulate(u[:, 0], 2)


def test_equations_can_be_copied_and_stay_read_only() -> None:
    for equation in (burgers1d(), kuramoto_sivashinsky()):
        for twin in (pickle.loads(pickle.dumps(equation)), copy.deepcopy(equation)):
            assert twin == equation and twin.truth() == equation.truth()
            with pytest.raises(TypeError):
                twin.rhs["u"] = 0


# ---------------------------------------------------------------- blow-up


class Grow(Estimator):
    """u_{n+1} = 1e200 u_n."""

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, data: Trajectories) -> None: ...

    def _expressions(self) -> dict:
        return {}

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return u * 1e200


@pytest.mark.parametrize("make", [Grow, lambda: Ensemble(Grow(), seeds=(0, 1))])
def test_simulate_says_when_it_blows_up(make: Callable[[], Estimator]) -> None:
    u = heat(ring())
    model = make().fit(u, dt=0.25, dx=TAU / 64)
    with pytest.warns(
        EquationWarning, match=r"^simulate: expected .*found inf or NaN at t = 0.5, step 2,"
    ) as said:
        frames = model.simulate(u[:, 0], 4)
    assert len(said) == 1 and said[0].filename == __file__
    assert np.isfinite(frames[:, :2]).all() and not np.isfinite(frames[:, 3]).any()
    with pytest.warns(EquationWarning, match=r"from u0\[1\] at t = 0.25, step 1,"):
        model.simulate([u[:, 0], 1e150 * u[:, 0]], 2)
    model.simulate(u[:, 0], 1)
    with pytest.raises(ValueError, match="finite step from every frame"):
        model.score(1e150 * u)


def test_a_known_equation_says_when_it_blows_up() -> None:
    model = KnownEquation(equation="u**2", derivatives=2).fit(np.zeros((8, 2)), dt=0.2, dx=1)
    with pytest.warns(EquationWarning, match=r"t = 0.6, step 3"):
        model.simulate(np.full(8, 2.0), 5)


# ---------------------------------------------------------------- one sentence


def at_rest(shape: tuple[int, ...] = (20, 30)) -> np.ndarray:
    return np.ones(shape)


@pytest.mark.parametrize("name", [*QUICK, "WeakSINDy"])
@pytest.mark.parametrize(
    ("u", "text"),
    [
        (at_rest(), "fields that change in time|at rest"),
        (np.repeat(heat(ring(20))[:, :1], 30, 1), "fields that change in time|at rest"),
        (1e200 * heat(ring(20)), r"from 1e-100 to 1e100, whose squares are numbers, found [12].*e\+200"),
        (1e300 * heat(ring(20)), r"found .*e\+300; measure"),
        (1e-200 * heat(ring(20)), r"found .*e-200; measure"),
    ],
)
def test_data_at_rest_or_too_large_are_one_sentence(name: str, u: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text) as error:
        COPIED[name]().fit(u, dt=0.01, dx=TAU / 20)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", [PDEFIND(), PDEFIND(normalise=True), WeakSINDy(degree=3)])
@pytest.mark.parametrize(("size", "dx", "dt"), [(1e80, 0.1, 0.1), (1.0, 1e-90, 0.1), (1e20, 0.1, 1e-150)])
def test_terms_that_overflow_are_one_sentence(model: Estimator, size: float, dx: float, dt: float) -> None:
    with pytest.raises(ValueError, match="squares are finite, found values up to .*measure them in other units"):
        model.fit(size * heat(ring(20)), dt=dt, dx=dx)


@pytest.mark.parametrize(
    "make",
    [
        lambda flag: PDENet2(normalise=flag),
        lambda flag: PDENet2(upwind=flag),
        lambda flag: PDENet2(relative=flag),
        lambda flag: PDENet(zero_order=flag),
        lambda flag: PDENetBlock((8,), (0.1,), 0.1, zero_order=flag),
        lambda flag: PDEFIND(normalise=flag),
        lambda flag: WeakSINDy(bias=flag),
    ],
)
def test_flags_are_true_or_false(make: Callable[[object], Estimator]) -> None:
    for wrong in ("no", "False", 0.0, None, 2):
        with pytest.raises(TypeError, match="^[a-z_]+: expected True or False, found"):
            make(wrong)
    make(np.False_)


def test_a_string_is_one_name() -> None:
    u = heat(ring())
    assert trajectories(u, dt=1, dx=1, names="temp").names == ("temp",)
    for call in (
        lambda: trajectories(np.stack([u, u], -1), dt=1, dx=1, names="uv"),
        lambda: trajectories(u, dt=1, dx=1, names="u_x"),
    ):
        with pytest.raises(ValueError, match="names: expected"):
            call()
    with pytest.raises(ValueError, match=r"names: expected 2 names, one per field, found \('uv',\)"):
        trajectories(np.stack([u, u], -1), dt=1, dx=1, names="uv")


def test_too_few_boxes_and_thresholds_that_leave_nothing() -> None:
    u = heat(ring())
    with pytest.raises(
        ValueError, match="domains: expected at least 8 boxes in all, one for each term, found 1 for 1 piece"
    ):
        WeakSINDy(domains=1).fit(u, dt=0.01, dx=TAU / 64)
    for normalise, text in ((False, "lower it, or pass normalise=True, or"), (True, "lower it, or look")):
        with pytest.raises(ValueError, match=f"leaves at least one term, found 1000000.0; {text}"):
            PDEFIND(threshold=1e6, normalise=normalise).fit(u, dt=0.01, dx=TAU / 64)


def test_a_column_of_zeros_can_be_normalised() -> None:
    """v is zero: so are its columns, and v_t = 0 is found."""
    u = moving(ring(), 0.05)
    model = PDEFIND(degree=1, normalise=True).fit(np.stack([u, 0 * u], -1), dt=0.01, dx=(TAU / 64,))
    assert model.coefficients()["u"]["u_x"] == pytest.approx(-1, rel=0.01) and model.coefficients()["v"] == {}


def test_times_first_are_named() -> None:
    u = heat(ring()).T
    with pytest.warns(EquationWarning, match=r"if that axis is time, exchange them: axes are \(\*space, time\)"):
        PDENet2(hidden=1, blocks=(1,), iterations=2).fit(u, dt=0.01, dx=TAU / 64)
