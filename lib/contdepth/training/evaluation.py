"""Forward passes in the precision of a run, and the test error."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import checks
from contdepth.training.recipes import Recipe

__all__ = ["DTYPES", "Pair", "checked", "classes", "evaluate", "forward", "layout", "placed"]

DTYPES = {"fp32": torch.float32, "fp64": torch.float64, "bf16": torch.float32}
Pair = tuple[Tensor, Tensor]


def layout(recipe: Recipe, model: nn.Module) -> torch.memory_format:
    """Memory format of images and weights: the recipe's, but never channels-last for a model with a strided 1 x 1
    convolution of fewer than eight channels.

    There PyTorch 2.13.0 on the CPU (oneDNN, processors with AVX2 alone, one thread) writes past its memory in the
    gradient of the weights, and the process ends.
    """
    strided = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) != m.stride]
    narrow = any(conv.in_channels < 8 for conv in strided)
    return torch.channels_last if recipe.channels_last and not narrow else torch.contiguous_format


def forward(model: nn.Module, x: Tensor, precision: str) -> Tensor:
    """Logits in the run's precision; bf16 means autocast for the forward pass and fp32 logits."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return model(x).to(DTYPES[precision])


def checked(name: str, data: Pair) -> Pair:
    """(images, labels) if they can be trained on, a clear error otherwise.

    Images in a format that numpy lacks (bfloat16) come back as float32, which holds the same values.
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"{name}: expected a pair (images, labels), found {type(data).__name__}")
    images, labels = data
    for part, value in (("images", images), ("labels", labels)):
        checks.tensor(f"{name} {part}", value, hint="torch.as_tensor() makes one of an array or a list")
    checks.floating(f"{name} images", images, ndim=4, hint="standardise() turns uint8 images into floats")
    if images.is_complex():
        checks.fail(f"{name} images", "real numbers", f"dtype {images.dtype}", error=TypeError)
    if len(images) == 0:
        checks.fail(f"{name} images", "at least one image", f"shape {tuple(images.shape)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        hint = "call .long() on class numbers"
        checks.fail(f"{name} labels", "integers", f"dtype {labels.dtype}", hint, error=TypeError)
    checks.same_shape(f"{name} labels", labels, (len(images),))
    return images if images.dtype in (torch.float16, torch.float32, torch.float64) else images.float(), labels


def placed(data: Pair, precision: str, device: torch.device, form: torch.memory_format) -> Pair:
    """Checked (images, labels) on the device, in the precision of the run and the memory format ``form``."""
    images, labels = data
    return images.to(device, DTYPES[precision], memory_format=form), labels.to(device, torch.int64)


def classes(name: str, labels: Tensor, logits: Tensor) -> Tensor:
    """``labels`` (batch,) as int64, if they are classes that ``logits`` (batch, classes) have."""
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(
            f"model(x): expected logits of shape ({len(labels)}, classes), found shape {tuple(logits.shape)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(
            f"{name}: expected classes 0 to {logits.shape[1] - 1}, found {low} to {high}; check labels and model"
        )
    return labels.long()


@torch.no_grad()
def evaluate(model: nn.Module, data: Pair, *, batch: int = 500, precision: str = "fp32") -> tuple[float, float]:
    """Mean cross-entropy and error in percent of ``model`` in eval mode on (images, labels); its mode is kept."""
    checks.instance("model", model, nn.Module)
    checks.integer("batch", batch, at_least=1)
    checks.one_of("precision", precision, tuple(DTYPES))
    images, labels = checked("data", data)
    mode, loss, wrong = model.training, 0.0, 0
    model.eval()
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        logits = forward(model, x.clone(), precision)  # x is the caller's, and a model may work in place
        y = classes("labels", y, logits)
        loss += cross_entropy(logits, y, reduction="sum").item()
        wrong += int((logits.argmax(1) != y).sum())
    model.train(mode)
    return loss / len(labels), 100 * wrong / len(labels)
