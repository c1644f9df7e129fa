"""Banks of rollouts: a trained unit run on random crops, for policies to learn from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.restoration.degrade import blind, jpeg, to_tensor
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.rollouts import Rollouts, roll_out
from contdepth.restoration.training.patches import training_images
from contdepth.seeds import generator

__all__ = ["BankPlan", "make_bank", "random_crops"]


@dataclass(frozen=True)
class BankPlan:
    """``episodes`` crops of ``patch`` pixels squared, degraded at a level of their own, run for ``steps`` steps.

    Levels are uniform in [``low``, ``high``]: σ in grey levels of 255, or integer JPEG qualities. Crops of less
    than 128 pixels bias the best step upwards, since the zero padding of the unit then touches much of them.

    Raises:
        TypeError, ValueError: a value out of range.
    """

    degradation: str = "gaussian"
    low: float = 25
    high: float = 55
    episodes: int = 256
    steps: int = 10
    patch: int = 128
    data: str = "train400"
    seed: int = 0

    def __post_init__(self) -> None:
        checks.one_of("degradation", self.degradation, ("gaussian", "jpeg"))
        if self.degradation == "jpeg":
            low = checks.integer("low", self.low, at_least=1)
            checks.integer("high", self.high, at_least=low, at_most=100)
        else:
            low = checks.real("low", self.low, at_least=0)  # type: ignore[assignment]
            checks.real("high", self.high, at_least=low)
        for name in ("episodes", "steps", "patch"):
            checks.integer(name, getattr(self, name), at_least=1)
        checks.one_of("data", self.data, ("train400", "photos"))
        checks.integer("seed", self.seed, at_least=0)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return asdict(self)


def make_bank(unit: RestorationUnit, plan: BankPlan) -> Rollouts:
    """The rollouts of ``unit`` by ``plan``, float16 states, on the unit's device; the same for the same seed.

    Raises:
        DataError: the images cannot be had.
        ValueError: an image is smaller than the crops.
    """
    clean = random_crops(plan)
    source = generator(plan.seed, "bank/levels")
    if plan.degradation == "gaussian":
        noisy, levels = blind(clean, plan.low, plan.high, source)
    else:
        levels = torch.randint(plan.low, plan.high + 1, (len(clean),), generator=source)  # type: ignore[call-overload]
        noisy = jpeg(clean, levels.tolist())
    where = devices.of(unit)
    return roll_out(unit, clean.to(where), noisy.to(where), levels.float().to(where), plan.steps)


def random_crops(plan: BankPlan) -> Tensor:
    """Clean crops ``(episodes, 1, patch, patch)`` from random places of random training images."""
    images, source = training_images(plan.data), generator(plan.seed, "bank/crops")
    crops = []
    for _ in range(plan.episodes):
        image = images[int(torch.randint(len(images), (), generator=source))]
        if min(image.shape) < plan.patch:
            checks.fail("patch", f"at most the images' {min(image.shape)} pixels", plan.patch)
        row, column = (int(torch.randint(n - plan.patch + 1, (), generator=source)) for n in image.shape)
        crops.append(to_tensor(image[row : row + plan.patch, column : column + plan.patch].copy()))
    return torch.cat(crops)
