"""gradcheck of every scheme in state, weights, times and own coefficients; composition with torch.func."""

from __future__ import annotations

import pytest
import torch

from contdepth import schemes

TABLEAUS = (
    schemes.HEUN2,
    schemes.MIDPOINT,
    schemes.RALSTON2,
    schemes.KUTTA3,
    schemes.HEUN3,
    schemes.RK4,
    schemes.THREE_EIGHTHS,
)
SCHEMES = [
    schemes.ForwardEuler(),
    *map(schemes.RungeKutta, TABLEAUS),
    schemes.BackwardEuler(),
    schemes.PolyNet(),
    schemes.PolyNet(3),
    schemes.NestedPolyNet(),
    schemes.FractalBlock(),
    schemes.FractalBlock(k3=0.9),
    schemes.RevNet(),
    schemes.LinearTwoStep(k=0.4),
    schemes.LinearTwoStep(k=-0.4, start="repeat"),
    schemes.LinearTwoStep(k=0.4, rescale=False),
    schemes.ShakeShake(),
    schemes.StochasticDepth(0.7),
    schemes.StochasticTwoStep(0.3, 0.7),
]


def inputs():
    generator = torch.Generator().manual_seed(1)
    u0 = torch.randn(2, 4, dtype=torch.float64, generator=generator)
    w = torch.randn(4, 4, dtype=torch.float64, generator=generator)
    return u0.requires_grad_(), w.requires_grad_(), torch.tensor(0.6, dtype=torch.float64, requires_grad=True)


def run(scheme, u0, w, T, keep="all"):
    def full(t, u):
        return torch.tanh(u @ w) + torch.sin(t) * u

    if isinstance(scheme, schemes.RevNet):
        f = (lambda t, y: torch.tanh(y @ w[:2, :2]) * torch.cos(t), lambda t, x: torch.sin(x @ w[2:, 2:]) + t)
    else:
        f = (full, lambda t, u: torch.cos(u @ w.T)) if getattr(scheme, "fields", 1) == 2 else full
    generator = torch.Generator().manual_seed(0) if getattr(scheme, "random", False) else None
    t = T * torch.linspace(0, 1, 4, dtype=torch.float64)
    return schemes.integrate(f, u0, t, scheme, keep=keep, generator=generator)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_gradcheck(scheme):
    assert torch.autograd.gradcheck(lambda *x: run(scheme, *x), inputs(), atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_fast_and_differentiable_paths_agree(scheme):
    u0, w, T = inputs()
    recorded = run(scheme, u0, w, T)  # tensor steps, stacked
    plain = run(scheme, u0.detach(), w.detach(), T.detach())  # number steps, in place
    mixed = run(scheme, u0, w, T.detach())  # number steps, recorded
    torch.testing.assert_close(plain, recorded.detach(), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(mixed.detach(), plain, rtol=0, atol=0)
    torch.testing.assert_close(run(scheme, u0, w, T, keep="last"), recorded[-1], rtol=0, atol=0)
    found = torch.autograd.grad(mixed.square().sum(), (u0, w))
    for one, other in zip(found, torch.autograd.grad(recorded.square().sum(), (u0, w)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("start", ["euler", "repeat", "given"])
def test_gradcheck_in_k_and_start(rescale, start):
    u0, w, T = inputs()
    k = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    before = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)

    def loss(k, before):
        scheme = schemes.LinearTwoStep(k=k, rescale=rescale, start=before if start == "given" else start)
        return run(scheme, u0.detach(), w.detach(), T.detach()) + 0 * before

    assert torch.autograd.gradcheck(loss, (k, before), atol=1e-7, rtol=1e-5)


def test_second_derivatives_through_an_explicit_scheme():
    u0, w, T = inputs()
    assert torch.autograd.gradgradcheck(
        lambda u: run(schemes.RungeKutta(schemes.RK4), u, w.detach(), T.detach()), (u0,), atol=1e-6
    )


def test_a_parameter_that_enters_late_still_gets_its_gradient():
    a = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    u = schemes.integrate(
        lambda t, u: a * u if t > 0.45 else -u, torch.ones(2, dtype=torch.float64), t, schemes.ForwardEuler()
    )
    assert u.shape == (11, 2)
    plain = schemes.integrate(
        lambda t, u: 0.5 * u if t > 0.45 else -u, torch.ones(2, dtype=torch.float64), t, schemes.ForwardEuler()
    )
    torch.testing.assert_close(u.detach(), plain, rtol=0, atol=1e-15)
    (found,) = torch.autograd.grad(u[-1].sum(), a)
    late = int((t[:-1] > 0.45).sum())
    expected = 2 * 0.9 ** (10 - late) * late * 0.1 * 1.05 ** (late - 1)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "scheme",
    [
        schemes.ForwardEuler(),
        schemes.RungeKutta(schemes.RK4),
        schemes.LinearTwoStep(k=0.3),
        schemes.BackwardEuler(),
    ],
    ids=lambda scheme: scheme.name,
)
def test_jacobian_by_torch_func(scheme):
    u0, w, _ = (x.detach() for x in inputs())
    t = torch.linspace(0, 1, 4, dtype=torch.float64)

    def flow(u):
        return schemes.integrate(lambda t, u: torch.tanh(u @ w), u, t, scheme, keep="last")

    expected = torch.autograd.functional.jacobian(flow, u0[0])
    torch.testing.assert_close(torch.func.jacrev(flow)(u0[0]), expected, rtol=1e-11, atol=1e-12)
    if not isinstance(scheme, schemes.BackwardEuler):  # Newton's stopping test needs a concrete number
        torch.testing.assert_close(torch.func.jacfwd(flow)(u0[0]), expected, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(torch.func.vmap(flow)(u0), flow(u0), rtol=1e-13, atol=1e-14)


def test_the_two_step_coefficients_under_torch_func():
    u0, w, _ = (x.detach() for x in inputs())
    t, k = torch.linspace(0, 1, 4, dtype=torch.float64), torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)

    def flow(k):
        return schemes.integrate(lambda t, u: torch.tanh(u @ w), u0, t, schemes.LinearTwoStep(k=k), keep="last")

    torch.testing.assert_close(torch.func.jacrev(flow)(k), torch.func.jacfwd(flow)(k), rtol=1e-11, atol=1e-12)
    both = torch.stack([k, k.flip(0)])
    expected = torch.stack([flow(row) for row in both])
    torch.testing.assert_close(torch.func.vmap(flow)(both), expected, rtol=1e-13, atol=1e-14)


def test_reduced_field_takes_both_derivatives():
    k, h, t = 0.3, 0.1, torch.tensor(0.7, dtype=torch.float64)
    u = torch.tensor([0.4], dtype=torch.float64)
    found = schemes.reduced_field(lambda t, u: t**2 * torch.sin(u), k, h)(t, u)
    f, f_t, f_u = t**2 * torch.sin(u), 2 * t * torch.sin(u), t**2 * torch.cos(u)
    second = (f_t + f_u * f / (1 + k)) / (1 + k)
    torch.testing.assert_close(found, f / (1 + k) - (1 - k) * h / 2 * second / (1 + k), rtol=1e-14, atol=0)
