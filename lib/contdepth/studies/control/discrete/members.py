"""Fully connected nets side by side: states forward and co-states backward by their formulas, without autograd."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Members", "Sweep", "accuracies", "squared_hinge", "sweep"]

EPSILON = 1e-4
"""Added to the variances of a batch, as in the authors' code."""


@dataclass
class Members:
    """S nets of equal sizes: ``weights[t]`` (S, in, out); ``scales[t]``, ``offsets[t]`` (S, 1, out) of the norms.

    Layer t is x ↦ ReLU(scale·(z - mean z)/√(var z + 1e-4) + offset) with z = x θ_t, moments over the batch; the
    last layer has no ReLU. Nothing has a bias.
    """

    weights: list[Tensor]
    scales: list[Tensor]
    offsets: list[Tensor]

    def everything(self) -> list[Tensor]:
        """Weights, then scales, then offsets."""
        return [*self.weights, *self.scales, *self.offsets]


@dataclass
class Sweep:
    """Of one batch: ``losses`` (S,), means; ``final`` (S, B, classes); ``slopes``, -∂J/∂ of ``everything()``."""

    losses: Tensor
    final: Tensor
    slopes: list[Tensor]


def squared_hinge(final: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over batch and classes of max(0, 1 - s x)², s = 1 for the label and -1 else, (S,); and -∂ of it in x.

    ``final`` (S, B, classes), ``y`` (S, B): the loss of the authors' nets of binary weights.
    """
    signs = torch.full_like(final, -1.0).scatter_(2, y[..., None], 1.0)
    gap = torch.relu(1 - signs * final)
    return gap.square().mean((1, 2)), 2 * signs * gap / final[0].numel()


def cross_entropy(final: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy (S,) and -∂ of it in x: the loss of their net of ternary weights on MNIST."""
    log = final.log_softmax(2)
    hot = torch.zeros_like(final).scatter_(2, y[..., None], 1.0)
    return -(log * hot).sum((1, 2)) / final.shape[1], (hot - log.exp()) / final.shape[1]


LOSSES = {"squared hinge": squared_hinge, "cross-entropy": cross_entropy}


def forward(nets: Members, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """x_T, and of every layer its input, the normalised z and 1/√(var z + 1e-4)."""
    kept = []
    last = len(nets.weights) - 1
    for t, weights in enumerate(nets.weights):
        z = torch.bmm(x, weights)
        z = z - z.mean(1, keepdim=True)
        rate = (z.square().mean(1, keepdim=True) + EPSILON).rsqrt()
        z = z * rate
        kept.append((x, z, rate))
        x = torch.addcmul(nets.offsets[t], nets.scales[t], z)
        x = x if t == last else x.relu_()
    return x, kept


def sweep(nets: Members, x: Tensor, y: Tensor, loss: str = "squared hinge", of_norms: bool = True) -> Sweep:
    """States and co-states of the batches ``x`` (S, B, in) with labels ``y`` (S, B), and the slopes of all H_t.

    p_T = -∇ℓ/B. Back through a layer, with g = p_{t+1}·[x_{t+1} > 0]: the slopes of offset and scale are Σ_i g and
    Σ_i g ẑ; q = scale·(g - mean g - ẑ mean(g ẑ))/√(var + 1e-4); M_t = Σ_i x_t q, the slope of θ_t, and
    p_t = θ_t q. The moments couple the samples, so that H_t is a function of the batch. ``of_norms=False`` leaves
    the slopes of scales and offsets at 0.
    """
    final, kept = forward(nets, x)
    losses, g = LOSSES[loss](final, y)
    slopes = [torch.zeros_like(part) for part in nets.scales + nets.offsets]
    of_weights, count = [], len(kept)
    for t in reversed(range(count)):
        before, z, rate = kept[t]
        both = (g * z).mean(1, keepdim=True)
        one = g.mean(1, keepdim=True)
        if of_norms:
            slopes[t], slopes[count + t] = both * z.shape[1], one * z.shape[1]
        q = nets.scales[t] * rate * (g - one - z * both)
        of_weights.append(torch.bmm(before.mT, q))
        if t:
            g = torch.bmm(q, nets.weights[t].mT) * (before > 0)
    return Sweep(losses, final, of_weights[::-1] + slopes)


def accuracies(nets: Members, train: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Share of right answers to ``x`` (N, in), (S,); the moments of every layer are those of all of ``train``."""
    count = len(nets.weights[0])
    here, there = train.expand(count, -1, -1), x.expand(count, -1, -1)
    for t, weights in enumerate(nets.weights):
        z, w = torch.bmm(here, weights), torch.bmm(there, weights)
        mean = z.mean(1, keepdim=True)
        rate = ((z - mean).square().mean(1, keepdim=True) + EPSILON).rsqrt() * nets.scales[t]
        here, there = (z - mean) * rate + nets.offsets[t], (w - mean) * rate + nets.offsets[t]
        if t < len(nets.weights) - 1:
            here, there = here.relu_(), there.relu_()
    return (there.argmax(2) == y).double().mean(1)
