"""The shape of a CIFAR-like residual net as data: which blocks, how wide, where the stride is."""

from __future__ import annotations

from dataclasses import dataclass

from contdepth import checks

__all__ = ["MOST", "Plan", "Stage", "cifar_plan", "resnext_plan"]

LAYERS_PER_BLOCK = {"basic": 2, "bottleneck": 3}
EXPANSION = {"basic": 1, "bottleneck": 4}
MOST = 100_000
"""Largest width, depth or number of classes of a net: more is a slip, and would fill the memory."""


@dataclass(frozen=True)
class Stage:
    """``blocks`` residual blocks with ``mid`` inner and ``out`` outer channels; the first has ``stride``."""

    blocks: int
    mid: int
    out: int
    stride: int
    groups: int = 1


@dataclass(frozen=True)
class Plan:
    """A whole net: ``stem`` channels after the first convolution, ``block`` kind, and the stages in order."""

    name: str
    block: str
    stem: int
    stages: tuple[Stage, ...]

    @property
    def blocks(self) -> int:
        """Number of residual blocks L."""
        return sum(stage.blocks for stage in self.stages)


def cifar_plan(depth: int, block: str = "basic", *, width: int = 16) -> Plan:
    """Three stages of widths (w, 2w, 4w) and strides (1, 2, 2).

    ``depth`` = 6n + 2 for basic blocks and 9n + 2 for bottlenecks, n blocks a stage; bottlenecks put out four
    times their width. Raises ``ValueError`` naming the nearest valid depths.
    """
    checks.one_of("block", block, tuple(LAYERS_PER_BLOCK))
    checks.integer("width", width, at_least=1, at_most=MOST)
    unit = 3 * LAYERS_PER_BLOCK[block]
    depth = checks.integer("depth", depth, at_least=unit + 2, at_most=MOST)
    per_stage, rest = divmod(depth - 2, unit)
    if rest:
        low = unit * per_stage + 2
        checks.fail("depth", f"{unit}n + 2 for {block} blocks", depth, f"the nearest are {low} and {low + unit}")
    stages = tuple(
        Stage(per_stage, width * scale, width * scale * EXPANSION[block], stride)
        for scale, stride in ((1, 1), (2, 2), (4, 2))
    )
    return Plan(f"{depth} {block}", block, width, stages)


def resnext_plan(cardinality: int = 8, group_width: int = 64, *, depth: int = 29, base: int = 64) -> Plan:
    """ResNeXt for CIFAR: bottlenecks whose 3x3 convolution has ``cardinality`` groups of ``group_width`` channels.

    Outer channels are 4, 8 and 16 times ``base``; inner channels double at each stage.
    """
    checks.integer("cardinality", cardinality, at_least=1, at_most=MOST)
    checks.integer("group_width", group_width, at_least=1, at_most=MOST)
    per_stage = cifar_plan(depth, "bottleneck", width=base).stages[0].blocks
    stages = tuple(
        Stage(per_stage, cardinality * group_width * scale, 4 * base * scale, stride, cardinality)
        for scale, stride in ((1, 1), (2, 2), (4, 2))
    )
    return Plan(f"{depth} {cardinality}x{group_width}d", "bottleneck", base, stages)
