"""The simulators against exact solutions, refinement, symbolic derivatives and published files."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import sympy
import torch

from contdepth import data
from contdepth.pde import simulate
from contdepth.pde.simulate import integrate, spectral, upwind
from contdepth.pde.simulate.equations import Equation

TAU = 2 * math.pi


def points(n: int, length: float = TAU) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float64) * length / n


def relative(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


# --- exact solutions -------------------------------------------------------------------------------------


def cole_hopf(n: int, times: list[float], viscosity: float) -> torch.Tensor:
    """u = -2 nu phi_x / phi with phi = 1 + 0.6 exp(-nu t) cos(x - 1): (T, n)."""
    x, t = points(n), torch.tensor(times, dtype=torch.float64)[:, None]
    decay = 0.6 * torch.exp(-viscosity * t)
    return 2 * viscosity * decay * torch.sin(x - 1) / (1 + decay * torch.cos(x - 1))


def cole_hopf_error(equation: Equation, method: str) -> float:
    exact = cole_hopf(64, [0.0, 0.4, 1.0], 0.3)
    return relative(simulate.solve(equation, exact[:1, None], [0.0, 0.4, 1.0], method=method)[0, :, 0], exact)


@pytest.mark.parametrize("method", ["dop853", "etdrk4"])
def test_burgers_is_the_cole_hopf_solution(method):
    assert cole_hopf_error(simulate.burgers1d(0.3, TAU), method) < 1e-7
    assert cole_hopf_error(simulate.burgers1d(0.297, TAU), method) > 1e-3  # viscosity off by one per cent
    assert cole_hopf_error(simulate.burgers1d(0.3, 1.01 * TAU), method) > 1e-3  # domain off by one per cent


def test_heat_modes_decay_at_their_rates():
    x, y = points(16)[:, None], points(16)
    u0 = (torch.cos(2 * x + 3 * y) + torch.sin(x) + 0 * y + 1)[None, None]
    out = simulate.solve(simulate.heat2d(0.2), u0, [0.0, 0.5], method="etdrk4")[0, 1, 0]
    exact = math.exp(-0.2 * 13 * 0.5) * torch.cos(2 * x + 3 * y) + math.exp(-0.1) * torch.sin(x) + 1
    assert relative(out, exact) < 1e-12


def test_constant_coefficients_move_and_damp_a_wave():
    x, y = points(16)[:, None], points(16)
    equation = simulate.convection_diffusion2d(0.7, -0.4, 0.2, 0.3)
    for method in ("dop853", "etdrk4"):
        out = simulate.solve(equation, torch.cos(x + 2 * y)[None, None], [0.0, 1.0], method=method)[0, 1, 0]
        exact = math.exp(-(0.2 + 4 * 0.3)) * torch.cos(x + 0.7 + 2 * (y - 0.4))  # a u_x with a plus: to the left
        assert relative(out, exact) < 1e-7


def soliton(t: float, n: int = 128, length: float = 40.0, speed: float = 2.0) -> torch.Tensor:
    """0.5 c / cosh^2(sqrt(c) (x - c t - 15) / 2), one period of it."""
    return 0.5 * speed / torch.cosh(math.sqrt(speed) / 2 * (points(n, length) - speed * t - 15)) ** 2


def test_soliton_travels_unchanged():
    def error(equation):
        out = simulate.solve(equation, soliton(0)[None, None], [0.0, 0.5, 1.0], rtol=1e-6)[0, 2, 0]
        return relative(out, soliton(1.0))

    assert error(simulate.kdv(length=40.0)) < 1e-5
    assert error(simulate.kdv(5.9, length=40.0)) > 5e-3
    assert error(simulate.kdv(dispersion=-1.0, length=40.0)) > 0.5


def test_invariants_of_kdv_and_burgers():
    u0 = simulate.random_fourier(2, 64, 10.0, dim=1, amplitude=1.0, mean=1.0, seed=3)
    out = simulate.solve(simulate.kdv(length=10.0), u0, [0.0, 0.1, 0.2], rtol=1e-7)
    assert (out.mean(-1) - out[:, :1].mean(-1)).abs().max() < 1e-12
    energy = out.square().mean(-1)
    assert (energy / energy[:, :1] - 1).abs().max() < 1e-6
    out = simulate.solve(simulate.burgers1d(0.1, 10.0), u0, [0.0, 1.0])
    assert (out.mean(-1) - out[:, :1].mean(-1)).abs().max() < 1e-9
    assert (out[:, 1].square().mean(-1) < out[:, 0].square().mean(-1)).all()


# --- right-hand sides against symbolic differentiation ---------------------------------------------------

SMOOTH = simulate.convection_diffusion2d(sympy.cos(sympy.Symbol("y")) + 1, simulate.variable_b())
EQUATIONS = [
    simulate.heat2d(),
    SMOOTH,
    simulate.diffusion_source2d(),
    simulate.burgers2d(),
    simulate.convection_diffusion_reaction2d(),
    simulate.burgers1d(0.1, TAU),
    simulate.kdv(length=TAU),
    simulate.kuramoto_sivashinsky(TAU),
]


def rhs_error(equation: Equation, n: int = 30, right: spectral.SpectralRHS | None = None) -> float:
    x, y = sympy.symbols("x y")
    flat = equation.dim == 1
    functions = {
        "u": sympy.sin(x) / 2 + (0 if flat else sympy.cos(2 * y + x) / 3) + sympy.Rational(1, 5),
        "v": sympy.cos(x - y) / 2 + sympy.sin(2 * x) / 4,
    }
    values, exact = [], []
    grid = torch.meshgrid(*[points(n)] * equation.dim, indexing="ij")
    numbers = [g.numpy() for g in grid] + ([np.zeros(1)] if flat else [])

    def sample(expression):
        return torch.from_numpy(sympy.lambdify((x, y), expression + 0 * x, "numpy")(*numbers) + 0 * numbers[0])

    for field in equation.fields:
        expression = equation.rhs[field]
        for symbol in sorted(expression.free_symbols - {x, y}, key=lambda s: -len(str(s))):
            name, _, letters = str(symbol).partition("_")
            value = functions[name]
            for letter in letters:
                value = sympy.diff(value, sympy.Symbol(letter))
            expression = expression.subs(symbol, value)
        values.append(sample(functions[field]))
        exact.append(sample(expression))
    right = right or spectral.SpectralRHS(equation, (n,) * equation.dim)
    return relative(right(torch.stack(values)[None])[0], torch.stack(exact))


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda e: e.name)
def test_right_hand_side_is_the_symbolic_one(equation):
    assert rhs_error(equation) < 1e-7  # 1e-13 but for sin(u), whose spectrum is not finite


def one_per_cent_off(equation: Equation):
    """The equation with one term of one field multiplied by 1.01, for every term."""
    for field, expression in equation.truth().items():
        for term in sympy.Add.make_args(expression):
            yield dataclasses.replace(equation, rhs={**equation.rhs, field: expression + 0.01 * term})


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda e: e.name)
def test_every_wrong_term_shows(equation):
    for wrong in one_per_cent_off(equation):
        assert rhs_error(equation, 20, spectral.SpectralRHS(wrong, (20,) * equation.dim)) > 1e-5


def test_odd_grids_and_the_rough_coefficient():
    assert rhs_error(simulate.burgers2d(), 31) < 1e-12
    errors = [rhs_error(simulate.convection_diffusion2d(), n) for n in (32, 128)]
    assert errors[1] < errors[0] / 8 and errors[1] < 1e-3  # a(x, y) has a kink in its second derivative


@pytest.mark.parametrize(
    ("equation", "top", "finite"),
    [
        (simulate.burgers1d(0.1, TAU), 7, True),
        (Equation("cubic", ("u",), 1, TAU, {"u": -(sympy.Symbol("u") ** 3)}), 7, True),
        (simulate.burgers1d(0.1, TAU), 7, False),
    ],
    ids=["quadratic", "cubic", "not de-aliased"],
)
def test_products_have_no_aliasing(equation, top, finite):
    u = sum(torch.cos(k * points(16) + k * k) / k for k in range(1, top + 1))[None, None]
    fine = sum(torch.cos(k * points(96) + k * k) / k for k in range(1, top + 1))[None, None]
    coarse = spectral.SpectralRHS(equation, (16,), dealias=finite)
    found = coarse.to_modes(coarse(u))[0, 0, :8]
    reference = spectral.SpectralRHS(equation, (96,))
    error = relative(found, reference.to_modes(reference(fine))[0, 0, :8])
    assert (error < 1e-13) is finite and (finite or error > 1e-2)


# --- time integration ------------------------------------------------------------------------------------


def test_etdrk4_has_order_four():
    rhs = spectral.SpectralRHS(simulate.burgers1d(0.1, TAU), (32,))
    w0 = rhs.to_modes(simulate.random_fourier(1, 32, dim=1, amplitude=1.0, seed=1))

    def run(steps):
        scheme, w = integrate._Etdrk4(rhs, 0.5 / steps), w0
        for _ in range(steps):
            w = scheme.step(w)
        return w

    exact = run(640)
    errors = [float((run(m) - exact).norm()) for m in (20, 40, 80)]
    assert np.allclose(np.log2(np.divide(errors[:-1], errors[1:])), 4, atol=0.2)


@pytest.mark.parametrize("equation", EQUATIONS[1:] + [simulate.convection_diffusion2d()], ids=lambda e: e.name)
def test_both_integrators_agree(equation):
    n = 16 if equation.dim == 2 else 32
    scale = 0.3 if equation.dim == 1 else 1.0
    u0 = simulate.random_fourier(
        1, n, equation.length, dim=equation.dim, fields=len(equation.fields), frequency=2, amplitude=scale, seed=2
    )
    a, b = (simulate.solve(equation, u0, [0.0, 0.02, 0.05], method=m, rtol=1e-9) for m in ("dop853", "etdrk4"))
    assert (a - b).abs().max() < 1e-6


def test_samples_do_not_depend_on_their_batch():
    u0 = simulate.random_fourier(3, 16, fields=2, seed=4)
    times = [0.0, 0.03, 0.1]
    whole = simulate.solve(simulate.burgers2d(0.2), u0, times, grid=8)
    assert whole.shape == (3, 3, 2, 8, 8) and whole.dtype == torch.float64
    assert torch.equal(whole[1:2], simulate.solve(simulate.burgers2d(0.2), u0[1:2], times, grid=8))


# --- the upwind generator --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smooth_burgers():
    def first(n):
        return simulate.random_fourier(1, n, fields=2, frequency=1, amplitude=1.0, mean=1.0, seed=8)

    exact = simulate.solve(simulate.burgers2d(0.05), first(64), [0.0, 0.2], grid=16)[:, 1]
    return first, exact


def upwind_orders(first, exact, order: int, viscosity: float = 0.05) -> np.ndarray:
    errors = [
        float(
            (
                simulate.burgers2d_upwind(
                    first(n), 1, 0.2, viscosity=viscosity, grid=16, order=order, max_step=1 / 400
                )[:, 1]
                - exact
            ).norm()
        )
        for n in (32, 64, 128)
    ]
    return np.log2(np.divide(errors[:-1], errors[1:]))


@pytest.mark.parametrize("order", [1, 2])
def test_upwind_order_in_space(smooth_burgers, monkeypatch, order):
    assert np.allclose(upwind_orders(*smooth_burgers, order), order, atol=0.2)
    assert upwind_orders(*smooth_burgers, order, viscosity=0.0)[1] < order - 0.3
    original = upwind._Upwind.__call__

    def downstream(self, w):  # the difference from the wrong side
        self.convection = -abs(self.convection)
        return original(self, w)

    monkeypatch.setattr(upwind._Upwind, "__call__", downstream)
    assert not np.allclose(upwind_orders(*smooth_burgers, order), order, atol=0.2)


def test_heun_is_second_order_in_time(smooth_burgers):
    first = smooth_burgers[0](16)
    runs = [simulate.burgers2d_upwind(first, 1, 0.4, max_step=0.4 / m)[:, 1] for m in (8, 16, 32, 64)]
    steps = [float((a - b).norm()) for a, b in zip(runs[:-1], runs[1:], strict=True)]
    assert np.allclose(np.log2(np.divide(steps[:-1], steps[1:])), 2, atol=0.2)


def test_upwind_symmetries_and_maximum_principle():
    u0 = simulate.random_fourier(2, 24, fields=2, mean=1.0, seed=5)
    out = simulate.burgers2d_upwind(u0, 5, grid=24)
    swapped = simulate.burgers2d_upwind(u0.flip(1).transpose(2, 3), 5)
    assert torch.allclose(swapped, out.flip(2).transpose(3, 4), rtol=0, atol=1e-13)
    turned = simulate.burgers2d_upwind(-u0.flip(2, 3), 5)
    assert torch.allclose(turned, -out.flip(3, 4), rtol=0, atol=1e-13)
    assert torch.equal(simulate.burgers2d_upwind(u0, 3, start=2), out[:, 2:])
    first_order = simulate.burgers2d_upwind(u0, 5, order=1)
    assert first_order.abs().amax((3, 4)).diff(dim=1).max() <= 1e-14  # the second-order one may overshoot
    assert out.abs().max() < 1.01 * u0.abs().max()


# --- initial data, noise, data sets ----------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_random_fourier_is_one_function(dim):
    n = 24 if dim < 3 else 12
    fine = simulate.random_fourier(2, 2 * n, dim=dim, fields=2, frequency=3, amplitude=1.5, mean=2.0, seed=6)
    coarse = simulate.random_fourier(1, n, dim=dim, fields=2, frequency=3, amplitude=1.5, mean=2.0, seed=6)
    assert torch.allclose(fine[(slice(0, 1), slice(None)) + (slice(None, None, 2),) * dim], coarse, atol=1e-13)
    modes = torch.fft.fftn(fine, dim=tuple(range(2, 2 + dim)), norm="forward").abs()
    high = torch.fft.fftfreq(2 * n, 1 / (2 * n)).abs() > 3.5
    assert modes[..., high].max() < 1e-13 and modes[..., ~high].amax(tuple(range(2 + dim - 1))).min() > 1e-4
    centred = fine - modes[(..., *(0,) * dim)][(...,) + (None,) * dim]
    assert 0.4 < centred.abs().max() < 4


def test_amplitude_mean_and_seed():
    plain = simulate.random_fourier(3, 64, seed=1)
    assert torch.allclose(plain.abs().flatten(2).amax(2), torch.tensor(2.0).double(), atol=0.05)
    shift = (simulate.random_fourier(3, 64, mean=2.0, seed=1) - plain).flatten(2)
    assert shift.std(2).max() < 1e-12 and shift[..., 0].abs().max() <= 2 and shift[..., 0].std() > 0.1
    assert not torch.allclose(plain, simulate.random_fourier(3, 64, seed=2))
    raw = simulate.random_fourier(200, 8, dim=1, frequency=2, amplitude=None, seed=1)
    assert abs(float(raw.var()) - 5.0) < 0.5  # five pairs of unit variance


def test_noise_is_relative_to_each_trajectory_and_field():
    u = simulate.random_fourier(2, 32, fields=2, seed=1)[:, None].repeat(1, 6, 1, 1, 1)
    u[1] *= 10
    u[:, :, 1] *= 3
    ratio = (simulate.add_noise(u, 0.01, seed=3, relative_to="max") - u).transpose(1, 2).flatten(2).std(2)
    flat, level = u.transpose(1, 2).flatten(2), torch.full((2, 2), 0.01).double()
    assert torch.allclose(ratio / flat.abs().amax(2), level, rtol=0.05)
    other = (simulate.add_noise(u, 0.01, seed=3) - u).transpose(1, 2).flatten(2).std(2)
    assert torch.allclose(other / flat.std(2), level, rtol=0.05)
    assert torch.equal(simulate.add_noise(u, 0.0), u)


def test_data_sets_have_their_shapes_and_late_starts():
    early = simulate.burgers_data(2, 6, grid=16, fine=32, late=0.0, seed=1)
    half = simulate.burgers_data(2, 3, grid=16, fine=32, late_time=0.03, seed=1)
    assert half.shape == (2, 4, 2, 16, 16)
    assert torch.equal(half[0], early[0, :4]) and torch.equal(half[1], early[1, 3:])
    exact = simulate.burgers_data(2, 3, grid=16, fine=64, late_time=0.03, seed=1, generator="spectral")
    assert torch.allclose(exact[0, 0], half[0, 0], atol=1e-12)
    assert 1e-4 < relative(half[1], exact[1]) < 0.1
    noisy = simulate.burgers_data(2, 3, grid=16, fine=32, late_time=0.03, seed=1, noise=0.01)
    assert 0.003 < relative(noisy, half) < 0.05
    assert simulate.cdr_data(2, 1, grid=16, fine=32, late_time=0.01).shape == (2, 2, 2, 16, 16)
    assert simulate.heat_data(2, 2, grid=16).shape == (2, 3, 1, 16, 16)
    assert simulate.convection_diffusion_data(1, 2, grid=20).shape == (1, 3, 1, 20, 20)
    source = simulate.source_data(1, 2, grid=20)
    assert source.shape == (1, 3, 1, 20, 20) and source.abs().max() < 4 * math.pi


def test_results_can_be_used_in_training():
    u0 = simulate.random_fourier(1, 8, fields=2, amplitude=0.2, seed=1)
    for u in (simulate.solve(simulate.burgers2d(), u0, [0.0, 0.01]), simulate.burgers2d_upwind(u0, 1)):
        factor = torch.ones((), dtype=torch.float64, requires_grad=True)
        (factor * u).sum().backward()
        assert float(factor.grad) == pytest.approx(float(u.sum()))


def test_terms_are_the_truth():
    assert simulate.burgers1d(0.05).terms == {"u": {"u*u_x": -1.0, "u_xx": 0.05}}
    terms = simulate.convection_diffusion2d().terms["u"]
    x, y = sympy.symbols("x y")
    assert terms["u_xx"] == 0.2 and terms["u_yy"] == 0.3
    assert float(terms["u_x"].subs({x: 1.0, y: 2.0})) == pytest.approx(
        0.5 * (math.cos(2) + (TAU - 1) * math.sin(1)) + 0.6
    )
    assert float(terms["u_y"].subs({x: 1.0, y: 2.0})) == pytest.approx(2 * (math.cos(2) + math.sin(1)) + 0.8)
    assert simulate.diffusion_source2d().terms["u"]["sin(u)"] == 15.0
    assert [e.degree for e in EQUATIONS] == [1, 1, 3, 2, 3, 2, 2, 2]


# --- published files -------------------------------------------------------------------------------------

FILES = [  # name, equation, last point repeated, tolerance of the solver, last time, agreement asked
    ("burgers", simulate.burgers1d(), False, 1e-7, 4, 1e-4),
    ("burgers_sine", simulate.burgers1d(), False, 1e-7, 4, 1e-5),
    ("kdv", simulate.kdv(), False, 1e-5, 10, 1e-3),
    ("kdv_sine", simulate.kdv(1.0, 1.0, 40.0), False, 1e-6, 20, 1e-4),
    ("ks", simulate.kuramoto_sivashinsky(20.0), True, 1e-6, 20, 1e-3),
    ("ks_chaotic", simulate.kuramoto_sivashinsky(), True, 1e-6, 40, 1e-3),  # chaotic: no agreement for ever
    ("kuramoto_sivashinsky", simulate.kuramoto_sivashinsky(), False, 1e-6, 20, 1e-3),
]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "equation", "closed", "rtol", "until", "asked"), FILES, ids=[f[0] for f in FILES]
)
def test_agreement_with_published_solutions(name, equation, closed, rtol, until, asked):
    try:
        arrays = data.pde(name)
    except data.DataError as missing:
        pytest.skip(str(missing))
    u = torch.from_numpy(arrays["u"])[:, : -1 if closed else None]
    times = arrays["t"] - arrays["t"][0]
    chosen = np.flatnonzero(times <= until)[::5]
    out = simulate.solve(equation, u[:1, None], times[chosen], rtol=rtol, atol=rtol / 10)[0, :, 0]
    errors = (out - u[chosen]).norm(dim=1) / u[chosen].norm(dim=1)
    assert errors.max() < asked


# --- input errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate.solve(simulate.heat2d(), torch.zeros(1, 2, 8, 8), [0, 1]), "u0: expected shape"),
        (lambda: simulate.solve(simulate.heat2d(), torch.zeros(1, 8, 8), [0, 1]), "u0: expected a tensor with 4"),
        (lambda: simulate.solve(simulate.heat2d(), torch.full((1, 1, 8, 8), math.nan), [0, 1]), "finite values"),
        (lambda: simulate.solve(simulate.heat2d(), torch.zeros(1, 1, 8, 8), [0, 1, 1]), "increasing times"),
        (lambda: simulate.solve(simulate.heat2d(), torch.zeros(1, 1, 8, 8), [0, 1], method="rk4"), "one of"),
        (lambda: simulate.solve(simulate.heat2d(), torch.zeros(1, 1, 8, 8), [0, 1], grid=3), "a divisor"),
        (lambda: simulate.burgers2d_upwind(torch.ones(1, 2, 64, 64), 1, max_step=0.2, dt=0.2), "unstable"),
        (lambda: simulate.burgers_data(1, 1, fine=100), "a multiple of grid"),
        (lambda: simulate.burgers_data(1, 1, generator="magic"), "generator"),
        (lambda: simulate.random_fourier(1, (8, 8, 8)), "grid: expected"),
        (lambda: simulate.add_noise(torch.zeros(3, 4, 4), 0.1), "trajectories of shape"),
        (lambda: Equation("odd", ("u",), 1, 1.0, {"u": sympy.Symbol("w_x")}), "the symbol w_x"),
        (lambda: Equation("flat", ("u",), 1, 1.0, {"u": sympy.Symbol("u_y")}), "the symbol u_y"),
    ],
)
def test_input_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_blow_up_is_an_error():
    equation = Equation("blow-up", ("u",), 1, 1.0, {"u": sympy.Symbol("u") ** 2})
    with pytest.raises(RuntimeError, match="no solution beyond t = 1"):
        simulate.solve(equation, torch.ones(1, 1, 4), [0.0, 2.0])
