"""Every scheme and problem on a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from device.fake import fake_device
from fuzz import doors_light
from torch import Tensor

from contdepth import problems, schemes, seeds
from contdepth.schemes.adaptive.attached import to_the_end
from contdepth.schemes.adaptive.setting import Tolerances
from contdepth.schemes.gradients.adjoint import Adjoint, backwards
from contdepth.schemes.gradients.reversal import Reversal
from contdepth.schemes.paths.adjoint import StochasticAdjoint
from contdepth.schemes.paths.reversal import PathReversal
from contdepth.schemes.paths.way import made

pytestmark = pytest.mark.device


def states(where: torch.device) -> Tensor:
    return doors_light.doubles(3, 2).to(where)


def grid(where: torch.device) -> Tensor:
    return torch.linspace(0, 1, 5, dtype=torch.float64, device=where)


def field(t: Tensor, u: Tensor) -> Tensor:
    return torch.sin(u) - u * t


def run(scheme: schemes.Scheme, f: Any = field) -> Case:
    """A scheme over a grid, with a generator of the CPU where it is random, and the gradient in the start."""

    def case(where: torch.device) -> Any:
        u0 = states(where).requires_grad_()
        more = {"generator": seeds.generator(0, "device")} if getattr(scheme, "random", False) else {}
        end = schemes.integrate(f, u0, grid(where), scheme, keep="last", **more)
        return end, *torch.autograd.grad(end.square().sum(), u0)

    return case


def batch_of_starts(where: torch.device) -> Tensor:
    scheme = schemes.RungeKutta(schemes.RK4)
    return torch.func.vmap(lambda u: schemes.integrate(field, u, grid(where), scheme, keep="last"))(states(where))


def solved(scheme: Any, steps: str) -> Case:
    """States at all times and the cost, and gradients in the start and in a number that f holds."""

    def case(where: torch.device) -> Any:
        u0, rate = (
            states(where).requires_grad_(),
            torch.ones(1, dtype=torch.float64, device=where).requires_grad_(),
        )
        plain = schemes.solve(field, u0.detach(), grid(where), scheme, steps=steps)
        found = schemes.solve(lambda t, u: -rate * field(t, u), u0, grid(where), scheme, steps=steps)
        return plain, found, torch.autograd.grad(found.u.square().sum(), (u0, rate))

    return case


def by_euler(gradient: str) -> Case:
    """States and gradients in the start, in a number that f holds and in the times."""

    def case(where: torch.device) -> Any:
        u0, t = states(where).requires_grad_(), grid(where).requires_grad_()
        rate = torch.ones(1, dtype=torch.float64, device=where).requires_grad_()
        found = schemes.solve(lambda t, u: -rate * field(t, u), u0, t, gradient=gradient)
        return found, torch.autograd.grad(found.u.square().sum(), (u0, rate, t))

    return case


def of_given_states(where: torch.device) -> Any:
    """States of another solver, with gradients in the start, in a number that f holds and in the times."""
    u0, t = states(where).requires_grad_(), grid(where).requires_grad_()
    rate = torch.ones(1, dtype=torch.float64, device=where).requires_grad_()
    found = schemes.march(field, states(where), grid(where), schemes.RungeKutta(schemes.RK4))
    found = schemes.euler_gradient(lambda t, u: -rate * field(t, u), found, u0, t)
    return found, torch.autograd.grad(found.square().sum(), (u0, rate, t))


def thrifty(scheme: Any, steps: str) -> Case:
    """States of steps that are taken again; the gradient is not asked for, see :func:`by_the_adjoint`."""

    def case(where: torch.device) -> Any:
        u0, rate = (
            states(where).requires_grad_(),
            torch.ones(1, dtype=torch.float64, device=where).requires_grad_(),
        )
        more = {"steps": steps, "gradient": "checkpoints", "parameters": (rate,)}
        return schemes.solve(lambda t, u: -rate * field(t, u), u0, grid(where), scheme, **more)

    return case


def reversed_steps(scheme: Any) -> Case:
    def case(where: torch.device) -> Any:
        t, start = grid(where), states(where)
        way = Reversal(field, (), scheme, (2, 4))
        found = schemes.march(field, start, t, scheme)
        state = scheme.start(field, t[0], start)
        grads = [found[[2, 4]], *(torch.zeros_like(x) for x in state[1:])]
        return found, way.back(found[[2, 4]], state, t, grads)

    return case


def by_the_adjoint(where: torch.device) -> Any:
    """Solution and way back, called here: inside autograd's backward pass the fake device is not at work."""
    u0, t, rate = states(where), grid(where), torch.ones(1, dtype=torch.float64, device=where).requires_grad_()

    def f(t: Tensor, u: Tensor) -> Tensor:
        return -rate * field(t, u)

    found = schemes.solve(f, u0.clone().requires_grad_(), t, gradient="adjoint", parameters=(rate,))
    adjoint = Adjoint(f, (rate,), to_the_end(schemes.DORMAND_PRINCE, Tolerances(1e-3, 1e-6, None, 99)))
    with torch.no_grad():
        return found, backwards(adjoint, [2, 4], found.u[[2, 4]], u0, t, found.u[[2, 4]])


