"""Properties that hold for every input: inverses, invariants, batches, reversals, dtypes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contdepth import schemes
from contdepth.problems import LinearSystem, Pendulum, TimeDependent

SCHEMES = [
    schemes.ForwardEuler(),
    schemes.RungeKutta(schemes.HEUN3),
    schemes.RungeKutta(schemes.RK4),
    schemes.BackwardEuler(),
    schemes.PolyNet(),
    schemes.NestedPolyNet(),
    schemes.FractalBlock(),
    schemes.RevNet(),
    schemes.LinearTwoStep(k=0.4),
    schemes.LinearTwoStep(k=-0.7, rescale=False, start="repeat"),
]
number = st.floats(-2, 2, allow_nan=False)
step = st.floats(-0.5, 0.5).filter(lambda h: abs(h) > 1e-3)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def field(scheme, problem):
    return problem.parts if isinstance(scheme, schemes.RevNet) else problem.f


@quick
@given(u=st.tuples(*[number] * 6), h=step, t=number)
def test_revnet_inverse_undoes_its_step(u, h, t):
    f = (lambda t, y: torch.sin(y) * t, lambda t, x: torch.tanh(x * x) + torch.cos(t * x))
    u, t = tensor(*u), tensor(t)[0]
    for scheme, v in (
        (schemes.RevNet(), u),
        (schemes.RevNet(dim=0), u.reshape(2, 3)),
        (schemes.RevNet(dim=1), u.reshape(1, 6, 1)),
    ):
        torch.testing.assert_close(scheme.inverse(f, t, scheme.step(f, t, v, h), h), v, rtol=0, atol=1e-13)


@quick
@given(u=st.tuples(number, number, number), h=step)
def test_forward_euler_back_is_the_inverse_of_backward_euler(u, h):
    u, t = tensor(*u), tensor(0.3)[0]
    there = schemes.BackwardEuler().step(LinearSystem().f, t, u, h)
    torch.testing.assert_close(
        schemes.ForwardEuler().step(LinearSystem().f, t + h, there, -h), u, rtol=0, atol=1e-12
    )


@quick
@given(u=st.tuples(number, number), n=st.integers(2, 8), k=st.floats(-0.9, 1.0))
def test_linear_invariants_are_kept(u, n, k):
    """(1, 1, 1) · f = 0, so the sum of u may not change, whatever the scheme."""

    def f(t, u):
        a, b, c = u.unbind(-1)
        rate, other = a * torch.sin(b) + t, torch.cos(c)
        return torch.stack([-rate, rate - other, other], -1)

    u0, t = tensor(*u, 0.5), torch.linspace(0, 0.5, n + 1, dtype=torch.float64)
    chosen = [s for s in SCHEMES if not isinstance(s, (schemes.RevNet, schemes.PolyNet))] + [
        schemes.LinearTwoStep(k=k)
    ]
    for scheme in chosen:
        torch.testing.assert_close(
            schemes.integrate(f, u0, t, scheme).sum(-1), u0.sum().expand(n + 1), rtol=0, atol=1e-11
        )


@quick
@given(values=st.lists(number, min_size=6, max_size=6), n=st.integers(1, 5))
def test_a_batch_is_the_same_as_a_loop(values, n):
    batch, t = tensor(*values).reshape(3, 1, 2), torch.linspace(0, 0.4, n + 1, dtype=torch.float64)
    for scheme in SCHEMES:
        f = field(scheme, Pendulum(torque=0.2))
        looped = torch.stack([schemes.integrate(f, u[0], t, scheme) for u in batch], 1).unsqueeze(2)
        torch.testing.assert_close(schemes.integrate(f, batch, t, scheme), looped, rtol=0, atol=1e-13)


@quick
@given(u=st.tuples(number, number), n=st.integers(2, 20))
def test_the_leapfrog_runs_backwards_over_its_own_states(u, n):
    t = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    states = schemes.integrate(Pendulum().f, tensor(*u), t, schemes.LinearTwoStep(k=1.0))
    back = schemes.integrate(
        Pendulum().f, states[-2], t.flip(0)[1:], schemes.LinearTwoStep(k=1.0, start=states[-1])
    )
    torch.testing.assert_close(back, states[:-1].flip(0), rtol=0, atol=1e-10)


@quick
@given(cuts=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6, unique=True), cut=st.integers(0, 10))
def test_integration_can_be_cut_anywhere(cuts, cut):
    t = tensor(0.0, *sorted(cuts), 1.0)
    cut = 1 + cut % (len(t) - 2)
    for scheme in SCHEMES:
        if isinstance(scheme, schemes.LinearTwoStep):
            continue
        f, u0 = field(scheme, Pendulum()), Pendulum().u0
        whole = schemes.integrate(f, u0, t, scheme)
        middle = schemes.integrate(f, u0, t[: cut + 1], scheme, keep="last")
        torch.testing.assert_close(schemes.integrate(f, middle, t[cut:], scheme), whole[cut:], rtol=0, atol=1e-13)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_single_precision_stays_single_and_inputs_stay_untouched(scheme):
    f, u0 = field(scheme, Pendulum()), torch.tensor([[1.0, 0.5]])
    for t in (torch.linspace(0, 1, 11), torch.linspace(0, 1, 11, dtype=torch.float64)):
        before = u0.clone()
        found = schemes.integrate(f, u0, t, scheme)
        assert found.dtype == torch.float32
        assert found.shape == (11, 1, 2)
        assert torch.equal(u0, before)
        double = schemes.integrate(f, u0.double(), t.double(), scheme)
        torch.testing.assert_close(found.double(), double, rtol=0, atol=2e-5)


def test_complex_states():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    found = schemes.integrate(
        lambda t, u: 1j * u, torch.ones(1, dtype=torch.complex128), t, schemes.RungeKutta(schemes.RK4), keep="last"
    )
    torch.testing.assert_close(found, torch.exp(torch.tensor([1j], dtype=torch.complex128)), rtol=0, atol=1e-9)


def test_one_step_of_every_scheme_starts_along_f():
    for scheme in SCHEMES[:-1]:  # all but the raw form; PolyNet needs f(0) = 0, which the pendulum has
        f = field(scheme, Pendulum())
        u = schemes.integrate(f, Pendulum().u0, tensor(0.0, 1e-6), scheme, keep="last")
        torch.testing.assert_close(
            (u - Pendulum().u0) / 1e-6, Pendulum().f(None, Pendulum().u0), rtol=1e-4, atol=1e-5
        )


def test_time_enters_where_it_should():
    """On u' = g(t) a scheme is a quadrature rule: nodes and weights show."""
    t, u0 = tensor(0.0, 0.5), torch.zeros(1, dtype=torch.float64)
    for scheme, rule in (
        (schemes.ForwardEuler(), lambda g: 0.5 * g(0.0)),
        (schemes.BackwardEuler(), lambda g: 0.5 * g(0.5)),
        (schemes.NestedPolyNet(), lambda g: 0.5 * g(0.5)),
        (schemes.PolyNet(terms=2), lambda g: g(0.5)),
        (schemes.FractalBlock(), lambda g: 0.25 * (g(0.0) + g(0.5))),
        (schemes.RungeKutta(schemes.RK4), lambda g: (g(0.0) + 4 * g(0.25) + g(0.5)) / 12),
    ):
        found = schemes.integrate(lambda t, u: torch.exp(t) + 0 * u, u0, t, scheme, keep="last")
        assert found.item() == pytest.approx(float(rule(lambda s: torch.exp(tensor(s))[0])), abs=1e-14)
    f = (lambda t, y: torch.exp(t) + 0 * y, lambda t, x: torch.exp(t) + 0 * x)
    found = schemes.integrate(f, torch.zeros(2, dtype=torch.float64), t, schemes.RevNet(), keep="last")
    torch.testing.assert_close(found, 0.5 * torch.exp(t), rtol=0, atol=1e-15)


def test_time_dependent_problem_is_not_separable():
    """Guard of the guard: the problem must make order 2 fail for a wrong node."""
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    u = tensor(1.2, 0.3)
    slopes = torch.stack([TimeDependent().f(s, u) for s in t])
    assert (slopes[0] - slopes[1]).abs()[0] > 0.1
