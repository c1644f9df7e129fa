"""The experiments of the PDE-Net 2.0 chapter as functions of a seed, each fit for a process of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet2.block import PDENet2Block
from contdepth.pde.pdenet2.pdenet2 import PDENet2
from contdepth.pde.symbolic.comparison import compare

__all__ = ["BURGERS", "PAPER", "burgers_by_hand", "errors", "train", "unrolled"]

BURGERS = {
    "u": {"u*u_x": -1.0, "v*u_y": -1.0, "u_xx": 0.05, "u_yy": 0.05},
    "v": {"u*v_x": -1.0, "v*v_y": -1.0, "v_xx": 0.05, "v_yy": 0.05},
}
"""Burgers' equations of PDE-Net 2.0, field → {term: coefficient}."""

PAPER: dict[str, Any] = {
    "relative": False,
    "sparsity": 0.005,
    "moment_penalty": 0.001,
    "normalise": False,
    "start": "one-sided",
}
"""The official code's loss (squared errors over δt², its two factors), scaling and first filters."""


def train(values: Tensor, seed: int, options: Mapping[str, Any], dt: float = 0.01) -> PDENet2:
    """Train a PDE-Net 2.0 on frames (N, T, F, n, n) of the periodic square of side 2π, weights from ``seed``.

    ``options`` are arguments of ``PDENet2``. In the paper's repeated runs data, noise and weights are all new for
    each seed; the pages make the data with the same seed.
    """
    spacing = 2 * math.pi / values.shape[-1]
    return PDENet2(seed=seed, **options).fit(Trajectories(values, dt, (spacing, spacing)))


def errors(
    model: PDENet2, truth: Mapping[str, Mapping[str, float]], main: Sequence[str] = ()
) -> tuple[float, float]:
    """(largest relative error of the true terms, largest coefficient of any other term) of the read-out.

    With ``main`` only the true terms whose names are in it count for the first number.
    """
    found = compare(model.terms(), truth)
    rows = [row for row in found.main if not main or str(row.term) in main]
    return max(abs(row.error) for row in rows), found.largest_spurious


@torch.no_grad()
def unrolled(block: PDENet2Block, start: Tensor, steps: int) -> Tensor:
    """Frames 0 … ``steps`` of a block that no estimator trained: (B, F, *space) to (B, steps + 1, F, *space)."""
    return torch.stack([start, *block.unroll(start, steps)], 1)


def burgers_by_hand(dt: float, dx: float, viscosity: float = 0.05, size: int = 5) -> PDENet2Block:
    """A block that *is* the textbook scheme: forward Euler, second-order upwind and central second differences.

    The same code as a trained PDE-Net 2.0, with the weights set instead of learned: the true equation on the grid
    that the network has.
    """
    block = PDENet2Block(2, dt, (dx, dx), size=size, accuracy=2, hidden=2, upwind=True, start="one-sided")
    column = {(f, alpha): f * len(block.alphas) + k for f in range(2) for k, alpha in enumerate(block.alphas)}
    with torch.no_grad():
        for place, (alpha, beta) in enumerate(block.filters.labels()):
            if sum(alpha) == 2:
                block.filters.free[place] = second_difference(alpha, beta)
        net = block.symnet
        for p in net.parameters():
            p.zero_()
        for f in range(2):
            for layer, (velocity, alpha) in enumerate(((0, (1, 0)), (1, (0, 1)))):
                net.weight[f, 2 * layer, column[velocity, (0, 0)]] = 1.0
                net.weight[f, 2 * layer + 1, column[f, alpha]] = 1.0
                net.product[f, 4, layer] = -1.0
            for alpha in ((2, 0), (0, 2)):
                net.weight[f, 4, column[f, alpha]] = viscosity
    return block


def second_difference(alpha: tuple[int, ...], beta: tuple[int, ...]) -> float:
    """Moment ``beta`` of the three-point second difference along one axis (1, -2, 1), of cross filters 0."""
    if alpha not in ((2, 0), (0, 2)):
        return 0.0
    along, across = (beta[0], beta[1]) if alpha == (2, 0) else (beta[1], beta[0])
    return 2 / math.factorial(along) if across == 0 and along % 2 == 0 and along > 0 else 0.0
