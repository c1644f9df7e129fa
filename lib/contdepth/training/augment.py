"""Random crop and mirror for a whole batch at once, on tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad as zero_pad

from contdepth import checks

__all__ = ["Offsets", "crop_flip", "cropped", "drawn"]


Offsets = tuple[Tensor | None, Tensor | None]
"""Which images are mirrored, (batch,), and where their windows begin, (batch, 2); None where nothing is drawn."""


def crop_flip(images: Tensor, *, pad: int, flip: bool, source: torch.Generator) -> Tensor:
    """Pad (batch, C, H, W) with ``pad`` zeros a side, crop back to H x W at random, mirror half of them.

    Offsets are uniform on 0…2·pad, one pair per image, drawn on the device of ``source``. On standardised images
    the zeros are the mean colour.
    """
    checks.tensor("images", images, ndim=4)
    checks.integer("pad", pad, at_least=0, at_most=max(images.shape[2:]))
    checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
    return cropped(images, *drawn(len(images), pad, flip, source), pad)


def drawn(count: int, pad: int, flip: bool, source: torch.Generator) -> Offsets:
    """What ``count`` images draw from ``source``, on its device."""
    where = source.device
    mirrored = torch.rand(count, generator=source, device=where) < 0.5 if flip else None
    if not pad:
        return mirrored, None
    corner = [torch.randint(2 * pad + 1, (count, 1), generator=source, device=where) for _ in "yx"]
    return mirrored, torch.cat(corner, 1)


def cropped(images: Tensor, mirrored: Tensor | None, corner: Tensor | None, pad: int) -> Tensor:
    """The windows of padded (batch, C, H, W) that begin at ``corner``, some of them ``mirrored``."""
    count, _, height, width = images.shape
    where = images.device
    rows = torch.arange(height, device=where).expand(count, -1)
    columns = torch.arange(width, device=where).expand(count, -1)
    if mirrored is not None:
        columns = torch.where(mirrored.to(where)[:, None], columns.flip(1), columns)
    if corner is not None:
        corner = corner.to(where)
        rows, columns = rows + corner[:, :1], columns + corner[:, 1:]
        images = zero_pad(images, (pad, pad, pad, pad))
    which = torch.arange(count, device=where)
    picked = images.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
