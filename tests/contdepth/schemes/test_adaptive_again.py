"""Accepted steps taken again for their gradient: own steps, checkpoints of every scheme, what stays in memory."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from schemes.fields import Phases, VanDerPol, times

from contdepth import schemes

PAIRS = [schemes.DORMAND_PRINCE, schemes.TSITOURAS]
ALL = [*PAIRS, schemes.RODAS5P]
WAYS = ["backprop", "checkpoints"]
TIGHT = {"rtol": 1e-9, "atol": 1e-11}
RATES = times(1.0, 30.0).unsqueeze(-1)


class Steep(torch.nn.Module):
    """u' = -w r sinh u: tanh(u / 2) decays as exp(-w r t). A step that is too long ends where sinh overflows."""

    def __init__(self):
        super().__init__()
        self.w, self.lost = torch.nn.Parameter(times(1.0)), 0

    def forward(self, t, u):
        value = -self.w * RATES * torch.sinh(u)
        self.lost += int((~value.isfinite()).sum())
        return value

    def solution(self, u0, t):
        return 2 * torch.atanh(torch.tanh(u0 / 2) * torch.exp(-self.w * RATES * t))


def steep_start():
    return times(2.0, 6.0).unsqueeze(-1).requires_grad_()


@pytest.mark.parametrize("gradient", WAYS)
@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_attempts_that_are_not_finite_leave_no_trace_in_gradients(scheme, gradient):
    f, t, u0 = Steep(), times(0.0, 0.01, 0.3, 1.0), steep_start()
    tight = {"rtol": 1e-8, "atol": 1e-10, "first": 1.0, "steps": "own", "gradient": gradient}
    solution = schemes.solve(f, u0, t, scheme, **tight)
    assert f.lost > 0 and solution.statistics.rejected.min() > 0
    exact = torch.stack([f.solution(u0, one) for one in t])
    torch.testing.assert_close(solution.u, exact, rtol=1e-6, atol=1e-8)
    weight = torch.linspace(1, 2, 8).reshape(4, 2, 1)
    values = ((weight * one.square()).sum() for one in (solution.u, exact))
    found, wanted = (torch.autograd.grad(value, (u0, f.w)) for value in values)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_roots_after_attempts_that_are_not_finite(scheme):
    """u = 0.5 where tanh(1/4) = tanh(u0 / 2) exp(-w r t); steps of the second overflow."""
    f, u0 = Steep(), steep_start()
    t = torch.log(torch.tanh(u0 / 2) / torch.tanh(times(0.25))) / (f.w * RATES)
    level = times(0.5, 0.5).unsqueeze(-1)
    found = schemes.first_roots(f, u0, times(0.0, 2.0), lambda t, u: u - level, scheme, first=1.0, **TIGHT)
    assert f.lost > 0 and found.found.all()
    torch.testing.assert_close(found.t, t[:, 0], rtol=1e-7, atol=1e-9)
    values = zip(*(torch.autograd.grad(one.sin().sum(), (u0, f.w)) for one in (found.t, t)), strict=True)
    for one, other in values:
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_a_root_in_the_first_step_and_one_that_is_not_there():
    rate = times(1.0).requires_grad_()
    u0 = times(1.0, -1.0).unsqueeze(-1).requires_grad_()
    found = schemes.first_roots(lambda t, u: -rate * u, u0, times(0.0, 1.0), lambda t, u: u - 0.999, **TIGHT)
    assert found.found.tolist() == [True, False]
    slope, by_rate = torch.autograd.grad(found.t.sum(), (u0, rate), retain_graph=True)
    torch.testing.assert_close(slope, times(1.0, 0.0).unsqueeze(-1), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(by_rate, torch.log(times(0.999)), rtol=1e-4, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found.u[1, 0], rate)[0], torch.exp(times(-1.0)), rtol=1e-6, atol=0
    )


class OwnVanDerPol(VanDerPol):
    """As its parent, for times of each member."""

    def forward(self, t, u):
        return super().forward(t[..., 0] if t.ndim else t, u)


def derivatives(problem, scheme, steps, gradient):
    """States, and first and second derivatives in start, parameter and, for common steps, times."""
    f, u0 = problem(), times(0.3, -0.4, 1.0, 0.5, 2.0, -1.0).reshape(3, 2)
    u0 = (u0 + 0.2j if problem is Phases else u0).requires_grad_()
    t = times(0.0, 0.7, 0.71, 2.0).requires_grad_(steps == "common")
    at = (u0, f.rate, t) if steps == "common" else (u0, f.rate)
    solution = schemes.solve(f, u0, t, scheme, steps=steps, gradient=gradient, rtol=1e-5, atol=1e-7)
    value = solution.u.abs().square().sum() + solution.u[1, 0].real.sin().sum()
    first = torch.autograd.grad(value, at, create_graph=True)
    whole = first[0].abs().square().sum() + first[1].sin().sum()
    return solution, [*first, *torch.autograd.grad(whole, at)]


CASES = [
    *((OwnVanDerPol, scheme, steps) for scheme in ALL for steps in ("common", "own")),
    *((Phases, schemes.TSITOURAS, steps) for steps in ("common", "own")),
]


