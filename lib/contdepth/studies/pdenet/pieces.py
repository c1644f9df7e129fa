"""PDE-Net 1 with 1 to 20 blocks and the authors' budget, one training and its forecasts a piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contdepth import checks, devices
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.simulate import source_data
from contdepth.studies.common.arms import Arms
from contdepth.studies.pdenet.linear import (
    SIDE,
    follow,
    low_pass_noise,
    step_coefficients,
    training_pairs,
    true_coefficients,
)
from contdepth.studies.pdenet.source import DIFFUSION, DT, relative_error, source, visited
from contdepth.studies.pdenet.stages import Field, coefficient_fields, forecasts, train_stages

__all__ = ["compared", "linear_arm", "source_arm"]

LINEAR = {
    "learned 7×7": {"size": 7, "learn_filters": True},
    "learned 5×5": {"size": 5, "learn_filters": True},
    "frozen 7×7": {"size": 7, "learn_filters": False},
}
SOURCE = {"learned 7×7": LINEAR["learned 7×7"], "frozen 7×7": LINEAR["frozen 7×7"]}


def linear_arm(
    *,
    arm: str,
    seed: int,
    blocks: int,
    iterations: int,
    batch: int = 24,
    grid: int = 50,
    mesh: int = 20,
    order: int = 4,
    cutoffs: Sequence[int] = (4, 7),
    test: int = 24,
    horizon: int = 80,
    sitting: int = 500,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train on new noisy pairs of the linear equation in each of the stages 1, 2, …, ``blocks``; forecast.

    Returns ``median`` (stage, step) of the relative error over ``test`` unseen trajectories without noise and
    ``quantiles`` (2, step) of 10 % and 90 % after the last stage; relative errors ``a``, ``b``, ``second-orders``
    and the size ``high-orders`` of the fields; ``diffusion`` (2,), mean coefficients of u_xx and u_yy of a whole
    step less those of an exact one; ``losses`` and ``same``.
    """
    chosen = LINEAR[checks.one_of("arm", arm, tuple(LINEAR))]
    where, stages = devices.named("device", device), range(1, blocks + 1)
    data = training_pairs(seed, stages, batch=batch, grid=grid, cutoffs=cutoffs)
    block = PDENetBlock((grid, grid), data.dx, data.dt, order=order, size=chosen["size"], mesh=mesh).to(where)
    states, losses = train_stages(
        block,
        data,
        stages,
        seed=seed,
        batch=batch,
        iterations=iterations,
        sitting=sitting,
        learn_filters=bool(chosen["learn_filters"]),
        checkpoint=checkpoint,
    )
    truth = follow(low_pass_noise(test, grid, 1000, cutoffs), horizon, data.dt)
    errors = forecasts(block, states, truth)
    whole, step = block.effective(), step_coefficients(grid, data.dt)
    return {
        **linear_fields(block, true_coefficients(grid)),
        "diffusion": [float(whole[alpha].mean()) - step[alpha].mean() for alpha in ((2, 0), (0, 2))],
        "median": np.median(errors, 1),
        "quantiles": np.quantile(errors[-1], (0.1, 0.9), axis=0),
        "losses": losses,
        "same": [float(data.values.abs().sum()), float(truth.abs().sum())],
    }


def source_arm(
    *,
    arm: str,
    seed: int,
    blocks: int,
    iterations: int,
    batch: int = 24,
    grid: int = 50,
    trajectories: int = 24,
    test: int = 10,
    horizon: int = 80,
    sitting: int = 500,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train on noisy frames of diffusion with a source in the stages 1, 2, …, ``blocks``; forecast.

    Returns ``median`` (stage, step) of the relative error, at most 1 in each of ``test`` unseen trajectories
    without noise; ``visited`` and ``central``, errors of the source; ``diffusion``, the larger relative error of
    c_20 and c_02; ``other-terms``, the largest of the absent ones; ``source``, f at 601 points of [-15, 15];
    ``losses`` and ``same``.
    """
    chosen = SOURCE[checks.one_of("arm", arm, tuple(SOURCE))]
    where, stages = devices.named("device", device), range(1, blocks + 1)
    values = source_data(grid=grid, trajectories=trajectories, steps=blocks, noise=0.01, seed=seed)
    truth = source_data(grid=grid, trajectories=test, steps=horizon, noise=0.0, seed=1000)
    data = Trajectories(values, DT, (SIDE / grid, SIDE / grid), ("u",))
    form = {"cells": 20, "range": 15.0, "degree": 4}
    block = PDENetBlock(
        (grid, grid), data.dx, DT, order=2, size=chosen["size"], coefficients="constant", source=form
    ).to(where)
    states, losses = train_stages(
        block,
        data,
        stages,
        seed=seed,
        batch=batch,
        iterations=iterations,
        sitting=sitting,
        learn_filters=bool(chosen["learn_filters"]),
        checkpoint=checkpoint,
    )
    errors = np.minimum(forecasts(block, states, truth), 1.0)
    seen = visited(values)
    centre = seen.central()
    found = coefficient_fields(block)
    size = {alpha: abs(float(value.mean())) / DIFFUSION for alpha, value in found.items()}
    return {
        "median": np.median(errors, 1),
        "visited": relative_error(source_of(block, seen.centres), source(seen.centres), seen.weights),
        "central": relative_error(source_of(block, centre), source(centre)),
        "diffusion": max(abs(float(found[alpha].mean()) / DIFFUSION - 1) for alpha in ((2, 0), (0, 2))),
        "other-terms": max(size[alpha] for alpha in ((1, 0), (0, 1), (1, 1))),
        "source": source_of(block, np.linspace(-15, 15, 601)),
        "losses": losses,
        "same": [float(values.abs().sum()), float(truth.abs().sum())],
    }


def linear_fields(block: PDENetBlock, truth: Field) -> dict[str, float]:
    """Relative L² errors of the fields of the equation; mean size of those of order 3 and 4 beside order 1."""
    found = coefficient_fields(block)

    def error(alpha: tuple[int, int]) -> float:
        return float(np.linalg.norm(found[alpha] - truth[alpha]) / np.linalg.norm(truth[alpha]))

    size = {alpha: float(np.abs(field).mean()) for alpha, field in found.items()}
    high = [value for alpha, value in size.items() if sum(alpha) > 2]
    return {
        "a": error((1, 0)),
        "b": error((0, 1)),
        "second-orders": max(error((2, 0)), error((0, 2))),
        "high-orders": float(np.mean(high) / np.mean([size[1, 0], size[0, 1]])) if high else 0.0,
    }


@torch.no_grad()
def source_of(block: PDENetBlock, points: np.ndarray) -> np.ndarray:
    """f at ``points``."""
    checks.instance("block.source", block.source, torch.nn.Module)
    return block.source(torch.as_tensor(points, device=devices.of(block))).cpu().numpy()  # type: ignore[misc]


def compared(arms: Arms, step: int) -> dict[str, dict[str, Any]]:
    """Decimal logarithms of median errors after ``step`` steps: of learned 7×7 filters after the last stage as
    ``value``, as ``baseline`` those of frozen ones, of 5×5 ones, and of the stage with one block; with ``seeds``.
    """
    others = {"learned-frozen": ("frozen 7×7", -1), "size": ("learned 5×5", -1), "blocks": ("learned 7×7", 1)}
    own = np.log10(arms.of("learned 7×7", "median", -1, step))
    return {
        name: {"value": own, "baseline": np.log10(arms.of(arm, "median", stage, step)), "seeds": arms.seeds}
        for name, (arm, stage) in others.items()
    }
