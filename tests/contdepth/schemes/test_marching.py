"""Gradients over a grid: checkpoints, adjoint, reversal and Euler's against backprop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from schemes.fields import Phases, VanDerPol, times

from contdepth import schemes

RK = schemes.RungeKutta(schemes.RK4)
RATE = torch.ones(1, dtype=torch.float64, requires_grad=True)
REVERSIBLE = [schemes.AsynchronousLeapfrog(), schemes.ReversibleHeun()]


PROBLEMS = [VanDerPol, Phases]


def derivatives(problem, scheme, gradient, steps, keep="all", order=2):
    """States and derivatives up to ``order`` in start, parameter, first and last time; the grid is uneven."""
    f, u0 = problem(), times(0.3, -0.4, 1.0, 0.5).reshape(2, 2)
    u0 = (u0 + 0.2j if problem is Phases else u0).requires_grad_()
    t = (2 * torch.linspace(0, 1, steps + 1, dtype=torch.float64) ** 1.1).requires_grad_()
    u = schemes.march(f, u0, t, scheme, keep=keep, gradient=gradient)
    end = u if keep == "last" else u[-1]
    value = end.abs().square().sum() + end.real.sum()
    if keep == "all":
        value = value + u[steps // 2, 0].abs().sum()
    found = torch.autograd.grad(value, (u0, f.rate, t), create_graph=order > 1)
    if order > 1:
        whole = found[0].abs().square().sum() + found[1].sin().sum() + found[2][0] + found[2][-1]
        found += torch.autograd.grad(whole, (u0, f.rate))
    ends = [one[[0, -1]] if one.shape == t.shape else one for one in found]
    return [u.detach(), *(one.detach() for one in ends)]


@pytest.mark.parametrize("keep", ["all", "last"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("scheme", [RK, *REVERSIBLE], ids=lambda s: s.name)
def test_exact_gradients(scheme, problem, keep):
    """Checkpoints and reversal are backprop to rounding, second derivatives too."""
    how = "checkpoints" if scheme is RK else "reversible"
    found, exact = (derivatives(problem, scheme, gradient, 40, keep) for gradient in (how, "backprop"))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("tableau", [schemes.RK4, schemes.HEUN2], ids=lambda one: one.name)
def test_the_adjoint_is_of_the_order_of_its_scheme(tableau, problem):
    scheme, errors = schemes.RungeKutta(tableau), []
    for steps in (40, 80):
        pairs = zip(
            *(derivatives(problem, scheme, how, steps, "last", 1) for how in ("adjoint", "backprop")), strict=True
        )
        errors.append([float((a - b).norm() / b.norm()) for a, b in pairs][1:3])
    assert (np.log2(np.divide(*errors)) > tableau.order - 0.5).all()


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    ("scheme", "how", "order"),
    [
        *((RK, how, 4) for how in ("backprop", "checkpoints", "adjoint")),
        (schemes.RungeKutta(schemes.HEUN2), "adjoint", 2),
        *((one, how, 2) for one in REVERSIBLE for how in ("backprop", "reversible")),
        (RK, "euler", 1),
    ],
)
def test_every_gradient_has_its_order(scheme, how, order, problem):
    """Against the gradient of the equation itself: an adaptive solution to 1e-11."""
    u0 = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2)
    u0, f = (u0 + 0.2j if problem is Phases else u0).requires_grad_(), problem()
    t = times(0.0, 2.0).requires_grad_()
    end = schemes.solve(f, u0, t, rtol=1e-11, atol=1e-12).u[-1]
    exact = torch.autograd.grad(end.abs().square().sum() + end.real.sum(), (u0, f.rate, t))
    errors = []
    for steps in (60, 120) if order == 4 else (200, 400):
        found = derivatives(problem, scheme, how, steps, "last", 1)[1:]
        errors.append([float((one - other).norm()) for one, other in zip(found, exact, strict=True)])
    orders = np.log2(np.divide(*errors))
    assert (abs(orders - order) < 0.3 * max(1.0, order / 2)).all(), orders


def test_second_derivatives_through_the_adjoint_and_order_1_of_euler():
    for how, order in (("adjoint", 4), ("euler", 1)):
        errors = []
        for steps in (80, 160):
            pair = (derivatives(VanDerPol, RK, gradient, steps) for gradient in (how, "backprop"))
            errors.append([float((a - b).norm() / b.norm()) for a, b in zip(*pair, strict=True)][-2:])
        assert (np.log2(np.divide(*errors)) > 0.85 * order).all()


@pytest.mark.parametrize("scheme", REVERSIBLE, ids=lambda s: s.name)
def test_reversible_schemes_have_order_2_and_can_be_taken_back(scheme):
    f, u0, errors = VanDerPol().requires_grad_(False), times(0.3, -0.4).reshape(1, 2), []
    exact = schemes.solve(f, u0, times(0.0, 2.0), rtol=1e-11, atol=1e-12).u[-1]
    for steps in (100, 200):
        t = torch.linspace(0, 2, steps + 1, dtype=torch.float64)
        errors.append(float((schemes.march(f, u0, t, scheme, keep="last") - exact).norm()))
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.2
    t = times(0.1, 0.3)
    start = scheme.start(f, t[0], u0)
    state = scheme.back(f, t[0], t[1], scheme.forth(f, t[0], t[1], start, 0.2), 0.2)
    torch.testing.assert_close(state, start, rtol=0, atol=1e-14)


def kept(scheme, how, steps):
    """Numbers that the forward pass keeps, but the grid."""
    sizes, t = [], torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        schemes.march(VanDerPol(), times(0.3, -0.4).reshape(1, 2), t, scheme, keep="last", gradient=how)
    return sum(sizes) - len(t)


@pytest.mark.parametrize(("scheme", "how"), [(RK, "adjoint"), *((one, "reversible") for one in REVERSIBLE)])
def test_nothing_is_kept_of_the_steps(scheme, how):
    assert kept(scheme, how, 10) == kept(scheme, how, 50)


def test_checkpoints_keep_a_state_for_a_stretch():
    """450 steps of 4 stages: 65 stretches of up to 7; 128 steps: 32 of 4."""
    assert kept(RK, "checkpoints", 450) - kept(RK, "checkpoints", 128) + (450 - 128) == 2 * (65 - 32)


@pytest.mark.parametrize("how", ["checkpoints", "adjoint", "reversible"])
def test_what_f_holds_for_a_while_has_to_be_named(how):
    u0, t = times(1.0).requires_grad_(), torch.linspace(0, 1, 21, dtype=torch.float64)
    scheme = REVERSIBLE[0] if how == "reversible" else RK
    u = schemes.march(lambda t, u: -RATE * u if 0.4 < t < 0.6 else -u, u0, t, scheme, gradient=how)
    with pytest.raises(ValueError, match="parameters: expected all tensors"):
        u[-1].sum().backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"scheme": schemes.BackwardEuler(), "gradient": "adjoint"},
            "gradient: expected one of 'backprop', 'euler'",
        ),
        (
            {"scheme": schemes.LinearTwoStep(0.1), "gradient": "checkpoints"},
            "gradient: expected one of 'backprop'",
        ),
        ({"gradient": "reversible"}, "gradient: expected one of .* for classical RK4, found 'reversible'"),
        ({"scheme": REVERSIBLE[0], "gradient": "adjoint"}, "gradient: expected one of 'backprop', 'reversible'"),
        ({"gradient": "none"}, "gradient: expected one of 'backprop', 'checkpoints', 'adjoint', 'reversible'"),
        (
            {"f": lambda t, u: RATE * u, "gradient": "adjoint"},
            "parameters: expected all",
        ),
        ({"keep": "some"}, "keep: expected one of 'all', 'last'"),
    ],
)
def test_refused(change, message):
    with pytest.raises(ValueError, match=message):
        schemes.march(
            **{"f": lambda t, u: -u, "u0": times(1.0), "t": times(0.0, 0.5, 1.0), "scheme": RK, **change}
        )
