"""Small nets of all seeds as one batch: their start, their functions, and the tangent kernel of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev

from contdepth.seeds import generator

__all__ = ["Design", "mode_rates", "outputs", "start"]


@dataclass(frozen=True)
class Design:
    """A net from one number to one number: ``hidden`` widths, its ``activation``, and the size of its start.

    ``"tanh"``, ``"relu"`` or ``"sine"``, which is sin(10 z). Weights and biases start as PyTorch's linear layers
    do, uniformly in ±1/√inputs, times ``scale``.
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    scale: float = 1.0

    def __call__(self, z: Tensor) -> Tensor:
        """The activation of z."""
        if self.activation == "sine":
            return torch.sin(10 * z)
        return torch.tanh(z) if self.activation == "tanh" else torch.relu(z)


def start(design: Design, seeds: Sequence[int], inputs: int = 1, last: int = 1) -> list[Tensor]:
    """W (S, in, out), b (S, 1, out) of layer after layer, float64, each seed from its own stream."""
    sizes = (inputs, *design.hidden, last)
    parameters = []
    for layer, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
        drawn = []
        for seed in seeds:
            source = generator(seed, f"start/{layer}")
            drawn.append(2 * torch.rand(before + 1, after, generator=source, dtype=torch.float64) - 1)
        both = torch.stack(drawn) * design.scale / before**0.5
        parameters += [both[:, :-1].contiguous(), both[:, -1:].contiguous()]
    return parameters


def outputs(design: Design, parameters: Sequence[Tensor], x: Tensor) -> Tensor:
    """x (n, inputs) or (S, n, inputs) → (S, n, last)."""
    state = x
    for layer in range(0, len(parameters), 2):
        state = state @ parameters[layer] + parameters[layer + 1]
        if layer + 2 < len(parameters):
            state = design(state)
    return state


def mode_rates(design: Design, parameters: Sequence[Tensor], x: Tensor, modes: Sequence[int]) -> Tensor:
    """vᵀKv/n for v = √2 sin kx, K the tangent kernel of every seed at its start; (S, len(modes)).

    The rate at which gradient descent on the mean of squares/2 begins to lower an error that is this mode alone.
    """
    waves = torch.stack([torch.sin(k * x[:, 0]) for k in modes], 1) * 2**0.5
    rates = []
    for seed in range(len(parameters[0])):
        own = [part[seed : seed + 1].to(x.dtype) for part in parameters]

        def projected(*parts: Tensor) -> Tensor:
            return waves.T @ outputs(design, parts, x)[0, :, 0] / len(x)

        slopes = jacrev(projected, argnums=tuple(range(len(own))))(*own)
        rates.append(sum(slope.flatten(1).square().sum(1) for slope in slopes))
    return torch.stack(rates)
