"""Forward passes in the precision of a run, and the test error."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import checks
from contdepth.training.recipe import Recipe

__all__ = ["DTYPES", "Pair", "evaluate", "forward", "layout", "placed"]

DTYPES = {"fp32": torch.float32, "fp64": torch.float64, "bf16": torch.float32}
Pair = tuple[Tensor, Tensor]


def layout(recipe: Recipe) -> torch.memory_format:
    """Memory format of images and weights."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def forward(model: nn.Module, x: Tensor, precision: str) -> Tensor:
    """Logits in the run's precision; bf16 means autocast for the forward pass and fp32 logits."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return model(x).to(DTYPES[precision])


def placed(name: str, data: Pair, recipe: Recipe, device: torch.device) -> Pair:
    """Check (images, labels) and move them to the device and precision of the run."""
    images, labels = data
    checks.floating(f"{name} images", images, ndim=4, hint="standardise() turns uint8 images into floats")
    checks.same_shape(f"{name} labels", checks.tensor(f"{name} labels", labels), (len(images),))
    return images.to(device, DTYPES[recipe.precision], memory_format=layout(recipe)), labels.to(
        device, torch.int64
    )


@torch.no_grad()
def evaluate(model: nn.Module, data: Pair, *, batch: int = 500, precision: str = "fp32") -> tuple[float, float]:
    """Mean cross-entropy and error in percent of ``model`` in eval mode on (images, labels); its mode is kept."""
    images, labels = data
    mode, loss, wrong = model.training, 0.0, 0
    model.eval()
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        logits = forward(model, x, precision)
        loss += cross_entropy(logits, y, reduction="sum").item()
        wrong += int((logits.argmax(1) != y).sum())
    model.train(mode)
    return loss / len(labels), 100 * wrong / len(labels)
