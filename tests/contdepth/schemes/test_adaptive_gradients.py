"""Derivatives of solutions with steps of their own choice: those of the steps taken."""

from __future__ import annotations

import pytest
import torch
from schemes.fields import times
from torchdiffeq import odeint_adjoint

from contdepth import schemes
from contdepth.problems import Pendulum, TimeDependent

ALL = [schemes.DORMAND_PRINCE, schemes.TSITOURAS, schemes.RODAS5P]
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.w = torch.nn.Parameter(torch.randn(3, 3, dtype=torch.float64, generator=generator))

    def forward(self, t, u):
        return torch.tanh(u @ self.w) * torch.cos(t) - 0.1 * u


@pytest.mark.parametrize("steps", ["common", "own"])
@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_gradients_equal_the_continuous_adjoint(scheme, steps):
    net, t = Net(), times(0.0, 0.4, 1.0)
    u0 = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    u = odeint_adjoint(net, u0, t, method="dopri5", rtol=1e-11, atol=1e-12)
    expected = torch.autograd.grad((u**2).sum(), (u0, net.w))
    ours = schemes.solve(net, u0, t, scheme, steps=steps, **TIGHT).u
    for found, adjoint in zip(torch.autograd.grad((ours**2).sum(), (u0, net.w)), expected, strict=True):
        torch.testing.assert_close(found, adjoint, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_gradients_are_those_of_the_steps_taken(scheme):
    """Finite differences of the value cannot tell: another start takes other steps, so these are of fixed ones."""
    net = Net().requires_grad_(False)
    u0 = times(0.5, -0.2, 0.1).requires_grad_()

    def end(u):
        return schemes.solve(net, u, times(0.0, 0.1), scheme, first=0.1, rtol=1e-2, atol=1e-2).u[-1]

    assert torch.autograd.gradcheck(end, (u0,)) and torch.autograd.gradgradcheck(end, (u0,))


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_gradients_in_times(scheme):
    """du/dt is f, at outputs on steps and inside; the start moves the solution the other way."""
    problem = TimeDependent()
    t = times(0.1, 0.35, 0.8, 1.0).requires_grad_()
    u = schemes.solve(problem.f, problem.solution(0.1), t, scheme, **TIGHT).u
    for n in range(1, 4):
        for i in range(2):
            found = torch.autograd.grad(u[n, i], t, retain_graph=True)[0]
            slope = problem.f(t[n].detach(), u[n].detach())[i]
            torch.testing.assert_close(found[n], slope, rtol=1e-5, atol=1e-6)
    close = [
        schemes.solve(problem.f, problem.solution(0.1), times(s, 1.0), scheme, **TIGHT).u[-1]
        for s in (0.0999, 0.1001)
    ]
    grown = torch.stack([torch.autograd.grad(u[-1, i], t, retain_graph=True)[0][0] for i in range(2)])
    torch.testing.assert_close(grown, (close[1] - close[0]) / 2e-4, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_torch_func(scheme):
    """vmap takes the steps that all need; jvp and jacrev agree with autograd."""
    starts, t = torch.sin(torch.arange(6.0)).double().reshape(3, 2), times(0.0, 0.5, 2.0)

    def states(u):
        return schemes.solve(Pendulum().f, u, t, scheme, **TIGHT).u

    found = torch.func.vmap(states)(starts)
    torch.testing.assert_close(found, torch.stack([states(u) for u in starts]), rtol=0, atol=1e-7)
    expected = torch.autograd.functional.jacobian(states, starts[0])
    torch.testing.assert_close(torch.func.jacrev(states)(starts[0]), expected, rtol=0, atol=1e-9)
    column = torch.func.jvp(states, (starts[0],), (times(1.0, 0.0),))[1]
    torch.testing.assert_close(column, expected[..., 0], rtol=0, atol=1e-9)


def test_no_graph_is_kept_where_none_is_asked_for():
    net, u0 = Net(), times(0.5, -0.2, 0.1)
    assert schemes.solve(net, u0, times(0.0, 1.0)).u.requires_grad
    with torch.no_grad():
        assert not schemes.solve(net, u0, times(0.0, 1.0)).u.requires_grad
    assert not schemes.solve(net.requires_grad_(False), u0, times(0.0, 1.0)).u.requires_grad


def test_errors_and_stiffness_of_steps_can_be_differentiated():
    """On u' = -lambda u the estimate of the stiffness is lambda, and its derivative 1."""
    rate = times(7.0).requires_grad_()
    solution = schemes.solve(lambda t, u: -rate * u, times(1.0), times(0.0, 2.0), record=True)
    record = solution.record
    assert len(record.h) == solution.statistics.accepted
    torch.testing.assert_close(record.h.sum(), times(2.0)[0])
    torch.testing.assert_close(record.t[1:], record.h.cumsum(0)[:-1])
    torch.testing.assert_close(record.stiffness, rate.expand(len(record.h)), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(record.stiffness.mean(), rate, retain_graph=True)[0], times(1.0)
    )
    assert (record.error <= 1).all() and torch.autograd.grad(record.error.sum(), rate)[0].abs() > 0


@pytest.mark.parametrize("scheme", ALL[:2], ids=lambda s: s.name)
def test_gradients_from_checkpoints_are_those_of_backprop(scheme):
    """First and second derivatives in the start, in what f holds and in the times."""
    found = []
    for gradient in ("backprop", "checkpoints"):
        net, t = Net(), times(0.0, 0.4, 0.41, 1.0).requires_grad_()
        u0 = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
        solution = schemes.solve(net, u0, t, scheme, gradient=gradient)
        by = torch.autograd.grad(solution.u.square().sum(), (u0, net.w, t), create_graph=True)
        found.append([solution.u, *by, *torch.autograd.grad(by[0].square().sum(), (u0, net.w))])
        assert solution.statistics.accepted > 3
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def kept_numbers(gradient):
    """Numbers that the graph of a solution keeps from its forward pass, and what the solution cost."""
    sizes = []

    def keep(x):
        sizes.append(x.numel())
        return x

    u0 = times(2.0, 0.0).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        found = schemes.solve(Pendulum().f, u0, times(0.0, 60.0), gradient=gradient)
    return sum(sizes), found.statistics


def test_checkpoints_keep_little():
    """A stretch evaluates f once more than its steps do: there are as many as steps in one of them."""
    (plain, cost), (thrifty, more) = kept_numbers("backprop"), kept_numbers("checkpoints")
    assert cost.accepted == more.accepted > 100 and thrifty < plain / 20
    stretches = more.evaluations - 1 - cost.evaluations - 6 * cost.accepted
    assert abs(stretches - cost.accepted**0.5) <= 2
