"""Derivatives of adaptive solutions without their graph: the continuous adjoint and Euler's gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from schemes.fields import VanDerPol, times
from torchdiffeq import odeint_adjoint

from contdepth import errors, schemes

PAIRS = [schemes.DORMAND_PRINCE, schemes.TSITOURAS]
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.w = torch.nn.Parameter(torch.randn(2, 2, dtype=torch.float64, generator=generator))
        self.frozen = torch.nn.Parameter(times(0.1), requires_grad=False)

    def forward(self, t, u):
        return torch.tanh(u @ self.w) * torch.cos(t) - self.frozen * u


PROBLEMS = [VanDerPol, Net]


def loss(u):
    return u[1:].square().sum() + u[1, 0, 0] ** 3


def derivatives(f, gradient, scheme=schemes.DORMAND_PRINCE, tolerances=TIGHT, order=1):
    """Derivatives of a loss in start, parameters and times, up to ``order``; u[1] and u[2] lie inside steps."""
    u0 = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()
    at = u0, *(p for p in f.parameters() if p.requires_grad), times(0.0, 0.7, 0.71, 2.0).requires_grad_()
    u = schemes.solve(f, u0, at[-1], scheme, gradient=gradient, **tolerances).u
    found = torch.autograd.grad(loss(u), at, create_graph=order > 1)
    if order > 1:
        found += torch.autograd.grad(sum((one.sin() * one).sum() for one in found), at)
    return [u.detach(), *(one.detach() for one in found)]


@pytest.mark.parametrize("scheme", PAIRS, ids=lambda s: s.name)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_adjoint_follows_the_tolerance(problem, scheme):
    exact = derivatives(problem(), "backprop", tolerances={"rtol": 1e-12, "atol": 1e-13})
    for rtol in (1e-5, 1e-7, 1e-9):
        found = derivatives(problem(), "adjoint", scheme, {"rtol": rtol, "atol": rtol})
        for one, other in zip(found, exact, strict=True):
            assert float((one - other).abs().max()) < 1e3 * rtol * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_second_derivatives_through_the_adjoint(problem):
    found, exact = (derivatives(problem(), gradient, order=2) for gradient in ("adjoint", "backprop"))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_adjoint_is_that_of_finite_differences(problem):
    f, t, eps = problem().requires_grad_(False), times(0.0, 0.7, 2.0), 1e-4
    u0 = times(0.3, -0.4).reshape(1, 2)

    def value(start, grid):
        return loss(schemes.solve(f, start, grid, gradient="adjoint", rtol=1e-12, atol=1e-13).u)

    inputs = [u0.clone().requires_grad_(), t.clone().requires_grad_()]
    found = torch.autograd.grad(value(*inputs), inputs)
    for n, one in enumerate((u0, t)):
        for i in range(one.numel()):
            shift = torch.zeros_like(one)
            shift.view(-1)[i] = eps
            up, down = ([u0, t][:n] + [one + s] + [u0, t][n + 1 :] for s in (shift, -shift))
            slope = (value(*up) - value(*down)) / (2 * eps)
            torch.testing.assert_close(found[n].view(-1)[i], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_adjoint_equals_that_of_torchdiffeq(problem):
    f, t = problem(), times(0.0, 0.4, 1.5)
    u0 = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()
    at = u0, *(p for p in f.parameters() if p.requires_grad)
    u = odeint_adjoint(f, u0, t, method="dopri5", rtol=1e-11, atol=1e-12)
    expected = torch.autograd.grad(loss(u), at)
    ours = schemes.solve(f, u0, t, gradient="adjoint", rtol=1e-11, atol=1e-12).u
    for one, other in zip(torch.autograd.grad(loss(ours), at), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-7)


def test_complex_states_with_a_real_parameter():
    found = []
    for gradient in ("adjoint", "backprop"):
        rate = times(0.7)[0].requires_grad_()
        u0 = torch.tensor([1 + 0.5j, 0.2 - 1j], dtype=torch.complex128).requires_grad_()
        t = times(0.0, 1.0, 2.0).requires_grad_()

        def f(t, u, rate=rate):
            return 1j * rate * u * torch.cos(t) - 0.3 * u * u.abs()

        u = schemes.solve(f, u0, t, gradient=gradient, parameters=[rate], **TIGHT).u
        first = torch.autograd.grad(
            (u[-1] * (1 + 2j)).imag.sum() + u[1].abs().sum(), (u0, rate, t), create_graph=True
        )
        second = torch.autograd.grad(first[0].abs().square().sum() + first[1] ** 2, (u0, rate))
        found.append([*first, *second])
    assert found[0][1].dtype == torch.float64
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_the_adjoint_is_linear_in_the_loss():
    """A loss of 1e-12 has a gradient as exact as any; one that asks for nothing has none, one of NaN has NaN."""
    net, u0, t = Net(), times(0.3, -0.4).requires_grad_(), times(0.0, 1.0)
    u = schemes.solve(net, u0, t, gradient="adjoint").u[-1].sum()
    one, tiny, none, lost = (
        torch.autograd.grad(u * scale, u0, retain_graph=True)[0] for scale in (1.0, 1e-12, 0.0, torch.nan)
    )
    torch.testing.assert_close(tiny * 1e12, one, rtol=1e-13, atol=0)
    assert not none.any() and lost.isnan().all()


def test_the_adjoint_keeps_states_and_not_steps():
    def kept(end):
        sizes, u0 = [], times(0.5, 1.0).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            cost = schemes.solve(Net(), u0, times(0.0, end / 2, end), gradient="adjoint", **TIGHT).statistics
        return sum(sizes), cost.accepted

    (few, short), (many, long) = kept(2.0), kept(20.0)
    assert few == many < 40 and long > 5 * short


def test_what_f_holds_has_to_be_named():
    rate = times(0.5).requires_grad_()
    u0, t = times(1.0), times(0.0, 1.0)

    def late(t, u):
        return -u * rate if t > 0.5 else -u

    for f in (lambda t, u: -rate * u, late):
        with pytest.raises(ValueError, match=r"parameters: expected all tensors .* found one of shape \(1,\)"):
            schemes.solve(f, u0.requires_grad_(), t, gradient="adjoint")
    twice = 2 * rate
    u = schemes.solve(lambda t, u: -twice * u, u0, t, gradient="adjoint", parameters=(twice, twice), **TIGHT).u
    torch.testing.assert_close(torch.autograd.grad(u[-1], rate)[0], -2 * torch.exp(-times(1.0)))
    with pytest.raises(TypeError, match="parameters: expected"):
        schemes.solve(lambda t, u: -u, u0, t, gradient="adjoint", parameters=("rate",))


def test_a_way_back_that_fails_is_named():
    """A solution that has decayed cannot be followed backwards: what is left of it is rounding, which grows."""
    u0 = times(1.0).requires_grad_()
    solution = schemes.solve(lambda t, u: -200 * u, u0, times(0.0, 4.0), gradient="adjoint", most=320)
    with pytest.raises(errors.IntegrationError, match="gradient='adjoint', backwards: solve at t = ") as caught:
        solution.u[-1].backward()
    assert caught.value.state.shape == (1,) and 0 < caught.value.time < 4


def relative_errors(gradient, scheme, steps):
    """Errors of the gradients, for states in distances of 2 / N."""
    found = []
    for how in (gradient, "backprop"):
        f, u0 = VanDerPol(), times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()
        t = torch.linspace(0, 2, steps + 1, dtype=torch.float64).requires_grad_(how != "backprop")
        u = schemes.solve(f, u0, t, scheme, gradient=how, rtol=1e-8, atol=1e-10).u[-1]
        found.append(torch.autograd.grad(u.square().sum(), (u0, f.rate)))
    return [float((a - b).norm() / b.norm()) for a, b in zip(*found, strict=True)]


@pytest.mark.parametrize("scheme", [schemes.DORMAND_PRINCE, schemes.RODAS5P], ids=lambda s: s.name)
def test_the_order_of_the_euler_gradient(scheme):
    """1; of the static one, which leaves the Jacobians out, 0."""
    for gradient, low, high in (("euler", 0.85, 1.3), ("static euler", -0.3, 0.3)):
        few, many = (np.array(relative_errors(gradient, scheme, steps)) for steps in (80, 160))
        orders = np.log2(few / many)
        assert (low < orders).all() and (orders < high).all(), (gradient, orders)


def test_the_euler_gradient_with_own_steps():
    """States are those of the solver to the bit; the gradient is that of one Euler step over an interval."""
    rate = times(0.5, 3.0).reshape(2, 1).requires_grad_()
    u0, t = times(1.0, 2.0).reshape(2, 1).requires_grad_(), times(0.0, 0.1)

    def f(t, u):
        return -rate * u * (1 + t)

    found = schemes.solve(f, u0, t, steps="own", gradient="euler").u
    with torch.no_grad():
        assert torch.equal(found, schemes.solve(f, u0, t, steps="own").u)
    by = torch.autograd.grad(found[-1].sum(), (u0, rate))
    torch.testing.assert_close(by[0], 1 - 0.1 * rate.detach())
    torch.testing.assert_close(by[1], -0.1 * u0.detach())
