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
    schemes.Leapfrog(),
    schemes.Yoshida4(),
    schemes.ImplicitMidpoint(),
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

    if isinstance(scheme, (schemes.RevNet, schemes.Leapfrog, schemes.Yoshida4)):
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


# Whoever differentiates: autograd, forward mode, torch.func ------------------------------------------------------


def dual(function, points, tangents):
    """The derivative of ``function`` along ``tangents`` by dual numbers."""
    with torch.autograd.forward_ad.dual_level():
        made = [torch.autograd.forward_ad.make_dual(*pair) for pair in zip(points, tangents, strict=True)]
        found = torch.autograd.forward_ad.unpack_dual(function(*made)).tangent
    return torch.zeros(()) if found is None else found


@pytest.mark.parametrize("keep", ["last", "all"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_forward_mode_and_torch_func_agree_with_autograd(scheme, keep):
    """In the state, the weights of f and the end time; the grid is differentiated like everything else."""
    inside = tuple(x.detach() for x in inputs())
    for n in range(3):

        def one(value, n=n):
            return run(scheme, *inside[:n], value, *inside[n + 1 :], keep=keep)

        direction = torch.cos(torch.arange(inside[n].numel(), dtype=torch.float64)).reshape(inside[n].shape)
        leaf = inside[n].clone().requires_grad_()
        weights = torch.ones_like(one(leaf)).cumsum(0)
        (slope,) = torch.autograd.grad((weights * one(leaf)).sum(), leaf)
        expected = (slope * direction).sum()
        assert expected.abs() > 1e-3
        for found in (
            torch.func.jvp(one, (inside[n],), (direction,))[1],
            dual(one, (inside[n],), (direction,)),
        ):
            torch.testing.assert_close((weights * found).sum(), expected, rtol=1e-9, atol=1e-9)
        by_func = torch.func.grad(lambda value, one=one, weights=weights: (weights * one(value)).sum())(inside[n])
        torch.testing.assert_close(by_func, slope, rtol=1e-10, atol=1e-10)


def test_the_slope_in_the_end_time_is_the_right_hand_side():
    """u' = -u from 1 to T = 1: dU/dT = -exp(-1), by every way of differentiating."""
    one, grid = torch.ones((), dtype=torch.float64), torch.linspace(0, 1, 41, dtype=torch.float64)
    for scheme in (schemes.RungeKutta(schemes.RK4), schemes.ForwardEuler(), schemes.LinearTwoStep(k=0.0)):

        def flow(T, scheme=scheme):
            return schemes.integrate(lambda t, u: -u, torch.ones(1).double(), T * grid, scheme, keep="last")[0]

        slopes = [
            torch.func.jvp(flow, (one,), (one,))[1],
            torch.func.jacfwd(flow)(one),
            torch.func.grad(flow)(one),
            dual(flow, (one,), (one,)),
        ]
        for slope in slopes:
            assert slope.item() == pytest.approx(-0.36788, abs=5e-3)
        assert torch.func.hessian(flow)(one).item() == pytest.approx(0.36788, abs=5e-3)


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if not getattr(s, "random", False)], ids=lambda s: s.name)
def test_vmap_over_state_weights_and_end_time(scheme):
    u0, w, T = (x.detach() for x in inputs())
    for n, several in enumerate((torch.stack([u0, 2 * u0]), torch.stack([w, -w]), torch.stack([T, 0.5 * T]))):

        def one(value, n=n):
            values = [u0, w, T]
            values[n] = value
            return run(scheme, *values)

        expected = torch.stack([one(value) for value in several])
        torch.testing.assert_close(torch.func.vmap(one)(several), expected, rtol=1e-11, atol=1e-12)


def test_a_batched_parameter_that_enters_late():
    grid, several = torch.linspace(0, 1, 11, dtype=torch.float64), torch.tensor([0.5, 1.0], dtype=torch.float64)

    def flow(a):
        u0 = torch.ones(2, dtype=torch.float64)
        return schemes.integrate(lambda t, u: a * u if t > 0.45 else -u, u0, grid, schemes.ForwardEuler())

    expected = torch.stack([flow(a) for a in several])
    torch.testing.assert_close(torch.func.vmap(flow)(several), expected, rtol=1e-13, atol=0)


