"""One way of training for all filters: Adam on the likelihood before each row, the best state on held series."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth.recurrent import GRUODEBayes, Series
from contdepth.seeds import generator
from contdepth.studies.sequences.gruode.peers import DecayGRU, GapGRU

__all__ = ["ARMS", "Plan", "fit", "made", "mse", "nll", "part", "pull"]

ARMS = ("GRU-ODE-Bayes", "GRU with gaps", "GRU with decay")


@dataclass(frozen=True)
class Plan:
    """``steps`` of Adam on batches of ``batch`` series, held series looked at ``every`` so many steps.

    ``euler`` is the step between rows; a share of 1/``held`` of the series is kept back.
    """

    steps: int = 300
    batch: int = 100
    every: int = 20
    held: int = 5
    euler: float = 0.1


def made(arm: str, inputs: int, seed: int, euler: float = 0.1) -> nn.Module:
    """Return an untrained filter of one of ``ARMS``, of about equally many parameters for 2 numbers a row."""
    source = generator(seed, f"weights/{arm}")
    if arm == ARMS[0]:
        return GRUODEBayes(inputs, 25, step=euler, generator=source)
    return (GapGRU if arm == ARMS[1] else DecayGRU)(inputs, 33, 20, source)


def part(series: Series, who: Tensor | slice) -> Series:
    """Return some of the series."""
    return Series(series.values[who], series.times[who], series.mask[who])


def nll(told: Tensor, log_variance: Tensor, series: Series) -> Tensor:
    """Return the mean of -ln N over observed numbers, ``()``."""
    error = (series.values - told).square() * torch.exp(-log_variance) + log_variance + math.log(2 * math.pi)
    return 0.5 * torch.where(series.mask, error, 0).sum() / series.mask.sum()


def mse(told: Tensor, series: Series) -> Tensor:
    """Return the mean squared error over observed numbers, ``()``."""
    return torch.where(series.mask, (series.values - told).square(), 0).sum() / series.mask.sum()


def pull(mean: Tensor, log_variance: Tensor, series: Series, noise: float = 0.01) -> Tensor:
    """Return the mean over observed numbers of KL(N(mean, variance) ‖ N(value, noise²)), of a row *after* it.

    The second term of the loss, with the noise of the authors' code.
    """
    ratio = (log_variance.exp() + (mean - series.values).square()) / noise**2
    each = 0.5 * (ratio - 1 - log_variance + 2 * math.log(noise))
    return torch.where(series.mask, each, 0).sum() / series.mask.sum()


def fit(arm: str, series: Series, plan: Plan, rate: float, seed: int, *, weight: float = 0.0) -> nn.Module:
    """Return a filter of ``arm`` trained on ``series``, in the state that was best on those kept back.

    Args:
        arm: one of ``ARMS``.
        series: to learn from and to keep back.
        plan: sizes.
        rate: of Adam at the start; it falls to a tenth along a cosine.
        seed: of weights and order.
        weight: of ``pull`` in the loss, for GRU-ODE-Bayes alone.
    """
    model = made(arm, series.values.shape[2], seed, plan.euler)
    kept = len(series.values) // plan.held
    held, learnt = part(series, slice(0, kept)), part(series, slice(kept, None))
    order, count = generator(seed, "order"), len(learnt.values)
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    falls: Callable[[int], float] = lambda k: 0.55 + 0.45 * math.cos(math.pi * k / plan.steps)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, falls)
    best, state = math.inf, copy.deepcopy(model.state_dict())
    for k in range(plan.steps):
        who = torch.randperm(count, generator=order)[: plan.batch]
        some = learnt if count <= plan.batch else part(learnt, who)
        found = model(some)
        loss = nll(found.mean, found.log_variance, some)
        if weight:
            loss = loss + weight * pull(*model.predicted(found.after), some)  # type: ignore[call-arg, operator]
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        schedule.step()
        if (k + 1) % plan.every == 0 or k + 1 == plan.steps:
            with torch.no_grad():
                told = model(held)
                now = float(nll(told.mean, told.log_variance, held))
            if now < best:
                best, state = now, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return model
