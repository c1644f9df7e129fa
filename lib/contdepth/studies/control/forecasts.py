"""What corrected models are worth: errors of forecasts, and the climate that they have when left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from contdepth.schemes import RK4, Field, RungeKutta, integrate
from contdepth.studies.control.corrections import Corrections, Hybrid
from contdepth.studies.control.lorenz import core, trajectories

__all__ = ["Climate", "Skill", "climate", "skill", "stacked"]

STEP, LYAPUNOV = 0.01, 0.906
STRETCH, APART = 50, 1e-7


@dataclass(frozen=True)
class Skill:
    """Root mean squares of a forecast's error over starts and components, ``(models,)``, and how long it holds.

    ``lyapunov_times``: mean time until the error first is over 0.4 of the attractor's own spread, in units of
    1 / 0.906, the time in which small errors grow by e.
    """

    near: np.ndarray
    far: np.ndarray
    lyapunov_times: np.ndarray


@dataclass(frozen=True)
class Climate:
    """Of long runs: samples of z ``(models, n)``, and the largest Lyapunov exponent ``(models,)``."""

    z: np.ndarray
    exponent: np.ndarray

    def distance(self, other: Climate) -> np.ndarray:
        """Return the Wasserstein-1 distances ``(models,)`` between z here and that of the one model ``other``."""
        levels = (np.arange(2000) + 0.5) / 2000
        return np.abs(np.quantile(self.z, levels, axis=1) - np.quantile(other.z[0], levels)[:, None]).mean(0)


def stacked(arms: Sequence[Corrections]) -> Hybrid:
    """Return the model with the corrections of all arms, one arm's seeds after the other's."""
    whole = Corrections((0,))
    parts = zip(*(one.weights for one in arms), strict=True)
    whole.weights = torch.nn.ParameterList([torch.cat(list(one)).detach() for one in parts])
    return Hybrid(core, whole.requires_grad_(False))


def skill(model: Field, models: int, *, starts: int, seed: int, time: float = 10.0) -> Skill:
    """Return the errors of forecasts of ``models`` from ``starts`` states that no training has seen.

    They are those after 0.1 and 1.0; whether a forecast holds is followed over ``time``.
    """
    length = 1 + round(time / STEP)
    truth = trajectories(starts, length, STEP, seed=seed).transpose(0, 1)
    grid = torch.arange(length, dtype=torch.float64) * STEP
    start = truth[0].expand(models, starts, 3).contiguous()
    error = integrate(model, start, grid, RungeKutta(RK4)) - truth[:, None]
    spread = (truth - truth.mean((0, 1))).square().sum(-1).mean().sqrt()
    over = ~(error.square().sum(-1).sqrt() < 0.4 * spread)
    first = torch.where(over.any(0), over.long().argmax(0), length - 1).double() * STEP
    at = [error[round(lead / STEP)].square().mean((1, 2)).sqrt().numpy() for lead in (0.1, 1.0)]
    return Skill(at[0], at[1], (first * LYAPUNOV).mean(1).numpy())


def climate(model: Field, models: int, *, starts: int, seed: int, time: float = 40.0) -> Climate:
    """Return what ``models`` do over a long ``time``, the first quarter of which is left out.

    Beside each runs another one, near to it, which is brought back to its distance twice per unit of time; how
    it grew tells the exponent.
    """
    u = trajectories(starts, 2, STEP, seed=seed)[:, 0].expand(models, starts, 3).contiguous()
    aside = u + APART / 3**0.5
    grid = torch.arange(STRETCH + 1, dtype=torch.float64) * STEP
    stretches = round(time / STEP / STRETCH)
    kept, grown = [], torch.zeros(models, dtype=torch.float64)
    for n in range(stretches):
        both = integrate(model, torch.cat([u, aside], 1), grid, RungeKutta(RK4))
        u, aside = both[-1].split(starts, 1)
        apart = (aside - u).norm(dim=-1, keepdim=True)
        if n >= stretches // 4:
            kept.append(both[1::5, :, :starts, 2])
            grown += (apart[..., 0] / APART).log().mean(1)
        aside = u + (aside - u) * (APART / apart)
    spent = (stretches - stretches // 4) * STRETCH * STEP
    z = torch.cat(kept).permute(1, 0, 2).reshape(models, -1)
    return Climate(torch.nan_to_num(z, nan=1e6).clamp(-1e6, 1e6).numpy(), (grown / spent).numpy())