def noisy(scheme: Any, gradient: str) -> Case:
    """Along a path that is drawn on the CPU; ways back of the adjoint and of the reversal are called here too."""

    def case(where: torch.device) -> Any:
        u0, t, rate = states(where), grid(where), torch.ones(1, dtype=torch.float64, device=where).requires_grad_()
        equation = (lambda t, u: -rate * field(t, u)), (lambda t, u: torch.cos(u) * rate)
        args = (*equation, u0.clone().requires_grad_(), t, schemes.BrownianTree((3, 2)), scheme)
        found = schemes.march_sde(*args, gradient=gradient, parameters=(rate,))
        if gradient in ("backprop", "checkpoints"):
            return found, torch.autograd.grad(found.square().sum(), (args[2], rate))
        with torch.no_grad():
            way = made(*equation, u0, t, args[4], scheme)
            if gradient == "adjoint":
                return found, StochasticAdjoint(way, (rate,)).backwards((2, 4), found[[2, 4]], found[[2, 4]])
            reversal = PathReversal(way, (rate,), (2, 4))
            *_, last = reversal.walk(reversal.start(u0))
            return found, reversal.back(last, [found[2], found[4], *(torch.zeros_like(x) for x in last[1:])])

    return case


def root(where: torch.device) -> Any:
    u0 = states(where)[0].requires_grad_()
    found = schemes.first_root(field, u0, grid(where)[[0, -1]], lambda t, u: u[0] - 0.9)
    return found, torch.autograd.grad(found.t, u0)


def roots(where: torch.device) -> Any:
    """Roots of members, as values and with gradients in the start."""

    def event(t: Tensor, u: Tensor) -> Tensor:
        return u[..., :1] - 0.9

    u0, ends = states(where).requires_grad_(), grid(where)[[0, -1]]
    plain = schemes.first_roots(field, u0.detach(), ends, event, failures="status")
    found = schemes.first_roots(field, u0, ends, event)
    return plain, found, torch.autograd.grad(found.u.sum(), u0)


def lenient(where: torch.device) -> Any:
    """A member that blows up beside others."""
    u0 = torch.tensor([[1.0], [0.1]], dtype=torch.float64, device=where)
    ends = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64, device=where)
    return schemes.solve(lambda t, u: u * u, u0, ends, steps="own", rtol=1e-3, failures="status")


def unrolled(where: torch.device) -> Any:
    last = schemes.unrolled(field, states(where), grid(where), schemes.RungeKutta(schemes.RK4))
    return last, schemes.pair_step(schemes.TSITOURAS, field, grid(where)[0], last, grid(where)[1])


