"""Nets with the step as a factor: Euler steps, copies that change the net by O(h), and their limit."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from contdepth.nets import ResidualNet, SteppedNet, parameter_count, prolong, resnet, stepped_resnet


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def used(*blocks: int, **options: float) -> SteppedNet:
    """A net in float64 whose batch norms have met images, in evaluation mode."""
    model = stepped_resnet(blocks, width=3, in_channels=1, num_classes=3, seed=2, **options).double()
    with torch.no_grad():
        model(noise(16, 1, 6, 6).double())
    return model.eval()


def states(model: SteppedNet) -> Tensor:
    """The last state of four images."""
    with torch.no_grad():
        *_, last = model.trajectory(noise(4, 1, 6, 6).double())
    return last


def chain(model: SteppedNet, times: int, grow: float = 1.0) -> list[SteppedNet]:
    """The net and its finer copies, the steps of each multiplied by ``grow``, as a wrong copy would have them."""
    nets = [model]
    for _ in range(times):
        nets.append(prolong(nets[-1]))
        nets[-1].h.mul_(grow)
    return nets


def test_a_block_adds_h_times_its_branch() -> None:
    model = used(2, 3)
    u = list(model.trajectory(noise(4, 1, 6, 6).double()))
    for n, h in enumerate((1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3)):
        torch.testing.assert_close(
            u[n + 1], model.shortcuts[n](u[n]) + h * model.branches[n](u[n]), atol=1e-6, rtol=0
        )


def test_a_step_of_one_is_the_residual_net_to_the_bit() -> None:
    plain = resnet(20, width=4, seed=3)
    model = stepped_resnet((3, 3, 3), width=4, time=3, seed=3)
    assert model.h.tolist() == [1.0] * 9 and isinstance(model, ResidualNet)
    assert torch.equal(model(noise(2, 3, 8, 8)), plain(noise(2, 3, 8, 8)))


def test_copies_are_whole_and_independent() -> None:
    model = used(2, 2)
    model.branches[0][0][0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    finer = prolong(model)
    origins = [0, 0, 1, 1, 2, 3, 3]  # block 2 changes the shape and stays single
    assert finer.plan.name == "4-3" and [s.blocks for s in finer.plan.stages] == [4, 3]
    assert finer.starts_stage == [True, False, False, False, True, False, False] and not finer.branches[1].training
    assert finer.h.tolist() == [0.25] * 4 + [0.5, 0.25, 0.25] and finer.h.dtype == torch.float64
    for n, origin in enumerate(origins):
        theirs = model.branches[origin].state_dict()
        assert len(theirs) == 12  # two convolutions, and of two batch norms five entries each
        for name, value in finer.branches[n].state_dict().items():
            assert torch.equal(value, theirs[name]) and value.data_ptr() != theirs[name].data_ptr()
    assert float(theirs["0.0.running_mean"].abs().sum()) > 0  # type: ignore[possibly-undefined]
    frozen = [not finer.branches[n][0][0].weight.requires_grad for n in range(7)]
    assert frozen == [True, True, False, False, False, False, False]
    with torch.no_grad():
        finer.branches[0][0][2].weight.zero_()
    assert float(finer.branches[1][0][2].weight.detach().abs().sum()) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_copy_adds_the_parameters_of_the_doubled_blocks() -> None:
    model = stepped_resnet((2, 2), width=4)
    own = [parameter_count(branch) for branch in model.branches]
    assert own[0] == 2 * 9 * 4 * 4 + 2 * 2 * 4
    assert parameter_count(prolong(model)) == parameter_count(model) + own[0] + own[1] + own[3]


def limit(model: SteppedNet) -> Tensor:
    """Where the net goes if its blocks are halved for ever: the exact flow of every f_n for the time h_n."""
    with torch.no_grad():
        u = model.stem(noise(4, 1, 6, 6).double())
        for branch, h in zip(model.branches, model.h.tolist(), strict=True):

            def field(t: float, y: np.ndarray, f: nn.Module = branch, shape: torch.Size = u.shape) -> np.ndarray:
                return f(torch.as_tensor(y).reshape(shape)).flatten().numpy()

            path = solve_ivp(field, (0, h), u.flatten().numpy(), rtol=1e-8, atol=1e-10)
            u = torch.as_tensor(path.y[:, -1]).reshape(u.shape)
    return u


def test_halving_for_ever_is_the_flow_to_first_order() -> None:
    """The distance to SciPy's solution falls like h, and so does the change from one net to the next."""
    model = used(2)
    reached = [states(one) for one in chain(model, 7)]
    distances = [float((one - limit(model)).norm()) for one in reached[-3:]]
    changes = [float((b - a).norm()) for a, b in pairwise(reached)]
    assert [math.log2(a / b) for a, b in pairwise(distances)] == pytest.approx([1, 1], abs=0.06)
    assert math.log2(changes[-2] / changes[-1]) == pytest.approx(1, abs=0.06)
    assert distances[-1] < 0.02 * float(limit(model).norm())


