"""Two wells of unequal depth in one dimension: which share of walkers leaves the shallow one, by which noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from contdepth.control.quantised import quantise, quantised_update
from contdepth.seeds import generator

__all__ = ["Walk", "both_ways", "by_noise", "by_quantum", "escaped", "gibbs_share", "rounded_variance"]

TILT = 0.1
TEMPERATURE = 0.1
"""Of Langevin's arm, the noise of the slopes included; the barrier seen from the shallow well is 0.16."""


@dataclass(frozen=True)
class Walk:
    """Descent on (x² - 1)²/4 ± x/10 from the shallow well, with slopes that carry Gaussian noise.

    ``noise`` is its standard deviation, ``rate`` the rate, ``batches`` the steps in an epoch. ``quantum``: None
    for descent that is not quantised, a number in units of the noise of a step (``rate`` · ``noise``) for a fixed
    quantum and no transient, ``"published"`` for the rule as its code has it, ``"transient"`` for the same without
    its quantum. ``langevin`` adds noise until the temperature is ``TEMPERATURE``.
    """

    quantum: float | str | None = None
    rounding: str = "nearest"
    langevin: bool = False
    walkers: int = 2000
    steps: int = 8000
    rate: float = 0.02
    noise: float = 1.0
    batches: int = 80

    def temperature(self) -> float:
        """Of the noise of the slopes: rate·noise²/2."""
        return self.rate * self.noise**2 / 2


def escaped(walk: Walk, seed: int, tilt: float = TILT) -> float:
    """Share of walkers that end on the deeper side; the deep well is at x < 0 if ``tilt`` > 0, and else at x > 0.

    All arms meet the same noise of the slopes. In one dimension the tensor of a step is one number, a walker's.
    """
    draws = generator(seed, "slopes")
    thermal = generator(seed, "thermal")
    x = torch.full((walk.walkers,), math.copysign(0.95, tilt), dtype=torch.float64)
    extra = math.sqrt(2 * walk.rate * max(TEMPERATURE - walk.temperature(), 0.0))
    for n in range(walk.steps):
        xi = torch.randn(walk.walkers, generator=draws, dtype=torch.float64)
        h = -walk.rate * (x**3 - x + tilt + walk.noise * xi)
        if walk.langevin:
            h = h + extra * torch.randn(walk.walkers, generator=thermal, dtype=torch.float64)
        x = x + _moved(walk, h, n / walk.batches)
    return float((x * tilt < 0).double().mean())


def _moved(walk: Walk, h: Tensor, epoch: float) -> Tensor:
    if walk.quantum is None:
        return h
    if isinstance(walk.quantum, str):
        rounding = "down" if walk.quantum == "published" else "none"
        epochs = walk.steps / walk.batches
        rule = partial(quantised_update, lr=walk.rate, epoch=epoch, epochs=epochs, rounding=rounding)
        return torch.func.vmap(rule)(h)
    return quantise(h, 1 / (walk.quantum * walk.rate * walk.noise), walk.rounding)


def both_ways(walk: Walk, seeds: Sequence[int]) -> tuple[float, float]:
    """``escaped``, in the mean over seeds, with the deep well on the left and on the right."""
    shares = [[escaped(walk, seed, tilt) for seed in seeds] for tilt in (TILT, -TILT)]
    return float(np.mean(shares[0])), float(np.mean(shares[1]))


def by_noise(walk: Walk, seeds: Sequence[int]) -> dict[str, tuple[float, float]]:
    """``both_ways`` of descent alone, with Langevin's noise, by the rule as published, without its quantum."""
    arms = {
        "SGD": walk,
        "Langevin": replace(walk, langevin=True),
        "the rule": replace(walk, quantum="published"),
        "without its quantum": replace(walk, quantum="transient"),
    }
    return {name: both_ways(arm, seeds) for name, arm in arms.items()}


def by_quantum(walk: Walk, quanta: Sequence[float], rounding: str, seeds: Sequence[int]) -> np.ndarray:
    """``both_ways`` for each fixed quantum, in standard deviations of a step: (quanta, 2)."""
    arms = [replace(walk, quantum=quantum, rounding=rounding) for quantum in quanta]
    return np.array([both_ways(arm, seeds) for arm in arms])


def gibbs_share(temperature: float = TEMPERATURE, tilt: float = TILT) -> float:
    """Share of exp(-U/T) on the deeper side of 0, by the trapezoidal rule."""
    x = np.linspace(-4, 4, 80_001)
    weight = np.exp(-((x**2 - 1) ** 2 / 4 + abs(tilt) * x) / temperature)
    return float(weight[x < 0].sum() / weight.sum())


def rounded_variance(quantum: np.ndarray | float, rounding: str = "nearest") -> tuple[np.ndarray, np.ndarray]:
    """Mean in quanta and variance of a standard normal number rounded to multiples of ``quantum``; exact sums."""
    means, variances = [], []
    for size in np.atleast_1d(np.asarray(quantum, dtype=float)):
        most = math.ceil(9 / size) + 2
        k = np.arange(-most, most + 1)
        shift = 0.5 if rounding == "nearest" else 0.0
        edges = torch.as_tensor(size * (np.append(k, most + 1) - shift) / math.sqrt(2))
        share = np.diff(0.5 * torch.erf(edges).numpy())
        mean = float((share * k).sum())
        means.append(mean)
        variances.append(size**2 * float((share * (k - mean) ** 2).sum()))
    return np.array(means), np.array(variances)
