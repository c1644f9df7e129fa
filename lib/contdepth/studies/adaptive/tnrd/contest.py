"""Trained diffusions of one to five stages, every arm with the same effort, beside what a hand can tune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.reaction import ReactionDiffusion, ReactionShape, make_reaction
from contdepth.restoration.models.tnrd import TNRDShape
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.stagewise import fit_stages
from contdepth.restoration.training.train import learning_rate, level_loss
from contdepth.studies.adaptive.tnrd.pictures import Pictures
from contdepth.studies.adaptive.tnrd.pieces import slowed
from contdepth.studies.adaptive.tnrd.starts import cosine_start

__all__ = ["Effort", "by_stages", "first_stages", "joint_arms", "on_photographs", "quality", "scaled"]

RATE = 3e-3
"""Of Adam, as in the pieces."""


@dataclass(frozen=True)
class Effort:
    """Iterations of L-BFGS: ``greedy`` a stage, ``joint`` after them; joint training alone has their sum.

    An iteration of one stage costs a T-th of one of all T, so that T stages of ``greedy`` cost as much as
    ``greedy`` joint ones.
    """

    greedy: int = 20
    joint: int = 30


def first_stages(net: ReactionDiffusion, count: int) -> ReactionDiffusion:
    """A copy of the first ``count`` stages of a net, with its weights."""
    copy = make_reaction(shape_of(net, count))
    for mine, theirs in zip(copy.stages, net.stages, strict=False):
        mine.load_state_dict(theirs.state_dict())
    return copy.eval()


def shape_of(net: ReactionDiffusion, stages: int) -> ReactionShape:
    """The shape of a net like ``net`` with ``stages`` stages."""
    count, size = net.stages[0].filters().shape[0], net.stages[0].filters().shape[-1]  # type: ignore[operator]
    refine = net.stages[0].influence.refine  # type: ignore[union-attr]
    return ReactionShape(stages, size, count, refine=refine)  # type: ignore[arg-type]


def by_stages(
    depths: Sequence[int], shape: ReactionShape, data: Pictures, effort: Effort
) -> dict[int, dict[str, ReactionDiffusion]]:
    """Nets of each depth; greedy training is done once, its first stages are those of the shorter nets."""
    deep = make_reaction(replace(shape, stages=max(depths)))
    fit_stages(deep, data.noisy, data.clean, way="greedy", iterations=effort.greedy)
    found = {}
    for depth in depths:
        net = first_stages(deep, depth)
        if depth > 1:
            fit_stages(net, data.noisy, data.clean, way="joint", iterations=effort.joint)
        found[depth] = {"greedy": first_stages(deep, depth), "joint": net.eval()}
    return found


def on_photographs(
    depths: Sequence[int], shape: ReactionShape, data: str, level: float, seed: int, steps: int, side: int
) -> dict[int, dict[str, ReactionDiffusion]]:
    """Nets of each depth, all stages together by Adam on new patches, as in the pieces.

    ``data``: ``"train400"``, or ``"photos"`` of the wheels; eight patches of ``side`` pixels a step.
    Returns depth → ``{"joint": net}``.
    """
    found = {}
    for depth in depths:
        like = TNRDShape(depth, shape.size)
        plan = TrainingPlan(
            like, levels=(level,), iterations=steps, batch=8, patch=side, rate=RATE, data=data, seed=seed
        )
        net = make_reaction(replace(shape, stages=depth))
        patches, rule = Patches(plan), torch.optim.Adam(slowed(net), betas=(0.9, 0.99))
        for step in range(steps):
            noisy, clean, index = patches.draw(step)
            for group in rule.param_groups:
                group["lr"] = learning_rate(plan, step) * group["speed"]
            rule.zero_grad()
            level_loss(net(noisy), clean, index, 1).backward()
            rule.step()
        found[depth] = {"joint": net.eval()}
    return found


def joint_arms(shape: ReactionShape, data: Pictures, effort: Effort) -> dict[str, ReactionDiffusion]:
    """All stages together from the start: from Perona–Malik, from cosines, and with weights that are shared."""
    nets = {
        "joint alone": make_reaction(shape),
        "cosine start": cosine_start(make_reaction(shape)),
        "shared weights": make_reaction(replace(shape, shared=True)),
    }
    for net in nets.values():
        total = effort.greedy + effort.joint
        fit_stages(net, data.noisy, data.clean, way="joint", iterations=total)
        net.eval()
    return nets


def scaled(net: Callable[[Tensor], Tensor], ratio: float) -> Callable[[Tensor], Tensor]:
    """``net`` on pictures times ``ratio``, divided by it after: noise of σ meets a net for ``ratio`` σ."""
    return lambda f: net(ratio * f) / ratio


@torch.no_grad()
def quality(restore: Callable[[Tensor], Tensor], data: Pictures) -> float:
    """Mean PSNR in dB of the restored pictures, clipped to [0, 1]."""
    return float(np.mean(psnr(restore(data.noisy), data.clean).numpy()))
