"""Sweeps over all layers at once: against the serial solve, backpropagation and a parareal written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contdepth.schemes import Layers, Multigrid, parallel_adjoints, parallel_states

PLANS = [Multigrid((8,)), Multigrid((8,), "FCF"), Multigrid((4, 4)), Multigrid((2, 4, 2), "FCF")]


def branch(u: Tensor, K: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(u @ K + b[:, None])


def weights(layers: int, width: int, smooth: bool = True) -> tuple[Tensor, Tensor]:
    """Smooth in depth, or drawn anew for each layer."""
    rng = torch.Generator().manual_seed(3)
    count = 3 if smooth else layers
    K = torch.randn(count, width, width, generator=rng, dtype=torch.float64) / math.sqrt(width)
    b = torch.randn(count, width, generator=rng, dtype=torch.float64) / 2
    t = (torch.arange(layers, dtype=torch.float64) + 0.5) / layers
    modes = torch.cos(math.pi * t[:, None] * torch.arange(3)) if smooth else torch.eye(layers, dtype=torch.float64)
    return torch.einsum("nk,kij->nij", modes, K), modes @ b


def net(layers: int = 64, width: int = 6, smooth: bool = True) -> tuple[Layers, Tensor]:
    u0 = torch.randn(5, width, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    return Layers(branch, weights(layers, width, smooth), 1 / layers), u0


def size(x: Tensor) -> float:
    return x.abs().max().item()


def parareal(layers: Layers, u0: Tensor, m: int, sweeps: int) -> list[Tensor]:
    """C-points by the formula U_{j+1} = G(U_j new) + F(U_j) - G(U_j), one interval after the other."""
    K, b = layers.weights

    def coarse(j: int, u: Tensor) -> Tensor:
        return u + m * layers.h * torch.tanh(u @ K[j * m] + b[j * m])

    def fine(j: int, u: Tensor) -> Tensor:
        for n in range(j * m, (j + 1) * m):
            u = u + layers.h * torch.tanh(u @ K[n] + b[n])
        return u

    found = [u0]
    for j in range(len(layers) // m):
        found.append(coarse(j, found[-1]))
    for _ in range(sweeps):
        old, found = found, [u0]
        for j in range(len(layers) // m):
            found.append(coarse(j, found[-1]) + fine(j, old[j]) - coarse(j, old[j]))
    return found


@pytest.mark.parametrize("sweeps", [0, 1, 2, 3])
def test_two_levels_are_parareal(sweeps: int) -> None:
    layers, u0 = net(32)
    found = parallel_states(layers, u0, Multigrid((4,)), sweeps)
    assert size(found[::4] - torch.stack(parareal(layers, u0, 4, sweeps))) < 1e-13


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_error_falls_tenfold_a_sweep_on_smooth_weights(plan: Multigrid) -> None:
    layers, u0 = net(256)
    exact = layers.states(u0)
    errors = [size(parallel_states(layers, u0, plan, sweeps) - exact) for sweeps in range(4)]
    assert all(after < before / 10 for before, after in zip(errors, errors[1:], strict=False)), errors


def test_on_weights_drawn_for_each_layer_it_falls_more_slowly() -> None:
    errors = {}
    for smooth in (True, False):
        layers, u0 = net(256, smooth=smooth)
        exact = layers.states(u0)
        errors[smooth] = [size(parallel_states(layers, u0, Multigrid((16,)), k) - exact) for k in (0, 3)]
    gain = {smooth: (first / last) ** (1 / 3) for smooth, (first, last) in errors.items()}
    assert gain[True] > 2 * gain[False] > 2


@pytest.mark.parametrize(("relaxation", "a_sweep"), [("F", 1), ("FCF", 2)])
def test_blocks_are_exact_one_after_the_other(relaxation: str, a_sweep: int) -> None:
    layers, u0 = net(smooth=False)
    exact, plan = layers.states(u0), Multigrid((8,), relaxation)
    for sweeps in (1, 2, 4):
        away = (parallel_states(layers, u0, plan, sweeps) - exact).flatten(1).abs().amax(1)
        known = 8 * (a_sweep * sweeps + 1)  # from an exact C-point the block behind it is exact too
        assert away[:known].max() < 1e-13
        assert known >= len(away) or away[known] > 1e-9


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_serial_solution_stays(plan: Multigrid) -> None:
    layers, u0 = net(smooth=False)
    exact = layers.states(u0)
    assert size(parallel_states(layers, u0, plan, 1, start=exact) - exact) < 1e-13
    last = exact[-1].sin()
    back = layers.adjoints(exact, last)
    assert size(parallel_adjoints(layers, exact, last, plan, 1, start=back) - back) < 1e-13


def test_a_warm_start_begins_where_it_is_told() -> None:
    layers, u0 = net()
    exact = layers.states(u0)
    near = exact + 1e-6 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(0), dtype=exact.dtype)
    kept = near.clone()
    warm, cold = (parallel_states(layers, u0, PLANS[0], 1, start=start) - exact for start in (near, None))
    assert size(warm) < 1e-6 < 1e-5 < size(cold)
    assert torch.equal(near, kept)


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_after_enough_sweeps_the_gradient_is_that_of_backpropagation(plan: Multigrid, smooth: bool) -> None:
    layers, u0 = net(smooth=smooth)
    held = [one.clone().requires_grad_() for one in layers.weights]
    begin = u0.clone().requires_grad_()
    last = Layers(branch, held, layers.h).states(begin)[-1]
    exact = torch.autograd.grad(last.sin().sum(), [begin, *held])
    states = parallel_states(layers, u0, plan, 16)
    adjoints = parallel_adjoints(layers, states, states[-1].cos(), plan, 16)
    for found, wanted in zip([adjoints[0], *layers.gradients(states, adjoints)], exact, strict=True):
        assert size(found - wanted) < 1e-12 * max(1, size(wanted))


def test_adjoints_are_derivatives() -> None:
    """p_n against finite differences of the loss in u_n, and a weight's gradient likewise."""
    layers, u0 = net(16, 3)
    states = layers.states(u0)
    adjoints = layers.adjoints(states, states[-1].cos())

    def loss(n: int, u: Tensor, last: int = 16) -> Tensor:
        for i in range(n, last):
            u = layers.step(slice(i, i + 1), 1, u[None])[0]
        return u.sin().sum()

    for n in (0, 7, 15):
        way, e = states[3] + 0.1, 1e-6
        slope = (loss(n, states[n] + e * way) - loss(n, states[n] - e * way)) / (2 * e)
        assert abs(slope - (adjoints[n] * way).sum()) < 1e-8 * abs(slope)
    grown = layers.gradients(states, adjoints)
    ends = []
    for change in (1e-6, -1e-6):
        moved = [one.clone() for one in layers.weights]
        moved[0][5, 1, 2] += change
        ends.append(Layers(branch, moved, layers.h).states(u0)[-1].sin().sum())
    assert abs((ends[0] - ends[1]) / 2e-6 - grown[0][5, 1, 2]) < 1e-8


