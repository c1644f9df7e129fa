"""Parameter counts: of a model as it is, and in closed form as the authors' code reports them."""

from __future__ import annotations

from torch import nn

from contdepth import checks
from contdepth.nets.plan import EXPANSION, cifar_plan

__all__ = ["parameter_count", "reported_parameter_count", "unused_parameter_count"]


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers in ``model``. Our nets have no unused layer, so every one of them gets a gradient."""
    checks.instance("model", model, nn.Module)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def unused_parameter_count(block: str = "basic", *, stem: int = 16, stages: int = 3) -> int:
    """Parameters that the authors' LM-ResNet carries and never uses.

    One batch norm after the stem (2·16); for basic blocks also a projection to 4·16 channels in front of stage 1
    (batch norm 2·16, 1x1 convolution 16·64), which only bottlenecks need; the k of the three stage starts.
    """
    checks.one_of("block", block, tuple(EXPANSION))
    checks.integer("stem", stem, at_least=1)
    checks.integer("stages", stages, at_least=0)
    projection = 2 * stem + stem * 4 * stem if EXPANSION[block] == 1 else 0
    return 2 * stem + projection + stages


def reported_parameter_count(depth: int, block: str = "basic", *, num_classes: int = 10) -> int:
    """Closed form of the authors' count for LM-ResNet on three input channels, unused layers included.

    With c -> m -> o channels a basic branch has 9cm + 9mo + 2c + 2m, a bottleneck cm + 9m² + mo + 2c + 4m, and a
    shortcut co + 2c.
    """
    plan = cifar_plan(depth, block)
    checks.integer("num_classes", num_classes, at_least=2)
    total, c = 9 * 3 * plan.stem, plan.stem
    for stage in plan.stages:
        m, o = stage.mid, stage.out
        for i in range(stage.blocks):
            total += (
                9 * c * m + 9 * m * o + 2 * c + 2 * m
                if block == "basic"
                else (c * m + 9 * m * m + m * o + 2 * c + 4 * m)
            )
            if i == 0 and (c != o or stage.stride != 1):
                total += c * o + 2 * c
            c = o
    total += 2 * c + c * num_classes + num_classes
    used_k = plan.blocks - len(plan.stages)
    return total + used_k + unused_parameter_count(block, stem=plan.stem, stages=len(plan.stages))
