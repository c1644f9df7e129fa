"""Steps near the border of stability: a learned energy beside the true one, on a chain and on three bodies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth.mechanics import (
    HamiltonianNet,
    RolloutFit,
    ThreeBody,
    fit_rollouts,
    fit_starts,
    forecast,
    simulate,
)
from contdepth.schemes import Leapfrog
from contdepth.seeds import generator
from contdepth.studies.mechanics.srnn.exact import modes
from contdepth.studies.mechanics.srnn.noisy import Observed, Plan, observe

__all__ = ["KINDS", "Bodies", "away", "border", "compared", "orbits", "stretched", "train_bodies"]

KINDS = ("true", "true, found starts", "true, four substeps", "learned", "learned, found starts", "as it was")
"""What ``compared`` returns the errors of."""


def border(plan: Plan, seed: int) -> float:
    """Largest stable step of leapfrog with the true energy of the chain of ``seed``: 2 over its fastest mode."""
    return 2 / float(modes(observe(replace(plan, count=1, judged=1, horizon=1), seed).chain)[0][-1])


def stretched(plan: Plan, seed: int, share: float) -> tuple[Plan, Observed]:
    """The contest without noise, with steps of ``share`` of the border."""
    found = replace(plan, noise=0.0, h=share * border(plan, seed))
    return found, observe(found, seed)


@dataclass(frozen=True)
class Bodies:
    """Sizes for three bodies: ``count`` orbits of ``rows`` steps of ``h``, cut to ``window``; training.

    Steps, windows, counts and batch are those of the authors' script, its network has three layers of 512.
    """

    count: int = 100
    rows: int = 10
    h: float = 1.0
    window: int = 5
    steps: int = 1500
    batch: int = 32
    width: int = 64
    rate: float = 1e-2
    judged: int = 32


def orbits(plan: Bodies, seed: int, purpose: str, count: int) -> tuple[Tensor, Tensor]:
    """Return times ``(rows + 1,)`` and exact states ``(rows + 1, count, 12)`` float64, both by DOP853."""
    system, times = ThreeBody(), torch.arange(plan.rows + 1, dtype=torch.float64) * plan.h
    starts = system.draw(count, generator(seed, purpose))
    return times, simulate(system.field, starts, times, tolerance=1e-9)


def train_bodies(plan: Bodies, seed: int) -> RolloutFit:
    """Train an energy by leapfrog on windows of the orbits."""
    times, states = orbits(plan, seed, "train", plan.count)
    return fit_rollouts(
        HamiltonianNet(6, (plan.width, plan.width), activation="softplus", generator=generator(seed, "net")),
        states.float(),
        times.float(),
        scheme=Leapfrog(),
        steps=plan.steps,
        seed=seed,
        window=plan.window,
        batch=plan.batch,
        rate=plan.rate,
        schedule="one cycle",
    )


def away(model: Any, seen: tuple[Tensor, Tensor], *, optimised: bool = False, substeps: int = 1) -> np.ndarray:
    """Return the mean squared error of positions ``(rows + 1,)``, median over orbits, by leapfrog.

    Args:
        model: the true system or a learned energy.
        seen: times and exact states, as of ``orbits``.
        optimised: whether first states are found from the first four rows by five iterations, as in the script.
        substeps: of leapfrog between two rows.
    """
    times, truth = seen
    if isinstance(model, torch.nn.Module):
        times, truth = times.float(), truth.float()
    starts, how = truth[0], {"scheme": Leapfrog(), "substeps": substeps}
    if optimised:
        starts = fit_starts(model, truth[:4], times[:4], iterations=5, **how)  # type: ignore[arg-type]
    gap = (forecast(model, starts, times, **how).states - truth)[..., :6].double().square().mean(-1)  # type: ignore[arg-type]
    return gap.nan_to_num(nan=torch.inf).median(dim=1).values.numpy()


def compared(plan: Bodies, seed: int) -> dict[str, np.ndarray]:
    """Return the errors ``(rows + 1,)`` of all ``KINDS`` on fresh orbits; "as it was" moves nobody."""
    model, system = train_bodies(plan, seed).model, ThreeBody()
    seen = orbits(plan, seed, "judged", plan.judged)
    places = seen[1][..., :6]
    found = [
        away(system, seen),
        away(system, seen, optimised=True),
        away(system, seen, substeps=4),
        away(model, seen),
        away(model, seen, optimised=True),
        (places - places[0]).square().mean(-1).median(dim=1).values.numpy(),
    ]
    return dict(zip(KINDS, found, strict=True))
