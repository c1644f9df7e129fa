"""LM-ResNet: every block is one linear two-step step, u_{n+1} = (1 - k_n) u_n + k_n u_{n-1} + f_n(u_n)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from contdepth import checks
from contdepth.nets.plan import Plan, cifar_plan, resnext_plan
from contdepth.nets.residual import ResidualNet, resnet, resnext
from contdepth.seeds import generator

__all__ = ["KEntry", "LMNet", "learned_k", "lm_resnet", "lm_resnext", "matched_pair"]


class LMNet(ResidualNet):
    """A residual net with the two-step update (arXiv 1710.10121) and one trainable scalar k_n per block.

    k_n starts uniform on (-0.1, 0). The paper does not say what happens where u_{n-1} does not exist or has
    another shape. ``startup="plain"`` does as the authors' code: the first block of the net and of every stage is
    a plain residual block, and the next block takes the projected state as its u_{n-1}. ``startup="repeat"``:
    u_{-1} = u_0, and at a stage change one projection serves both terms (its batch norm then sees two batches a
    step).

    A k that cannot matter (all stage starts of "plain"; block 1 of "repeat", where it cancels) is drawn like the
    others but kept as a buffer: it is in ``state_dict``, the optimiser never sees it, ``parameter_count`` leaves
    it out. The authors' code keeps it as a parameter without gradient.
    """

    def __init__(self, plan: Plan, *, startup: str = "plain", seed: int = 0, **options: Any) -> None:
        super().__init__(plan, seed=seed, **options)
        self.startup = checks.one_of("startup", startup, ("plain", "repeat"))
        draws = torch.empty(plan.blocks).uniform_(-0.1, 0, generator=generator(seed, "k"))
        self.two_step = [n > 0 and (startup == "repeat" or not start) for n, start in enumerate(self.starts_stage)]
        for n, used in enumerate(self.two_step):
            if used:
                self.register_parameter(f"k{n}", torch.nn.Parameter(draws[n].clone()))
            else:
                self.register_buffer(f"k{n}", draws[n].clone())

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, startup={self.startup!r}"

    def k(self, n: int) -> Tensor:
        """k of block n (counted from 0), a tensor without dimensions."""
        return getattr(self, f"k{n}")

    def ks(self) -> Tensor:
        """All k in block order, start-up ones included: (L,), on the CPU, without gradient."""
        return torch.stack([self.k(n).detach().cpu() for n in range(len(self.two_step))])

    def advance(self, n: int, u: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """One two-step block; a dropped branch keeps both skip terms."""
        if not self.two_step[n]:
            return super().advance(n, u, previous)
        here = self.shortcuts[n](u)
        if self.starts_stage[n]:
            previous = self.shortcuts[n](previous)
        k = self.k(n)
        return (1 - k) * here + k * previous + self.residual(n, u), here


class KEntry(NamedTuple):
    """k of one block: position (block, stage and place in the stage, all counted from 1), role and value."""

    block: int
    stage: int
    place: int
    trainable: bool
    value: float

    @property
    def label(self) -> str:
        """Text for axes and tables, such as ``2.1 start-up``."""
        return f"{self.stage}.{self.place}" + ("" if self.trainable else " start-up")


def learned_k(model: LMNet) -> list[KEntry]:
    """The k of every block in order, with stage labels; ``trainable=False`` marks the start-up ones."""
    if not isinstance(model, LMNet):
        checks.fail("model", "an LMNet", type(model).__name__, "use lm_resnet or lm_resnext", error=TypeError)
    entries, stage, place = [], 0, 0
    for n, (start, value) in enumerate(zip(model.starts_stage, model.ks().tolist(), strict=True)):
        stage, place = (stage + 1, 1) if start else (stage, place + 1)
        entries.append(KEntry(n + 1, stage, place, model.two_step[n], value))
    return entries


def lm_resnet(
    depth: int = 20,
    block: str = "basic",
    *,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    startup: str = "plain",
    survival: float = 1.0,
    seed: int = 0,
) -> LMNet:
    """LM-ResNet; the paper's are 20, 32, 44, 56 (basic), 110 (most likely bottleneck) and 164 (bottleneck)."""
    return LMNet(
        cifar_plan(depth, block, width=width),
        startup=startup,
        seed=seed,
        in_channels=in_channels,
        num_classes=num_classes,
        survival=survival,
    )


def lm_resnext(
    cardinality: int = 8,
    group_width: int = 64,
    *,
    depth: int = 29,
    base: int = 64,
    in_channels: int = 3,
    num_classes: int = 10,
    startup: str = "plain",
    survival: float = 1.0,
    seed: int = 0,
) -> LMNet:
    """LM-ResNeXt-29 with pre-activation blocks."""
    plan = resnext_plan(cardinality, group_width, depth=depth, base=base)
    return LMNet(
        plan, startup=startup, seed=seed, in_channels=in_channels, num_classes=num_classes, survival=survival
    )


def matched_pair(
    depth: int = 20, block: str = "basic", *, seed: int, startup: str = "plain", **options: Any
) -> dict[str, ResidualNet]:
    """``{"ResNet": …, "LM-ResNet": …}`` with bit-equal initial weights; they differ by the k alone.

    ``options`` (width, in_channels, num_classes, survival) go to both. ``block="resnext"`` builds the ResNeXt pair
    of that depth (options: cardinality, group_width, base as well).
    """
    if block == "resnext":
        return {
            "ResNet": resnext(depth=depth, seed=seed, **options),
            "LM-ResNet": lm_resnext(depth=depth, seed=seed, startup=startup, **options),
        }
    return {
        "ResNet": resnet(depth, block, seed=seed, **options),
        "LM-ResNet": lm_resnet(depth, block, seed=seed, startup=startup, **options),
    }
