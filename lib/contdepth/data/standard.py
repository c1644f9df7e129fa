"""From uint8 images to what a net takes: fewer pixels if wanted, and the training set's mean and deviation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from contdepth import checks

__all__ = ["shrink", "standardise"]


def standardise(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], ...]:
    """Subtract the mean and divide by the deviation of each channel of the *training* images, in both sets.

    Takes and returns ``((images (N, C, H, W), labels (N,)), (…))``; images come back as float32.
    """
    for name, (images, _) in (("train", train), ("test", test)):
        checks.tensor(f"{name} images", images, ndim=4, hint="add the channel axis: images[:, None]")
        if images.is_complex():
            raise TypeError(f"{name} images: expected real numbers, found dtype {images.dtype}")
    channels = (len(test[0]), train[0].shape[1], *test[0].shape[2:])
    checks.same_shape("test images", test[0], channels, "both sets have the same channels")
    pixels = train[0].double()
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    deviation = pixels.std(dim=(0, 2, 3), keepdim=True, correction=0)
    if not bool((deviation > 0).all()):
        checks.fail("train images", "channels that vary", "a constant channel")
    return tuple(
        (((images.double() - mean) / deviation).to(torch.float32), labels) for images, labels in (train, test)
    )


def shrink(data: tuple[Tensor, Tensor], factor: int = 2) -> tuple[Tensor, Tensor]:
    """Mean of each ``factor`` x ``factor`` patch: (N, C, H, W) -> float32 (N, C, H/factor, W/factor)."""
    images, labels = data
    checks.tensor("images", images, ndim=4)
    checks.integer("factor", factor, at_least=1)
    if images.is_complex() or images.numel() == 0:
        raise ValueError(f"images: expected real numbers, found {images.dtype} of shape {tuple(images.shape)}")
    if images.shape[-1] % factor or images.shape[-2] % factor:
        checks.fail("images", f"height and width divisible by {factor}", f"shape {tuple(images.shape)}")
    return avg_pool2d(images.float(), factor), labels
