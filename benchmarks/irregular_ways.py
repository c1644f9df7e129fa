"""The way of the models' authors along a batch of irregular series: at the union of all times.

The union's way is written here with the same nets and the same solver, common steps in place of own ones. All
series take every step; at every time that any series has a row, all states are made, and kept where there is none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.recurrent import GRUODEBayes, LatentODE, Series
from contdepth.recurrent.between import Between
from contdepth.schemes import solve
from contdepth.seeds import generator

__all__ = ["irregular", "latent_model", "union_filter", "union_latent", "wilder"]


def irregular(n: int, rows: int, distinct: int | None, horizon: float, dtype: torch.dtype) -> Series:
    """Waves of ``n`` frequencies at ``rows`` times each, drawn among ``distinct`` equal ones, or anywhere."""
    source = generator(0, f"irregular/{n}/{rows}/{distinct}")
    if distinct is None:
        times = (horizon * torch.rand(n, rows, generator=source, dtype=torch.float64)).sort(1).values
    else:
        chosen = torch.rand(n, distinct, generator=source).argsort(1)[:, :rows].sort(1).values
        times = horizon * chosen.double() / distinct
    rate = 1 + torch.rand(n, 1, generator=source, dtype=torch.float64)
    values = torch.sin(2 * rate * times)[..., None]
    return Series(values.to(dtype), times.to(dtype), torch.ones(n, rows, dtype=torch.bool))


def wilder(model: torch.nn.Module, factor: float) -> None:
    """Make the weights ``factor`` times as large: a net as drawn hardly moves."""
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "field" in name or "between" in name:
                one.mul_(factor)


def latent_model(step: float | None = 0.1, rtol: float = 1e-3, atol: float = 1e-4) -> LatentODE:
    """A model of the size of the paper's for one number a row: 10 latent numbers, 40 in the encoder."""
    model = LatentODE(
        1, 10, hidden=40, width=50, step=step, rtol=rtol, atol=atol, generator=generator(0, "weights")
    )
    wilder(model, 2.5)
    return model


def _table(series: Series) -> tuple[Tensor, Tensor, Tensor]:
    """Return the times of the union ``(U,)``, and values and mask at them, ``(U, n, d)`` and ``(U, n)``."""
    times, where = series.times.unique(return_inverse=True)
    who = torch.arange(len(series.times)).unsqueeze(1).expand_as(where)
    values = series.values.new_zeros(len(times), *series.values[:, 0].shape)
    values[where, who] = series.values
    mask = torch.zeros(values.shape[:2], dtype=torch.bool)
    mask[where, who] = series.seen
    return times, values, mask


def _passed(between: Between, h: Tensor, gap: float) -> Tensor:
    """A gap for all series: Euler steps, or solved by common steps."""
    if not gap > 0:
        return h
    if between.step is None:
        t = torch.tensor([0.0, gap], dtype=h.dtype)
        return solve(lambda _, u: between.rate(u), h, t, rtol=between.rtol, atol=between.atol).u[-1]
    count = max(1, round(gap / between.step + 0.499))
    for _ in range(count):
        h = h + gap / count * between.rate(h)
    return h


def union_encoded(model: LatentODE, series: Series) -> Tensor:
    """The encoder's state at the first time of the union."""
    times, values, mask = _table(series)
    h, later = model.encoder.start(len(series.times)), float(times[-1])
    for k in range(len(times) - 1, -1, -1):
        h = _passed(model.encoder.between, h, later - float(times[k]))
        told = torch.cat([values[k], mask[k, :, None].to(h.dtype)], dim=-1)
        h = torch.where(mask[k, :, None], model.encoder.jump(told, h), h)
        later = float(times[k])
    return h


def union_latent(model: LatentODE, series: Series, z: Tensor | None = None) -> Tensor:
    """ln p of each series given the mean of q(z₀), ``(n,)``; z₀ at the first time of the union, or ``z`` given."""
    times, values, mask = _table(series)
    if z is None:
        z = model.posterior(union_encoded(model, series))[:, : model.latent]
    path = solve(lambda _, u: model.field(u), z, times, rtol=model.rtol, atol=model.atol).u
    error = (values - model.decoder(path)).square().sum(-1)
    return -0.5 * torch.where(mask, error, 0).sum(0)


def union_filter(model: GRUODEBayes, series: Series) -> Tensor:
    """-ln p of each series but for a constant, ``(n,)``: the loop of GRU-ODE-Bayes."""
    times, values, mask = _table(series)
    h, before = model.jump.start(len(series.times)), float(times[0])
    loss = h.new_zeros(len(h))
    for k in range(len(times)):
        h = _passed(model.between, h, float(times[k]) - before)
        before, who = float(times[k]), mask[k].nonzero()[:, 0]
        mean, log_variance = model.predicted(h[who])
        error = (values[k, who] - mean).square() * (-log_variance).exp() + log_variance
        loss = loss.index_add(0, who, 0.5 * error.sum(-1))
        h = h.index_copy(0, who, model.jump(values[k, who], h[who], mask[k, who, None], mean, log_variance))
    return loss
