"""Pre-activation ResNet: every block is one forward Euler step, u_{n+1} = u_n + f_n(u_n)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.blocks import Head, Shortcut, branch, images
from contdepth.nets.init import draw_weights
from contdepth.nets.plan import MOST, Plan, cifar_plan, resnext_plan

__all__ = ["ResidualNet", "resnet", "resnext"]


def survival_probabilities(blocks: int, last: float) -> tuple[float, ...]:
    """Stochastic depth: block l = 1…L keeps its branch with probability 1 - (l/L)(1 - p_L), p_L = ``last``.

    This is the rule of Huang et al. 2016. A departure from the authors' code of the LM paper, which uses
    (l-1)/(L-1), so that its first block is never dropped. What a kept branch is divided by is the same
    probability: see ``ResidualNet`` for that departure from Huang et al.
    """
    return tuple(1 - (l / blocks) * (1 - last) for l in range(1, blocks + 1))


class ResidualNet(nn.Module):
    """A net of residual blocks on images, (batch, in_channels, h, w) -> (batch, num_classes) logits.

    Stem 3x3 convolution, blocks as in ``plan``, head (norm, ReLU, mean over space, linear). Any h, w >= 4.
    ``survival`` is p_L of stochastic depth (1 = off): in training a dropped branch adds nothing and a kept one is
    divided by its probability, so the mean update is f and evaluation needs no factor; one draw per block and
    batch from torch's global CPU generator. Two departures: Huang et al. 2016 leave kept branches unscaled in
    training and multiply every branch by its probability at test time (the same mean, other sizes of f and
    its gradient in training); and block l falls with l/L, l = 1…L, as they write, where the authors' code of
    the LM paper has (l-1)/(L-1). Weights come from ``seed`` alone.
    """

    def __init__(
        self, plan: Plan, *, in_channels: int = 3, num_classes: int = 10, survival: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__()
        checks.instance("plan", plan, Plan, "cifar_plan(depth) makes one")
        checks.integer("in_channels", in_channels, at_least=1, at_most=MOST)
        checks.integer("num_classes", num_classes, at_least=2, at_most=MOST)
        self.plan = plan
        self.survival = survival_probabilities(plan.blocks, checks.real("survival", survival, above=0, at_most=1))
        self.stem = nn.Conv2d(in_channels, plan.stem, 3, padding=1, bias=False)
        branches, shortcuts, self.starts_stage = [], [], []
        channels = plan.stem
        for stage in plan.stages:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                same = channels == stage.out and stride == 1
                branches.append(branch(plan.block, channels, stage.mid, stage.out, stride, stage.groups))
                shortcuts.append(nn.Identity() if same else Shortcut(channels, stage.out, stride))
                self.starts_stage.append(i == 0)
                channels = stage.out
        self.branches, self.shortcuts = nn.ModuleList(branches), nn.ModuleList(shortcuts)
        self.head = Head(channels, num_classes)
        draw_weights(self, seed)

    def extra_repr(self) -> str:
        return f"{self.plan.name}, survival={self.survival[-1]}"

    def residual(self, n: int, u: Tensor) -> Tensor | float:
        """f_n(u), or 0 where stochastic depth drops the branch."""
        keep = self.survival[n]
        if not self.training or keep == 1:
            return self.branches[n](u)
        if torch.rand(()).item() >= keep:
            return 0.0
        return self.branches[n](u) / keep

    def advance(self, n: int, u: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """One block: returns u_{n+1} and the state it started from, projected to the new shape."""
        here = self.shortcuts[n](u)
        return here + self.residual(n, u), here

    def trajectory(self, x: Tensor) -> Iterator[Tensor]:
        """Yield u_0 (the stem's output) and the state after every block, L + 1 tensors in all."""
        images(x, self.stem.in_channels, self.stem.weight)
        u = previous = self.stem(x)
        yield u
        for n in range(len(self.branches)):
            u, previous = self.advance(n, u, previous)
            yield u

    def forward(self, x: Tensor) -> Tensor:
        for u in self.trajectory(x):
            last = u
        return self.head(last)


def resnet(
    depth: int = 20,
    block: str = "basic",
    *,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    survival: float = 1.0,
    seed: int = 0,
) -> ResidualNet:
    """Pre-activation ResNet of ``depth`` = 6n + 2 (basic) or 9n + 2 (bottleneck) layers."""
    plan = cifar_plan(depth, block, width=width)
    return ResidualNet(plan, in_channels=in_channels, num_classes=num_classes, survival=survival, seed=seed)


def resnext(
    cardinality: int = 8,
    group_width: int = 64,
    *,
    depth: int = 29,
    base: int = 64,
    in_channels: int = 3,
    num_classes: int = 10,
    survival: float = 1.0,
    seed: int = 0,
) -> ResidualNet:
    """ResNeXt-29 with pre-activation blocks.

    The original has its ReLU after the sum: a departure, shared by both arms of a comparison.
    """
    plan = resnext_plan(cardinality, group_width, depth=depth, base=base)
    return ResidualNet(plan, in_channels=in_channels, num_classes=num_classes, survival=survival, seed=seed)
