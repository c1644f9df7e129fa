"""Gradients of solutions along a path: adjoint, checkpoints and reversal against backprop and formulas."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth import schemes
from contdepth.errors import IntegrationError

HEUN, EULER, REVERSIBLE = schemes.StratonovichHeun(), schemes.EulerMaruyama(), schemes.ReversibleHeun()
EXACT = [(HEUN, "checkpoints"), (EULER, "checkpoints"), (REVERSIBLE, "reversible")]


def grid(steps, T=1.0):
    return torch.linspace(0, T, steps + 1, dtype=torch.float64)


class Drift(torch.nn.Module):
    """A drift that depends on time and on a trained number."""

    def __init__(self, paths=1):
        super().__init__()
        self.a = torch.nn.Parameter(torch.full((paths, 1), 0.8, dtype=torch.float64))

    def forward(self, t, u):
        return self.a * (u - u**3) + 0.2 * torch.sin(3 * t)


class Diffusion(torch.nn.Module):
    """A factor for each number alone, with a trained number."""

    def __init__(self, paths=1):
        super().__init__()
        self.b = torch.nn.Parameter(torch.full((paths, 1), 0.5, dtype=torch.float64))

    def forward(self, t, u):
        return self.b * torch.cos(u + 2 * t)


def gradients(steps, scheme, how, *, path=None, keep="last", paths=50, order=1):
    """Derivatives in start, a and b of a function of the states; of second order too."""
    drift, diffusion = Drift(paths), Diffusion(paths)
    u0 = torch.linspace(0.2, 0.9, 2 * paths, dtype=torch.float64).reshape(paths, 2).requires_grad_()
    path = path or schemes.BrownianTree((paths, 2), seed=1)
    t = grid(64)[:: 64 // steps] if steps < 64 else grid(steps)
    found = schemes.march_sde(drift, diffusion, u0, t, path, scheme, keep=keep, gradient=how)
    end = found if keep == "last" else found[-1]
    value = end.square().sum() + end.sin().sum()
    if keep == "all":
        assert torch.equal(found[0], u0)
        value = value + found[steps // 2].cos().sum()
    at = (u0, drift.a, diffusion.b)
    first = torch.autograd.grad(value, at, create_graph=order > 1)
    if order == 1:
        return [end.detach(), *first]
    second = torch.autograd.grad(sum((one**2).sum() for one in first), at)
    return [end.detach(), *(one.detach() for one in first), *second]


@pytest.mark.parametrize("keep", ["all", "last"])
@pytest.mark.parametrize(("scheme", "how"), EXACT, ids=str)
def test_exact_gradients(scheme, how, keep):
    """Checkpoints and reversal are backprop to rounding, second derivatives too."""
    found, true = (gradients(40, scheme, one, keep=keep, order=2) for one in (how, "backprop"))
    for one, other in zip(found, true, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def smooth(t):
    """A path with a derivative: the equation is an ordinary one, and the adjoint of second order."""
    return torch.full((50, 2), math.sin(3 * t), dtype=torch.float64)


@pytest.mark.parametrize("keep", ["all", "last"])
def test_along_a_smooth_path_the_adjoint_is_of_second_order(keep):
    true = gradients(1024, HEUN, "backprop", path=smooth, keep=keep, order=2)
    errors = []
    for n in (64, 128):
        found = gradients(n, HEUN, "adjoint", path=smooth, keep=keep, order=2)
        errors.append([(one - other).abs().mean().item() for one, other in zip(found, true, strict=True)])
    for coarse, fine in zip(*errors, strict=True):
        assert 1.7 < math.log2(coarse / fine) < 2.4


def test_a_step_of_the_adjoint_by_hand():
    """Of dX = a sin(X + t) dt + cos(X - t)∘dW: Heun's scheme from late to early, at the times that are its own."""
    w = {0.0: 0.0, 0.5: 0.4}
    u0, a = (torch.tensor([one], dtype=torch.float64, requires_grad=True) for one in (0.3, 0.8))
    end = schemes.march_sde(
        lambda t, u: a * torch.sin(u + t),
        lambda t, u: torch.cos(u - t),
        u0,
        torch.tensor([0.0, 0.5], dtype=torch.float64),
        lambda t: torch.tensor([w[t]], dtype=torch.float64),
        HEUN,
        keep="last",
        gradient="adjoint",
        parameters=(a,),
    )
    found = [one.item() for one in torch.autograd.grad(end.sum(), (u0, a))]

    def rates(t, u, costate):
        h, dw = -0.5, -0.4
        inner = 0.8 * math.cos(u + t) * h - math.sin(u - t) * dw
        moved = 0.8 * math.sin(u + t) * h + math.cos(u - t) * dw
        return moved, -inner * costate, -math.sin(u + t) * h * costate

    u = end.item()
    k, c, g = rates(0.5, u, 1.0)
    _, other_c, other_g = rates(0.0, u + k, 1.0 + c)
    assert found == pytest.approx([1 + (c + other_c) / 2, (g + other_g) / 2], rel=1e-12)