def test_inexact_gradients_come_near() -> None:
    layers, u0 = net()
    states = layers.states(u0)
    exact = layers.gradients(states, layers.adjoints(states, states[-1].cos()))[0]
    gaps = []
    for sweeps in (1, 2, 3):
        states = parallel_states(layers, u0, PLANS[0], sweeps)
        adjoints = parallel_adjoints(layers, states, states[-1].cos(), PLANS[0], sweeps)
        gaps.append(size(layers.gradients(states, adjoints)[0] - exact) / size(exact))
    assert gaps[0] < 0.1 and gaps[1] < gaps[0] / 10 and gaps[2] < gaps[1] / 10


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_sequential_steps_are_the_calls_of_the_branch(plan: Multigrid, warm: bool) -> None:
    calls = []

    def counting(u: Tensor, K: Tensor, b: Tensor) -> Tensor:
        calls.append(len(u))
        return branch(u, K, b)

    layers, u0 = net()
    layers = Layers(counting, layers.weights, layers.h)
    states = parallel_states(layers, u0, plan, 2, start=u0.expand(65, *u0.shape) if warm else None)
    assert len(calls) == plan.sequential_steps(64, 2, warm=warm)
    calls.clear()
    parallel_adjoints(layers, states, u0, plan, 2, start=states if warm else None)
    assert len(calls) == plan.sequential_steps(64, 2, warm=warm)


def test_the_count_of_the_text() -> None:
    """N = 1024, m = 16, two sweeps: 64 + 2 (16 + 64) = 224, a coarse step of all blocks a sweep, 15 at the end."""
    assert Multigrid((16,)).sequential_steps(1024, 2) == 224 + 2 + 15


def test_a_branch_without_state_or_weight_has_no_gradient() -> None:
    layers = Layers(lambda u, w: torch.ones_like(u), (torch.ones(4, 1),), 0.25)
    states = layers.states(torch.zeros(2))
    assert torch.equal(layers.adjoints(states, torch.ones(2)), torch.ones(5, 2))
    assert torch.equal(layers.gradients(states, torch.ones(5, 2))[0], torch.zeros(4, 1))


def test_float32_stays() -> None:
    layers, u0 = net()
    single = Layers(branch, [one.float() for one in layers.weights], layers.h)
    found = parallel_states(single, u0.float(), PLANS[2], 3)
    assert found.dtype == torch.float32
    assert size(found.double() - parallel_states(layers, u0, PLANS[2], 3)) < 1e-5


def test_the_graph_goes_through_the_serial_states_alone() -> None:
    layers, u0 = net(8)
    assert layers.states(u0.requires_grad_()).requires_grad
    assert not parallel_states(layers, u0, Multigrid((2,)), 1).requires_grad


def wrong_plan() -> object:
    layers, u0 = net(12)
    return parallel_states(layers, u0, Multigrid((8,)), 1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (wrong_plan, "plan: expected coarsening whose product divides 12 layers"),
        (lambda: Multigrid(()), "coarsening: expected at least one"),
        (lambda: Multigrid((1,)), "coarsening: expected a number >= 2"),
        (lambda: Multigrid((2,), "CF"), "relaxation: expected one of"),
        (lambda: Layers(branch, (), 0.1), "weights: expected at least one"),
        (lambda: Layers(branch, (torch.ones(3), torch.ones(2)), 0.1), "weights: expected tensors"),
        (lambda: Layers(branch, (torch.ones(3),), 0.0), "h: expected a number > 0"),
        (lambda: net(8)[0].adjoints(torch.ones(8, 2).double(), torch.ones(2)), "states: expected shape (9, ...)"),
        (lambda: Layers(lambda u, w: u[:, :1], (torch.ones(2),), 1.0).states(torch.ones(3)), "f(u, *weights)"),
    ],
)
def test_what_does_not_fit_is_named(call: object, sentence: str) -> None:
    with pytest.raises(
        ValueError, match="^" + sentence.replace("(", "\\(").replace(")", "\\)").replace("*", "\\*")
    ):
        call()  # type: ignore[operator]
