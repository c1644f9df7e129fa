"""The stored nets of the chapter on DURR on the same pictures, and how far a table is from its sum."""

from __future__ import annotations

import torch

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.influence import GaussianInfluence
from contdepth.restoration.models.reaction import ReactionDiffusion
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.trainings import load_opponent, load_training
from contdepth.restoration.models.unit import RestorationUnit, trajectory
from contdepth.studies.adaptive.tnrd.contest import quality
from contdepth.studies.adaptive.tnrd.pictures import Pictures

__all__ = ["stored", "table_error"]

UNITS = ("gaussian", "gaussian-1", "gaussian-2")
PLACES = 2001


@torch.no_grad()
def stored(data: Pictures, steps: int = 6) -> dict[str, float]:
    """Mean PSNR in dB of the stored TNRD and DnCNN, and of three units at their best single step (a bound)."""
    courses = []
    for name in UNITS:
        unit: RestorationUnit = load_training(name, "").model  # type: ignore[assignment]
        states = trajectory(unit, data.noisy, steps)
        courses.append(float(psnr(states, data.clean).mean(1).max()))
    return {
        "tnrd": quality(load_model("tnrd").model, data),
        "dncnn": quality(load_opponent("dncnn-long").model, data),
        "unit": sum(courses) / len(courses),
    }


@torch.no_grad()
def table_error(net: ReactionDiffusion) -> float:
    """The largest distance of table and sum over all functions of a net, in parts of its bound."""
    worst = 0.0
    for stage in net.stages:
        influence: GaussianInfluence = stage.influence  # type: ignore[assignment]
        ends = influence.centres
        z = torch.linspace(float(ends[0]), float(ends[-1]), PLACES)
        z = z.expand(1, len(influence.weights), PLACES)
        gap = (influence.read(z) - influence.exact(z)).abs().amax(dim=(0, 2))
        worst = max(worst, float((gap / (influence.bound() * influence.weights.abs().sum(1))).max()))
    return worst
