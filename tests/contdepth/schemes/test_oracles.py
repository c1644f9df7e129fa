"""Schemes against independent oracles: closed forms, SciPy, hand-written steps, torchdiffeq."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import ellipj, ellipk
from torchdiffeq import odeint, odeint_adjoint

from contdepth import schemes
from contdepth.problems import LinearSystem, Pendulum, Quadratic, Scaled, TimeDependent


def grid(T, n):
    return torch.linspace(0.0, T, n + 1, dtype=torch.float64)


# Problems: their solutions solve them


@pytest.mark.parametrize(
    "problem",
    [Pendulum(), Pendulum(torque=0.5), TimeDependent(), LinearSystem(), Quadratic(), Scaled(Pendulum(), 0.5)],
    ids=lambda p: type(p).__name__,
)
def test_solution_satisfies_the_equation(problem):
    t = torch.tensor([0.0, 0.3, 0.7, 1.0], dtype=torch.float64)
    torch.testing.assert_close(problem.solution(t)[0], problem.u0)
    found = solve_ivp(
        lambda s, u: problem.f(torch.tensor(s), torch.from_numpy(u)).numpy(),
        (0, 1),
        problem.u0.numpy(),
        method="RK45",
        rtol=1e-10,
        atol=1e-12,
        t_eval=t.numpy(),
    )
    np.testing.assert_allclose(problem.solution(t).numpy(), found.y.T, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(problem.solution(0.7), problem.solution(t)[2], rtol=1e-11, atol=1e-12)


def test_pendulum_against_elliptic_functions():
    m = np.sin(0.75) ** 2  # released at rest from angle 1.5
    t = np.linspace(0.1, 4.0, 7)
    angle = 2 * np.arcsin(np.sqrt(m) * ellipj(ellipk(m) - t, m)[0])
    found = Pendulum(angle=1.5, speed=0.0).solution(torch.from_numpy(t))[:, 0]
    np.testing.assert_allclose(found.numpy(), angle, rtol=0, atol=1e-11)


def test_energy_is_constant_along_the_reference():
    pendulum = Pendulum(torque=0.3)
    energy = pendulum.energy(pendulum.solution(grid(5.0, 10)))
    torch.testing.assert_close(energy, energy[0].expand(11), rtol=0, atol=1e-11)


# Schemes on linear problems: powers of a matrix known in closed form


@pytest.mark.parametrize(
    ("scheme", "factor"),
    [
        (schemes.ForwardEuler(), lambda A, one: one + A),
        (schemes.BackwardEuler(), lambda A, one: torch.linalg.inv(one - A)),
        (schemes.PolyNet(3), lambda A, one: one + A + A @ A + A @ A @ A),
        (schemes.NestedPolyNet(2), lambda A, one: one + A + A @ A),
        (schemes.FractalBlock(), lambda A, one: one + A + A @ A / 2),
        (schemes.RungeKutta(schemes.RK4), lambda A, one: one + A + A @ A / 2 + A @ A @ A / 6 + A @ A @ A @ A / 24),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_linear_steps_are_matrix_powers(scheme, factor):
    problem, n = LinearSystem(), 12
    step = factor(problem.T / n * problem.matrix, torch.eye(3, dtype=torch.float64))
    expected = torch.linalg.matrix_power(step, n) @ problem.u0
    found = schemes.integrate(problem.f, problem.u0, grid(problem.T, n), scheme, keep="last")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_rk4_reaches_the_matrix_exponential():
    problem = LinearSystem()
    found = schemes.integrate(problem.f, problem.u0, grid(2.0, 1000), schemes.RungeKutta(schemes.RK4), keep="last")
    torch.testing.assert_close(found, torch.linalg.matrix_exp(2 * problem.matrix) @ problem.u0, rtol=0, atol=1e-12)


# Hand-written steps, NumPy floats only


def test_two_step_by_hand():
    k, h, q = [0.1, -0.3, 0.7, 0.2], 0.25, [1.0, 0.5]
    f = Pendulum().f
    states = [torch.tensor(q, dtype=torch.float64)]
    states.append(states[0] + h * f(None, states[0]))
    for n in range(1, 4):
        states.append((1 - k[n]) * states[n] + k[n] * states[n - 1] + h * (1 + k[n]) * f(None, states[n]))
    for value in (tuple(k), k, torch.tensor(k, dtype=torch.float64)):
        found = schemes.integrate(f, states[0], grid(1.0, 4), schemes.LinearTwoStep(k=value))
        torch.testing.assert_close(found, torch.stack(states), rtol=0, atol=1e-14)


def test_starts_of_the_two_step_scheme():
    problem, t = Pendulum(), grid(0.2, 2)
    u0, f = problem.u0, problem.f(None, problem.u0)
    before = torch.tensor([0.7, 0.7], dtype=torch.float64)
    for start, expected in (
        ("euler", u0 + 0.1 * f),
        ("repeat", u0 + 0.15 * f),
        (before, 0.5 * u0 + 0.5 * before + 0.15 * f),
    ):
        found = schemes.integrate(problem.f, u0, t, schemes.LinearTwoStep(k=0.5, start=start))[1]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def test_entry_zero_of_k_gets_no_gradient_from_an_euler_start():
    k = torch.tensor([0.3, 0.1, -0.2], dtype=torch.float64, requires_grad=True)
    schemes.integrate(
        Pendulum().f, Pendulum().u0, grid(0.3, 3), schemes.LinearTwoStep(k=k), keep="last"
    ).sum().backward()
    assert k.grad[0] == 0
    assert (k.grad[1:] != 0).all()


def test_revnet_by_hand():
    (q, p), h = (1.0, 0.5), 0.1
    for _ in range(5):
        q = q + h * p
        p = p - h * np.sin(q)
    found = schemes.integrate(Pendulum().parts, Pendulum().u0, grid(0.5, 5), schemes.RevNet(), keep="last")
    np.testing.assert_allclose(found.numpy(), [q, p], rtol=0, atol=1e-14)


def test_backward_euler_solves_its_equation_and_inverts_forward_euler():
    f, u = TimeDependent().f, torch.tensor([[1.0, 1.0], [1.3, -0.4]], dtype=torch.float64)
    t, h = torch.tensor(0.3, dtype=torch.float64), 0.1
    v = schemes.BackwardEuler().step(f, t, u, h)
    torch.testing.assert_close(v - h * f(t + h, v), u, rtol=0, atol=1e-14)
    torch.testing.assert_close(schemes.ForwardEuler().step(f, t + h, v, -h), u, rtol=0, atol=1e-14)


# torchdiffeq's fixed-step solvers, same numbers


@pytest.mark.parametrize(
    ("method", "scheme"),
    [
        ("euler", schemes.ForwardEuler()),
        ("midpoint", schemes.RungeKutta(schemes.MIDPOINT)),
        ("heun2", schemes.RungeKutta(schemes.HEUN2)),
        ("heun3", schemes.RungeKutta(schemes.HEUN3)),
        ("rk4", schemes.RungeKutta(schemes.THREE_EIGHTHS)),
    ],
)
@pytest.mark.parametrize("times", [[0.0, 0.1, 0.3, 0.35, 0.8], [0.8, 0.5, 0.4, 0.0]], ids=["forward", "backward"])
def test_equal_to_torchdiffeq(method, scheme, times):
    t = torch.tensor(times, dtype=torch.float64)
    u0 = torch.tensor([[1.0, 1.0], [1.4, 0.2], [2.0, -1.0]], dtype=torch.float64)
    expected = odeint(TimeDependent().f, u0, t, method=method)
    torch.testing.assert_close(
        schemes.integrate(TimeDependent().f, u0, t, scheme), expected, rtol=1e-13, atol=1e-14
    )
    assert torch.equal(
        schemes.integrate(TimeDependent().f, u0, t, scheme, keep="last"),
        schemes.integrate(TimeDependent().f, u0, t, scheme)[-1],
    )


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.w = torch.nn.Parameter(torch.randn(3, 3, dtype=torch.float64, generator=generator))

    def forward(self, t, u):
        return torch.tanh(u @ self.w) * torch.cos(t) - 0.1 * u


def test_gradients_equal_the_continuous_adjoint():
    net, t = Net(), torch.tensor([0.0, 1.0], dtype=torch.float64)
    u0 = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    u = odeint_adjoint(net, u0, t, method="dopri5", rtol=1e-11, atol=1e-12)[-1]
    expected = torch.autograd.grad((u**2).sum(), (u0, net.w))
    ours = schemes.integrate(net, u0, grid(1.0, 200), schemes.RungeKutta(schemes.RK4), keep="last")
    for found, adjoint in zip(torch.autograd.grad((ours**2).sum(), (u0, net.w)), expected, strict=True):
        torch.testing.assert_close(found, adjoint, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "scheme"), [("euler", schemes.ForwardEuler()), ("rk4", schemes.RungeKutta(schemes.THREE_EIGHTHS))]
)
def test_gradients_equal_torchdiffeqs(method, scheme):
    net, t = Net(), grid(1.0, 7)
    u0 = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    pair = [
        torch.autograd.grad((u**2).sum(), (u0, net.w))
        for u in (odeint(net, u0, t, method=method), schemes.integrate(net, u0, t, scheme))
    ]
    for expected, found in zip(*pair, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
