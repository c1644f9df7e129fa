"""Damped nets: the ends λ = 0 and λ = 1, the linear test equation, Euler's stability, gradients in k."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from contdepth.nets import DampedNet, ResidualNet, damped_resnet, parameter_count, resnet
from contdepth.nets.plan import Plan, Stage
from contdepth.schemes import ForwardEuler, amplification
from contdepth.seeds import generator

SMALL = {"width": 3, "in_channels": 1, "num_classes": 4, "seed": 3}


def images() -> Tensor:
    return torch.rand(5, 1, 8, 8, generator=generator(0, "images"), dtype=torch.float64)


def used(model: ResidualNet) -> ResidualNet:
    """The net in float64 with batch norms that have seen something, in evaluation mode."""
    model = model.double()
    with torch.no_grad():
        for k in range(2):
            model(images() + k / 5)
    return model.eval()


def by_hand(net: ResidualNet, x: Tensor, keep: float, gain: float) -> Tensor:
    """The net's blocks with their own ``keep`` u + ``gain`` f where neither first nor changing shape."""
    u = net.stem(x)
    for n, (branch, shortcut) in enumerate(zip(net.branches, net.shortcuts, strict=True)):
        damped = n > 0 and isinstance(shortcut, nn.Identity)
        u = keep * u + gain * branch(u) if damped else shortcut(u) + branch(u)
    return net.head(u)


@pytest.mark.parametrize("model", ["in", "lambda-in"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_the_ends_are_the_resnet_and_the_net_without_skips(model, block):
    depth = 20 if block == "basic" else 29
    net = used(damped_resnet(depth, block, model=model, damping=0.0, **SMALL))
    plain = resnet(depth, block, **SMALL).double().eval()
    plain.load_state_dict({name: part for name, part in net.state_dict().items() if name != "fixed"})
    torch.testing.assert_close(net(images()), plain(images()), rtol=0, atol=1e-12)
    net.fixed.fill_(1.0)
    gain = 1.0 if model == "in" else 2.0
    torch.testing.assert_close(net(images()), by_hand(plain, images(), 0.0, gain), rtol=0, atol=1e-12)
    assert not torch.allclose(net(images()), plain(images()), atol=1e-3)


@pytest.mark.parametrize(("model", "gain"), [("in", 1.0), ("lambda-in", 1.25)])
def test_between_the_ends_state_and_branch_have_their_factors(model, gain):
    net = used(damped_resnet(20, model=model, damping=0.25, **SMALL))
    torch.testing.assert_close(net(images()), by_hand(net, images(), 0.75, gain), rtol=1e-12, atol=0)


def silent(blocks: int, damping: float, slope: float = 0.0, model: str = "in") -> DampedNet:
    """A net of one stage whose branches are f(u) = ``slope`` u."""
    plan = Plan("line", "basic", 2, (Stage(blocks, 2, 2, 1),))
    net = DampedNet(plan, model=model, damping=damping, in_channels=1, num_classes=2).double()

    class Line(nn.Module):
        def forward(self, u: Tensor) -> Tensor:
            return slope * u

    net.branches = nn.ModuleList(Line() for _ in range(blocks))
    return net.eval()


@pytest.mark.parametrize("damping", [0.0, 0.25, 1.0, 1.875, 2.125])
def test_without_branches_states_fade_as_euler_says(damping):
    states = list(silent(9, damping).trajectory(images()))
    assert len(states) == 10
    factor = amplification(ForwardEuler(), torch.tensor([-damping], dtype=torch.float64)).real.item()
    torch.testing.assert_close(states[-1], states[0] * factor**8, rtol=1e-12, atol=0)
    grows = bool(states[-1].abs().max() > states[0].abs().max() * (1 + 1e-12))
    assert grows == (damping > 2)


@pytest.mark.parametrize(("model", "factor"), [("in", 0.75 - 0.5), ("lambda-in", 0.75 - 1.25 * 0.5)])
def test_the_linear_test_equation_shrinks_by_the_factor_of_its_model(model, factor):
    states = list(silent(4, 0.25, -0.5, model).trajectory(images()))
    torch.testing.assert_close(states[3], states[2] * factor, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("model", "sign"), [("in", -1), ("lambda-in", 1)])
def test_learned_damping_starts_as_released_and_moves_by_its_gradient(model, sign):
    net = used(damped_resnet(20, model=model, **SMALL))
    rates = net.damping
    assert rates.shape == (6,) and rates.min() >= 0.2 and rates.max() <= 0.25
    assert rates.unique().numel() == 6
    torch.testing.assert_close(net.k.detach(), 1 - rates if model == "in" else rates)
    net(images()).square().sum().backward()
    step, k = 1e-6, net.k.detach().clone()
    for place in (0, 5):
        values = []
        for side in (1, -1):
            with torch.no_grad():
                net.k.copy_(k)
                net.k[place] += side * step
                values.append(net(images()).square().sum())
        found = (values[0] - values[1]) / (2 * step)
        assert net.k.grad[place].item() == pytest.approx(found.item(), rel=1e-5)
    with torch.no_grad():
        net.k.copy_(k - 100 * sign)
        assert not net.damping.any(), "never negative"
        net.k.copy_(k + 2 * sign)
        assert net.damping.min() > 1, "not bounded above"


def test_equal_seeds_are_equal_weights_and_k_is_all_that_is_more():
    plain, net = resnet(20, **SMALL), damped_resnet(20, **SMALL)
    for name, part in plain.named_parameters():
        assert torch.equal(part, dict(net.named_parameters())[name])
    assert parameter_count(net) == parameter_count(plain) + 6
    assert torch.equal(net.k, damped_resnet(20, **SMALL).k)
    assert not torch.equal(net.k, damped_resnet(20, **{**SMALL, "seed": 4}).k)
    assert "lambda-in" in repr(damped_resnet(8, model="lambda-in", damping=0.5))


@pytest.mark.parametrize(
    ("argument", "given"),
    [("model", {"model": "out"}), ("damping", {"damping": -0.1}), ("width", {"width": 0})],
)
def test_settings_outside_their_range_are_told(argument, given):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        damped_resnet(8, **given)


@pytest.mark.parametrize("start", [(0.3,), (0.3, 0.2), (-1, 0)])
def test_an_interval_that_is_none_is_told(start):
    with pytest.raises(ValueError, match="^start: expected"):
        DampedNet(resnet(8).plan, start=start)