PAIR = ((lambda t, v: torch.sin(v)), (lambda t, u: -u))
SCHEMES: dict[str, Case] = {
    "backward Euler": run(schemes.BackwardEuler()),
    "forward Euler": run(schemes.ForwardEuler()),
    "two steps": run(schemes.LinearTwoStep(0.1)),
    "PolyNet": run(schemes.PolyNet(2)),
    "nested PolyNet": run(schemes.NestedPolyNet(2)),
    "FractalNet": run(schemes.FractalBlock()),
    "RevNet": run(schemes.RevNet(), PAIR),
    "leapfrog": run(schemes.Leapfrog(), PAIR),
    "Yoshida": run(schemes.Yoshida4(), PAIR),
    "implicit midpoint": run(schemes.ImplicitMidpoint()),
    "stochastic depth": run(schemes.StochasticDepth()),
    "stochastic two steps": run(schemes.StochasticTwoStep(0.1)),
    "Shake-Shake": run(schemes.ShakeShake(), (field, lambda t, u: -u)),
    "vmap": batch_of_starts,
    **{
        f"{scheme.name}, {steps} steps": solved(scheme, steps)
        for scheme in (schemes.DORMAND_PRINCE, schemes.RODAS5P)
        for steps in ("common", "own")
    },
    **{
        f"{scheme.name}, {steps} steps, checkpoints": thrifty(scheme, steps)
        for scheme in (schemes.DORMAND_PRINCE, schemes.RODAS5P)
        for steps in ("common", "own")
    },
    **{f"{how}'s gradient": by_euler(how) for how in ("euler", "static euler")},
    "states of another solver": of_given_states,
    "adjoint": by_the_adjoint,
    **{one.name: reversed_steps(one) for one in (schemes.AsynchronousLeapfrog(), schemes.ReversibleHeun())},
    "Euler-Maruyama": noisy(schemes.EulerMaruyama(), "checkpoints"),
    "Euler-Maruyama, adjoint": noisy(schemes.EulerMaruyama(), "adjoint"),
    "Stratonovich Heun": noisy(schemes.StratonovichHeun(), "backprop"),
    "Stratonovich Heun, adjoint": noisy(schemes.StratonovichHeun(), "adjoint"),
    "reversible Heun with noise": noisy(schemes.ReversibleHeun(), "reversible"),
    "first root": root,
    "first roots": roots,
    "a status": lenient,
    "unrolled": unrolled,
    "reduced field": lambda where: schemes.reduced_field(field, 0.1, 0.1)(grid(where)[1], states(where)),
    "amplification": lambda where: [
        schemes.amplification(scheme, states(where))
        for scheme in (schemes.BackwardEuler(), schemes.LinearTwoStep(0.1), schemes.ForwardEuler())
    ],
}


def problem(kind: Any, **options: Any) -> Case:
    def case(where: torch.device) -> Any:
        one = kind(**options, device=where)
        return one.u0, one.f(grid(where)[0], one.u0), one.solution(grid(where)), one.solution(0.5)

    return case


PROBLEMS: dict[str, Case] = {
    "pendulum": problem(problems.Pendulum),
    "time": problem(problems.TimeDependent),
    "linear": problem(problems.LinearSystem),
    "quadratic": problem(problems.Quadratic, kappa=10.0),
}


CASES = {**SCHEMES, **PROBLEMS}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    as_on_the_cpu(CASES[name], device)


def test_a_tree_draws_where_it_is_told(device: Device) -> None:
    """There and twice the same."""
    first, again = (schemes.BrownianTree((3, 2), device=str(device.device)) for _ in range(2))
    for t in (0.5, 0.3, 1.0):
        assert first(t).device.type == device.device.type
        assert bool((first(t) == again(t)).all())


def test_the_cpu_does_not_wait_for_every_step() -> None:
    counts = []
    for steps in (4, 40):
        with fake_device() as fake:
            t = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=fake.device)
            schemes.integrate(field, states(fake.device), t, schemes.RungeKutta(schemes.RK4))
            counts.append(fake.reads)
    assert counts[0] == counts[1] < 10
