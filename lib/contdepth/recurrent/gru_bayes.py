"""A filter for series at irregular times: a differential equation between rows, a jump at each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks, devices
from contdepth.recurrent.gru_ode import GRUODE, GRUJump
from contdepth.recurrent.sequence import uniform, zeros
from contdepth.recurrent.series import Series

__all__ = ["Filtered", "GRUODEBayes"]


class Filtered(NamedTuple):
    """States before and after each row ``(n, T, hidden)``; what was predicted for the row just before it.

    ``mean`` and ``log_variance`` are ``(n, T, d)``.
    """

    before: Tensor
    after: Tensor
    mean: Tensor
    log_variance: Tensor


class GRUODEBayes(nn.Module):
    """GRU-ODE-Bayes (De Brouwer et al., NeurIPS 2019): ``GRUODE`` between rows, ``GRUJump`` at each.

    The first row's time is where a series starts: its state before it is 0, or what is given. A row in which all
    is missing lets time pass and does not jump: there it is a prediction, and padding changes nothing. The model
    of observations is one affine layer (a hidden one stands before it in the authors' code); the loss is the
    likelihood before the jumps, without the paper's second term, which the authors' experiments weigh by 1e-4.

    Args:
        inputs: numbers in a row, d.
        hidden: numbers in a state.
        features: of each number in a row, as ``GRUJump``.
        step: as ``GRUODE``; None solves to the tolerances.
        rtol: relative tolerance.
        atol: absolute one.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError, IntegrationError: as ``GRUODE`` and ``GRUJump``.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        features: int = 4,
        step: float | None = 0.1,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.between = GRUODE(hidden, step=step, rtol=rtol, atol=atol, generator=generator)
        self.jump = GRUJump(inputs, hidden, features=features, generator=generator)
        self.observe = uniform(generator, 1 / math.sqrt(hidden), 2 * inputs, hidden)
        self.observe_bias = zeros(generator, 2 * inputs)

    def predicted(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance ``(..., d)`` of a row at states ``h`` ``(..., hidden)``."""
        checks.same_shape("h", checks.reals("h", h, like=self.observe), (*h.shape[:-1], self.jump.hidden))
        devices.common(weights=self.observe, h=h)
        mean, log_variance = functional.linear(h, self.observe, self.observe_bias).chunk(2, dim=-1)
        return mean, log_variance

    def forward(self, series: Series, h: Tensor | None = None) -> Filtered:
        """Return states and predictions along ``series``, from ``h`` ``(n, hidden)``, 0 if None."""
        values = checks.instance("series", series, Series, "make one with from_nan or padded").values
        state = self.jump.start(len(values)) if h is None else h
        self.jump.fitting(values[:, 0], state)
        gaps = series.times.diff(dim=1, prepend=series.times[:, :1])

        def jump(before: Tensor, who: Tensor, k: Tensor) -> tuple[Tensor, ...]:
            mean, log_variance = self.predicted(before)
            after = self.jump(values[who, k], before, series.mask[who, k], mean, log_variance)
            return after, before, mean, log_variance

        after, before, mean, log_variance = self.between.along(state, gaps, jump)
        return Filtered(before, after, mean, log_variance)

    def negative_log_likelihood(self, series: Series, h: Tensor | None = None) -> Tensor:
        """Return the mean of -ln N(y; μ, s²) over observed numbers, predicted before each jump; 0 without any."""
        found = self(series, h)
        error = series.values - found.mean
        each = error.square() * (-found.log_variance).exp() + found.log_variance + math.log(2 * math.pi)
        return 0.5 * torch.where(series.mask, each, 0).sum() / series.mask.sum().clamp_min(1)
