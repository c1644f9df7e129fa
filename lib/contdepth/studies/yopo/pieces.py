"""The paper's trainings in pieces: one method with one seed, trained and audited on one GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from contdepth import checks, devices
from contdepth.data.unit_range import pixels
from contdepth.nets.preact_resnet18 import PreActResNet18
from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust.attacks.pgd import PGD
from contdepth.robust.methods.baselines import FGSMRS, FreeTraining, PGDTraining
from contdepth.robust.methods.method import Method
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.studies.yopo.audited import audited
from contdepth.training.recipes import Recipe

__all__ = ["CIFAR_ARMS", "MNIST_ARMS", "cifar_arm", "mnist_arm"]

Maker = Callable[[nn.Module, dict[str, Any]], Method]


class Arm(NamedTuple):
    """``make(model, common)``: the method, with its own settings beside the ``common`` ones; ``recipe``."""

    make: Maker
    recipe: Recipe


CIFAR = Recipe(
    "yopo-cifar", epochs=36, lr=0.1, batch=256, milestones=(30, 34), weight_decay=5e-4, pad=4, flip=True
)
CIFAR_ARMS: Mapping[str, Arm] = {
    "YOPO-5-3": Arm(
        lambda model, common: YOPO(
            model, first_layer="conv1", steps=5, inner_steps=3, step_size="2/255", **common
        ),
        replace(CIFAR, lr=0.2 / 5),
    ),
    "PGD-10": Arm(
        lambda model, common: PGDTraining(model, steps=10, step_size="2/255", **common), replace(CIFAR, lr=0.05)
    ),
    "Free-8": Arm(lambda model, common: FreeTraining(model, replays=8, **common), CIFAR),
    "FGSM-RS": Arm(lambda model, common: FGSMRS(model, **common), CIFAR),
}
"""Methods on CIFAR-10 at ε = 8/255, with 36 epochs and drops of the authors' file for YOPO-5-3.

Rates: 0.2/5 on the sum of five gradients and 0.05 for PGD-10 are the authors'; 0.1 for the other two is ours.
PGD-10 trains on the adversarial batch alone, where the authors' file adds the clean one.
"""

MNIST = Recipe("yopo-mnist", epochs=41, lr=0.01 / 5, batch=256, milestones=(30, 35, 39), weight_decay=5e-4)
MNIST_ARMS: Mapping[str, Arm] = {
    "YOPO-5-10": Arm(
        lambda model, common: YOPO(
            model, first_layer="relu1", steps=5, inner_steps=10, step_size="1/100", **common
        ),
        MNIST,
    ),
    "PGD-40": Arm(
        lambda model, common: PGDTraining(model, steps=40, step_size="1/100", **common),
        replace(MNIST, epochs=57, lr=0.1, milestones=(50, 55)),
    ),
}
"""Methods on MNIST at ε = 0.3, each with epochs (one more than it names), rate and drops of the authors' file.

A departure: one schedule for all layers, where the code lets the first layer's rate fall in epochs 15 and 19.
"""


def cifar_arm(
    *,
    arm: str,
    seed: int,
    epochs: int | None = None,
    milestones: Sequence[int] | None = None,
    dataset: str = "cifar10",
    train_size: int = 50000,
    test_size: int = 10000,
    shrink_by: int = 1,
    width: int = 64,
    hard: int = 1000,
    effort: str | Mapping[str, Any] = "standard",
    precision: str = "bf16",
    device: str = "cuda",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train PreActResNet18 by the method ``arm`` with one seed, and audit it; the result is that of ``audited``.

    ``epochs`` and ``milestones``: the arm's own if None. ``hard``, ``effort``: see ``audited``. All arms of one
    seed start from the same weights and see the same images in the same order, cropped and turned alike. A run
    that was stopped goes on from the ``checkpoint`` folder.

    Raises:
        ValueError: an unknown arm.
    """
    chosen = CIFAR_ARMS[checks.one_of("arm", arm, tuple(CIFAR_ARMS))]
    data, test = (
        pixels(dataset, split, size, shrink_by) for split, size in (("train", train_size), ("test", test_size))
    )
    threat = Threat("8/255")
    model = PreActResNet18(in_channels=data[0].shape[1], seed=seed, width=width)
    method = chosen.make(
        model.to(devices.named("device", device)), {"threat": threat, "precision": precision, "seed": seed}
    )
    recipe = lasting(chosen.recipe, epochs, milestones)
    attack = PGD(threat, steps=20, step_size="2/255")
    return audited(method, data, test, recipe, attack, seed=seed, hard=hard, effort=effort, folder=checkpoint)


def mnist_arm(
    *,
    arm: str,
    seed: int,
    epochs: int | None = None,
    milestones: Sequence[int] | None = None,
    dataset: str = "mnist",
    train_size: int = 60000,
    test_size: int = 10000,
    hard: int = 1000,
    effort: str | Mapping[str, Any] = "standard",
    device: str = "cuda",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """The same with SmallCNN on MNIST, dropout and the zero last layer of the authors' code included.

    Raises:
        ValueError: an unknown arm.
    """
    chosen = MNIST_ARMS[checks.one_of("arm", arm, tuple(MNIST_ARMS))]
    data, test = (pixels(dataset, split, size) for split, size in (("train", train_size), ("test", test_size)))
    threat = Threat("3/10")
    _, channels, size, _ = data[0].shape
    model = SmallCNN(channels, size, seed=seed, dropout=0.5, zero_last=True)
    method = chosen.make(model.to(devices.named("device", device)), {"threat": threat, "seed": seed})
    recipe = lasting(chosen.recipe, epochs, milestones)
    attack = PGD(threat, steps=40, step_size="1/100")
    return audited(method, data, test, recipe, attack, seed=seed, hard=hard, effort=effort, folder=checkpoint)


def lasting(recipe: Recipe, epochs: int | None, milestones: Sequence[int] | None) -> Recipe:
    """``recipe`` with other epochs and drops, where they are given."""
    drops = recipe.milestones if milestones is None else tuple(milestones)
    return replace(recipe, epochs=recipe.epochs if epochs is None else epochs, milestones=drops)
