"""Trained, sorted times against the fixed grid on images, one training with its probes a piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from contdepth import checks, devices
from contdepth.meanfield import ordered_pair
from contdepth.studies.common.image_training import curves, same, standard_images, trained
from contdepth.studies.meanfield.conv_probes import order_probes
from contdepth.training import recipe as named_recipe
from contdepth.training.evaluation import layout, placed

__all__ = ["ordered_arm"]

ARMS = ("plain", "ordered")


def ordered_arm(
    *,
    arm: str,
    depth: int,
    seed: int,
    recipe: str,
    epochs: int,
    dataset: str = "cifar10",
    train_size: int = 50_000,
    test_size: int = 10_000,
    shrink_by: int = 1,
    width: int = 16,
    permutations: int = 5,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one arm of ``ordered_pair`` by the named recipe, test it, and probe it on all test images.

    Returns ``curves`` and ``same``; the errors of ``order_probes`` as ``intact``, ``swap``, ``drop``, ``reverse``
    and ``permute``; ``swap_rise``, by how much the mean swap raises the error, and ``swap_less_drop``, that less
    the mean of the drops; ``times`` (all stages in block order), ``reorders`` (percent of the steps that changed
    the order) and ``inversions``. A run that was stopped goes on from the last epoch in the folder ``checkpoint``;
    on the CPU to the bits of one that was not.
    """
    checks.one_of("arm", arm, ARMS)
    train, test = standard_images(dataset, train_size, test_size, shrink_by)
    model = ordered_pair(depth, seed=seed, width=width, in_channels=train[0].shape[1])[arm]
    chosen = named_recipe(recipe, epochs=epochs, test_every=epochs)
    shared = same(model, train, chosen, seed)
    result = trained(model, train, test, chosen, seed=seed, device=device, checkpoint=checkpoint)
    seen = placed(test, chosen.precision, devices.named("device", device), layout(chosen, model))
    probes = order_probes(model, seen, permutations=permutations, precision=chosen.precision)
    swap = float(probes["swap"].mean())
    return {
        **curves(result),
        "same": shared,
        **probes,
        "swap_rise": swap - float(probes["intact"][0]),
        "swap_less_drop": swap - float(probes["drop"].mean()),
        "times": torch.cat(model.times()).numpy(),
        "reorders": 100 * int(model.reorders) / result.steps,
        "inversions": model.inversions(),
    }
