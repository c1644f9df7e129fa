"""PDE-Net 2.0 on Burgers' equations up to 15 blocks with the authors' budget, one training a piece."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.pde.fields.errors import prediction_error
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.simulate import burgers_data
from contdepth.studies.common.arms import Arms
from contdepth.studies.pdenet2.experiments import BURGERS, PAPER, burgers_by_hand, errors, unrolled
from contdepth.studies.pdenet2.stages import SittingPDENet2

__all__ = ["burgers_arm", "readings"]

FILTERS = {"learned filters": "learned", "frozen filters": "frozen"}
CONVECTION = ("u*u_x", "u_y*v", "u*v_x", "v*v_y")
DIFFUSION = ("u_xx", "u_yy", "v_xx", "v_yy")
DT = 0.01
BLOWN_UP = 1e6
"""What a relative error above it counts as: the forecast has blown up."""


def burgers_arm(
    *,
    arm: str,
    seed: int,
    blocks: Sequence[int],
    iterations: int,
    trajectories: int = 28,
    late: float = 0.5,
    grid: int = 32,
    hidden: int = 5,
    test: int = 10,
    horizon: int = 400,
    sitting: int = 500,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train on noisy frames of Burgers' equations, after the warm-up a stage for each of ``blocks``; forecast.

    Data, noise and first weights are new for each seed, loss and first filters the authors'. Returns one number a
    stage, the warm-up first: ``convection``, ``viscosity`` and ``whole``, largest relative errors of true
    coefficients, and ``wrong``, the largest other one; ``median`` (stage, step) of the relative error over
    ``test`` unseen trajectories without noise, ``textbook`` (step,) that of the true equation in the textbook
    scheme on the same points; ``read``, field → term → coefficient in the end; ``losses`` and ``same``.
    """
    filters = FILTERS[checks.one_of("arm", arm, tuple(FILTERS))]
    spacing = 2 * math.pi / grid
    data = {"trajectories": trajectories, "steps": max(blocks), "late": late, "grid": grid}
    values = burgers_data(**data, noise=0.001, seed=seed)  # type: ignore[arg-type]
    model = SittingPDENet2(
        seed=seed, filters=filters, hidden=hidden, blocks=blocks, iterations=iterations, device=device, **PAPER
    )
    model.resuming(checkpoint, sitting).fit(Trajectories(values, DT, (spacing, spacing)))
    truth = burgers_data(test, horizon, grid=grid, seed=1000)
    start = truth[:, 0]
    stages = [model.at(number) for number in range(len(model.states_))]
    by_hand = unrolled(burgers_by_hand(DT, spacing), start, horizon)
    found = [errors(one, BURGERS) for one in stages]
    return {
        "blocks": [0, *blocks],
        "convection": [errors(one, BURGERS, CONVECTION)[0] for one in stages],
        "viscosity": [errors(one, BURGERS, DIFFUSION)[0] for one in stages],
        "whole": [one for one, _ in found],
        "wrong": [other for _, other in found],
        "median": [medians(one.rollout(start, horizon), truth) for one in stages],
        "textbook": medians(by_hand, truth),
        "read": {field: largest(terms) for field, terms in model.coefficients().items()},
        "losses": [[stage.start, stage.best, len(stage.losses)] for _, stage in model.stages_],
        "same": [float(values.abs().sum()), float(truth.abs().sum())],
    }


def medians(frames: Any, truth: Any) -> np.ndarray:
    """Median over trajectories of the relative error after each step."""
    return np.median(prediction_error(frames, truth).clamp(max=BLOWN_UP).numpy(), 0)


def largest(terms: dict[str, float], least: float = 1e-4) -> dict[str, float]:
    """The coefficients that are not tiny, largest first."""
    return {name: c for name, c in sorted(terms.items(), key=lambda item: -abs(item[1])) if abs(c) >= least}


def readings(arms: Arms, blocks: int) -> dict[str, np.ndarray]:
    """What is judged after the stage with so many blocks, each (seeds,).

    ``frozen`` and ``frozen-prediction`` are the worst coefficient and the last error of the frozen filters over
    those of the learned ones, ``closure`` that last error over the textbook scheme's.
    """
    learned, frozen = FILTERS
    stages = list(arms.results[learned][0]["blocks"])
    stage = stages.index(checks.one_of("blocks", blocks, stages))
    last = {arm: arms.of(arm, "median", stage, -1) for arm in FILTERS}
    return {
        "convection": arms.of(learned, "convection", stage),
        "viscosity": arms.of(learned, "viscosity", stage),
        "wrong-terms": arms.of(learned, "wrong", stage),
        "frozen": arms.of(frozen, "whole", stage) / arms.of(learned, "whole", stage),
        "closure": last[learned] / arms.of(learned, "textbook", -1),
        "frozen-prediction": last[frozen] / last[learned],
    }