@pytest.mark.parametrize(("scheme", "low"), [(HEUN, 0.85), (EULER, 0.35)], ids=str)
def test_along_brownian_motion_the_adjoint_has_the_order_of_the_scheme(scheme, low):
    """Of an equation that is not linear, against backprop through small steps of Heun."""
    tree, paths = schemes.BrownianTree((200, 1), seed=3), 200

    def derivatives(n, scheme, how):
        drift, diffusion = Drift(paths), Diffusion(paths)
        u0 = torch.full((paths, 1), 0.4, dtype=torch.float64, requires_grad=True)
        moved = schemes.ito_drift(drift, diffusion) if scheme is EULER else drift
        named = None if how == "backprop" else (drift.a, diffusion.b)
        end = schemes.march_sde(
            moved, diffusion, u0, grid(n), tree, scheme, keep="last", gradient=how, parameters=named
        )
        return torch.autograd.grad(end.sum(), (u0, drift.a, diffusion.b))

    true, steps = derivatives(2048, HEUN, "backprop"), (16, 128)
    errors = [
        [
            (one - other).abs().mean().item()
            for one, other in zip(derivatives(n, scheme, "adjoint"), true, strict=True)
        ]
        for n in steps
    ]
    for coarse, fine in zip(*errors, strict=True):
        assert low < math.log(coarse / fine) / math.log(steps[1] / steps[0]) < 1.4


def test_the_adjoint_of_geometric_motion_is_its_formula():
    """x0 exp(a + b W(1)): gradients of each path, to order one."""
    tree, errors = schemes.BrownianTree((400, 1), seed=0), []
    w = tree(1.0)
    for n in (32, 256):
        x0, a, b = (torch.full((400, 1), one, dtype=torch.float64, requires_grad=True) for one in (1.0, 0.3, 0.5))
        end = schemes.march_sde(
            lambda t, u, a=a: a * u,
            lambda t, u, b=b: b * u,
            x0,
            grid(n),
            tree,
            HEUN,
            keep="last",
            gradient="adjoint",
            parameters=(a, b),
        )
        true = torch.exp(0.3 + 0.5 * w)
        found = torch.autograd.grad(end.sum(), (x0, a, b))
        errors.append([(g - f).abs().mean().item() for g, f in zip(found, (true, true, w * true), strict=True)])
    assert max(errors[1]) < 5e-3 and all(fine < coarse / 6 for coarse, fine in zip(*errors, strict=True))


@pytest.mark.parametrize(("scheme", "how"), [(HEUN, "backprop"), *EXACT], ids=str)
def test_finite_differences(scheme, how):
    tree = schemes.BrownianTree((2, 1), seed=2)

    def end(u0, a, b):
        return schemes.march_sde(
            lambda t, u: a * torch.sin(u),
            lambda t, u: b * torch.cos(u),
            u0,
            grid(6),
            tree,
            scheme,
            keep="last",
            gradient=how,
            parameters=None if how == "backprop" else (a, b),
        )

    at = [torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in ([[0.3], [0.5]], 0.7, 0.4)]
    assert torch.autograd.gradcheck(end, at)


def kept(steps, scheme, how):
    """Numbers that the graph of a solution keeps."""
    sizes = []
    drift = Drift()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        schemes.march_sde(
            drift,
            Diffusion(),
            torch.full((100, 1), 0.3, dtype=torch.float64),
            grid(steps),
            schemes.BrownianTree((100, 1)),
            scheme,
            keep="last",
            gradient=how,
        )
    return sum(sizes)


def test_what_is_kept():
    """Nothing that grows with the steps by adjoint and reversal, a root by checkpoints, all by backprop."""
    for scheme, how in ((HEUN, "adjoint"), (EULER, "adjoint"), (REVERSIBLE, "reversible")):
        assert kept(16, scheme, how) == kept(256, scheme, how) < 1200
    assert kept(256, HEUN, "backprop") > 15 * kept(16, HEUN, "backprop")
    assert kept(256, HEUN, "checkpoints") < 40 * 100


