"""Three arms on waves: the latent ODE, the RNN-VAE for as many steps, and the RNN-VAE for as much time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from contdepth.recurrent import LatentODE, Series
from contdepth.recurrent.latent import LatentModel
from contdepth.seeds import generator
from contdepth.studies.sequences.latentode.training import Plan, made, train
from contdepth.studies.sequences.latentode.waves import HORIZON, Waves, Window, best, draw, rows_of

__all__ = [
    "ARMS",
    "Arms",
    "Judged",
    "against_scipy",
    "asked_less",
    "fresh",
    "guess",
    "judge",
    "shown_rows",
    "tolerance",
    "trained",
]

ARMS = ("latent ODE", "RNN-VAE", "RNN-VAE, longer")


@dataclass(frozen=True)
class Arms:
    """Of each arm one model a seed, and the CPU seconds that its training took, ``(seeds,)``."""

    models: dict[str, list[LatentModel]]
    seconds: dict[str, np.ndarray]


def trained(
    plan: Plan,
    rates: Mapping[str, float],
    longer: float,
    seeds: Sequence[int],
    drawn: Callable[[int, torch.Generator], Window],
) -> Arms:
    """Train the three arms, each at its model's entry of ``rates``; the third for ``longer`` times the steps."""
    models: dict[str, list[LatentModel]] = {arm: [] for arm in ARMS}
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for arm in ARMS:
        name = arm.split(",")[0]
        steps = round(plan.steps * longer) if arm.endswith("longer") else plan.steps
        own = replace(plan, rate=rates[name], steps=steps)
        for seed in seeds:
            begun = time.process_time()
            models[arm].append(train(made(name, own, seed), drawn, own, seed))
            seconds[arm].append(time.process_time() - begun)
    return Arms(models, {arm: np.array(taken) for arm, taken in seconds.items()})


def guess(model: LatentModel, shown: Series, times: Tensor) -> Tensor:
    """Return what the mean of q(z₀) expects at ``times``, ``(n, T)``."""
    with torch.no_grad():
        return model.reconstruct(shown, times, start=times.new_zeros(len(times)))[..., 0]


def fresh(rows: int) -> Callable[[int, torch.Generator], Window]:
    """Return what draws new waves with ``rows`` rows for every batch."""
    return lambda n, source: draw(n, source).measured(rows, source)


@dataclass(frozen=True)
class Judged:
    """Errors by arm: ``inside`` and ``behind`` the window ``(seeds,)``, and over ``times`` ``(points,)``.

    Two more arms have one entry: the best guess, and nought, which is the mean of all waves.
    """

    times: np.ndarray
    over_time: dict[str, np.ndarray]
    inside: dict[str, np.ndarray]
    behind: dict[str, np.ndarray]


def judge(arms: Arms, count: int, n: int, points: int, end: float, seed: int) -> Judged:
    """Show ``count`` rows of ``n`` fresh waves, and ask for the truth at ``points`` equal times from 0 to ``end``.

    All times are asked at once, of every arm.
    """
    waves, shown = shown_rows(n, count, seed)
    grid = torch.linspace(0, end, points).repeat(n, 1)
    truth, late = waves.at(grid), (grid[0] > HORIZON).numpy()
    square = {
        arm: np.stack([(guess(one, shown, grid) - truth).square().mean(0).numpy() for one in own])
        for arm, own in arms.models.items()
    }
    square["best guess"] = (best(shown, grid) - truth).square().mean(0).numpy()[None]
    square["nought"] = truth.square().mean(0).numpy()[None]
    return Judged(
        grid[0].numpy(),
        {arm: one.mean(0) for arm, one in square.items()},
        {arm: one[:, ~late].mean(1) for arm, one in square.items()},
        {arm: one[:, late].mean(1) for arm, one in square.items()},
    )


def shown_rows(n: int, count: int, seed: int) -> tuple[Waves, Series]:
    """Return ``n`` test waves and ``count`` measured rows of each."""
    source = generator(seed, f"judged/{count}")
    waves = draw(n, source)
    return waves, rows_of(waves.measured(count, source))


def asked_less(models: Sequence[LatentModel], count: int, n: int, points: int, seed: int) -> np.ndarray:
    """Return by which factor the error at the same times grows when only they are asked for, ``(models,)``.

    They are every fourth of ``points`` equal times of the window; before, all are asked for.
    """
    waves, shown = shown_rows(n, count, seed)
    grid = torch.linspace(0, HORIZON, points).repeat(n, 1)
    few, found = grid[:, ::4].contiguous(), []
    for one in models:
        among = guess(one, shown, grid)[:, ::4]
        alone = guess(one, shown, few)
        truth = waves.at(few)
        found.append(float((alone - truth).square().mean() / (among - truth).square().mean()))
    return np.array(found)


def against_scipy(model: LatentODE, n: int, seed: int) -> float:
    """Return the largest difference of ``n`` paths, solved in float64 to 1e-9, from SciPy's DOP853 at 1e-12."""
    exact = copy.deepcopy(model).double()
    exact.rtol, exact.atol = 1e-9, 1e-10
    z = torch.randn(n, model.latent, generator=generator(seed, "oracle"), dtype=torch.float64)
    grid = torch.linspace(0, HORIZON, 11, dtype=torch.float64)

    def rate(_: float, u: np.ndarray) -> np.ndarray:
        return exact.field(torch.from_numpy(u).view(n, -1)).flatten().numpy()

    with torch.no_grad():
        own = exact.decode(z, grid.repeat(n, 1))
        span, start = (0.0, HORIZON), z.flatten().numpy()
        path = solve_ivp(rate, span, start, "DOP853", grid.numpy(), rtol=1e-12, atol=1e-12).y
        wanted = exact.decoder(torch.from_numpy(path.T.copy()).view(len(grid), n, -1)).movedim(0, 1)
    return float((own - wanted).abs().max())


def tolerance(models: Sequence[LatentODE], count: int, n: int, points: int, seed: int) -> np.ndarray:
    """Return by which share the error changes when the path is solved to 1e-5 and 1e-6, ``(models,)``."""
    waves, shown = shown_rows(n, count, seed)
    grid = torch.linspace(0, HORIZON, points).repeat(n, 1)
    found = []
    for one in models:
        finer = copy.deepcopy(one)
        finer.rtol, finer.atol = 1e-5, 1e-6
        loose, fine = (float((guess(m, shown, grid) - waves.at(grid)).square().mean()) for m in (one, finer))
        found.append(abs(fine / loose - 1))
    return np.array(found)
