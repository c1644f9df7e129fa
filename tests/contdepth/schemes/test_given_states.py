"""Euler's gradient for states of a solver outside: against backprop, against differences of SciPy's solutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from schemes.fields import VanDerPol, times
from scipy.integrate import solve_ivp

from contdepth import schemes

RK = schemes.RungeKutta(schemes.RK4)
START = times(0.3, -0.4)


def outside(rate, grid, start=(0.3, -0.4)):
    """Van der Pol's states by SciPy."""

    def f(t, u):
        return [u[1], rate * (1 - u[0] ** 2) * u[1] - u[0]]

    ends = grid[0], grid[-1]
    return solve_ivp(f, ends, start, method="DOP853", t_eval=grid, rtol=1e-12, atol=1e-13).y.T


def van_der_pol(rate):
    return lambda t, u: torch.stack([u[..., 1], rate * (1 - u[..., 0] ** 2) * u[..., 1] - u[..., 0]], -1)


@pytest.mark.parametrize("how", ["euler", "static euler"])
def test_states_of_our_own_have_the_gradient_of_march(how):
    f, grid = VanDerPol(), 2 * torch.linspace(0, 1, 21, dtype=torch.float64) ** 1.1
    start = START.reshape(1, 2)
    u0, t = start.clone().requires_grad_(), grid.clone().requires_grad_()
    one = schemes.march(f, u0, t, RK, gradient=how)
    with torch.no_grad():
        states = schemes.march(f, start, grid, RK)
    other = schemes.euler_gradient(f, states, u0, t, static=how != "euler")
    assert torch.equal(one, other)
    for a, b in zip(*(torch.autograd.grad(u.square().sum(), (u0, f.rate, t)) for u in (one, other)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("static", "low", "high"), [(False, 0.9, 1.15), (True, -0.2, 0.2)])
def test_order_against_differences_of_the_solver(static, low, high):
    """In the rate and in the start, on an uneven grid ever finer; the oracle knows nothing of autograd."""
    rate, d, errors = 1.5, 1e-5, []
    for n in (80, 160):
        grid = 2 * np.linspace(0, 1, n + 1) ** 1.1
        in_rate = (outside(rate + d, grid)[-1] - outside(rate - d, grid)[-1]) / (2 * d)
        in_start = (outside(rate, grid, (0.3 + d, -0.4))[-1] - outside(rate, grid, (0.3 - d, -0.4))[-1]) / (2 * d)
        p, u0 = times(rate)[0].requires_grad_(), START.clone().requires_grad_()
        states = torch.from_numpy(outside(rate, grid))
        end = schemes.euler_gradient(van_der_pol(p), states, u0, torch.from_numpy(grid), static=static)[-1]
        found = torch.autograd.grad(end.sum(), (p, u0))
        errors.append((abs(float(found[0]) - in_rate.sum()), abs(float(found[1][0]) - in_start.sum())))
    orders = np.log2(np.array(errors[0]) / np.array(errors[1]))
    assert (low < orders).all() and (orders < high).all(), orders


def test_a_static_gradient_needs_only_what_is_learned():
    """F may be a black box: f = M gives the gradient of f = F + M."""
    weight, t = times(0.5, -0.2).requires_grad_(), torch.linspace(0, 1, 6, dtype=torch.float64)
    states = torch.from_numpy(outside(1.0, t.numpy()))

    def learned(t, u):
        return torch.tanh(weight * u)

    def whole(t, u):
        return learned(t, u) + van_der_pol(1.0)(t, u)

    grads = []
    for f in (learned, whole):
        u = schemes.euler_gradient(f, states, START, t, static=True)
        assert torch.equal(u, states)
        grads.append(torch.autograd.grad(u.square().sum(), weight)[0])
    torch.testing.assert_close(*grads, rtol=1e-13, atol=0)


def test_states_that_do_not_fit_are_named():
    t = torch.linspace(0, 1, 4, dtype=torch.float64)
    states = START.expand(4, 2).clone()
    with pytest.raises(ValueError, match="u: expected shape"):
        schemes.euler_gradient(VanDerPol(), states[:3], START, t)
    with pytest.raises(ValueError, match="u: expected u0 as the first state"):
        schemes.euler_gradient(VanDerPol(), states + 1, START, t)
    with pytest.raises(TypeError, match="u: expected dtype torch.float64"):
        schemes.euler_gradient(VanDerPol(), states.float(), START, t)
    with pytest.raises(TypeError, match="static: expected True or False"):
        schemes.euler_gradient(VanDerPol(), states, START, t, static="no")
    with pytest.raises(ValueError, match="outside torch.func"):
        torch.func.jacrev(lambda u: schemes.euler_gradient(VanDerPol(), states, u, t))(START)