def test_functions_apart():
    """Backprop passes through torch.func; the others say that they do not."""
    tree, u0 = schemes.BrownianTree((1, 1)), torch.full((3, 1, 1), 0.3, dtype=torch.float64)
    drift = Drift().requires_grad_(False)

    def end(u, how="backprop"):
        return schemes.march_sde(drift, lambda t, u: 0.4 * u, u, grid(4), tree, HEUN, keep="last", gradient=how)

    torch.testing.assert_close(torch.func.vmap(end)(u0), torch.stack([end(one) for one in u0]))
    slope = torch.func.jvp(end, (u0[0],), (torch.ones_like(u0[0]),))[1]
    torch.testing.assert_close(slope, torch.func.grad(lambda u: end(u).sum())(u0[0]))
    with pytest.raises(ValueError, match="gradient: expected one of 'backprop' for Stratonovich Heun"):
        torch.func.vmap(lambda u: end(u, "adjoint"))(u0)


def test_what_leaves_the_numbers_is_named():
    """Forwards with the last good state, which a second walk finds, and backwards."""
    tree, u0 = schemes.BrownianTree((1, 1)), torch.full((1, 1), 3.0, dtype=torch.float64, requires_grad=True)

    def cubed(t, u):
        return u**3

    def none(t, u):
        return 0 * u

    for gradient in ("backprop", "adjoint", "checkpoints"):
        with pytest.raises(IntegrationError, match="state: not finite after the step from t = ") as raised:
            schemes.march_sde(cubed, none, u0, grid(16), tree, HEUN, keep="last", gradient=gradient)
        assert raised.value.state.isfinite().all() and 0 < raised.value.time < 1 and raised.value.step == 1 / 16
    tree, u0 = (
        schemes.BrownianTree((1, 1), 0.0, 8.0),
        torch.full((1, 1), 0.5, dtype=torch.float64, requires_grad=True),
    )
    end = schemes.march_sde(
        lambda t, u: -10 * u - u**3, lambda t, u: 0 * u + 0.5, u0, grid(256, 8.0), tree, HEUN, gradient="adjoint"
    )
    with pytest.raises(IntegrationError, match="backwards: not finite on the way back from t = 8"):
        end_alone = schemes.march_sde(
            lambda t, u: -10 * u - u**3,
            lambda t, u: 0 * u + 0.5,
            u0,
            grid(256, 8.0),
            tree,
            HEUN,
            keep="last",
            gradient="adjoint",
        )
        torch.autograd.grad(end_alone.sum(), u0)
    assert torch.autograd.grad(end[-1].sum(), u0)[0].isfinite().all()  # from state to state it is not far


NAMED = {
    "drift: expected a function of": {"drift": 3},
    "diffusion: expected a function of": {"diffusion": None},
    "path: expected a function of t": {"path": torch.zeros(2)},
    "scheme: expected EulerMaruyama": {"scheme": schemes.RungeKutta(schemes.HEUN2)},
    "found the class StratonovichHeun": {"scheme": schemes.StratonovichHeun},
    "u0: expected dtype": {"u0": torch.zeros(2, 1, dtype=torch.complex128)},
    "t: expected times without gradients": {"t": grid(4).requires_grad_()},
    "t: expected a strictly": {"t": torch.zeros(3, dtype=torch.float64)},
    "gradient: expected one of 'backprop', 'reversible'": {"scheme": REVERSIBLE, "gradient": "adjoint"},
    "gradient: expected one of 'backprop', 'checkpoints', 'adjoint'": {"gradient": "reversible"},
    "keep: expected one of": {"keep": "some"},
    "drift\\(t, u\\): expected shape": {"drift": lambda t, u: u.sum()},
    "diffusion\\(t, u\\): expected dtype": {"diffusion": lambda t, u: u.float()},
    "path\\(t\\): expected shape": {"path": lambda t: torch.zeros(3)},
    "path\\(t\\): expected values without gradients": {"path": lambda t: torch.zeros(2, 1, requires_grad=True)},
    "t: expected a number <= 0.5": {"path": schemes.BrownianTree((2, 1), 0.0, 0.5)},
    "parameters: expected all tensors": {"gradient": "adjoint", "drift": lambda t, u: RATE * u},
}
RATE = torch.ones(1, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("said", NAMED)
def test_a_wrong_argument_is_named(said):
    right = {
        "drift": lambda t, u: -u,
        "diffusion": lambda t, u: 0.1 * u,
        "u0": torch.ones(2, 1, dtype=torch.float64),
        "t": grid(4),
        "path": schemes.BrownianTree((2, 1)),
        "scheme": HEUN,
    }
    with pytest.raises((TypeError, ValueError), match=said):
        schemes.march_sde(**(right | NAMED[said]))
