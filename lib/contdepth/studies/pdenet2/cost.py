"""What one closure (loss and gradient) of PDE-Net 2.0 costs: ours and the plain way, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from contdepth import checks, seeds
from contdepth.pde.pdenet2.block import PDENet2Block
from contdepth.pde.pdenet2.pdenet2 import objective
from contdepth.pde.simulate.initial import random_fourier
from contdepth.studies.common.flat import flat_function
from contdepth.studies.pdenet2.reference import plain_objective
from contdepth.timing import cpu_seconds

__all__ = ["BURGERS", "Closure", "closures", "disagreement", "scaling"]

Closure = Callable[[], tuple[float, np.ndarray]]

BURGERS = {"samples": 28, "grid": 32, "blocks": 2, "size": 5}
"""Sizes of the paper's Burgers setting (official code); the number of blocks is that of an early stage."""


def closures(
    samples: int, grid: int, blocks: int, size: int = 5, scheme: str = "euler", upwind: bool = True
) -> dict[str, Closure]:
    """The two closures "ours" and "plain": each call returns the loss and its gradient as one flat vector.

    "ours" is ``objective`` with parameters that stay in torch. "plain" is ``plain_objective``, which works in the
    order of the official code, with all parameters copied from and to NumPy. Both share weights and data: two
    fields on ``grid`` x ``grid`` periodic points, derivatives up to order 2, ``size`` x ``size`` filters with
    random free moments (at zero the two upwind images of a derivative are equal), 5 products, both penalties on,
    float64. No optimiser is included.

    Raises ``TypeError`` or ``ValueError`` where a size is not a positive integer or the scheme is unknown; a grid
    smaller than the filters is refused at the first call.
    """
    checks.integer("blocks", blocks, at_least=1)
    dx = 2 * math.pi / grid
    block = PDENet2Block(2, 0.01, (dx, dx), size=size, scheme=scheme, upwind=upwind, seed=0)
    with torch.no_grad():
        block.filters.free.normal_(0, 0.03, generator=seeds.generator(0, "cost"))
    frames = random_fourier(samples, grid, fields=2, amplitude=2.0, mean=2.0, seed=0)
    target = frames[:, None].expand(-1, blocks, -1, -1, -1).contiguous()
    mask, weight = torch.ones(samples, blocks, dtype=torch.bool), torch.full((2,), 1e4, dtype=torch.float64)
    parameters = list(block.parameters())
    penalties = {"sparsity": 0.005, "moments": 0.001}

    def ours() -> tuple[float, np.ndarray]:
        for p in parameters:
            p.grad = None
        value = objective(block, frames, target, mask, weight, **penalties)
        value.backward()
        return float(value.detach()), torch.cat([p.grad.flatten() for p in parameters]).numpy()  # type: ignore[union-attr]

    flat = torch.cat([p.detach().flatten() for p in parameters]).numpy()
    function = flat_function(lambda: plain_objective(block, frames, target, weight, **penalties), parameters)
    return {"ours": ours, "plain": lambda: function(flat)}


def disagreement(sides: Mapping[str, Closure]) -> tuple[float, float]:
    """Relative difference of "ours" from "plain": of the losses, and of the gradients in the maximum norm."""
    (value, gradient), (wanted, wanted_gradient) = sides["ours"](), sides["plain"]()
    return (
        abs(value - wanted) / abs(wanted),
        float(np.abs(gradient - wanted_gradient).max() / np.abs(wanted_gradient).max()),
    )


def scaling(axis: str, values: Sequence[int], repeats: int, side: str = "ours") -> tuple[list[float], list[float]]:
    """Work and CPU seconds of one closure as one size of ``BURGERS`` takes each of ``values``.

    Work is the count of multiplications by one simple rule: proportional to samples and blocks, and to the square
    of the grid and of the filter's size (the filters' share alone); 1 at the sizes of ``BURGERS``.
    """
    checks.one_of("axis", axis, tuple(BURGERS))
    power = 2 if axis in ("grid", "size") else 1
    work = [(value / BURGERS[axis]) ** power for value in values]
    sides = ({side: closures(**(BURGERS | {axis: value}))[side]} for value in values)  # type: ignore[arg-type]
    return work, [cpu_seconds(each, repeats)[side] for each in sides]
