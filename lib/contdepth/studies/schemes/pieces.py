"""LM-ResNet against the matched ResNet on images, one training a piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contdepth import checks
from contdepth.nets import learned_k, matched_pair
from contdepth.nets.lm import LMNet
from contdepth.studies.common.image_training import curves, same, standard_images, trained
from contdepth.training import recipe as named_recipe

__all__ = ["trained_arm"]

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

    Returns ``curves`` and ``same``; for LM-ResNet also ``k`` and ``k_start``, one number a block, their names
    ``blocks``, and of them ``k_second``, k of the second block of stage 3, and ``k_last``. A run that was stopped
    goes on from the last epoch in the folder ``checkpoint``; on the CPU to the bits of one that was not.
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
        k = {entry.label: entry.value for entry in learned_k(model)}
        found |= {"k": list(k.values()), "k_start": start, "blocks": list(k)}
        found |= {"k_second": k["3.2"], "k_last": found["k"][-1]}
    return found
