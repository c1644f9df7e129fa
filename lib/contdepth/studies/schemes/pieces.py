"""LM-ResNet against the matched ResNet on images, one training a piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.nets import learned_k, matched_pair
from contdepth.nets.lm import LMNet
from contdepth.studies.common.arms import Arms
from contdepth.studies.common.image_training import curves, same, standard_images, trained
from contdepth.training import recipe as named_recipe

__all__ = ["coefficient", "trained_arm"]

ARMS = ("ResNet", "LM-ResNet")


def trained_arm(
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
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one arm of ``matched_pair`` with basic blocks by the named recipe and test it after the last epoch.

    Returns ``curves`` and ``same``; for LM-ResNet also ``k`` and ``k_start``, one number a block, and ``blocks``,
    their names. A run that was stopped goes on from the last epoch in the folder ``checkpoint``; on the CPU to the
    bits of one that was not.
    """
    checks.one_of("arm", arm, ARMS)
    train, test = standard_images(dataset, train_size, test_size, shrink_by)
    model = matched_pair(depth, "basic", seed=seed, width=width, in_channels=train[0].shape[1])[arm]
    chosen = named_recipe(recipe, epochs=epochs, test_every=epochs)
    shared = same(model, train, chosen, seed)
    start = model.ks().numpy() if isinstance(model, LMNet) else None
    result = trained(model, train, test, chosen, seed=seed, device=device, checkpoint=checkpoint)
    found = {**curves(result), "same": shared}
    if isinstance(model, LMNet):
        names = [entry.label for entry in learned_k(model)]
        found |= {"k": model.ks().numpy(), "k_start": start, "blocks": names}
    return found


def coefficient(arms: Arms, block: str) -> np.ndarray:
    """The trained k of one block, such as "3.2": (seeds,)."""
    names = arms.results["LM-ResNet"][0]["blocks"]
    return arms.of("LM-ResNet", "k")[:, names.index(checks.one_of("block", block, names))]
