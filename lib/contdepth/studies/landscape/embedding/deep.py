"""Gradients of split neurons in a net of two hidden layers, by autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth.nets import split_neuron
from contdepth.seeds import generator
from contdepth.studies.landscape.embedding.splitting import SHARES

__all__ = ["gradient_error"]


def gradient_error() -> float:
    """Largest relative difference between the gradients of two copies and α, 1 - α and 1 times those of the neuron."""
    source = generator(0, "deep")
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    for part in net.parameters():
        part.data.copy_(torch.randn(part.shape, generator=source, dtype=torch.float64))
    x, y = (torch.randn(20, size, generator=source, dtype=torch.float64) for size in (3, 2))
    worst = 0.0
    for layer in (0, 2):
        for share in SHARES:
            wide = split_neuron(net, layer, 1, share)
            for one in (net, wide):
                one.zero_grad()
                (one(x) - y).square().mean().backward()
            pairs = [
                (wide[layer].weight.grad[row], part * net[layer].weight.grad[1]) for row, part in _rows(share)
            ]
            pairs += [(wide[layer + 2].weight.grad[:, k], net[layer + 2].weight.grad[:, 1]) for k in (1, -1)]
            worst = max(worst, *(_apart(*pair) for pair in pairs))
    return worst


def _rows(share: float) -> tuple[tuple[int, float], tuple[int, float]]:
    return (1, share), (-1, 1 - share)


def _apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())