def test_a_batch_of_grids_is_checked_like_one():
    grids = torch.stack([torch.linspace(0, 1, 5), torch.linspace(0, 1, 5).square()]).double()
    u0 = torch.ones(2, dtype=torch.float64)

    def flow(scheme):
        return lambda t: schemes.integrate(lambda t, u: -u, u0, t, scheme, keep="last")

    assert torch.func.vmap(flow(schemes.ForwardEuler()))(grids).shape == (2, 2)
    with pytest.raises(ValueError, match="t: expected equal steps for a two-step scheme"):
        torch.func.vmap(flow(schemes.LinearTwoStep(k=0.3)))(grids)
    grids[1, 2] = 0
    with pytest.raises(ValueError, match="t: expected a strictly increasing"):
        torch.func.vmap(flow(schemes.ForwardEuler()))(grids)


def test_recovering_a_reversible_state_is_differentiable_in_the_grid():
    u0, w, T = (x.detach() for x in inputs())
    f = (lambda t, y: torch.tanh(y @ w[:2, :2]) * torch.cos(t), lambda t, x: torch.sin(x @ w[2:, 2:]) + t)
    grid = torch.linspace(0, 1, 4, dtype=torch.float64)

    def back(T):
        return schemes.RevNet().recover(f, u0, T * grid).sum()

    expected = ((back(T + 1e-6) - back(T - 1e-6)) / 2e-6).item()
    assert torch.func.grad(back)(T).item() == pytest.approx(expected, rel=1e-7)
    assert torch.func.jvp(back, (T,), (torch.ones_like(T),))[1].item() == pytest.approx(expected, rel=1e-7)


# Backward Euler: implicit derivatives of every order, in every shape ---------------------------------------------


def backward_root(a, u0, h, steps):
    """v with v = u - h a v², in closed form, ``steps`` times: no Newton, no implicit function theorem."""
    for _ in range(steps):
        u0 = (torch.sqrt(1 + 4 * h * a * u0) - 1) / (2 * h * a)
    return u0


SHAPES = [(1,), (3,), (2, 1), (2, 3), (2, 2, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_second_derivatives_through_backward_euler(shape):
    """u' = -a u²: Hessian in a, u_0 and the step against the formula of the root."""
    grid = torch.linspace(0, 1, 5, dtype=torch.float64)
    point = torch.tensor([0.7, 1.3, 0.8], dtype=torch.float64)

    def solved(p):
        u0 = p[1] * torch.linspace(0.5, 1, torch.Size(shape).numel()).double().reshape(shape)
        return schemes.integrate(lambda t, u: -p[0] * u * u, u0, p[2] * grid, schemes.BackwardEuler(), keep="last")

    def root(p):
        u0 = p[1] * torch.linspace(0.5, 1, torch.Size(shape).numel()).double().reshape(shape)
        return backward_root(p[0], u0, p[2] / 4, 4)

    torch.testing.assert_close(solved(point), root(point), rtol=1e-12, atol=1e-13)
    expected = torch.func.hessian(lambda p: root(p).sum())(point)
    assert float(expected.abs().min()) > 1e-3
    ways = {
        "autograd": torch.autograd.functional.hessian,
        "forward over reverse": lambda f, p: torch.func.jacfwd(torch.func.jacrev(f))(p),
        "reverse over forward": lambda f, p: torch.func.jacrev(torch.func.jacfwd(f))(p),
        "reverse over reverse": lambda f, p: torch.func.jacrev(torch.func.jacrev(f))(p),
        "forward over forward": lambda f, p: torch.func.jacfwd(torch.func.jacfwd(f))(p),
    }
    for name, way in ways.items():
        found = way(lambda p: solved(p).sum(), point)
        torch.testing.assert_close(
            found, expected, rtol=1e-8, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("steps", [1, 4])
def test_third_derivatives_are_right_by_torch_func_and_refused_by_autograd(steps):
    point, grid = torch.tensor(0.7, dtype=torch.float64), torch.linspace(0, 1, steps + 1, dtype=torch.float64)

    def solved(a):
        u0 = torch.ones(2, dtype=torch.float64)
        return schemes.integrate(lambda t, u: -a * u * u, u0, grid, schemes.BackwardEuler(), keep="last")[0]

    grad = torch.func.grad
    expected = grad(grad(grad(lambda a: backward_root(a, torch.ones(()).double(), 1 / steps, steps))))(point)
    for way in (lambda f: grad(grad(grad(f))), lambda f: torch.func.jacfwd(torch.func.jacfwd(grad(f)))):
        torch.testing.assert_close(way(solved)(point), expected, rtol=1e-7, atol=1e-8)
    a = point.clone().requires_grad_()
    (first,) = torch.autograd.grad(solved(a), a, create_graph=True)
    (second,) = torch.autograd.grad(first, a, create_graph=True)
    with pytest.raises(ValueError, match="derivative: expected at most the second of backward Euler"):
        torch.autograd.grad(second, a)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2), (2, 3), (2, 2, 2)], ids=str)
