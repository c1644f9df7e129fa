"""Leapfrog, its fourth-order composition, the implicit midpoint rule: by hand, orders, J^T Ω J = Ω, reversal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from contdepth import schemes
from contdepth.problems import Pendulum
from contdepth.schemes.order import field_for

ALL = [schemes.Leapfrog(), schemes.Yoshida4(), schemes.ImplicitMidpoint()]
SYMMETRIC = pytest.mark.parametrize("scheme", ALL, ids=lambda one: one.name)
NOW = torch.tensor(0.3, dtype=torch.float64)
STATE = torch.tensor([0.7, -0.4, 1.1, 0.2], dtype=torch.float64)


def speed(t: Tensor, p: Tensor) -> Tensor:
    """∂T/∂p of T = Σ cosh p + p_1 p_2 / 2: not linear, coupled."""
    return p.sinh() + p.flip(-1) / 2


def force(t: Tensor, q: Tensor) -> Tensor:
    """-∂V/∂q of V = Σ q⁴/4 + sin(q_1 q_2)."""
    return -q.pow(3) - q.flip(-1) * (q[..., :1] * q[..., 1:]).cos()


def both(t: Tensor, u: Tensor) -> Tensor:
    q, p = u.chunk(2, -1)
    return torch.cat((speed(t, p), force(t, q)), -1)


def tangled(t: Tensor, u: Tensor) -> Tensor:
    """Of H = (1 + q²)(1 + p²)/2 + qp/3, which does not separate."""
    q, p = u.chunk(2, -1)
    return torch.cat((p * (1 + q.square()) + q / 3, -q * (1 + p.square()) - p / 3), -1)


def given(scheme: Any) -> Any:
    return (speed, force) if getattr(scheme, "fields", 1) == 2 else both


def test_leapfrog_by_hand() -> None:
    f = (lambda t, p: p * t), (lambda t, q: -t * q)
    found = schemes.Leapfrog().step(f, NOW, torch.tensor([2.0, 3.0]).double(), 0.2)
    half = 3 - 0.1 * 0.3 * 2
    q = 2 + 0.2 * 0.4 * half
    torch.testing.assert_close(
        found, torch.tensor([q, half - 0.1 * 0.5 * q], dtype=torch.float64), rtol=1e-14, atol=0
    )


def test_the_implicit_midpoint_satisfies_its_equation() -> None:
    h = 0.4
    found = schemes.ImplicitMidpoint().step(lambda t, u: tangled(t, u) * t, NOW, STATE[:2], h)
    middle = (STATE[:2] + found) / 2
    wanted = STATE[:2] + h * tangled(NOW, middle) * (NOW + h / 2)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@SYMMETRIC
@pytest.mark.parametrize("problem", [Pendulum(), Pendulum(torque=0.4)])
def test_orders(scheme: Any, problem: Pendulum) -> None:
    found = schemes.measure_order(scheme, problem, (30, 60))
    assert found.last == pytest.approx(scheme.order, abs=0.05)


class Driven(Pendulum):
    """q' = p cos t, p' = -sin(q) (1 + t): a time at a wrong place costs an order."""

    def f(self, t: Tensor, u: Tensor) -> Tensor:
        q, p = u.unbind(-1)
        return torch.stack([p * t.cos(), -torch.sin(q) * (1 + t)], -1)

    @property
    def parts(self) -> Any:
        return (lambda t, p: p * t.cos()), (lambda t, q: -torch.sin(q) * (1 + t))


@SYMMETRIC
def test_orders_where_time_matters(scheme: Any) -> None:
    found = schemes.measure_order(scheme, Driven(), (30, 60))
    assert found.last == pytest.approx(scheme.order, abs=0.1)


def defect(step: Callable[[Tensor], Tensor], u: Tensor) -> float:
    """Largest entry of J^T Ω J - Ω."""
    n = len(u) // 2
    omega = torch.zeros(2 * n, 2 * n, dtype=u.dtype)
    omega[:n, n:], omega[n:, :n] = torch.eye(n), -torch.eye(n)
    j = jacrev(step)(u)
    return float((j.T @ omega @ j - omega).abs().max())


@SYMMETRIC
def test_steps_are_symplectic(scheme: Any) -> None:
    assert defect(lambda u: scheme.step(given(scheme), NOW, u, 0.3), STATE) < 1e-12


def test_only_the_implicit_one_is_symplectic_for_what_does_not_separate() -> None:
    for scheme, wanted in ((schemes.ImplicitMidpoint(), True), (schemes.RungeKutta(schemes.RK4), False)):
        found = defect(lambda u, scheme=scheme: scheme.step(tangled, NOW, u, 0.5), STATE[:2])
        assert (found < 1e-12) == wanted
        assert wanted or found > 1e-5


@SYMMETRIC
def test_a_step_back_undoes_a_step(scheme: Any) -> None:
    grid = torch.linspace(0, 3, 31, dtype=torch.float64)
    there = schemes.integrate(given(scheme), STATE / 2, grid, scheme, keep="last")
    back = schemes.integrate(given(scheme), there, grid.flip(0), scheme, keep="last")
    assert (back - STATE / 2).abs().max() < 1e-11
    euler = schemes.integrate(both, STATE / 2, grid, schemes.ForwardEuler(), keep="last")
    euler = schemes.integrate(both, euler, grid.flip(0), schemes.ForwardEuler(), keep="last")
    assert (euler - STATE / 2).abs().max() > 1e-2


@SYMMETRIC
def test_the_error_of_the_energy_stays_small_and_has_the_order_of_the_scheme(scheme: Any) -> None:
    problem, worst = Pendulum(), []
    for steps in (96, 192):
        grid = torch.linspace(0, 16, steps + 1, dtype=torch.float64)
        u = schemes.integrate(field_for(scheme, problem), problem.u0, grid, scheme)
        gap = (problem.energy(u) - problem.energy(u[0])).abs()
        worst.append(gap.max())
        assert gap[-steps // 4 :].max() < 1.1 * gap[: steps // 4].max()
    assert float((worst[0] / worst[1]).log2()) == pytest.approx(scheme.order, abs=0.25)


def test_the_implicit_midpoint_keeps_quadratic_invariants() -> None:
    matrix = torch.tensor([[0.0, 2.0], [-2.0, 0.0]], dtype=torch.float64)
    grid = torch.linspace(0, 25, 51, dtype=torch.float64)
    u = schemes.integrate(lambda t, u: u @ matrix.T, STATE[:2], grid, schemes.ImplicitMidpoint())
    assert (u.square().sum(-1) - u[0].square().sum()).abs().max() < 1e-11


def test_the_factor_of_the_implicit_midpoint_has_modulus_one_on_the_imaginary_axis() -> None:
    z = torch.tensor([-3.0, 0.5, 2j, -0.4 + 1j], dtype=torch.complex128)
    factor = schemes.ImplicitMidpoint().stability(z)
    torch.testing.assert_close(factor, (2 + z) / (2 - z))
    assert abs(abs(complex(factor[2])) - 1) < 1e-14
    step = schemes.ImplicitMidpoint().step(lambda t, u: -3 * u, NOW, STATE, 0.5)
    torch.testing.assert_close(step, STATE * schemes.ImplicitMidpoint().stability(torch.tensor(-1.5).double()))


@pytest.mark.parametrize("scheme", [schemes.Leapfrog(), schemes.Yoshida4()])
def test_a_state_without_halves_is_refused(scheme: Any) -> None:
    with pytest.raises(ValueError, match=r"u: expected states \(q, p\) of an even last axis"):
        schemes.integrate((speed, force), STATE[:3], torch.linspace(0, 1, 3), scheme)
