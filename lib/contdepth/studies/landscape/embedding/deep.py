"""Gradients of split neurons in a net of two hidden layers, by autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth.nets import split_neuron
from contdepth.seeds import generator
from contdepth.studies.landscape.embedding.splitting import SHARES

__all__ = ["gradient_error"]


def gradient_error() -> float:
    """Largest relative difference between the gradients of copies and α, 1 - α or 1 times those of the neuron."""
    source = generator(0, "deep")
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    for part in net.parameters():
        part.data.copy_(torch.randn(part.shape, generator=source, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=source, dtype=torch.float64) for size in (3, 2))
    worst = 0.0
    for layer in (0, 2):
        for share in SHARES:
            wide = split_neuron(net, layer, 1, share)
            (into, out), (wide_into, wide_out) = (_gradients(one, layer, x, y) for one in (net, wide))
            pairs = [(wide_into[row], part * into[1]) for row, part in ((1, share), (-1, 1 - share))]
            pairs += [(wide_out[:, column], out[:, 1]) for column in (1, -1)]
            worst = max(worst, *(float((found - wanted).norm() / wanted.norm()) for found, wanted in pairs))
    return worst


def _gradients(net: nn.Sequential, layer: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Of the mean of squares by the incoming weights of a layer's neurons and by the outgoing ones."""
    parameters = dict(net.named_parameters())
    wanted = [parameters[f"{layer}.weight"], parameters[f"{layer + 2}.weight"]]
    first, second = torch.autograd.grad((net(x) - y).square().mean(), wanted)
    return first, second