def test_backward_euler_where_samples_read_one_another(shape):
    """The same coupled field in every shape: states and gradients are those of the flat vector."""
    size = torch.Size(shape).numel()
    w = torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    u0, grid = torch.linspace(0.2, 1, size).double(), torch.linspace(0, 1, 5, dtype=torch.float64)

    def loss(a, u0, shape):
        def f(t, u):
            return -a * torch.tanh(u.reshape(-1) @ w).reshape(u.shape)

        u = schemes.integrate(f, u0.reshape(shape), grid, schemes.BackwardEuler(), keep="last")
        return (u.reshape(-1) * torch.arange(1, size + 1)).sum()

    a = torch.tensor(0.7, dtype=torch.float64)
    found, expected = (torch.func.grad(loss, (0, 1))(a, u0, one) for one in (shape, (size,)))
    torch.testing.assert_close(loss(a, u0, shape), loss(a, u0, (size,)), rtol=1e-12, atol=1e-12)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)
    slope = (loss(a + 1e-5, u0, shape) - loss(a - 1e-5, u0, shape)).item() / 2e-5
    assert found[0].item() == pytest.approx(slope, rel=1e-7)
    assert torch.autograd.gradcheck(lambda a, u0: loss(a, u0, shape), (a.requires_grad_(), u0.requires_grad_()))


def test_a_rotation_of_samples_is_solved_where_their_own_jacobians_lead_nowhere():
    """u' = A u, A a fast rotation: the Newton steps of single samples diverge, the step of the whole is exact."""
    a, h = torch.tensor([[0.0, 5.0], [-5.0, 0.0]], dtype=torch.float64), torch.tensor([0.0, 1.0]).double()
    u0 = torch.tensor([[1.0], [0.5]], dtype=torch.float64)
    u = schemes.integrate(lambda t, u: a @ u, u0, h, schemes.BackwardEuler(), keep="last")
    torch.testing.assert_close(u, torch.linalg.inv(torch.eye(2).double() - a) @ u0, rtol=1e-12, atol=1e-13)


def test_coupling_that_shows_only_at_the_solution_counts_in_the_gradient():
    """f = a + w u² (Σu - 3/2) from 0, h = 1/2, a = 1: v = 1/2 after one step, and dv/da = (1 + 3/2 w) / 2."""
    w, grid = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.tensor([0.0, 0.5], dtype=torch.float64)
    for shape in ((3, 1), (3,)):
        a = torch.ones((), dtype=torch.float64, requires_grad=True)
        u0, weights = torch.zeros(shape, dtype=torch.float64), w.reshape(shape)
        u = schemes.integrate(
            lambda t, u, a=a, weights=weights: a + weights * u * u * (u.sum() - 1.5),
            u0,
            grid,
            schemes.BackwardEuler(),
            keep="last",
        )
        for entry, weight in zip(u.flatten(), w.tolist(), strict=True):
            (slope,) = torch.autograd.grad(entry, a, retain_graph=True)
            assert entry.item() == pytest.approx(0.5) and slope.item() == pytest.approx((1 + 1.5 * weight) / 2)


def test_coupling_that_shows_only_on_the_way_is_found():
    """At u_0 = 0 no sample reads another; at the solution they do."""
    grid = torch.tensor([0.0, 0.5], dtype=torch.float64)

    def f(t, u):
        return 1 - u * u.sum()

    for shape in ((3, 1), (3,)):
        u = schemes.integrate(f, torch.zeros(shape).double(), grid, schemes.BackwardEuler(), keep="last")
        expected = torch.full(shape, 1 / 3, dtype=torch.float64)  # v = (1 - 3 v²) / 2
        torch.testing.assert_close(u, expected, rtol=1e-12, atol=1e-12)
