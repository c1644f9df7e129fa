"""Series that a latent path explains: where it starts, what is observed of it, and a bound of the likelihood."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.recurrent.ode_rnn import begun
from contdepth.recurrent.series import Series

__all__ = ["Evidence", "LatentModel"]


class Evidence(NamedTuple):
    """Of each series the lower bound of ln p(x) and its two parts, ``(n,)``: bound = likelihood - w divergence.

    ``likelihood`` is the mean over draws of ln p(x | z₀), ``divergence`` KL(q(z₀ | x) ‖ N(0, I)).
    """

    bound: Tensor
    likelihood: Tensor
    divergence: Tensor


class LatentModel(nn.Module):
    """z₀ ~ N(0, I); rows are N(decoded state, ``noise``²), independent given z₀. q(z₀ | x) is a diagonal normal.

    A subclass gives ``_encoded`` and ``_decoded``.

    Args:
        inputs: numbers in a row, d.
        latent: numbers in z₀.
        noise: standard deviation of an observed number.
        learn_noise: whether it is a parameter, one for all.
        generator: where it draws the noise is kept.
    """

    def __init__(
        self, inputs: int, latent: int, noise: float, learn_noise: bool, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        self.inputs = checks.integer("inputs", inputs, at_least=1)
        self.latent = checks.integer("latent", latent, at_least=1)
        checks.instance("learn_noise", learn_noise, bool)
        value = math.log(checks.real("noise", noise, above=0))
        log_noise = torch.tensor(value, device=devices.drawn_on(generator))
        self.log_noise = nn.Parameter(log_noise, requires_grad=learn_noise)

    @abstractmethod
    def _encoded(self, series: Series, start: Tensor) -> Tensor:
        """Return means and logarithms of variances ``(n, 2 latent)`` of z₀ at ``start``."""

    @abstractmethod
    def _decoded(self, z: Tensor, times: Tensor, seen: Tensor, start: Tensor) -> Tensor:
        """Return the means of rows ``(k, n, T, d)`` for draws ``(k, n, latent)``; only those ``seen`` count."""

    def encode(self, series: Series, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of variances of q(z₀ | x), ``(n, latent)`` each.

        Args:
            series: what is observed.
            start: the time of z₀ in each series, ``(n,)``, no later than the first row; None: at that row.
        """
        start = self._start(series, start)
        mean, log_variance = self._encoded(series, start).chunk(2, dim=-1)
        return mean, log_variance

    def decode(self, z: Tensor, times: Tensor, start: Tensor | None = None) -> Tensor:
        """Return the means of rows ``(..., n, T, d)`` at ``times``.

        Args:
            z: z₀, ``(..., n, latent)``.
            times: ``(n, T)``, never decreasing in a series, before or behind what was observed.
            start: the time of z₀, ``(n,)``, no later than the first of ``times``; None: that one.
        """
        seen = torch.ones_like(checks.reals("times", times, ndim=2, like=self.log_noise), dtype=torch.bool)
        series = Series(torch.zeros_like(times)[..., None], times, seen)
        start = times[:, 0] if start is None else start
        begun(series, start)
        return self._paths(z, times, seen, start)

    def reconstruct(
        self,
        series: Series,
        times: Tensor | None = None,
        *,
        samples: int | None = None,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the rows expected at ``times``: between those observed, or behind them.

        Args:
            series: what is observed.
            times: ``(n, T)``, never decreasing in a series and not before ``start``; None: those of ``series``.
            samples: how many draws of z₀; None: its mean alone.
            start: the time of z₀, as for ``encode``.
            generator: draws, where it draws; None: the global one of the CPU.

        Returns:
            ``(n, T, d)``, or ``(samples, n, T, d)`` of draws.
        """
        start = self._start(series, start)
        mean, log_variance = self.encode(series, start)
        z = mean if samples is None else _drawn(mean, log_variance, samples, generator)
        return self.decode(z, series.times if times is None else times, start)

    def log_likelihood(self, z: Tensor, series: Series, start: Tensor | None = None) -> Tensor:
        """Return ln p(x | z₀) ``(..., n)``, of the observed numbers of ``series``, for z₀ ``(..., n, latent)``."""
        start = self._start(series, start)
        mean = self._paths(z, series.times, series.seen, start)
        error = (series.values - mean) * (-self.log_noise).exp()
        each = -0.5 * (error.square() + math.log(2 * math.pi)) - self.log_noise
        return torch.where(series.mask, each, 0).sum((-2, -1))

    def evidence(
        self,
        series: Series,
        target: Series | None = None,
        *,
        weight: float = 1.0,
        samples: int = 1,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Evidence:
        """Return the lower bound of ln p and its parts; training maximises the mean of ``bound``.

        Args:
            series: what the encoder sees.
            target: whose likelihood is taken, as many series; None: the same.
            weight: w, of the divergence; 1 is the bound, and annealing begins below.
            samples: draws of z₀.
            start: the time of z₀, ``(n,)``, no later than any row; None: at the first row of either.
            generator: draws, where it draws; None: the global one of the CPU.
        """
        weight = checks.real("weight", weight, at_least=0)
        target = series if target is None else checks.instance("target", target, Series)
        self._fits("series", series)
        self._fits("target", target)
        checks.same_shape("target", target.times[:, 0], (len(series.times),), "as many series")
        start = torch.minimum(series.times[:, 0], target.times[:, 0]) if start is None else start
        mean, log_variance = self.encode(series, start)
        z = _drawn(mean, log_variance, samples, generator)
        likelihood = self.log_likelihood(z, target, start).mean(0)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
        return Evidence(likelihood - weight * divergence, likelihood, divergence)

    def _start(self, series: Series, start: Tensor | None) -> Tensor:
        self._fits("series", series)
        start = series.times[:, 0] if start is None else start
        begun(series, start)
        return start

    def _fits(self, name: str, series: Series) -> None:
        checks.instance(name, series, Series, "make one with from_nan or padded")
        checks.reals(name, series.values, like=self.log_noise)
        checks.same_shape(name, series.values[0, 0], (self.inputs,), "numbers in a row")
        devices.common(weights=self.log_noise, series=series.values)

    def _paths(self, z: Tensor, times: Tensor, seen: Tensor, start: Tensor) -> Tensor:
        checks.reals("z", z, like=self.log_noise)
        checks.same_shape("z", z, (*z.shape[:-2], len(times), self.latent), "(..., series, latent)")
        devices.common(weights=self.log_noise, z=z, times=times)
        draws = z.shape[:-2].numel()
        checks.affordable("z", draws, *times.shape, max(self.inputs, self.latent), hint="take fewer samples")
        found = self._decoded(z.reshape(draws, *z.shape[-2:]), times, seen, start)
        return found.reshape(*z.shape[:-2], *found.shape[1:])


def _drawn(mean: Tensor, log_variance: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
    """Return draws ``(samples, n, latent)``."""
    samples = checks.integer("samples", samples, at_least=1)
    checks.affordable("samples", samples, mean.numel())
    where = devices.drawn_on(generator)
    drawn = torch.randn(samples, *mean.shape, generator=generator, device=where, dtype=mean.dtype)
    return mean + (0.5 * log_variance).exp() * drawn.to(mean.device)
