"""Wide nets from small weights: where their training is slowest, beside a critical point of one neuron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contdepth.studies.landscape.embedding.critical import (
    Array,
    Critical,
    Task,
    critical_point,
    gradient,
    loss,
    output,
    starts,
)

__all__ = ["Plateau", "narrow_point", "train_wide"]


@dataclass(frozen=True)
class Plateau:
    """``steps`` (T,) looked at and ``losses`` (T, S); ``slowest`` (S,), the number of the slowest of them.

    There ``apart`` (S,) is the distance of the output from that of the narrow critical point, ``from_line`` from
    the best affine function, both relative to the target.
    """

    steps: Array
    losses: Array
    slowest: Array
    apart: Array
    from_line: Array


def narrow_point(name: str, data: Task) -> Critical:
    """One neuron's critical point: the lowest found from eight starts; for the sine, which is odd, with bias 0.

    With b = 0 the net and its residual are odd and ∂E/∂b vanishes, so that what is critical in (w, a) is critical.
    """
    begin = starts(range(8), 1, 1.5, "narrow")
    if name == "sine":
        begin[..., 1] = 0
    return min((critical_point(one, data, damped=400) for one in begin), key=lambda found: found.loss)


def train_wide(
    data: Task,
    narrow: Critical,
    seeds: Sequence[int],
    *,
    width: int = 50,
    scale: float = 0.01,
    steps: int = 20_000,
    rate: float = 0.02,
    look: int = 50,
) -> Plateau:
    """Gradient descent from N(0, ``scale``²).

    Slowest is where d log E / d log t is least, between the fifth look and the last but one.
    """
    theta, marks, losses, far = starts(seeds, width, scale, "wide"), [], [], []
    line = np.polyval(np.polyfit(data.x, data.y, 1), data.x)
    wanted = np.stack([output(narrow.theta, data.x), line])[:, None]
    for step in range(steps + 1):
        if step % look == 0:
            marks.append(step)
            losses.append(loss(theta, data))
            far.append(np.linalg.norm(output(theta, data.x) - wanted, axis=-1) / np.linalg.norm(data.y))
        theta = theta - rate * gradient(theta, data)
    kept, seen = np.array(losses), np.array(marks)
    falls = -np.diff(np.log(kept), axis=0) / np.diff(np.log(1 + seen))[:, None]
    slowest = 5 + falls[5:].argmin(0)
    apart, from_line = np.array(far)[slowest, :, np.arange(len(seeds))].T
    return Plateau(seen, kept, slowest, apart, from_line)
