"""Days of a country's power, half of their hours hidden: what models and simple guesses make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from contdepth.data import series
from contdepth.seeds import generator
from contdepth.studies.sequences.latentode.contest import Arms, guess
from contdepth.studies.sequences.latentode.waves import HORIZON, Window, draw, rows_of, seen

__all__ = ["by_line", "by_normal", "drawn_from", "hidden_errors", "italy", "judge_days", "made_days"]


def italy(split: str) -> Tensor:
    """Return the days ``(n, 24)`` of ItalyPowerDemand, each with mean 0 and deviation 1."""
    return torch.from_numpy(np.stack([one[:, 0] for one in series("italy_power_demand", split).values])).float()


def made_days(n: int, seed: int) -> Tensor:
    """Return ``n`` waves at 24 equal times with noise, for a run that has no data."""
    source = generator(seed, "made days")
    return draw(n, source).at(hours(n)) + 0.1 * torch.randn(n, 24, generator=source)


def hours(n: int) -> Tensor:
    """Return the times of ``n`` days, ``(n, 24)``: a day is as long as a window."""
    return (HORIZON / 24 * torch.arange(24.0)).repeat(n, 1)


def drawn_from(days: Tensor) -> Callable[[int, torch.Generator], Window]:
    """Return what draws a batch of the days, none twice."""

    def drawn(n: int, source: torch.Generator) -> Window:
        which = torch.randperm(len(days), generator=source)[:n]
        return Window(hours(len(which)), days[which])

    return drawn


def by_line(days: Tensor, shown: Tensor) -> Tensor:
    """Return the days ``(n, 24)`` by straight lines between the hours ``shown`` ``(n, k)``, level at both ends."""
    at = np.arange(24.0)
    pairs = zip(days.numpy(), shown.numpy(), strict=True)
    return torch.from_numpy(np.stack([np.interp(at, k, day[k]) for day, k in pairs])).to(days)


def by_normal(days: Tensor, shown: Tensor, train: Tensor, ridge: float) -> Tensor:
    """Return E[day | hours shown] ``(n, 24)`` of the normal law with mean and covariance of the days ``train``.

    ``ridge`` is added to the variance of the hours that are shown.
    """
    mean = train.double().mean(0)
    covariance = torch.cov(train.double().T)
    found = []
    for day, k in zip(days.double(), shown, strict=True):
        own = covariance[k][:, k] + ridge * torch.eye(len(k), dtype=torch.float64)
        found.append(mean + covariance[:, k] @ torch.linalg.solve(own, day[k] - mean[k]))
    return torch.stack(found).to(days)


def hidden_errors(found: Tensor, days: Tensor, shown: Tensor) -> float:
    """Return the mean square error of ``found`` at the hours that were not ``shown``."""
    hidden = torch.ones_like(days, dtype=torch.bool).scatter(1, shown, False)
    return float((found - days)[hidden].square().mean())


def judge_days(
    arms: Arms, train: Tensor, test: Tensor, count: int, ridge: float, seed: int
) -> tuple[dict[str, np.ndarray], Tensor]:
    """Return errors at hidden hours by arm, and which hours were shown ``(n, count)``.

    Simple guesses have one entry: straight lines, the mean of the training days, and the normal law.
    """
    shown = seen(len(test), 24, count, generator(seed, "judged"))
    window = rows_of(Window(hours(len(test)), test), shown)
    found = {
        arm: np.array([hidden_errors(guess(one, window, hours(len(test))), test, shown) for one in own])
        for arm, own in arms.models.items()
    }
    simple: Sequence[tuple[str, Tensor]] = (
        ("straight lines", by_line(test, shown)),
        ("mean day", train.mean(0).expand_as(test)),
        ("normal law", by_normal(test, shown, train, ridge)),
    )
    found |= {name: np.array([hidden_errors(one, test, shown)]) for name, one in simple}
    return found, shown
