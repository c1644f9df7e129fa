"""PDE-Net 1 trained stage by stage with a state that is kept: the authors' budget in sittings of minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import devices
from contdepth.pde.fields.errors import prediction_error
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.training import pairs, train_stage
from contdepth.training.checkpoint import checksum, identity_of, load_checkpoint, save_checkpoint

__all__ = ["Field", "coefficient_fields", "forecasts", "train_stages"]

BLOWN_UP = 1e6
"""What a relative error above it counts as: the forecast has blown up."""

Field = dict[tuple[int, ...], np.ndarray]


def train_stages(
    block: PDENetBlock,
    data: Trajectories,
    stages: Sequence[int],
    *,
    seed: int,
    batch: int,
    iterations: int,
    sitting: int = 500,
    learn_filters: bool = True,
    checkpoint: Path | None = None,
) -> tuple[list[dict[str, Tensor]], list[list[float]]]:
    """Train ``block`` in place as ``PDENet`` does: the warm-up, then the numbers of blocks in ``stages``.

    Every ``sitting`` iterations L-BFGS begins anew from the best parameters, and what there is goes into the
    folder ``checkpoint``, from where a run that was stopped goes on. A stage ends after ``iterations``, or with
    the sitting in which L-BFGS stopped by itself.

    Returns:
        states: of the block after the warm-up and after each stage, on the CPU.
        losses: of each stage before and after it, and how often the loss was evaluated.
    """
    path = None if checkpoint is None else Path(checkpoint) / "stages.pt"
    where = devices.of(block)
    run = identity_of(
        block,
        data=[checksum(data.values), checksum(data.present)],
        settings=[list(stages), seed, batch, iterations, sitting, learn_filters],
    )
    kept: dict[str, Any] = {"states": [], "losses": [], "block": None, "done": 0}
    kept = (None if path is None else load_checkpoint(path, run)) or kept
    if kept["block"] is not None:
        block.load_state_dict(kept["block"])
    plan = (0, *stages)
    while len(kept["states"]) < len(plan):
        blocks = plan[len(kept["states"])]
        start, target = (part.to(where) for part in pairs(data, max(blocks, 1), batch, seed))
        length = min(sitting, iterations - kept["done"])
        found = train_stage(block, start, target, blocks, iterations=length, learn_filters=learn_filters)
        if kept["done"] == 0:
            kept["losses"].append([found.loss_before, found.loss, 0])
        kept["losses"][-1] = [kept["losses"][-1][0], found.loss, kept["losses"][-1][2] + found.closures]
        kept["done"] += length
        kept["block"] = {name: value.detach().cpu().clone() for name, value in block.state_dict().items()}
        if kept["done"] >= iterations or found.closures < length:
            kept["states"].append(kept["block"])
            kept["done"] = 0
        if path is not None:
            save_checkpoint(path, run, kept)
    return kept["states"], kept["losses"]


@torch.no_grad()
def forecasts(block: PDENetBlock, states: Sequence[Mapping[str, Tensor]], truth: Tensor) -> np.ndarray:
    """Relative errors (stage, trajectory, step) from the first frames of ``truth`` on; the last state stays."""
    start, found = truth[:, 0].to(devices.of(block)), []
    for state in states:
        block.load_state_dict(state)
        frames = torch.stack([start, *block.frames(start, truth.shape[1] - 1)], 1).cpu()
        found.append(prediction_error(frames, truth).clamp(max=BLOWN_UP).numpy())
    return np.stack(found)


def coefficient_fields(block: PDENetBlock) -> Field:
    """Multi-index → coefficient on the grid, or the constant."""
    return dict(zip(block.alphas, block.coefficients().detach().cpu().numpy(), strict=True))
