"""All arms on all seeds, and what first states that are found from noisy rows are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from contdepth.mechanics import RolloutFit, fit_starts
from contdepth.schemes import Leapfrog
from contdepth.seeds import generator
from contdepth.studies.mechanics.srnn.coarse import stretched
from contdepth.studies.mechanics.srnn.exact import curvatures, modes, shares
from contdepth.studies.mechanics.srnn.noisy import (
    ARMS,
    Arm,
    Judged,
    Observed,
    Plan,
    judge,
    linear,
    observe,
    stacked,
    train,
)

__all__ = ["Coarsened", "Contest", "coarsened", "decades", "nearer", "played", "started"]


@dataclass
class Contest:
    """By name of an arm its judgements, seeds first; ``data`` and the ``fits`` of each seed by arm."""

    judged: dict[str, Judged] = field(default_factory=dict)
    data: list[Observed] = field(default_factory=list)
    fits: dict[str, list[RolloutFit]] = field(default_factory=dict)

    def errors(self) -> Mapping[str, np.ndarray]:
        """Mean squared errors ``(seeds, horizon + 1)`` by arm."""
        return {name: one.error for name, one in self.judged.items()}

    def energies(self) -> Mapping[str, np.ndarray]:
        """Errors of the true energy ``(seeds, horizon + 1)`` by arm."""
        return {name: one.energy for name, one in self.judged.items()}


def played(plan: Plan, seeds: Sequence[int], arms: Mapping[str, Arm] = ARMS) -> Contest:
    """Train every arm on the chain of every seed; "one matrix" is the control by least squares."""
    found = Contest(data=[observe(plan, seed) for seed in seeds])
    for name, arm in arms.items():
        fits = [train(arm, data, plan, seed) for data, seed in zip(found.data, seeds, strict=True)]
        found.fits[name] = fits
        pairs = zip(found.data, fits, strict=True)
        found.judged[name] = stacked([judge(data, fit.model, fit.scheme) for data, fit in pairs])
    found.judged["one matrix"] = stacked([linear(data) for data in found.data])
    return found


def started(data: Observed, fit: RolloutFit, plan: Plan, seed: int, rows: int = 5) -> tuple[float, float]:
    """Return the median errors of the last trained row, from noisy first states and from states that are found.

    Of the judged trajectories rows 0 to ``rows`` are seen with the noise of the plan; the first states are those
    whose roll-outs lie closest to them, by at most five iterations as in the authors' scripts.
    """
    shown = data.truth[: rows + 1]
    noise = torch.randn(shown.shape, generator=generator(seed, "seen starts"), dtype=torch.float64)
    seen = (shown + plan.noise * noise).float()
    times = data.judged_times[: rows + 1]
    found = fit_starts(fit.model, seen, times, scheme=fit.scheme, iterations=5)
    errors = [judge(data, fit.model, fit.scheme, starts).error[plan.rows] for starts in (seen[0], found)]
    return errors[0], errors[1]


@dataclass(frozen=True)
class Coarsened:
    """A chain learned at one coarse step on each seed: errors of the learned and of the true energy along time.

    ``angles`` are ωh of the modes and ``curved`` the learned curvatures of T and V as shares of the true ones.
    """

    h: np.ndarray
    learned: Judged
    true: Judged
    angles: list[np.ndarray]
    curved: list[tuple[np.ndarray, np.ndarray]]
    data: list[Observed]
    fits: list[RolloutFit]

    def rest(self, row: int) -> np.ndarray:
        """Return the error of q = p = 0 at ``row``, ``(seeds,)``."""
        truth = [one.truth[row].square().mean(-1).median() for one in self.data]
        return np.array([float(one) for one in truth])


def coarsened(plan: Plan, seeds: Sequence[int], share: float) -> Coarsened:
    """Train "one step" without noise at ``share`` of leapfrog's border for the true energy."""
    plans, data = zip(*(stretched(plan, seed, share) for seed in seeds), strict=True)
    fits = [train(ARMS["one step"], *one) for one in zip(data, plans, seeds, strict=True)]
    learned = stacked([judge(one, fit.model, Leapfrog()) for one, fit in zip(data, fits, strict=True)])
    true = stacked([judge(one, one.chain, Leapfrog()) for one in data])
    angles, curved = [], []
    for one, fit, own in zip(data, fits, plans, strict=True):
        angles.append((modes(one.chain)[0] * own.h).numpy())
        states = one.seen.flatten(0, 1)
        curved.append(tuple(part.numpy() for part in curvatures(one.chain, fit.model.parts, states)))  # type: ignore[arg-type]
    return Coarsened(np.array([own.h for own in plans]), learned, true, angles, curved, list(data), fits)  # type: ignore[arg-type]


def nearer(found: Coarsened) -> np.ndarray:
    """Return for each seed the mean distance of the curvatures from the formula over that of the true energy."""
    ratios = []
    for angle, curved in zip(found.angles, found.curved, strict=True):
        wanted = np.concatenate([one.numpy() for one in shares(torch.from_numpy(angle))])
        ratios.append(np.abs(np.concatenate(curved) - wanted).mean() / np.abs(1 - wanted).mean())
    return np.array(ratios)


def decades(large: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Return log₁₀ of the ratio; what is not finite counts as a million."""
    a, b = (np.minimum(np.nan_to_num(one, nan=1e6, posinf=1e6), 1e6) for one in (large, small))
    return np.log10(a / b)
