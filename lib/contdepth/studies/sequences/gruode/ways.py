"""What a batch costs: each series by steps of its own, against all at the union of all times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from contdepth.recurrent import GRUODEBayes, Series
from contdepth.seeds import generator
from contdepth.studies.sequences.gruode.contest import resolved, typed
from contdepth.studies.sequences.gruode.walks import Walk, draw

__all__ = ["Cost", "batch", "compared", "own_loss", "timed", "tolerance", "union_loss"]

UNION_STEP, LOOSE, TIGHT = 0.1, 0.1, 1e-5

Loss = Callable[[GRUODEBayes, Series], Tensor]
"""-ln p of each series but for a constant, ``(n,)``."""


class Cost(NamedTuple):
    """Evaluations of the rate on a whole batch, and the relative error of the losses, by each way."""

    union: int
    own: int
    union_error: float
    own_error: float
    distinct: int


def batch(walk: Walk, n: int, rows: int, distinct: int | None) -> Series:
    """Return ``n`` series of ``rows`` rows, all seen, at different ones of ``distinct`` times, or anywhere.

    A first row at time 0, which shows nothing, starts all series there by either way.
    """
    source = generator(0, f"ways/{n}/{distinct}")
    values = draw(walk, n, 0, f"ways/{n}").values[:, : rows + 1]
    if distinct is None:
        times = (walk.horizon * torch.rand(n, rows, generator=source)).sort(1).values
    else:
        places = torch.rand(n, distinct, generator=source).argsort(1)[:, :rows].sort(1).values
        times = walk.horizon * (places + 1).float() / distinct
    mask = torch.arange(rows + 1).expand(n, -1) > 0
    return Series(values, torch.cat([torch.zeros(n, 1), times], dim=1), mask)


def _each(values: Tensor, mask: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-ln p of what was seen of rows ``(…, d)`` but for a constant, ``(…,)``."""
    each = (values - mean).square() * torch.exp(-log_variance) + log_variance
    return 0.5 * torch.where(mask, each, 0).sum(-1)


def own_loss(model: GRUODEBayes, series: Series) -> Tensor:
    """Return -ln p of each series but for a constant, ``(n,)``, each at its own times."""
    found = model(series)
    return _each(series.values, series.mask, found.mean, found.log_variance).sum(1)


def union_loss(model: GRUODEBayes, series: Series) -> Tensor:
    """Return the same by the loop of the authors' code: all states go from time to time of the whole batch.

    Each gap has the fewest equal Euler steps that are not longer than ``UNION_STEP``.
    """
    times, place = series.times.unique(return_inverse=True)
    h, before = model.jump.start(len(place)), float(times[0])
    loss = h.new_zeros(len(h))
    for k, now in enumerate(times.tolist()):
        count = max(1, math.ceil((now - before) / UNION_STEP - 1e-4)) if now > before else 0
        for _ in range(count):
            h = h + (now - before) / count * model.between.rate(h)
        before = now
        who, row = (place == k).nonzero(as_tuple=True)
        mean, log_variance = model.predicted(h[who])
        values, mask = series.values[who, row], series.mask[who, row]
        loss = loss.index_add(0, who, _each(values, mask, mean, log_variance))
        h = h.index_copy(0, who, model.jump(values, h[who], mask, mean, log_variance))
    return loss


def _counted(call: Loss, model: GRUODEBayes, series: Series) -> tuple[Tensor, int]:
    """Return the losses, and how often the rate of the whole batch was evaluated."""
    between, seen = model.between, []
    rate = between._rate

    def told(h: Tensor) -> Tensor:
        seen.append(len(h) / len(series.values))
        return rate(h)

    between._rate = told  # type: ignore[method-assign]
    try:
        with torch.no_grad():
            return call(model, series).double(), round(sum(seen))
    finally:
        del between._rate


def tolerance(model: GRUODEBayes, series: Series) -> tuple[float, Cost]:
    """Return the largest of 0.1, 0.01, … at which steps of their own are not less exact than the union's way."""
    wanted = _counted(own_loss, resolved(model, None, 1e-9).double(), typed(series, torch.float64))[0]

    def error(found: Tensor) -> float:
        return float((found - wanted).norm() / wanted.norm())

    union, many = _counted(union_loss, model, series)
    rtol = LOOSE
    while True:
        own, few = _counted(own_loss, resolved(model, None, rtol), series)
        if error(own) <= error(union) or rtol <= TIGHT:
            return rtol, Cost(many, few, error(union), error(own), len(series.times.unique()))
        rtol /= 10


def compared(model: GRUODEBayes, walk: Walk, rows: int, cases: Sequence[tuple[int, int | None]]) -> list[Cost]:
    """Return what each case of (series, distinct times) costs."""
    return [tolerance(model, batch(walk, n, rows, distinct))[1] for n, distinct in cases]


def timed(model: GRUODEBayes, series: Series) -> dict[str, Callable[[], object]]:
    """Return value and gradient by each way, at equal error, as tasks for a clock."""
    own = resolved(model, None, tolerance(model, series)[0])

    def task(call: Loss, one: GRUODEBayes) -> Callable[[], object]:
        def step() -> None:
            one.zero_grad()
            call(one, series).sum().backward()

        return step

    return {"union": task(union_loss, model), "own": task(own_loss, own)}
