"""Random crop and mirror for a whole batch at once, on tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad as zero_pad

from contdepth import checks

__all__ = ["crop_flip"]


def crop_flip(images: Tensor, *, pad: int, flip: bool, source: torch.Generator) -> Tensor:
    """Pad (batch, C, H, W) with ``pad`` zeros a side, crop back to H x W at random, mirror half of them.

    Offsets are uniform on 0…2·pad, one pair per image, drawn on the device of ``source``. On standardised images
    the zeros are the mean colour.
    """
    checks.tensor("images", images, ndim=4)
    checks.integer("pad", pad, at_least=0, at_most=max(images.shape[2:]))
    checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
    count, _, height, width = images.shape
    where = source.device
    rows = torch.arange(height, device=where).expand(count, -1)
    columns = torch.arange(width, device=where).expand(count, -1)
    if flip:
        mirrored = torch.rand(count, generator=source, device=where) < 0.5
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    if pad:
        rows = rows + torch.randint(2 * pad + 1, (count, 1), generator=source, device=where)
        columns = columns + torch.randint(2 * pad + 1, (count, 1), generator=source, device=where)
        images = zero_pad(images, (pad, pad, pad, pad))
    rows, columns = rows.to(images.device), columns.to(images.device)
    which = torch.arange(count, device=images.device)
    picked = images.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)
