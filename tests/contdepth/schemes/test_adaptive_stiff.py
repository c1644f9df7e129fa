"""RODAS5P where it is stiff: order, outputs, SciPy's Radau, batches whose members differ in stiffness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from schemes.fields import times
from scipy.integrate import solve_ivp

from contdepth import errors, schemes
from contdepth.schemes.adaptive import implicit
from contdepth.schemes.adaptive.flow import Flow
from contdepth.schemes.adaptive.jacobian import linearised


def prothero_robinson(rate):
    """u' = -rate (u - cos t) - sin t, whose solution from 1 is cos t whatever the rate."""
    return lambda t, u: -rate * (u - torch.cos(t)) - torch.sin(t)


@pytest.mark.parametrize("rate", [1.0, 1e2, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("steps", ["common", "own"])
def test_outputs_on_the_equation_of_prothero_and_robinson(rate, steps):
    """Outputs end steps: the states inside steps lose their order here."""
    t = torch.linspace(0, 10, 38, dtype=torch.float64)
    found = schemes.solve(
        prothero_robinson(rate), torch.ones(1, 1).double(), t, schemes.RODAS5P, rtol=1e-6, atol=1e-9, steps=steps
    )
    assert float((found.u[:, 0, 0] - torch.cos(t)).abs().max()) < 1e-4
    torch.testing.assert_close(found.u[-1, 0, 0], torch.cos(t[-1]), rtol=0, atol=1e-6)


def test_steps_are_long_where_the_equation_is_stiff():
    found = schemes.solve(prothero_robinson(1e6), times(1.0), times(0.0, 10.0), schemes.RODAS5P)
    assert found.statistics.accepted < 60
    with pytest.raises(errors.IntegrationError):
        schemes.solve(prothero_robinson(1e6), times(1.0), times(0.0, 10.0), most=10_000)


def van_der_pol(mu):
    def f(t, u):
        x, y = u.unbind(-1)
        return torch.stack([y, mu * (1 - x**2) * y - x], -1)

    return f


def robertson(t, u):
    a, b, c = u.unbind(-1)
    slow, back, fast = 0.04 * a, 1e4 * b * c, 3e7 * b**2
    return torch.stack([back - slow, slow - back - fast, fast], -1)


def radau(f, u0, t, **tolerances):
    def of_arrays(s, u):
        return f(torch.tensor(s), torch.from_numpy(u)).numpy()

    found = solve_ivp(of_arrays, (0, float(t[-1])), u0.numpy(), method="Radau", t_eval=t.numpy(), **tolerances)
    return torch.from_numpy(found.y.T.copy())


@pytest.mark.parametrize("name", ["van der Pol", "Robertson"])
def test_against_radau_of_scipy(name):
    """At rtol 1e-6 the error is at most three times that of Radau at the same tolerance."""
    if name == "van der Pol":
        f, u0, t, atol = van_der_pol(1000.0), times(2.0, 0.0), torch.linspace(0, 2000, 6).double(), 1e-9
    else:
        f, u0, t, atol = robertson, times(1.0, 0.0, 0.0), times(0.0, 10.0, 1e3, 1e5), 1e-10
    exact = radau(f, u0, t, rtol=1e-9, atol=1e-3 * atol)
    found = schemes.solve(f, u0, t, schemes.RODAS5P, rtol=1e-6, atol=atol).u
    other = radau(f, u0, t, rtol=1e-6, atol=atol)
    assert (found - exact).abs().max() <= 3 * (other - exact).abs().max()


def test_members_of_different_stiffness():
    mu = times(1.0, 10.0, 100.0).unsqueeze(-1)
    u0, t = times(2.0, 0.0).expand(3, 2), times(0.0, 3.0, 10.0)

    def f(t, u):
        x, y = u.chunk(2, -1)
        return torch.cat([y, mu * (1 - x**2) * y - x], -1)

    found = schemes.solve(f, u0, t, schemes.RODAS5P, steps="own")
    assert len(found.statistics.accepted.unique()) > 1
    for n in range(3):
        exact = radau(van_der_pol(mu[n, 0]), u0[n], t, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(found.u[:, n], exact, rtol=0, atol=1e-5)


def test_samples_that_read_one_another_step_together():
    """The Jacobian is that of all; own steps are refused."""

    def f(t, u):
        return -50 * (u - u.mean(0)) - u**3

    u0 = torch.sin(torch.arange(6.0)).double().reshape(3, 2)
    found = schemes.solve(f, u0, times(0.0, 1.0), schemes.RODAS5P).u[-1]
    exact = schemes.solve(f, u0, times(0.0, 1.0), rtol=1e-10, atol=1e-12).u[-1]
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-7)
    with pytest.raises(ValueError, match="f: expected members that do not read one another, found some that do"):
        schemes.solve(f, u0, times(0.0, 1.0), schemes.RODAS5P, steps="own")


def test_many_coordinates():
    """Heat on a line: more rows of the Jacobian than are formed one by one."""
    n = 40
    line = torch.diag(torch.full((n - 1,), 1.0), 1) - torch.eye(n)
    matrix = n**2 * (line + line.T).double()
    u0 = torch.sin(torch.arange(1, n + 1) * torch.pi / (n + 1)).double()
    found = schemes.solve(lambda t, u: u @ matrix, u0, times(0.0, 0.1), schemes.RODAS5P).u[-1]
    torch.testing.assert_close(found, torch.linalg.matrix_exp(0.1 * matrix) @ u0, rtol=0, atol=1e-7)


@pytest.mark.parametrize("f", [lambda t, u: torch.ones_like(u), lambda t, u: torch.cos(t) + 0 * u])
def test_a_right_hand_side_without_a_jacobian(f):
    found = schemes.solve(f, times(1.0, 2.0), times(0.0, 1.0), schemes.RODAS5P).u[-1]
    exact = schemes.solve(f, times(1.0, 2.0), times(0.0, 1.0), rtol=1e-10).u[-1]
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-8)


def test_the_scheme_is_l_stable():
    """A step on u' = z u multiplies by a factor that goes to 0 as z goes to -infinity and stays below 1."""
    for z in -np.logspace(-1, 12, 14):
        found = schemes.solve(
            lambda t, u, z=z: z * u, times(1.0), times(0.0, 1.0), schemes.RODAS5P, rtol=0.9, atol=1e9, first=1.0
        )
        assert found.statistics.accepted == 1 and abs(float(found.u[-1])) < min(1.0, 40 / abs(z))


class Looks(torch.autograd.Function):
    """A cube whose backward asks for numbers, which no batch of gradients gives."""

    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return u**3

    @staticmethod
    def backward(ctx, by):
        assert isinstance(by.abs().sum().item(), float)
        return 3 * ctx.saved_tensors[0] ** 2 * by


@pytest.mark.parametrize("members", [1, 3], ids=["one sample", "samples"])
@pytest.mark.parametrize("cube", [Looks.apply, lambda u: u**3], ids=["one by one", "all at once"])
def test_the_derivatives_of_a_step(cube, members):
    """f, df/du of every sample and df/dt against their formulas, and as many calls as are counted."""
    mixing, calls = torch.tensor([[-1.0, 2.0, 0.5], [0.3, -4.0, 1.0], [0.0, 0.7, 2.0]]).double(), [0]

    def f(t, u):
        calls[0] += 1
        return cube(u) @ mixing.T + torch.sin(2 * t) * u

    t = torch.linspace(0.3, 0.9, members, dtype=torch.float64).unsqueeze(-1)
    u = torch.linspace(-1.0, 1.5, 3 * members, dtype=torch.float64).reshape(members, 3)
    flow = Flow(f, u.shape)
    for _ in range(2):
        value, jacobian, by_time = linearised(flow, t, u, (members, 3), False)
    assert flow.calls == calls[0] == 2 and flow.jacobians == 2
    exact = torch.stack(
        [mixing * (3 * row**2) + torch.sin(2 * s) * torch.eye(3) for s, row in zip(t, u, strict=True)]
    )
    for found, wanted in ((value, f(t, u)), (jacobian, exact), (by_time, 2 * torch.cos(2 * t) * u)):
        torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)


def test_one_time_for_samples_has_their_own_derivatives():
    """df/dt is not that of their sum: two samples whose sum does not change."""
    t, rates = times(0.7)[0], times(3.0, -3.0).unsqueeze(-1)
    found = linearised(
        Flow(lambda t, u: rates * t**2 - u, torch.Size((2, 1))), t, torch.ones(2, 1).double(), (2, 1), False
    )
    torch.testing.assert_close(found[2], 2 * 0.7 * rates, rtol=1e-14, atol=0)


def test_the_inverse_and_the_factors_give_the_same_steps(monkeypatch):
    """Robertson's matrices are close to singular; what it keeps, the sum, is kept to rounding both ways."""
    found = []
    for few in (0, 16):
        monkeypatch.setattr(implicit, "FEW", few)
        solved = schemes.solve(robertson, times(1.0, 0.0, 0.0), times(0.0, 1e3, 1e7), schemes.RODAS5P, atol=1e-10)
        assert float((solved.u.sum(-1) - 1).abs().max()) < 1e-13
        found.append(solved.u)
    torch.testing.assert_close(*found, rtol=1e-10, atol=0)
