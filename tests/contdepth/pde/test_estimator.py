"""Data model, terms, estimator interface: axis order, missing frames, input errors, read-out, ensembles."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy
import torch
from scipy import stats

from contdepth.errors import EquationWarning
from contdepth.pde import estimator as estimator_module
from contdepth.pde.ensembles import Ensemble
from contdepth.pde.estimator import Estimator, NotFittedError
from contdepth.pde.fields.grids import checked_names
from contdepth.pde.fields.trajectories import Trajectories, require_grid, trajectories, windows
from contdepth.pde.symbolic.comparison import compare
from contdepth.pde.symbolic.terms import (
    by_field,
    collect,
    format_equation,
    format_term,
    monomial,
    symbol_name,
    symbols,
)
from contdepth.seeds import derive
from contdepth.studies.pdenet2.drawing import draw_terms

RNG = np.random.default_rng(0)
NX, NY, NT = 6, 5, 7


def plane(fields: int | None = 2, frames: int = NT) -> np.ndarray:
    """(NX, NY, frames[, fields]) with values that tell their own index."""
    shape = (NX, NY, frames) + (() if fields is None else (fields,))
    return np.arange(np.prod(shape), dtype=float).reshape(shape)


class Shift(Estimator):
    """u_t = speed u_x in 1-D by a forward difference; its coefficient depends on the seed."""

    def __init__(self, *, speed: float = 1.0, spread: float = 0.0, seed: int = 0) -> None:
        self.speed, self.spread, self.seed = speed, spread, seed

    def _fit(self, data: Trajectories) -> None:
        self.speed_ = self.speed + self.spread * (derive(self.seed, "test") % 1000) / 1000

    def _expressions(self) -> dict[str, sympy.Expr]:
        extra = sympy.Symbol("u") * 0.01 * self.seed
        return {name: self.speed_ * sympy.Symbol(f"{name}_x") + extra for name in self.names_}

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return self.speed_ * (u.roll(-1, 2) - u) / self.dx_[0]


# ---------------------------------------------------------------- axis order


def assert_inside_order(build: Callable[..., Trajectories]) -> None:
    u = plane()
    data = build(u, dt=0.1, dx=(0.5, 0.25))
    assert data.values.shape == (1, NT, 2, NX, NY) and data.values.dtype == torch.float64
    for i, j, k, f in [(0, 0, 0, 0), (3, 1, 2, 0), (5, 4, 6, 1), (1, 3, 0, 1)]:
        assert data.values[0, k, f, i, j] == u[i, j, k, f]


def test_axes_go_from_space_time_fields_to_time_fields_space() -> None:
    assert_inside_order(trajectories)


def test_axis_test_sees_swapped_space_axes() -> None:
    def swapped(*args: object, **options: object) -> Trajectories:
        data = trajectories(*args, **options)
        values = data.values.flatten(3).reshape(*data.values.shape[:3], NY, NX).transpose(-1, -2)
        return Trajectories(values, data.dt, data.dx, data.names)

    with pytest.raises(AssertionError):
        assert_inside_order(swapped)


def test_one_field_needs_no_field_axis_and_tensors_and_integers_are_taken() -> None:
    bare = trajectories(plane(None), dt=1, dx=(1, 1))
    full = trajectories(torch.from_numpy(plane(None)[..., None]), dt=1, dx=(1, 1))
    whole = trajectories(plane(None).astype(int), dt=1, dx=(1, 1))
    assert torch.equal(bare.values, full.values) and torch.equal(bare.values, whole.values)
    assert bare.names == ("u",) and bare.dim == 2 and bare.grid == (NX, NY)
    line = trajectories(RNG.normal(size=(9, 4)), dt=1, dx=0.1)
    assert line.dx == (0.1,) and line.values.shape == (1, 4, 1, 9)


def test_lists_of_different_length_are_padded_with_missing_frames() -> None:
    data = trajectories([plane(frames=4), plane(frames=7)], dt=0.1, dx=(1, 1), names=("h", "q"))
    assert data.values.shape[:2] == (2, 7) and data.names == ("h", "q")
    assert data.present.tolist() == [[True] * 4 + [False] * 3, [True] * 7]
    assert data.values[0, 4:].abs().sum() == 0


def test_missing_frames_are_nan_or_skipped_times() -> None:
    u = plane()
    u[:, :, 3] = np.nan
    assert trajectories(u, dt=1, dx=(1, 1)).present[0].tolist() == [True] * 3 + [False] + [True] * 3
    t = np.array([0, 0.1, 0.2, 0.4, 0.5, 0.8, 0.9])
    data = trajectories(plane(), t=t, dx=(1, 1))
    assert data.dt == pytest.approx(0.1) and data.values.shape[1] == 10
    assert data.present[0].nonzero()[:, 0].tolist() == [0, 1, 2, 4, 5, 8, 9]
    assert data.values[0, 8, 1, 2, 3] == plane()[2, 3, 5, 1]
    assert [len(run) for run in data.segments()] == [3, 2, 2]
    assert [len(run) for run in data.segments(3)] == [3]
    every_other = trajectories(plane(), t=np.arange(NT) * 0.2 + 5, dt=0.1, dx=(1, 1))
    assert every_other.present[0].tolist() == [True, False] * 6 + [True]


def test_long_uniform_times_in_single_precision_stay_uniform() -> None:
    t = (np.arange(2001) * 0.05).astype(np.float32)
    data = trajectories(RNG.normal(size=(4, 2001)), t=t, dx=1)
    assert bool(data.present.all()) and data.dt == pytest.approx(0.05, rel=1e-6)


# ---------------------------------------------------------------- input errors


def nan_at(index: tuple[int, ...], value: float = np.nan) -> np.ndarray:
    u = plane()
    u[index] = value
    return u


GOOD = {"dt": 0.1, "dx": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("u", "change", "error", "text"),
    [
        (plane()[0, 0], {}, ValueError, "3 or 4 axes for 2 space dimensions"),
        (plane()[None], {}, ValueError, "several trajectories are a list"),
        (plane(), {"dx": (0.1,)}, ValueError, "dx has 1 entries"),
        (plane(), {"dx": 0.1}, ValueError, r"two dimensions: dx=\(0.1, 0.1\)"),
        (plane(None), {"dx": 0.1}, ValueError, "one with several fields: give names"),
        (plane(), {"names": ("u", "lambda")}, ValueError, "not keywords of Python, found 'lambda'"),
        (plane(), {"dt": None, "t": np.array([0, 1, np.nan, 3, 4, 5, 6])}, ValueError, r"found nan at t\[2\]"),
        (plane(), {"dt": None}, ValueError, "dt: expected a time step"),
        (plane(), {"dt": 0.0}, ValueError, "dt: expected a number > 0"),
        (plane(), {"dx": (1.0, -1.0)}, ValueError, r"dx\[1\]: expected a number > 0"),
        (plane(), {"dx": (1.0,) * 4}, ValueError, "one spacing per space dimension"),
        (plane(), {"dt": "a"}, TypeError, "dt: expected a real number"),
        (plane(), {"dt": None, "t": np.array([0, 1, 2, 3.3, 4, 5, 6])}, ValueError, "interpolate to uniform"),
        (plane(), {"t": np.arange(NT) * 0.07}, ValueError, "whole multiples of dt = 0.1"),
        (plane(), {"dt": None, "t": np.arange(NT)[::-1]}, ValueError, "increasing times"),
        (plane(), {"dt": None, "t": np.arange(NX)}, ValueError, "axis 0 has 6 points"),
        (np.moveaxis(plane(), 2, 0), {"dt": None, "t": np.arange(NT)}, ValueError, "axis 0 has 7 points"),
        (plane(), {"names": ("a",)}, ValueError, "names: expected 2 names"),
        (np.moveaxis(plane(), 3, 0), {"names": ("a", "b")}, ValueError, "axis 0 has 2 points"),
        (plane(), {"names": ("u", "u_x")}, ValueError, "without underscore"),
        (plane(), {"names": ("u", "u")}, ValueError, "distinct names"),
        (plane(), {"names": ("u", "t")}, ValueError, "other than x, y, z, t"),
        (RNG.normal(size=(5, 5, 4, 20)), {}, ValueError, "at most 12 fields on the last axis"),
        (plane() + 0j, {}, TypeError, "take .real"),
        (plane() > 3, {}, TypeError, "real numbers"),
        (plane().tolist()[0][0], {}, TypeError, r"u\[0\]: expected a numpy array"),
        ("text", {}, TypeError, "u: expected a numpy array"),
        ([], {}, ValueError, "an empty list"),
        (plane(frames=1), {}, ValueError, "at least two frames"),
        (nan_at((2, 1, 4, 0)), {}, ValueError, "found nan in frame 4"),
        (nan_at((2, 1, 4, 0), np.inf), {}, ValueError, "found inf in frame 4"),
        ([plane(), plane()[:-1]], {}, ValueError, "all trajectories share one grid"),
        ([plane(), nan_at((0, 0, 2, 1))], {}, ValueError, r"u\[1\]: expected finite values"),
        ([plane(), plane()], {"dt": None, "t": [np.arange(NT)]}, ValueError, "one per trajectory"),
        (nan_at((slice(None), slice(None), slice(1, None))), {}, ValueError, "two frames in one .*found 1"),
    ],
)
def test_input_errors_are_one_sentence(u: object, change: dict, error: type, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        trajectories(u, **(GOOD | change))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 260


def test_trajectories_check_themselves() -> None:
    values = torch.zeros(1, 3, 2, 4)
    for change, text in [
        ({"dx": (1.0, 1.0)}, "1 spacings"),
        ({"names": ("a",)}, "2 names"),
        ({"dt": -1.0}, "dt"),
        ({"present": torch.ones(1, 2)}, "present"),
        ({"values": values[0, 0]}, "1 to 3"),
    ]:
        with pytest.raises(ValueError, match=text):
            Trajectories(**({"values": values, "dt": 1.0, "dx": (1.0,)} | change))
    bad = torch.full((1, 3, 1, 4), torch.nan)
    with pytest.raises(ValueError, match="finite"):
        Trajectories(bad, 1.0, (1.0,))
    with pytest.raises(ValueError, match="at least 7 grid points"):
        require_grid(Trajectories(values, 1.0, 1.0), 7)
    assert checked_names(None, 4) == ("u0", "u1", "u2", "u3")


def test_present_frames_may_be_a_list() -> None:
    values = torch.zeros(1, 3, 1, 4)
    data = Trajectories(values, 1.0, 1.0, present=[[True, True, False]])
    assert data.present.dtype == torch.bool and data.present.tolist() == [[True, True, False]]
    for bad in ("yes", [[True], [True, False]], object()):
        with pytest.raises(TypeError, match="present: expected booleans"):
            Trajectories(values, 1.0, 1.0, present=bad)


def test_masked_frames_are_missing() -> None:
    u = np.ma.masked_array(plane(), mask=False)
    u[:, :, 3] = np.ma.masked
    data = trajectories(u, dt=1, dx=(1, 1))
    assert data.present[0].tolist() == [True] * 3 + [False] + [True] * 3
    u[0, 0, 5, 0] = np.ma.masked
    with pytest.raises(ValueError, match="found nan in frame 5"):
        trajectories(u.astype(int), dt=1, dx=(1, 1))


# ---------------------------------------------------------------- windows


def reference_windows(data: Trajectories, blocks: int) -> list[tuple[int, int, list[bool]]]:
    found = []
    for n in range(len(data.values)):
        frames = [k for k in range(data.values.shape[1]) if data.present[n, k]]
        for s in frames:
            inside = [bool(data.present[n, s + k]) for k in range(1, blocks + 1) if s + k <= frames[-1]]
            if len(inside) == blocks and any(inside):
                found.append((n, s, inside))
    return found


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_windows_agree_with_a_loop(blocks: int) -> None:
    first, second = RNG.normal(size=(4, 9)), RNG.normal(size=(4, 6))
    first[:, 3] = first[:, 4] = np.nan
    data = trajectories([first, second], dt=1, dx=1)
    starts, targets, mask = windows(data, blocks)
    expected = reference_windows(data, blocks)
    assert mask.tolist() == [inside for *_, inside in expected]
    assert starts.shape == (len(expected), 1, 4) and targets.shape == (len(expected), blocks, 1, 4)
    for row, (n, s, inside) in enumerate(expected):
        assert torch.equal(starts[row], data.values[n, s])
        for k in range(blocks):
            if inside[k]:
                assert torch.equal(targets[row, k], data.values[n, s + 1 + k])


def test_windows_stride_limit_and_too_few_frames() -> None:
    data = trajectories(RNG.normal(size=(4, 13)), dt=1, dx=1)
    assert len(windows(data, 3, stride=3)[0]) == 4
    starts = windows(data, 3, at_most=4)[0]
    assert torch.equal(starts, data.values[0, [0, 3, 6, 9]])
    with pytest.raises(ValueError, match="at least 14 frames for 13 blocks"):
        windows(data, 13)


# ---------------------------------------------------------------- terms


def test_names_and_symbols() -> None:
    assert [symbol_name("u", a) for a in [(0, 0), (1, 0), (1, 1), (0, 2), (2, 0, 1)]] == [
        "u",
        "u_x",
        "u_xy",
        "u_yy",
        "u_xxz",
    ]
    assert [str(s) for s in symbols(("u", "v"), [(0,), (1,)])] == ["u", "u_x", "v", "v_x"]


def test_collect_expands_adds_up_and_keeps_functions() -> None:
    u, ux, x, y = sympy.symbols("u u_x x y")
    c = sympy.Function("c_20")(x, y)
    got = collect((u + 2 * ux) ** 2 - 4 * ux**2 + 15 * sympy.sin(u) + c * sympy.Symbol("u_xx") / 2 - 3)
    assert {str(t): v for t, v in got.items()} == {
        "u**2": 1.0,
        "u*u_x": 4.0,
        "sin(u)": 15.0,
        "u_xx*c_20(x, y)": 0.5,
        "1": -3.0,
    }
    assert collect({"u u_x": 1.0, u * ux: 2.0, "2*u": 0.5, "v": 0.0}) == {u * ux: 3.0, u: 1.0}
    assert collect(sympy.Integer(0)) == {}


@pytest.mark.parametrize("text", ["u*u_x", "u u_x", "u_x  u", "u * u_x"])
def test_monomials_have_many_spellings(text: str) -> None:
    assert monomial(text) == sympy.Symbol("u") * sympy.Symbol("u_x")


def test_monomial_takes_names_that_sympy_knows_and_refuses_code() -> None:
    assert monomial("S*N_x").free_symbols == set(sympy.symbols("S N_x"))
    assert monomial("sin(u)") == sympy.sin(sympy.Symbol("u"))
    for text in ["u['a']", "lambda: 1", "", None]:
        with pytest.raises(ValueError, match="term"):
            monomial(text)


def test_equation_text() -> None:
    terms = {"u_xx": 0.04944, "u*u_x": -0.9734, "v*u_y": -0.966, "u**2": 1e-4, "1": 0.002}
    assert format_equation("u", terms, threshold=1e-3) == (
        "u_t = -0.973 u u_x - 0.966 v u_y + 0.0494 u_xx + 0.002"
    )
    assert format_equation("v", {}) == "v_t = 0"
    assert format_equation("u", terms, precision=2, threshold=0.5) == "u_t = -0.97 u u_x - 0.97 v u_y"
    assert format_term("u_x*u**2*v") == "u^2 v u_x"


TRUTH = {"u": {"u*u_x": -1.0, "u_xx": 0.05}}


def test_comparison_counts_errors_and_wrong_terms() -> None:
    found = {"u": {"u*u_x": -0.9, "u_xx": 0.06, "u**2": -0.02, "u": 0.01}}
    table = compare(found, TRUTH)
    assert [(str(r.term), r.true, r.found) for r in table.main] == [("u*u_x", -1, -0.9), ("u_xx", 0.05, 0.06)]
    assert [r.error for r in table.main] == pytest.approx([0.1, 0.2])
    assert table.worst == pytest.approx(0.2) and table.largest_spurious == pytest.approx(0.02)
    assert table.count_spurious() == 2 and table.count_spurious(0.015) == 1
    assert table.relative == pytest.approx(np.sqrt((0.1**2 + 0.01**2 + 0.02**2 + 0.01**2) / (1 + 0.05**2)))
    assert "largest of 2 wrong terms" in str(table) and str(table).count("\n") == 3
    missing = compare({"u": {"u_xx": 0.05}}, TRUTH)
    assert missing.worst == 1.0 and missing.largest_spurious == 0.0
    with pytest.raises(ValueError, match="field 'u'"):
        compare({"v": {"u": 1.0}, "w": {"u": 1.0}}, TRUTH)


def test_comparison_takes_expressions_and_a_single_equation() -> None:
    u, ux, uxx = sympy.symbols("u u_x u_xx")
    assert compare(-u * ux + 0.05 * uxx, TRUTH).worst == 0.0
    assert compare({"u": -u * ux + 0.05 * uxx}, {"u*u_x": -1, "u_xx": 0.05}).worst == 0.0


def test_a_field_and_a_term_of_the_same_name_are_told_apart() -> None:
    u = sympy.Symbol("u")
    assert by_field({"u": sympy.Integer(0), "v": sympy.Integer(0)}, ["u", "v"]) == {"u": {}, "v": {}}
    assert by_field({"u": {"u": -1.0}}) == by_field({"u": -1.0}) == {"u": {u: -1.0}}
    assert by_field({"u": sympy.Float(0.5)}, ["u"]) == {"u": {sympy.Integer(1): 0.5}}
    assert by_field({"u": -1.0, "u_x": 2.0}, ["u"]) == {"u": {u: -1.0, sympy.Symbol("u_x"): 2.0}}
    with pytest.raises(ValueError, match="{'u': {'u': -1.0}} for a term of that name"):
        by_field({"u": -1.0}, ["u"])


def test_drawing_terms_without_truth() -> None:
    figure, (one, two) = plt.subplots(1, 2)
    found = {"a": {"u": {f"u**{k}": (-1) ** k / k for k in range(1, 11)}}, "b": {"u": {"u_x": 5.0}}}
    draw_terms(one, found, intervals={"a": {"u": {"u": (-1.2, -0.8)}}})
    assert [t.get_text() for t in one.get_xticklabels()] == ["u_x", "u", *(f"u^{k}" for k in range(2, 8))]
    heights = [line.get_ydata() for line in one.lines if line.get_marker() in ("o", "s")]
    assert np.allclose(heights[0], [0, -1] + [(-1) ** k / k for k in range(2, 8)])
    assert np.allclose(heights[1], [5] + [0] * 7)
    assert np.allclose(one.containers[0].lines[2][0].get_segments()[1][:, 1], [-1.2, -0.8])
    assert one.get_yscale() == "symlog" and one.get_ylabel() == "coefficient, equation of u"
    draw_terms(two, {"a": {"u": {"u": 1.0, "u_x": 2.0}}}, terms=["u"])
    assert two.get_yscale() == "linear" and [t.get_text() for t in two.get_xticklabels()] == ["u"]
    with pytest.raises(ValueError, match="at least one term"):
        draw_terms(two, {"a": {"u": {}}})
    plt.close(figure)


def test_drawing_terms() -> None:
    figure, ax = plt.subplots()
    found = {"a": {"u": {"u*u_x": -0.9, "u_xx": 0.06}}, "b": {"u": {"u*u_x": -1.1}}}
    draw_terms(ax, found, TRUTH, intervals={"a": {"u": {"u*u_x": (-1.2, -0.8), "u_xx": (0.05, 0.08)}}})
    heights = [line.get_ydata() for line in ax.lines if line.get_marker() in ("o", "s")]
    assert np.allclose(heights[0], [0.9, 1.2]) and np.allclose(heights[1], [1.1, 0.0])
    spans = ax.containers[0].lines[2][0].get_segments()
    assert np.allclose([s[:, 1] for s in spans], [[0.8, 1.2], [1.0, 1.6]])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["u u_x", "u_xx"]
    with pytest.raises(ValueError, match="terms of the true equation"):
        draw_terms(ax, found, TRUTH, terms=["u_x"])
    plt.close(figure)


# ---------------------------------------------------------------- estimator


def wave(frames: int = 6, points: int = 8) -> np.ndarray:
    """Each frame is the one before moved by one point: forward differences are exact for dt = dx."""
    first = RNG.normal(size=points)
    return np.stack([np.roll(first, -k) for k in range(frames)], -1)


def assert_calls_fit_together(model: Estimator) -> None:
    u = wave()
    model.fit(u, dt=0.5, dx=0.5)
    assert np.allclose(model.simulate(u[:, 0], 5), u)
    assert np.allclose(model.predict(u)[:, :-1] * 0.5, np.diff(u, axis=-1))
    assert model.score(u) == pytest.approx(1.0)


def test_fit_predict_simulate_and_score_fit_together() -> None:
    model = Shift()
    assert_calls_fit_together(model)
    u = wave()
    two = np.stack([u, 2 * u], -1)
    model.fit([two, two[:, :4]], dt=0.5, dx=(0.5,))
    assert model.simulate(two[:, 0], 3).shape == (8, 4, 2)
    out = model.simulate([two[:, 0], two[:, 1]], 2)
    assert len(out) == 2 and np.allclose(out[1], two[:, 1:4])
    rates = model.predict([two, two[:, :4]])
    assert rates[0].shape == two.shape and rates[1].shape == (8, 4, 2)
    data = trajectories(two, dt=0.5, dx=0.5, names=("u", "v"))
    assert model.predict(data).shape == data.values.shape and model.score(data) == pytest.approx(1.0)
    assert model.rollout(data.values[:, 0], 4).shape == (1, 5, 2, 8)


@pytest.mark.parametrize("change", [{"speed": 1.01}, {"speed": -1.0}, {"spread": 0.5}])
def test_that_test_sees_a_wrong_equation(change: dict) -> None:
    with pytest.raises(AssertionError):
        assert_calls_fit_together(Shift(**change))


def test_that_test_sees_fields_and_time_exchanged_on_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator_module, "outward", lambda frames, bare: np.moveaxis(frames, 0, 0)[:, 0])
    with pytest.raises((AssertionError, ValueError)):
        assert_calls_fit_together(Shift())


def test_score_is_r_squared_by_hand_and_skips_gaps() -> None:
    u = wave(7) + 0.4 * np.arange(7) ** 2
    u[:, 3] = np.nan
    model = Shift(speed=0.8).fit(u, dt=0.5, dx=0.5)
    change = np.concatenate([np.diff(u[:, :3], axis=-1).T, np.diff(u[:, 4:], axis=-1).T])
    before = np.concatenate([u[:, :2].T, u[:, 4:6].T])
    error = 0.8 * (np.roll(before, -1, 1) - before) - change
    expected = 1 - (error**2).sum() / ((change - change.mean()) ** 2).sum()
    assert model.score(u) == pytest.approx(expected)
    assert np.isnan(model.predict(u)[:, 3]).all() and np.isfinite(model.predict(u)[:, 4]).all()


def test_reading_equations(capsys: pytest.CaptureFixture) -> None:
    model = Shift(speed=2.0, seed=1).fit(wave(), dt=1, dx=1, names=["h"])
    assert model.coefficients() == {"h": {"h_x": 2.0, "u": 0.01}}
    (equation,) = model.equations()
    assert equation.lhs == sympy.Symbol("h_t") and equation.rhs == model.expressions()["h"]
    model.print(threshold=0.1)
    assert capsys.readouterr().out == "h_t = 2 h_x (+ 1 term below 0.1)\n"
    assert repr(model) == "Shift(speed=2.0, spread=0.0, seed=1)"


def test_default_threshold_is_relative_and_counts_what_it_leaves_out(
    capsys: pytest.CaptureFixture,
) -> None:
    terms = {"u_x": 2e-4} | {f"u**{k}": 1.9e-7 for k in range(2, 19)}
    line = format_equation("u", terms, threshold=None, rest=True)
    assert line == "u_t = 0.0002 u_x (+ 17 terms below 2e-07)"
    Shift(speed=1e-4, seed=1).fit(wave(), dt=1, dx=1).print()
    Shift(speed=20.0, seed=1).fit(wave(), dt=1, dx=1).print()
    least = "1/1000 of the largest contribution"
    assert capsys.readouterr().out == f"u_t = 0.01 u + 0.0001 u_x\nu_t = 20 u_x (+ 1 term below {least})\n"


def test_prediction_of_single_frames() -> None:
    u = wave()
    model = Shift().fit(u, dt=0.5, dx=0.5)
    rates = model.predict(u)
    assert np.array_equal(model.predict(u[:, 2]), rates[:, 2])
    assert np.array_equal(model.predict(u[:, 2:3, None]), rates[:, 2:3, None])
    first, second = model.predict([u[:, 0], u[:, 1, None]])
    assert np.array_equal(first, rates[:, 0]) and np.array_equal(second, rates[:, 1:2])
    assert np.isnan(model.predict(u[:, 0] * np.nan)).all()
    two = np.stack([u, 2 * u], -1)
    model.fit(two, dt=0.5, dx=(0.5,))
    assert np.array_equal(model.predict(two[:, 3]), model.predict(two)[:, 3])
    with pytest.raises(ValueError, match="finite"):
        model.predict(np.where(np.arange(8)[:, None] == 2, np.nan, two[:, 3]))


def test_parameters_and_unknown_ones() -> None:
    model = Shift(speed=2.0)
    changed = model.with_parameters(seed=4)
    assert changed.parameters() == {"speed": 2.0, "spread": 0.0, "seed": 4} and model.seed == 0
    with pytest.raises(TypeError, match="a parameter of Shift: speed, spread, seed"):
        model.with_parameters(sped=1)
    with pytest.raises(TypeError, match="sped"):
        Shift(sped=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.expressions(),
        lambda m: m.equations(),
        lambda m: m.coefficients(),
        lambda m: m.print(),
        lambda m: m.predict(wave()),
        lambda m: m.score(wave()),
        lambda m: m.simulate(wave()[:, 0], 1),
        lambda m: m.rollout(torch.zeros(1, 1, 8), 1),
    ],
)
def test_not_fitted(call: Callable) -> None:
    with pytest.raises(NotFittedError, match="Shift: expected a fitted estimator.*call fit first"):
        call(Shift())


def test_wrong_new_data() -> None:
    u = wave()
    model = Shift().fit(u, dt=0.5, dx=0.5)
    for call, text in [
        (lambda: model.simulate(u, 1), "no time axis here"),
        (lambda: model.simulate(u[:, 0], -1), "steps"),
        (lambda: model.simulate([], 1), "empty list"),
        (lambda: model.simulate([u[:, 0], u[:4, 0]], 1), "share one grid"),
        (lambda: model.simulate(u[:, 0] * np.nan, 1), "finite"),
        (lambda: model.score(trajectories(u, dt=0.5, dx=0.5), dt=0.5), "nothing beside Trajectories"),
        (lambda: model.score(np.ones((8, 4))), "frames that change"),
        (lambda: model.score(u[:, :1] + 0.1 * np.arange(4)), "frames that change"),
        (lambda: model.score(u, dt=0.1), "that of the training data"),
        (lambda: model.predict(trajectories(u, dt=0.5, dx=0.1)), "dx: expected that of the training data"),
        (lambda: model.predict(trajectories(u, dt=0.5, dx=0.5, names="w")), "names: expected those"),
        (lambda: model.rollout(torch.zeros(1, 2, 8), 1), "1 fields on axis 1"),
        (lambda: model.fit(u, dt=0.5), "dx: expected the grid spacing"),
        (lambda: model.fit(trajectories(u, dt=0.5, dx=0.1), dt=0.5), "nothing beside Trajectories"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


# ---------------------------------------------------------------- ensembles


def test_ensemble_means_intervals_and_medians() -> None:
    u = wave()
    ensemble = Ensemble(Shift(spread=0.3), seeds=(0, 1, 2, 7)).fit(u, dt=0.5, dx=0.5)
    speeds = np.array([m.speed_ for m in ensemble.members])
    assert len(set(speeds)) == 4
    assert ensemble.coefficients()["u"]["u_x"] == pytest.approx(speeds.mean())
    assert ensemble.coefficients()["u"]["u"] == pytest.approx(0.025)
    for level in (0.9, 0.95):
        limits = stats.ttest_1samp(speeds, 0).confidence_interval(level)
        assert ensemble.intervals(level)["u"]["u_x"] == pytest.approx((limits.low, limits.high))
    each = np.stack([m.simulate(u[:, 0], 3) for m in ensemble.members])
    assert np.allclose(ensemble.simulate(u[:, 0], 3), np.sort(each, 0)[1])
    starts = torch.from_numpy(u.T[:1, None])
    assert ensemble.rollouts(starts, 3).shape == (4, 1, 4, 1, 8)
    assert ensemble.score(u) < 1.0


def test_ensemble_refuses_what_cannot_differ() -> None:
    class Same(Shift):
        def __init__(self, *, speed: float = 1.0) -> None:
            super().__init__(speed=speed)

    for call, error, text in [
        (lambda: Ensemble(Same()), ValueError, "parameter seed"),
        (lambda: Ensemble(3), TypeError, "an Estimator"),
        (lambda: Ensemble(Shift(), seeds=(1, 1)), ValueError, "none twice"),
        (lambda: Ensemble(Shift(), seeds=()), ValueError, "at least one seed"),
    ]:
        with pytest.raises(error, match=text):
            call()
    alone = Ensemble(Shift(), seeds=(3,)).fit(wave(), dt=0.5, dx=0.5)
    assert alone.intervals()["u"]["u_x"] == (-np.inf, np.inf)


class Field(Shift):
    """Its equation has the coefficient field c(x); ``_collected`` gives a number for it, as PDENet does."""

    def _expressions(self) -> dict[str, sympy.Expr]:
        return {"u": sympy.Function("c")(sympy.Symbol("x")) * sympy.Symbol("u_x")}

    def _collected(self) -> dict[str, dict[sympy.Expr, float]]:
        return {"u": {sympy.Symbol("u_x"): self.speed_}}


def test_ensemble_takes_the_numbers_that_members_give_for_coefficient_fields() -> None:
    ensemble = Ensemble(Field(speed=3.0, spread=0.3)).fit(wave(), dt=0.5, dx=0.5)
    speeds = np.array([m.speed_ for m in ensemble.members])
    assert ensemble.coefficients()["u"] == {"u_x": pytest.approx(speeds.mean())}
    low, high = ensemble.intervals()["u"]["u_x"]
    assert low < speeds.mean() < high and ensemble.intervals()["u"].keys() == {"u_x"}


def test_ensemble_of_fitted_members() -> None:
    u = wave()
    members = [Shift(speed=s).fit(k * u, dt=0.5, dx=0.5) for k, s in enumerate((1.0, 2.0, 4.0), 1)]
    ensemble = Ensemble.of(members)
    assert ensemble.coefficients()["u"]["u_x"] == pytest.approx(7 / 3) and ensemble.members == members
    assert np.allclose(ensemble.predict(u), np.median([m.predict(u) for m in members], 0))
    assert ensemble.seeds == (0, 1, 2)
    for other, error, text in [
        ([], ValueError, "at least one fitted"),
        ([members[0], 3], TypeError, "an Estimator, found int"),
        ([members[0], Shift()], NotFittedError, "call fit first"),
        ([members[0], Shift().fit(u, dt=0.1, dx=0.5)], ValueError, "the same fields, time step"),
        ([members[0], Shift().fit(wave(points=9), dt=0.5, dx=0.5)], ValueError, "spacing and grid"),
    ]:
        with pytest.raises(error, match=text):
            Ensemble.of(other)


def test_members_that_blow_up_count_as_infinite() -> None:
    class Bad(Shift):
        def _step(self, u: torch.Tensor) -> torch.Tensor:
            return u * self.speed

    u = wave()
    good, nan, low = (Bad(speed=s).fit(u, dt=0.5, dx=0.5) for s in (1.0, np.nan, -np.inf))
    assert np.array_equal(Ensemble.of([good, good, nan]).simulate(u[:, 0], 1)[:, 1], u[:, 0])
    for majority in ([good, nan, nan], [good, nan, low]):
        with pytest.warns(EquationWarning, match="at t = 0.5, step 1,"):
            assert np.isposinf(Ensemble.of(majority).simulate(u[:, 0], 1)[:, 1]).all()
