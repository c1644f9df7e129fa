"""PGD in the released order, whose centre is the random start, beside the same steps around the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth.seeds import generator
from contdepth.studies.control.interpolated.nets import Images

__all__ = ["Reach", "clamped", "ends", "reach"]


def ends(
    model: nn.Module, x: Tensor, y: Tensor, radius: float, source: torch.Generator, *, around_start: bool
) -> Tensor:
    """Where 20 steps of ε/8 by the sign of the gradient lead from a uniform start, all in [0, 1].

    Steps and their size are the released ones, 1/255 for ε = 8/255. ``around_start``: the box of ±ε lies around
    the random start, as in the authors' code; else around the image ``x`` (batch, …).
    """
    moved = x + radius * (2 * torch.rand(x.shape, generator=source) - 1)
    centre = moved if around_start else x
    for _ in range(20):
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(model(moved), y, reduction="sum"), moved)
        ahead = moved.detach() + radius / 8 * slope.sign()
        moved = torch.minimum(torch.maximum(ahead, centre - radius), centre + radius).clamp(0, 1)
    return moved.detach()


@dataclass(frozen=True)
class Reach:
    """Of an attack on several nets: largest change of a pixel over ε, and per cent right, each (nets,)."""

    largest: np.ndarray
    right: np.ndarray


def reach(
    models: Sequence[nn.Module], data: Images, radius: float, seeds: Sequence[int], *, around_start: bool
) -> Reach:
    """The attack on all test images, from equal starts whatever its centre."""
    largest, right = [], []
    for model, seed in zip(models, seeds, strict=True):
        source = generator(seed, "released")
        end = ends(model, data.test_x, data.test_y, radius, source, around_start=around_start)
        largest.append(float((end - data.test_x).abs().max()) / radius)
        with torch.no_grad():
            right.append(100 * float((model(end).argmax(1) == data.test_y).double().mean()))
    return Reach(np.array(largest), np.array(right))


def clamped(models: Sequence[nn.Module], data: Images) -> np.ndarray:
    """Per cent right, (nets,), if images that were standardised are cut to [0, 1], and nothing else is done.

    That is what the first release does in every step: standardised, [0, 1] is from the mean to one deviation more.
    """
    low = float(data.x.mean())
    cut = data.test_x.clamp(low, low + float(data.x.std()))
    with torch.no_grad():
        return np.array([100 * float((m(cut).argmax(1) == data.test_y).double().mean()) for m in models])
