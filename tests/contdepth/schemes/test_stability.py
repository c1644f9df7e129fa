"""Claims A3 and A5 to A8: reversibility, modified equations, momentum, acceleration, stability."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth import schemes
from contdepth.problems import Pendulum, Quadratic, TimeDependent


def grid(T, n):
    return torch.linspace(0.0, T, n + 1, dtype=torch.float64)


# A3


def test_a3_a_thousand_steps_there_and_back():
    problem, t = Pendulum(), grid(100.0, 1000)
    u = schemes.integrate(problem.parts, problem.u0, t, schemes.RevNet(), keep="last")
    assert (u - problem.u0).abs().max() > 0.1
    assert (schemes.RevNet().recover(problem.parts, u, t) - problem.u0).abs().max() < 1e-10


def test_a3_energy_stays_bounded():
    problem = Pendulum()
    start = problem.energy(problem.u0)
    symplectic = problem.energy(
        schemes.integrate(problem.parts, problem.u0, grid(1000.0, 10_000), schemes.RevNet())
    )
    forward = problem.energy(schemes.integrate(problem.f, problem.u0, grid(100.0, 1000), schemes.ForwardEuler()))
    assert (symplectic - start).abs().max() < 0.1
    assert (forward - start).abs().max() > 1.0


def test_a3_mutant_updating_both_halves_from_the_old_state_is_not_symplectic():
    class Explicit(schemes.RevNet):
        def step(self, f, t, u, h):
            x, y = u.chunk(2, self.dim)
            return torch.cat([x + h * f[0](t, y), y + h * f[1](t, x)], self.dim)

    problem = Pendulum()
    u = schemes.integrate(problem.parts, problem.u0, grid(100.0, 1000), Explicit())
    assert (problem.energy(u) - problem.energy(problem.u0)).abs().max() > 1.0


# A5


@pytest.mark.parametrize(("k", "full"), [(-0.5, True), (-0.1, False), (0.0, True), (0.5, True)])
def test_a5_modified_equations(k, full):
    gaps = schemes.modified_equation_gaps(Pendulum(), k, (160, 320, 640), full=full)
    assert gaps.plain.last == pytest.approx(1.0, abs=0.1)
    assert gaps.reduced.last == pytest.approx(2.0, abs=0.1)
    assert gaps.gain > 50
    if k:
        assert min(gaps.original.errors) > 0.1
    if full:
        assert gaps.full.last == pytest.approx(2.0, abs=0.1)
    else:
        assert gaps.full is None


def test_a5_holds_for_a_time_dependent_f():
    gaps = schemes.modified_equation_gaps(TimeDependent(), 0.3, (160, 320), full=False)
    assert gaps.reduced.last == pytest.approx(2.0, abs=0.1)


def test_a5_mutant_correction_is_only_first_order(monkeypatch):
    from contdepth.schemes import modified

    monkeypatch.setattr(modified, "reduced_field", lambda f, k, h: schemes.reduced_field(f, k, 0.95 * h))
    assert abs(schemes.modified_equation_gaps(Pendulum(), 0.0, (320, 640), full=False).reduced.last - 2.0) > 0.1


def test_full_form_reduces_to_the_plain_ode_on_its_slow_manifold():
    u, t = torch.tensor([0.4, 0.2], dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    f = Pendulum().f
    state = torch.cat([u, f(t, u) / 1.4])
    torch.testing.assert_close(schemes.full_field(f, 0.4, 0.1)(t, state), torch.cat([f(t, u) / 1.4, 0 * u]))


# A6


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.81, 0.95])
def test_a6_lm_is_heavy_ball(momentum):
    problem = Quadratic()
    lm = schemes.LinearTwoStep(k=-momentum, rescale=False, start="repeat")
    ours = schemes.integrate(problem.f, problem.u0, torch.arange(201, dtype=torch.float64), lm)
    balls = schemes.heavy_ball(lambda u: -problem.f(None, u), problem.u0, step=1.0, momentum=momentum, steps=200)
    assert (ours - balls).abs().max() < 1e-12


def test_a6_holds_for_a_gradient_that_is_not_linear():
    lm = schemes.LinearTwoStep(k=-0.9, rescale=False, start="repeat")
    u0 = torch.tensor([2.0, -1.0], dtype=torch.float64)
    ours = schemes.integrate(lambda t, u: -torch.sin(u), u0, 0.3 * torch.arange(51, dtype=torch.float64), lm)
    balls = schemes.heavy_ball(torch.sin, u0, step=0.3, momentum=0.9, steps=50)
    assert (ours - balls).abs().max() < 1e-12


# A7


def test_a7_best_k_at_step_one_over_L():
    problem = Quadratic(kappa=100.0)
    best = schemes.best_k(problem, h=1.0)
    assert best.k == pytest.approx(-0.81, abs=0.01)
    assert best.k == pytest.approx(-((1 - 0.1) ** 2), abs=1e-6)
    assert best.rate == pytest.approx(0.90, abs=0.005)
    assert schemes.spectral_radius(0.0, 1.0, problem.eigenvalues) == pytest.approx(0.99, abs=1e-12)


@pytest.mark.parametrize("kappa", [10.0, 100.0, 1000.0])
def test_a7_best_step_and_k(kappa):
    problem, root = Quadratic(kappa=kappa), math.sqrt(kappa)
    best = schemes.best_step_and_k(problem)
    assert best.rate == pytest.approx((root - 1) / (root + 1), abs=1e-4)
    assert best.h == pytest.approx(4 / (1 + 1 / root) ** 2, abs=1e-3)
    euler = min(schemes.spectral_radius(0.0, h, problem.eigenvalues) for h in np.linspace(1.5, 2.0, 50_001)[::500])
    assert best.rate < euler
    assert schemes.spectral_radius(0.0, 2 / (1 + 1 / kappa), problem.eigenvalues) == pytest.approx(
        (kappa - 1) / (kappa + 1), abs=1e-4
    )


def test_a7_steps_follow_the_rates():
    problem = Quadratic(kappa=100.0)
    fast, plain, slow = (schemes.steps_to_tolerance(problem, k, 1.0) for k in (-0.8, 0.0, 0.2))
    assert fast < plain / 5 < plain < slow
    # oracle: forward Euler on a diagonal problem is a power of each eigenvalue's factor
    size = [float(torch.linalg.vector_norm((1 - problem.eigenvalues) ** n)) for n in (plain - 1, plain)]
    assert size[0] > 1e-6 * math.sqrt(problem.d) >= size[1]
    with pytest.raises(RuntimeError, match="within 50 steps"):
        schemes.steps_to_tolerance(problem, 0.0, 1.0, most=50)


# A8


@pytest.mark.parametrize("k", [-0.9, -0.5, 0.0, 0.3, 0.9])
def test_a8_largest_stable_step(k):
    assert schemes.largest_stable_step(k) == pytest.approx(2 * (1 - k), abs=1e-3)
    assert schemes.largest_stable_step(k, rescale=True) == pytest.approx(2 * (1 - k) / (1 + k), abs=1e-3)


@pytest.mark.parametrize("k", [-0.6, 0.0, 0.7])
def test_a8_the_scheme_itself_stays_bounded_below_and_grows_above(k):
    scheme = schemes.LinearTwoStep(k=k, rescale=False, start="repeat")
    for share, bounded in ((0.98, True), (1.02, False)):
        t = torch.arange(2001, dtype=torch.float64) * (share * 2 * (1 - k))
        u = schemes.integrate(lambda t, u: -u, torch.ones(1, dtype=torch.float64), t, scheme, keep="last").abs()
        assert (u < 1.0) if bounded else (u > 1e3)


def test_a8_root_condition():
    assert [schemes.satisfies_root_condition(k) for k in (-1.01, -1.0, -0.99, 0.0, 1.0, 1.01)] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]
    for k in (-1.01, 1.01, 1.5):
        assert schemes.root_modulus(k) == pytest.approx(abs(k), abs=1e-12)
    assert schemes.root_modulus(0.7) == pytest.approx(1.0, abs=1e-12)


def test_a8_double_root_at_minus_one_grows_linearly():
    scheme = schemes.LinearTwoStep(k=-1.0, rescale=False, start=torch.zeros(1, dtype=torch.float64))
    t = torch.arange(101, dtype=torch.float64)
    u = schemes.integrate(lambda t, u: 0 * u, torch.ones(1, dtype=torch.float64), t, scheme, keep="last")
    assert u.item() == pytest.approx(101.0)


# Amplification factors and regions

Z = torch.tensor([0.3 + 0.4j, -1.2 + 0.1j, -2.5, 1.0j], dtype=torch.complex128)


@pytest.mark.parametrize(
    "table",
    [schemes.HEUN2, schemes.MIDPOINT, schemes.RALSTON2, schemes.KUTTA3, schemes.RK4, schemes.THREE_EIGHTHS],
    ids=lambda t: t.name,
)
def test_running_a_step_gives_the_stability_polynomial(table):
    coefficients = table.stability_coefficients()
    polynomial = sum(c * Z**j for j, c in enumerate(coefficients))
    torch.testing.assert_close(
        schemes.amplification(schemes.RungeKutta(table), Z), polynomial, rtol=1e-13, atol=1e-14
    )
    taylor = [1 / math.factorial(j) for j in range(table.order + 1)]
    assert coefficients[: table.order + 1] == pytest.approx(taylor, abs=1e-14)


@pytest.mark.parametrize(
    ("scheme", "factor"),
    [
        (schemes.ForwardEuler(), 1 + Z),
        (schemes.BackwardEuler(), 1 / (1 - Z)),
        (schemes.PolyNet(), 1 + Z + Z**2),
        (schemes.NestedPolyNet(3), 1 + Z + Z**2 + Z**3),
        (schemes.FractalBlock(), 1 + Z + Z**2 / 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_amplification_in_closed_form(scheme, factor):
    torch.testing.assert_close(schemes.amplification(scheme, Z), factor, rtol=1e-13, atol=1e-14)


def test_backward_euler_steps_follow_its_stability_function():
    u = torch.tensor([0.7], dtype=torch.float64)
    step = schemes.BackwardEuler().step(lambda t, u: -3 * u, torch.zeros(()).double(), u, 0.5)
    torch.testing.assert_close(step, u * schemes.BackwardEuler().stability(torch.tensor(-1.5).double()))


def test_regions():
    real, imag = torch.linspace(-3, 1, 41), torch.linspace(-3, 3, 61)
    region = schemes.stability_region(schemes.ForwardEuler(), real, imag)
    assert region.shape == (61, 41)
    assert region[30, 20] == pytest.approx(0.0, abs=1e-6)  # z = -1
    assert (schemes.stability_region(schemes.BackwardEuler(), real, imag)[:, real <= 0] <= 1 + 1e-12).all()


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("k", [-0.8, -0.3, 0.0, 0.5, 0.9])
def test_the_border_of_the_lm_region_is_an_ellipse(k, rescale):
    """A root e^{iθ} has c z = e^{iθ} - (1 - k) - k e^{-iθ}; c = 1 for the raw form, 1 + k if rescaled."""
    theta = torch.linspace(0, 2 * math.pi, 97, dtype=torch.float64)
    scheme, c = schemes.LinearTwoStep(k=k, rescale=rescale), 1 + k if rescale else 1

    def modulus(share):
        z = torch.complex(-(1 - k) + share * (1 - k) * torch.cos(theta), share * (1 + k) * torch.sin(theta))
        return schemes.amplification(scheme, z / c)

    torch.testing.assert_close(modulus(1.0), torch.ones_like(theta), rtol=0, atol=1e-12)
    for share in (0.0, 0.5, 0.99):
        assert (modulus(share) < 1).all()
    for share in (1.01, 2.0):
        assert (modulus(share) > 1).all()


@pytest.mark.parametrize("rescale", [False, True])
def test_the_lm_region_on_a_grid_is_the_inside_of_its_ellipse(rescale):
    k = -0.8
    c = 1 + k if rescale else 1
    real, imag = torch.linspace(-20, 1, 211), torch.linspace(-1.5, 1.5, 61)
    region = schemes.stability_region(schemes.LinearTwoStep(k=k, rescale=rescale), real, imag)
    across, along = (c * real.double() + 1 - k) / (1 - k), c * imag.double() / (1 + k)
    size = across**2 + along.unsqueeze(1) ** 2
    clear = (size - 1).abs() > 1e-3
    assert torch.equal(region[clear] < 1, size[clear] < 1)
    assert 100 < int((region < 1).sum()) < region.numel() / 2


def test_two_step_roots_solve_their_equation():
    roots = schemes.two_step_roots(0.4, Z, rescale=True)
    residual = roots**2 - (0.6 + 1.4 * Z.unsqueeze(-1)) * roots - 0.4
    assert residual.abs().max() < 1e-14
