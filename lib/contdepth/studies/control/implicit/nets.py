"""Nets of Euler steps on pictures, several members side by side: one stem, blocks of one kind, one head."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth.nets import Dissipative, implicit_euler, relaxed_euler
from contdepth.nets.implicit.step import ImplicitStep
from contdepth.seeds import generator

__all__ = ["KINDS", "Generic", "Net", "Sizes", "Ways", "advance"]

TOLERANCE = 1e-6
KINDS = ("implicit", "explicit", "short steps", "bounded", "usual blocks", "relaxed")


@dataclass(frozen=True)
class Ways:
    """How a block goes ahead. ``kind`` is one of ``KINDS``; the last two have the usual blocks of a ResNet.

    ``h``: the step; ``parts``: explicit steps of h/parts each in a block of "short steps", ``steps`` and ``rate``
    of the relaxed one. "bounded" goes by 2/‖W‖² in place of h.
    """

    kind: str = "implicit"
    h: float = 0.5
    parts: int = 8
    steps: int = 5
    rate: float = 0.3


class Generic(nn.Module):
    """f(y) = A tanh(W y + b) for members: A (members, width, hidden), W (members, hidden, width), b (…, hidden).

    A net taken out of the members has no first dimension.
    """

    def __init__(self, out: Tensor, into: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out, self.weight, self.bias = (nn.Parameter(part) for part in (out, into, bias))

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(affine(y, self.weight, self.bias)) @ self.out.mT


def affine(y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """W y + b, member by member where there are any."""
    return y @ weight.mT + (bias.unsqueeze(1) if weight.ndim == 3 else bias)


def bounded_euler(block: Dissipative, y: Tensor) -> Tensor:
    """y + 2/‖W‖² f(y), the longest explicit step that enlarges no distance: the layer of Meunier et al. 2022."""
    longest = 2 / torch.linalg.matrix_norm(block.weight, 2).square()
    return y + (longest[:, None, None] if longest.ndim else longest) * block(y)


def advance(ways: Ways, block: nn.Module, y: Tensor) -> tuple[Tensor, int]:
    """The state behind a block, and how often its field was evaluated or its Jacobian applied."""
    if ways.kind == "implicit":
        found: ImplicitStep = implicit_euler(block, y, ways.h, tolerance=TOLERANCE)
        return found.state, found.evaluations
    if ways.kind == "relaxed":
        return relaxed_euler(block, y, ways.h, steps=ways.steps, rate=ways.rate), 1 + 2 * ways.steps
    if ways.kind == "bounded":
        assert isinstance(block, Dissipative)
        return bounded_euler(block, y), 1
    parts = ways.parts if ways.kind == "short steps" else 1
    for _ in range(parts):
        y = y + ways.h / parts * block(y)
    return y, parts


def drawn(seeds: Sequence[int], purpose: str, *shape: int) -> Tensor:
    """Normal numbers over the root of the last dimension, (seeds, *shape), float64; each seed its own."""
    parts = [torch.randn(*shape, generator=generator(s, purpose), dtype=torch.float64) for s in seeds]
    return torch.stack(parts) / shape[-1] ** 0.5


@dataclass(frozen=True)
class Sizes:
    """Numbers of pixels, of the state, of a dissipative block's hidden units (a usual one has half), of blocks."""

    pixels: int = 64
    width: int = 32
    hidden: int = 64
    blocks: int = 2


class Net(nn.Module):
    """Pixels in [0, 1] → affine stem → blocks → affine head → 10 logits, float64.

    Members take (members, batch, pixels); a net taken out by ``member`` takes pictures (batch, …).
    """

    def __init__(self, ways: Ways, seeds: Sequence[int], sizes: Sizes) -> None:
        super().__init__()
        self.ways, width = ways, sizes.width
        usual = ways.kind in KINDS[4:]
        hidden = sizes.hidden // 2 if usual else sizes.hidden
        self.stem, self.stem_bias = (nn.Parameter(part) for part in layer(seeds, "stem", width, sizes.pixels))
        self.head, self.head_bias = (nn.Parameter(part) for part in layer(seeds, "head", 10, width))
        blocks: list[nn.Module] = []
        for k in range(sizes.blocks):
            into, bias = layer(seeds, f"block {k}", hidden, width)
            blocks.append(
                Generic(drawn(seeds, f"out {k}", width, hidden), into, bias) if usual else Dissipative(into, bias)
            )
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = (x if self.stem.ndim == 3 else x.flatten(1)).to(self.stem.dtype)
        return affine(self.trunk(self.states(x)), self.head, self.head_bias)

    def states(self, x: Tensor) -> Tensor:
        """What the stem makes of pixels, which it centres."""
        return affine(x - 0.5, self.stem, self.stem_bias)

    def trunk(self, y: Tensor) -> Tensor:
        """Through all blocks."""
        for block in self.blocks:
            y = advance(self.ways, block, y)[0]
        return y

    @torch.no_grad()
    def evaluations(self, x: Tensor) -> float:
        """Of a block's field and products with its Jacobian in a pass forward, the mean over blocks."""
        y, count = self.states(x.flatten(1).to(self.stem.dtype)), 0
        for block in self.blocks:
            y, one = advance(self.ways, block, y)
            count += one
        return count / len(self.blocks)

    def matrices(self) -> list[Tensor]:
        """All weights but the biases."""
        return [part for name, part in self.named_parameters() if "bias" not in name]

    def member(self, k: int) -> Net:
        """Net k alone, for attacks: weights that ask for no gradient, evaluation mode."""
        alone = copy.deepcopy(self)
        for part in alone.parameters():
            part.data = part.data[k].clone()
        return alone.requires_grad_(False).eval()

    def parameter_count(self) -> int:
        """Of one member."""
        return sum(part[0].numel() for part in self.parameters())


def layer(seeds: Sequence[int], purpose: str, out: int, into: int) -> tuple[Tensor, Tensor]:
    return drawn(seeds, purpose, out, into), torch.zeros(len(seeds), out, dtype=torch.float64)
