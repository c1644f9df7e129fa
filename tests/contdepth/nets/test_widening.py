"""Neurons that stand twice or for nothing: outputs, gradients of autograd, what cannot be widened."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from contdepth.nets import null_neuron, split_neuron
from contdepth.seeds import generator


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(3, purpose), dtype=torch.float64)


def deep(bias: bool = True) -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(2, 3, bias=bias),
        nn.Tanh(),
        nn.Linear(3, 4, bias=bias),
        nn.Softplus(),
        nn.Linear(4, 2, bias=bias),
    ).double()
    for n, part in enumerate(net.parameters()):
        part.data.copy_(noise(*part.shape, purpose=f"part {n}"))
    return net


def gradients(net: nn.Sequential) -> list[Tensor]:
    net.zero_grad()
    (net(noise(7, 2)) - noise(7, 2, purpose="y")).pow(4).mean().backward()
    return [part.grad for part in net.parameters()]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("share", [-0.7, 0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize(("layer", "neuron"), [(0, 1), (2, 3)])
def test_a_split_neuron_leaves_the_output_and_shares_its_gradient(bias, share, layer, neuron):
    net = deep(bias)
    before = copy.deepcopy(net)
    wide = split_neuron(net, layer, neuron, share)
    torch.testing.assert_close(wide(noise(7, 2)), net(noise(7, 2)), rtol=1e-13, atol=1e-13)
    for own, kept in zip(net.parameters(), before.parameters(), strict=True):
        assert torch.equal(own, kept)
    assert wide[layer].out_features == net[layer].out_features + 1 == wide[layer + 2].in_features
    gradients(net)
    gradients(wide)
    first, wider = net[layer], wide[layer]
    close = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(wider.weight.grad[neuron], share * first.weight.grad[neuron], **close)
    torch.testing.assert_close(wider.weight.grad[-1], (1 - share) * first.weight.grad[neuron], **close)
    if bias:
        torch.testing.assert_close(wider.bias.grad[-1], (1 - share) * first.bias.grad[neuron], **close)
    column = net[layer + 2].weight.grad[:, neuron]
    for copied in (neuron, -1):
        torch.testing.assert_close(wide[layer + 2].weight.grad[:, copied], column, **close)


def test_a_null_neuron_is_critical_for_tanh_and_not_where_the_function_of_nothing_is_something():
    net = deep()
    at_rest = null_neuron(net, 0)
    torch.testing.assert_close(at_rest(noise(7, 2)), net(noise(7, 2)), rtol=1e-13, atol=1e-13)
    gradients(at_rest)
    assert not at_rest[0].weight.grad[-1].any() and not at_rest[2].weight.grad[:, -1].any()
    softplus = null_neuron(net, 2)
    gradients(softplus)
    assert softplus[4].weight.grad[:, -1].abs().min() > 1e-6


def test_frozen_parameters_dtype_and_mode_stay():
    net = deep().float().eval()
    net[0].weight.requires_grad_(False)
    wide = split_neuron(net, 0, 0)
    assert not wide[0].weight.requires_grad and wide[0].weight.dtype == torch.float32 and not wide.training
    assert wide[0].bias.requires_grad


def test_what_cannot_be_widened_is_told():
    net = deep()
    with pytest.raises(ValueError, match="^layer: expected a linear layer with another one after it"):
        split_neuron(net, 4, 0)
    with pytest.raises(ValueError, match="^layer: expected the place of an nn.Linear"):
        null_neuron(net, 1)
    with pytest.raises(ValueError, match="^neuron"):
        split_neuron(net, 0, 3)
    normed = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    with pytest.raises(ValueError, match="^model: expected nothing with parameters"):
        split_neuron(normed, 0, 0)
