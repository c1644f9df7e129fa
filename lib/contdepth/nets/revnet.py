"""RevNet-style CIFAR net: X' = X + F(Y), Y' = Y + G(X'), a symplectic Euler step of a coupled system."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from contdepth import checks
from contdepth.nets.blocks import BasicBranch, Head, images
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST

__all__ = ["RevNet", "ReversibleBlock"]


class ReversibleBlock(nn.Module):
    """One coupled step on a state (batch, 2c, h, w) whose halves are X and Y, with its exact inverse."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        if checks.integer("channels", channels, at_least=2, at_most=MOST) % 2:
            raise ValueError(
                f"channels: expected an even number, found {channels}; the state is split into two halves"
            )
        self.channels = channels
        self.f, self.g = BasicBranch(channels // 2, channels // 2), BasicBranch(channels // 2, channels // 2)

    def checked(self, u: Tensor) -> None:
        """The state fits; in autocast it comes in a dtype that is not the weights'."""
        autocast = isinstance(u, Tensor) and torch.is_autocast_enabled(u.device.type)
        images(u, self.channels, None if autocast else next(self.parameters()))

    def forward(self, u: Tensor) -> Tensor:
        self.checked(u)
        x, y = u.chunk(2, dim=1)
        x = x + self.f(y)
        y = y + self.g(x)
        return torch.cat((x, y), dim=1)

    def inverse(self, u: Tensor) -> Tensor:
        """The state before the step, from the state after it."""
        self.checked(u)
        x, y = u.chunk(2, dim=1)
        y = y - self.g(x)
        x = x - self.f(y)
        return torch.cat((x, y), dim=1)


class RevNet(nn.Module):
    """Stem, three stages of ``blocks`` reversible blocks, head; images (h, w divisible by 4) to logits.

    Between stages each 2x2 patch moves into the channels (w, 4w, 16w), so everything between stem and head is
    invertible; the original uses ordinary residual blocks there and doubles the width. Training here stores
    activations as usual: the inverse is for checks, not for saving memory.
    """

    def __init__(
        self, blocks: int = 3, *, width: int = 8, in_channels: int = 3, num_classes: int = 10, seed: int = 0
    ) -> None:
        super().__init__()
        checks.integer("blocks", blocks, at_least=1, at_most=MOST)
        if checks.integer("width", width, at_least=2, at_most=MOST) % 2:
            checks.fail("width", "an even number", width, "the state is split into two halves")
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        self.stem = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.stages = nn.ModuleList(
            nn.ModuleList(ReversibleBlock(width * 4**s) for _ in range(blocks)) for s in range(3)
        )
        self.head = Head(width * 16, num_classes)
        draw_weights(self, seed)

    def features(self, u: Tensor) -> Tensor:
        """From the stem's output (batch, w, h, w) to the last state (batch, 16w, h/4, w/4)."""
        for s, stage in enumerate(self.stages):
            u = pixel_unshuffle(u, 2) if s else u
            for block in stage:  # type: ignore[attr-defined]
                u = block(u)
        return u

    def inverse(self, u: Tensor) -> Tensor:
        """From the last state back to the stem's output; call in eval mode (batch norms then are fixed maps)."""
        for s, stage in reversed(list(enumerate(self.stages))):
            for block in reversed(stage):  # type: ignore[call-overload]
                u = block.inverse(u)
            u = pixel_shuffle(u, 2) if s else u
        return u

    def forward(self, x: Tensor) -> Tensor:
        images(x, self.stem.in_channels, self.stem.weight)
        if x.shape[-1] % 4 or x.shape[-2] % 4:
            checks.fail(
                "x", "height and width divisible by 4", f"shape {tuple(x.shape)}", "pad or crop the images"
            )
        return self.head(self.features(self.stem(x)))