@pytest.mark.parametrize(("problem", "scheme", "steps"), CASES)
def test_checkpoints_are_backprop_to_rounding(problem, scheme, steps):
    (one, plain), (other, thrifty) = (derivatives(problem, scheme, steps, way) for way in WAYS)
    torch.testing.assert_close(one.u, other.u, rtol=0, atol=1e-12)
    accepted = other.statistics.accepted
    assert torch.as_tensor(accepted == one.statistics.accepted).all() and torch.as_tensor(accepted).min() > 5
    for a, b in zip(plain, thrifty, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("scheme", ALL, ids=lambda s: s.name)
def test_derivatives_with_own_steps_are_those_of_the_steps_taken(scheme):
    """Of one step each, of a size that is given: finite differences take the same."""
    f = OwnVanDerPol().requires_grad_(False)
    u0 = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()

    def states(u):
        given = {"first": 0.1, "rtol": 1e-1, "atol": 1e-1}
        return schemes.solve(f, u, times(0.0, 0.04, 0.1), scheme, steps="own", **given).u

    assert torch.autograd.gradcheck(states, (u0,)) and torch.autograd.gradgradcheck(states, (u0,))


def test_an_output_where_a_step_ends_counts_once():
    u0 = times(1.0).reshape(1, 1).requires_grad_()
    loose = {"steps": "own", "first": 0.25, "rtol": 1e-3, "atol": 1e-3}
    u = schemes.solve(lambda t, u: -u, u0, times(0.0, 0.25, 1.0), **loose).u
    slope = torch.autograd.grad(u[1].sum(), u0)[0]
    torch.testing.assert_close(slope, torch.exp(times(-0.25)).reshape(1, 1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("end", [10.0, -10.0], ids=["forward", "backward"])
@pytest.mark.parametrize("grid", [torch.linspace(0, 1, 38), times(0.0, 0.8923, 0.9377, 1.0)], ids=["many", "late"])
def test_outputs_of_a_stiff_scheme(end, grid):
    """Each ends a step, at a time that is no round number; none is lost among those taken again."""
    u0, t = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2), end * grid.double()

    def f(t, u):
        return 1e-3 * (-torch.sin(u) + torch.cos(3 * t))

    given = {"scheme": schemes.RODAS5P, "steps": "own", "rtol": 1e-2, "atol": 1e-2, "first": 20.0}
    found, plain = (schemes.solve(f, one, t, **given).u for one in (u0.clone().requires_grad_(), u0))
    torch.testing.assert_close(found.detach(), plain, rtol=0, atol=1e-11)


def numbers_kept(scheme, steps, gradient):
    """Numbers that the graph keeps from the forward pass, and the most steps of a member."""
    sizes, f = [], OwnVanDerPol()
    u0 = times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        found = schemes.solve(f, u0, times(0.0, 30.0), scheme, steps=steps, gradient=gradient)
    return sum(sizes), int(torch.as_tensor(found.statistics.accepted).max())


@pytest.mark.parametrize("steps", ["common", "own"])
def test_checkpoints_keep_a_state_for_a_stretch(steps):
    (many, count), (few, same) = (numbers_kept(schemes.TSITOURAS, steps, way) for way in WAYS)
    assert count == same > 300 and many > 20 * few
    assert few < 4 * count**0.5 + 40, "√N states of four numbers, and a few"


@pytest.mark.parametrize("steps", ["common", "own"])
@pytest.mark.parametrize("scheme", [schemes.TSITOURAS, schemes.RODAS5P], ids=lambda s: s.name)
def test_memory_of_checkpoints_is_free_without_the_garbage_collector(scheme, steps):
    """States that f has seen are gone with the gradient: nothing waits in a cycle of references."""
    seen = []

    class Seen(OwnVanDerPol):
        def forward(self, t, u):
            seen.append(weakref.ref(u))
            return super().forward(t, u)

    f, u0 = Seen(), times(0.3, -0.4, 1.0, 0.5).reshape(2, 2).requires_grad_()
    gc.collect()
    gc.disable()
    try:
        u = schemes.solve(f, u0, times(0.0, 1.0), scheme, steps=steps, gradient="checkpoints").u
        torch.autograd.grad(u[-1].sum(), (u0, f.rate))
        del u
        alive = {id(one()) for one in seen if one() is not None and one() is not u0}
    finally:
        gc.enable()
    assert len(seen) > 100 and not alive


@pytest.mark.parametrize(
    "way",
    [
        *(
            {"steps": steps, "gradient": "checkpoints", "scheme": scheme}
            for steps in ("common", "own")
            for scheme in ALL
        ),
        {"gradient": "adjoint"},
    ],
    ids=lambda one: "-".join(
        map(str, (one.get("steps"), one["gradient"], getattr(one.get("scheme"), "name", "")))
    ),
)
def test_what_f_holds_for_a_while_has_to_be_named(way):
    """Both ends do not show it, and its gradient would be missing without a word."""
    rate = times(0.5).requires_grad_()
    u0, t = times(1.0).reshape(1, 1).requires_grad_(), times(0.0, 1.0)

    def f(t, u):
        return -u * (1 + rate * ((t - 0.4) * (0.6 - t)) ** 4) if 0.4 < float(t.detach().max()) < 0.6 else -u

    named = schemes.solve(f, u0, t, parameters=(rate,), **way).u
    assert all(one.isfinite().all() for one in torch.autograd.grad(named[-1].sum(), (u0, rate)))
    u = schemes.solve(f, u0, t, **way).u
    with pytest.raises(ValueError, match=r"parameters: expected all tensors .* found one of shape \(1,\)"):
        u[-1].sum().backward()


def test_no_way_back_where_the_equation_is_stiff():
    """Why RODAS5P has no adjoint: backwards it is far from the start, and no error says so."""

    def f(t, u):
        x, y = u.unbind(-1)
        return torch.stack([y, 10 * (1 - x**2) * y - x], -1)

    start = times(2.0, 0.0)
    end = schemes.solve(f, start, times(0.0, 1.0), schemes.RODAS5P, **TIGHT).u[-1]
    back = schemes.solve(f, end, times(1.0, 0.0), schemes.RODAS5P, **TIGHT).u[-1]
    assert float((back - start).abs().max()) > 0.1