def test_copies_that_keep_their_step_go_elsewhere() -> None:
    reached = [states(one) for one in chain(used(2), 5, grow=2.0)]
    changes = [float((b - a).norm()) for a, b in pairwise(reached)]
    assert math.log2(changes[-2] / changes[-1]) < 0


def test_what_one_block_changes_by() -> None:
    """Two half steps against one: h/2 (f(u + h/2 f(u)) - f(u)), written out."""
    model = used(1, time=0.1)
    with torch.no_grad():
        u, f = model.stem(noise(4, 1, 6, 6).double()), model.branches[0]
        change = 0.05 * (f(u + 0.05 * f(u)) - f(u))
    torch.testing.assert_close(states(prolong(model)) - states(model), change, rtol=0, atol=1e-8)
    assert float(change.norm()) > 1e-4


def test_each_copy_has_half_of_the_gradient() -> None:
    """By a weight of the original block, its gradient; by the same weight of both copies, half to first order."""
    x, far = noise(4, 1, 6, 6).double(), []
    for model in chain(used(2), 5)[2:]:
        grads = []
        for one in (model, prolong(model)):
            one(x).square().sum().backward()
            grads.append([branch[0][2].weight.grad for branch in one.branches])
        coarse, fine = grads
        halves = [torch.stack([fine[2 * n], fine[2 * n + 1]]) - coarse[n] / 2 for n in range(len(coarse))]
        far.append(float(torch.cat(halves).norm() / torch.stack(coarse).norm()))
    assert far[-1] < 0.05 and math.log2(far[-2] / far[-1]) == pytest.approx(1, abs=0.2)


def test_a_net_in_training_goes_on_after_it() -> None:
    """Forty steps, copies, and a new optimiser: the loss hardly moves, falls on, and the old net stays."""
    x, y = noise(24, 1, 6, 6), torch.arange(24) % 3
    model = stepped_resnet((4,), width=4, in_channels=1, num_classes=3, seed=0)

    def steps(net: SteppedNet) -> list[float]:
        optimiser, found = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), []
        for _ in range(40):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        return found

    first = steps(model)
    kept = [p.detach().clone() for p in model.parameters()]
    finer = prolong(model)
    assert finer.training and all(p.grad is None for p in finer.parameters())
    second = steps(finer)
    assert first[-1] < 0.8 * first[0] and abs(second[0] - first[-1]) < 0.1 * first[0] and second[-1] < second[0]
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="model: expected a SteppedNet, found ResidualNet; stepped_resnet"):
        prolong(resnet(8, width=2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="blocks: expected at least one stage, found none"):
        stepped_resnet(())
    with pytest.raises(TypeError, match="blocks: expected a sequence, found 4"):
        stepped_resnet(4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time: expected a number > 0"):
        stepped_resnet((2,), time=0)
