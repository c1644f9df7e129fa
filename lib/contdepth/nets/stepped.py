"""Residual nets whose step size is a factor of its own, u_{n+1} = u_n + h_n f_n(u_n), and their finer copies."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.plan import MOST, Plan, Stage
from contdepth.nets.residual import ResidualNet

__all__ = ["SteppedNet", "prolong", "stepped_resnet"]


class SteppedNet(ResidualNet):
    """A residual net of forward Euler steps u_{n+1} = s_n(u_n) + h_n f_n(u_n), s_n the shortcut (most often u_n).

    Every stage spans the same ``time`` T in equal steps: h_n = T / (blocks of the stage). The h are the buffer
    ``h``, shape (blocks,): they are no parameters, move with ``to`` and stand in ``state_dict``. With ``time``
    equal to the number of blocks of each stage the net is a ``ResidualNet``, bit for bit. Images
    (batch, in_channels, h, w) -> (batch, num_classes) logits; weights from ``seed`` alone, equal to those of a
    ``ResidualNet`` of this plan and seed.

    Source: Chang et al. 2018 (arXiv 1710.10348), whose nets have the step as a factor too. That all stages span
    the same time is ours, and so is T = 1.

    Raises:
        TypeError, ValueError: what ``ResidualNet`` raises; ``time`` is not positive.
    """

    h: Tensor

    def __init__(
        self, plan: Plan, *, time: float = 1.0, in_channels: int = 3, num_classes: int = 10, seed: int = 0
    ) -> None:
        super().__init__(plan, in_channels=in_channels, num_classes=num_classes, seed=seed)
        time = checks.real("time", time, above=0)
        steps = [time / stage.blocks for stage in plan.stages for _ in range(stage.blocks)]
        self.register_buffer("h", torch.tensor(steps, dtype=self.stem.weight.dtype))

    def extra_repr(self) -> str:
        return f"{self.plan.name}, h={self.h.tolist()}"

    def residual(self, n: int, u: Tensor) -> Tensor:
        """h_n f_n(u), what block n adds to its shortcut."""
        return self.h[n] * self.branches[n](u)


def stepped_resnet(
    blocks: Sequence[int] = (2, 2, 2),
    *,
    width: int = 16,
    time: float = 1.0,
    in_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> SteppedNet:
    """A ``SteppedNet`` of basic blocks, ``blocks[i]`` of them in stage i.

    Stage i has ``width`` · 2^i channels; all but the first begin with stride 2. ``time``: what each stage spans.

    Raises:
        TypeError, ValueError: no stage, or numbers outside their range.
    """
    counts = checks.several("blocks", blocks, "the numbers of blocks, one a stage, such as (2, 2, 2)")
    checks.integer("width", width, at_least=1, at_most=MOST)
    if not counts:
        checks.fail("blocks", "at least one stage", "none")
    stages = []
    for i, count in enumerate(counts):
        checks.integer("blocks", count, at_least=1, at_most=MOST)
        channels = checks.integer("width", width * 2**i, at_most=MOST, hint="each stage doubles it")
        stages.append(Stage(count, channels, channels, 2 if i else 1))
    plan = Plan(_name(stages), "basic", width, tuple(stages))
    return SteppedNet(plan, time=time, in_channels=in_channels, num_classes=num_classes, seed=seed)


def prolong(model: SteppedNet) -> SteppedNet:
    """A net with twice the steps of half the size: after each block stands a copy of it, and both have h_n / 2.

    Copied is all that a block has: weights, batch norms with their running means and variances, what is frozen,
    training or evaluation mode. The copies are independent of each other and of ``model``, which stays as it is.
    A block that changes the shape of its state cannot follow itself: it stays single and keeps its h_n, so that
    a stage spans the time that it did.

    Where f is Lipschitz (constant L) the two half steps differ from the one by at most h² L |f(u)| / 4, so the
    whole net changes by O(h). That holds in evaluation mode; batch norms in training take the statistics of the
    states that they meet, and those of the copies differ from the originals' by O(h).

    An optimiser knows nothing of the new parameters: make another one. To first order the loss has, by each of
    the two copies, half of its gradient by the block they came from; so momentum that is carried over has to be
    halved, and at an equal learning rate each copy moves half as fast (``contdepth.training.fit_levels`` starts
    with momentum zero and resets the rate).

    Source: Chang et al. 2018 (arXiv 1710.10348), figure on interpolation. Departure: there all blocks of a stage
    are doubled; the figure does not tell how one with a stride would be.

    Raises:
        TypeError: ``model`` is no ``SteppedNet``.
    """
    checks.instance("model", model, SteppedNet, "stepped_resnet(blocks) makes one")
    finer = copy.deepcopy(model)
    branches: list[nn.Module] = []
    shortcuts: list[nn.Module] = []
    steps: list[Tensor] = []
    starts: list[bool] = []
    for n, start in enumerate(model.starts_stage):
        twice = isinstance(model.shortcuts[n], nn.Identity)
        branches.append(finer.branches[n])
        shortcuts.append(finer.shortcuts[n])
        if twice:
            branches.append(copy.deepcopy(model.branches[n]))
            shortcuts.append(copy.deepcopy(model.shortcuts[n]))
        starts += [start, False] if twice else [start]
        steps += [model.h[n] / 2] * 2 if twice else [model.h[n]]
    finer.branches, finer.shortcuts = nn.ModuleList(branches), nn.ModuleList(shortcuts)
    finer.starts_stage, finer.survival = starts, (1.0,) * len(starts)
    finer.h = torch.stack(steps).detach().clone()
    finer.plan = _doubled(model.plan, starts)
    finer.branches.training, finer.shortcuts.training = model.branches.training, model.shortcuts.training
    return finer


def _doubled(plan: Plan, starts: Sequence[bool]) -> Plan:
    """The plan with as many blocks a stage as ``starts``, which marks the first of each, has."""
    firsts = [n for n, start in enumerate(starts) if start] + [len(starts)]
    counts = [end - begin for begin, end in zip(firsts, firsts[1:], strict=False)]
    stages = tuple(replace(stage, blocks=count) for stage, count in zip(plan.stages, counts, strict=True))
    return replace(plan, name=_name(stages), stages=stages)


def _name(stages: Sequence[Any]) -> str:
    return "-".join(str(stage.blocks) for stage in stages)
