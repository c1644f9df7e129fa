"""One net trained on images as a piece of a comparison: data by name, epochs that are kept, what arms share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contdepth.data import load, shrink, standardise
from contdepth.training import Fit, Recipe, fit
from contdepth.training.evaluation import Pair
from contdepth.training.loop import draws_of

__all__ = ["curves", "same", "standard_images", "trained"]


def standard_images(dataset: str, train_size: int, test_size: int, shrink_by: int = 1) -> tuple[Pair, Pair]:
    """The first images of both parts of ``dataset``, ``shrink_by`` times smaller, in units of the first part."""
    parts = [shrink(load(dataset, part, n), shrink_by) for part, n in (("train", train_size), ("test", test_size))]
    train, test = standardise(*parts)
    return (train[0], train[1]), (test[0], test[1])


def trained(
    model: nn.Module,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> Fit:
    """``fit`` whose state is kept in the folder ``checkpoint`` after every epoch; a stopped run goes on there."""
    return fit(
        model,
        train,
        test,
        recipe,
        seed=seed,
        checkpoint=None if checkpoint is None else Path(checkpoint) / "training.pt",
        every=math.ceil(len(train[0]) / recipe.batch),
        device=device,
        progress=False,
    )


def same(model: nn.Module, train: Pair, recipe: Recipe, seed: int) -> list[float]:
    """Numbers that matched arms of one seed share before training.

    Sums over the images, over the order and the offsets of the first epoch, and over the absolute weights of
    convolutions and linear layers; norms, k and times are what arms differ by.
    """
    drawn = draws_of(recipe, len(train[0]), seed, 0)
    weights = [p for p in model.parameters() if p.ndim > 1]
    return [
        float(train[0].double().abs().sum()),
        *(float(_weighed(part)) for part in drawn),
        float(sum(p.detach().double().abs().sum() for p in weights)),
    ]


def _weighed(values: Tensor) -> Tensor:
    """Sum of ``values`` times 1, 2, 3, …, so that their order counts."""
    flat = values.double().flatten()
    return (flat * torch.arange(1, len(flat) + 1, dtype=torch.float64)).sum()


def curves(result: Fit) -> dict[str, Any]:
    """Test error after the last epoch, and loss and error of training epoch by epoch."""
    history = result.history
    return {
        "test_error": result.test_error,
        "train_loss": list(history["train_loss"]),
        "train_error": list(history["train_error"]),
        "last_loss": history["train_loss"][-1],
        "steps": result.steps,
    }
