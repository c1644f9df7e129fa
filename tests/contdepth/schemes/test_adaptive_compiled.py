"""torch.compile traces the loop of fixed steps and a step of a pair whole; no compiler is needed for that."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from contdepth import schemes
from contdepth.schemes.adaptive.setting import Tolerances, prepared


def forced(t, u):
    return torch.stack([u[..., 1], torch.cos(3 * t).reshape(t.shape[:1]) - torch.sin(u[..., 0])], -1)


PAIR = (lambda t, v: torch.sin(v), lambda t, u: -u)
SCHEMES = [
    schemes.ForwardEuler(),
    schemes.RungeKutta(schemes.RK4),
    schemes.LinearTwoStep(0.1),
    schemes.PolyNet(2),
    schemes.RevNet(),
]
U0, T = torch.sin(torch.arange(6.0)).double().reshape(3, 2), torch.linspace(0, 1, 6).double()


def right_hand_side(scheme):
    return PAIR if getattr(scheme, "fields", 1) == 2 else forced


def whole(function, backend):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend=backend)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_the_loop_of_fixed_steps_has_no_graph_break(scheme):
    f = right_hand_side(scheme)
    found = whole(lambda u, t: schemes.unrolled(f, u, t, scheme), "eager")(U0, T)
    torch.testing.assert_close(found, schemes.integrate(f, U0, T, scheme, keep="last"), rtol=0, atol=1e-14)


@pytest.mark.parametrize("solve", [schemes.integrate, schemes.march])
@pytest.mark.parametrize("scheme", [*SCHEMES, schemes.FractalBlock()], ids=lambda s: s.name)
def test_integrate_and_march_have_no_graph_break(scheme, solve):
    if solve is schemes.march and scheme.name == "RevNet":
        pytest.skip("march takes one right-hand side")
    f = right_hand_side(scheme)
    torch._dynamo.reset()
    told = torch._dynamo.explain(lambda u, t: solve(f, u, t, scheme))(U0, T)
    assert (told.graph_break_count, told.graph_count) == (0, 1)
    for keep in ("all", "last"):
        found = whole(lambda u, t, keep=keep: solve(f, u, t, scheme, keep=keep), "eager")(U0, T)
        torch.testing.assert_close(found, solve(f, U0, T, scheme, keep=keep), rtol=0, atol=1e-14)


def test_a_wrong_value_of_f_is_named_while_it_is_traced():
    f = lambda t, u: u[..., :1]  # noqa: E731
    with pytest.raises(Exception, match=r"f\(t, u\): expected shape \(3, 2\)"):
        whole(lambda u, t: schemes.integrate(f, u, t, schemes.ForwardEuler()), "eager")(U0, T)


@pytest.mark.parametrize("solve", [schemes.unrolled, partial(schemes.integrate, keep="last")])
def test_gradients_through_the_compiled_loop(solve):
    scheme, found = schemes.RungeKutta(schemes.RK4), []
    loop = whole(lambda u, t: solve(forced, u, t, scheme), "aot_eager")
    for one in (loop, lambda u, t: schemes.integrate(forced, u, t, scheme, keep="last")):
        u, t = U0.clone().requires_grad_(), T.clone().requires_grad_()
        found.append(torch.autograd.grad(one(u, t).square().sum(), (u, t)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("own", [False, True], ids=["common", "own"])
@pytest.mark.parametrize("pair", [schemes.DORMAND_PRINCE, schemes.TSITOURAS], ids=lambda s: s.name)
def test_a_step_of_a_pair_has_no_graph_break(pair, own):
    """State and estimate are those of the steps that solve takes."""
    f, limits = forced, Tolerances(1e-6, 1e-9, None, 9)
    steps = prepared(f, U0, T, pair, limits, own=own, recorded=False).steps
    t, h = (torch.zeros(3, 1).double(), torch.tensor([[0.1], [0.2], [0.3]]).double()) if own else (T[0], T[1])
    after, estimate = whole(lambda t, u, h: schemes.pair_step(pair, f, t, u, h), "aot_eager")(t, U0, h)
    expected = steps.attempt(t, U0, h)
    torch.testing.assert_close(after, expected[0], rtol=0, atol=1e-14)
    torch.testing.assert_close(estimate, expected[1], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"t": T[0]}, ValueError, "t: expected a tensor with 1 dimensions"),
        ({"t": T[:1]}, ValueError, "t: expected a real grid with at least 2 points"),
        ({"u0": None}, TypeError, "u0: expected a torch.Tensor"),
        ({"f": lambda t, u: u[0]}, ValueError, r"f\(t, u\): expected shape \(3, 2\)"),
        ({"f": lambda t, u: u.float()}, TypeError, r"f\(t, u\): expected dtype torch.float64"),
        ({"scheme": schemes.StochasticDepth()}, ValueError, "generator: expected a torch.Generator"),
        ({"scheme": schemes.RevNet()}, TypeError, r"f: expected a pair \(f1, f2\)"),
    ],
)
def test_refused(change, error, message):
    arguments = {"f": forced, "u0": U0, "t": T, "scheme": schemes.ForwardEuler()}
    with pytest.raises(error, match=message):
        schemes.unrolled(**{**arguments, **change})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"pair": schemes.RK4}, TypeError, "pair: expected an EmbeddedPair"),
        ({"f": None}, TypeError, r"f: expected a function of \(t, u\)"),
        ({"h": T}, ValueError, r"h: expected shape \(\)"),
        ({"t": T, "h": T}, ValueError, r"t: expected a shape that broadcasts with \(3, 2\)"),
    ],
)
def test_a_step_refused(change, error, message):
    arguments = {"pair": schemes.TSITOURAS, "f": forced, "t": T[0], "u": U0, "h": T[1]}
    with pytest.raises(error, match=message):
        schemes.pair_step(**{**arguments, **change})
