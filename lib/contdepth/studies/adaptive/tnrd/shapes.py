"""What the learned influence functions look like: which smooth, which stop at edges, which push away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth.restoration.models.reaction import ReactionDiffusion
from contdepth.restoration.models.tnrd import mirror

__all__ = ["FALLS", "IDLE", "REVERSED", "RISES", "Influence", "kind_of", "learned"]

RISES, FALLS, REVERSED, IDLE = "rises", "rises, then falls", "reversed", "idle"
PLACES = 201
TINY = 0.25 / 255
"""Below a quarter of a grey level all over its range a function is idle."""


@dataclass(frozen=True)
class Influence:
    """φ of filter ``number`` in stage ``stage`` (from 1) at ``z``, where 99 % of its responses are; ``kind``."""

    stage: int
    number: int
    z: np.ndarray
    values: np.ndarray
    spread: float
    kind: str


@torch.no_grad()
def learned(net: ReactionDiffusion, noisy: Tensor) -> list[Influence]:
    """Every influence function of a net over the middle 99 % of what its filter answers on ``noisy``."""
    found, u = [], noisy
    for t, stage in enumerate(net.stages, 1):
        k = stage.filters()  # type: ignore[operator]
        answers = nn.functional.conv2d(mirror(u, k.shape[-1] // 2), k).transpose(0, 1).flatten(1)
        for number, answer in enumerate(answers):
            reach = float(torch.quantile(answer[:100_000].abs(), 0.99))
            z = torch.linspace(-reach, reach, PLACES)
            grid = z.expand(1, len(answers), PLACES)
            values = stage.influence.exact(grid)[0, number].numpy()  # type: ignore[operator, union-attr]
            spread = float(answer.std())
            found.append(Influence(t, number, z.numpy(), values, spread, kind_of(z.numpy(), values, spread)))
        u = stage(u, noisy)
    return found


def kind_of(z: np.ndarray, values: np.ndarray, spread: float) -> str:
    """One of four words for φ on a grid ``z`` that is symmetric about 0.

    ``IDLE``: smaller than ``TINY`` everywhere. ``REVERSED``: its least-squares slope within one ``spread`` of the
    responses is negative, so that the small is made larger. Else by the odd part for z > 0: ``FALLS`` if it ends
    at less than four fifths of its largest value, as Perona & Malik's does, otherwise ``RISES``.
    """
    if np.abs(values).max() < TINY:
        return IDLE
    near = np.abs(z) <= spread
    if (z[near] * values[near]).sum() < 0:
        return REVERSED
    odd = (values - values[::-1])[len(z) // 2 :]
    return FALLS if odd[-1] < 0.8 * odd.max() else RISES
