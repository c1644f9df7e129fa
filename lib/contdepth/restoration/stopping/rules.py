"""When to stop: the oracle, fixed steps, the noise level, and a learnt policy; and what a rule loses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.stopping.policy import Policy, continuation_values
from contdepth.restoration.stopping.rollouts import Rollouts, stopped_at

__all__ = [
    "NOISE_LINE",
    "Line",
    "best_fixed",
    "by_noise_level",
    "first_stop",
    "fit_line",
    "fixed",
    "greedy",
    "mean_steps",
    "oracle",
    "regret",
]


@dataclass(frozen=True)
class Line:
    """Steps as ``slope`` · level + ``intercept``, level in grey levels of 255."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        checks.real("slope", self.slope)
        checks.real("intercept", self.intercept)


NOISE_LINE = Line(0.1, -0.5)
"""(σ − 5)/10: one step for each 10 grey levels, 2 at σ = 25, the line of the schedule 2/3/4/5 at 25/35/45/55."""


def checked_losses(losses: Tensor) -> None:
    """Finite real losses (episodes, N + 1), at least one of each."""
    checks.finite("losses", checks.reals("losses", losses, ndim=2, hint="(episodes, N + 1)"))
    if losses.numel() == 0:
        raise ValueError(f"losses: expected at least one episode and step, found shape {tuple(losses.shape)}")


def oracle(losses: Tensor) -> Tensor:
    """The step of the smallest loss of every episode, the first among equals: int64 ``(episodes,)``.

    ``losses``: ``(episodes, N + 1)``, entry n of X_n. Needs the clean image: a bound, no rule.
    """
    checked_losses(losses)
    return (losses == losses.amin(1, keepdim=True)).long().argmax(1)


def best_fixed(losses: Tensor) -> int:
    """The one step with the smallest mean loss over all episodes, the first among equals."""
    checked_losses(losses)
    return int(oracle(losses.mean(0, keepdim=True)))


def fixed(n: int, episodes: int) -> Tensor:
    """Step ``n`` for each of ``episodes``: int64 ``(episodes,)``."""
    checks.integer("episodes", episodes, at_least=0)
    return torch.full((episodes,), checks.integer("n", n, at_least=0))


def by_noise_level(levels: Tensor, steps: int, line: Line = NOISE_LINE) -> Tensor:
    """The line's value at the estimated ``levels`` ``(episodes,)``, rounded (halves up), clipped to 0 … ``steps``.

    Raises:
        TypeError, ValueError: levels that are not finite numbers ``(episodes,)``; ``steps`` below 0.
    """
    checks.tensor("levels", levels, ndim=1)
    checks.finite("levels", levels.double(), hint="grey levels of 255")
    checks.instance("line", line, Line)
    checks.integer("steps", steps, at_least=0)
    return (line.slope * levels.double() + line.intercept + 0.5).floor().clamp(0, steps).long()


def fit_line(levels: Tensor, stops: Tensor) -> Line:
    """Least squares of ``stops`` (the oracle's, on training episodes) on estimated ``levels``, ``(episodes,)``.

    Raises:
        TypeError, ValueError: unequal lengths, or fewer than two different levels.
    """
    checks.finite("levels", checks.tensor("levels", levels, ndim=1).double())
    checks.same_shape("stops", checks.tensor("stops", stops), tuple(levels.shape))
    x, y = levels.double(), stops.double()
    if len(x) < 2 or float(x.max() - x.min()) == 0:
        checks.fail("levels", "at least two different levels", f"{len(x)} episodes of one level")
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    return Line(slope, float(y.mean()) - slope * float(x.mean()))


def first_stop(values: Tensor) -> Tensor:
    """The first n with v_n ≤ 0, and N where there is none: int64 ``(episodes,)``.

    ``values``: v at n = 0 … N − 1, ``(episodes, N)``, positive where going on is preferred. Stop at 0 returns the
    observation itself.
    """
    checks.reals("values", values, ndim=2, hint="(episodes, N), one for each decision; none at N")
    return (values > 0).long().cumprod(1).sum(1)


def greedy(policy: Policy, rollouts: Rollouts, precision: str = "fp32") -> Tensor:
    """Where ``policy`` stops every episode, int64 ``(episodes,)``: ``first_stop`` of its values.

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon, bad precision.
    """
    return first_stop(continuation_values(policy, rollouts, precision=precision))


def regret(rollouts: Rollouts, stops: Tensor) -> Tensor:
    """PSNR of the oracle minus PSNR at ``stops``, in dB, ``(episodes,)``: never negative."""
    checks.instance("rollouts", rollouts, Rollouts)
    return rollouts.psnr.amax(1) - stopped_at(rollouts.psnr, stops)


def mean_steps(stops: Tensor, levels: Tensor) -> dict[float, float]:
    """Mean stop of the episodes of each level, in the order of the levels.

    Raises:
        TypeError, ValueError: unequal lengths.
    """
    checks.tensor("stops", stops, ndim=1)
    checks.same_shape("levels", checks.tensor("levels", levels), tuple(stops.shape))
    checks.finite("levels", levels)
    if levels.dtype in (torch.complex64, torch.complex128):
        raise TypeError(f"levels: expected real numbers, found dtype {levels.dtype}")
    found = {float(level): stops[levels == level].double() for level in levels.unique()}
    return {level: math.fsum(chosen.tolist()) / len(chosen) for level, chosen in found.items()}
