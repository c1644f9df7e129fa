"""How to train, as frozen data: the recipes of the paper and the short ones of this book."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from contdepth import checks

__all__ = ["RECIPES", "Recipe", "recipe"]


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum on cross-entropy.

    ``lr`` is the first rate of ``"multistep"`` (times ``factor`` from each epoch in ``milestones`` on,
    counted from 0) and the peak of ``"one-cycle"`` (linear rise over the share ``warmup`` of all steps, then
    a linear fall to 0). ``pad`` > 0: zero-pad by so many pixels and crop at random; ``flip``: mirror half of
    the images, drawn anew each time. ``precision``: ``"fp32"``, ``"fp64"`` or ``"bf16"`` (autocast; weights
    stay fp32). Weight decay acts on every parameter, norms and k included, as in the authors' code. The test
    set is seen every ``test_every`` epochs and after the last. ``departures`` says where the recipe leaves
    the paper.
    """

    name: str
    epochs: int
    lr: float = 0.1
    batch: int = 128
    momentum: float = 0.9
    weight_decay: float = 1e-4
    nesterov: bool = False
    schedule: str = "multistep"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup: float = 0.3
    pad: int = 0
    flip: bool = False
    precision: str = "fp32"
    channels_last: bool = True
    test_every: int = 1
    departures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.integer("epochs", self.epochs, at_least=1)
        checks.integer("batch", self.batch, at_least=1)
        checks.integer("test_every", self.test_every, at_least=1)
        checks.integer("pad", self.pad, at_least=0)
        checks.real("lr", self.lr, above=0)
        checks.real("momentum", self.momentum, at_least=0, below=1)
        checks.real("weight_decay", self.weight_decay, at_least=0)
        checks.real("warmup", self.warmup, at_least=0, at_most=1)
        checks.real("factor", self.factor, above=0, at_most=1)
        for milestone in self.milestones:
            checks.integer("milestones", milestone, at_least=0)
        checks.one_of("schedule", self.schedule, ("multistep", "one-cycle"))
        checks.one_of("precision", self.precision, ("fp32", "fp64", "bf16"))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        object.__setattr__(self, "departures", tuple(self.departures))

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of optimisation step ``step`` (counted from 0)."""
        step = checks.integer("step", step, at_least=0)
        steps_per_epoch = checks.integer("steps_per_epoch", steps_per_epoch, at_least=1)
        if self.schedule == "multistep":
            epoch = step // steps_per_epoch
            return self.lr * self.factor ** sum(epoch >= m for m in self.milestones)
        total = self.epochs * steps_per_epoch
        rise = max(1, math.floor(self.warmup * total))
        return self.lr * ((step + 1) / rise if step < rise else (total - step) / (total - rise + 1))

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data, for the record and for the checkpoint's identity."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


CROP_FLIP: dict[str, Any] = {"pad": 4, "flip": True}
SHORT = "one-cycle instead of steps, fewer epochs"

RECIPES = {
    r.name: r
    for r in (
        Recipe("cifar10", epochs=160, milestones=(80, 120), **CROP_FLIP),
        Recipe("cifar10_resnext", epochs=160, milestones=(80, 120), weight_decay=5e-4, **CROP_FLIP),
        Recipe("cifar100", epochs=300, milestones=(150, 225), **CROP_FLIP),
        Recipe("cifar100_resnext", epochs=300, milestones=(150, 225), weight_decay=5e-4, **CROP_FLIP),
        Recipe("stochastic_depth", epochs=500, milestones=(250, 375), **CROP_FLIP),
        Recipe(
            "one_cycle_30",
            epochs=30,
            lr=0.4,
            schedule="one-cycle",
            weight_decay=5e-4,
            **CROP_FLIP,
            departures=(SHORT, "weight decay 5e-4 instead of 1e-4"),
        ),
        Recipe(
            "book",
            epochs=8,
            lr=0.3,
            schedule="one-cycle",
            weight_decay=5e-4,
            pad=2,
            flip=True,
            test_every=2,
            departures=(
                SHORT,
                "weight decay 5e-4 instead of 1e-4",
                "10,000 training images of 16x16 instead of 50,000 of 32x32",
                "crops from pad 2 instead of 4",
            ),
        ),
        Recipe(
            "digits",
            epochs=8,
            lr=0.1,
            batch=64,
            schedule="one-cycle",
            weight_decay=5e-4,
            departures=(SHORT, "scikit-learn's 8x8 digits", "no augmentation", "batch 64"),
        ),
    )
}


def recipe(name: str, **changes: Any) -> Recipe:
    """The named recipe with ``changes``; unknown names and unknown keys are errors that list the valid ones."""
    checks.one_of("name", name, tuple(RECIPES))
    known = [f.name for f in fields(Recipe)]
    for key in changes:
        checks.one_of("recipe key", key, known)
    return replace(RECIPES[name], **changes)
