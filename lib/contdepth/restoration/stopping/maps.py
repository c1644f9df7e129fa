"""Stopping for each place of a picture: one decision a window, outputs blended."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.metrics import grey
from contdepth.restoration.stopping.policy import PRECISIONS, Policy

__all__ = ["StoppingMap", "blending", "compose", "stopping_map"]


@dataclass(frozen=True)
class StoppingMap:
    """``stops`` int64 ``(rows, columns)``: the step of the window with its first pixel at (``tops``, ``lefts``).

    ``patch``: height and width of every window; ``size``: of the picture. The windows cover the picture.
    """

    stops: Tensor
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    patch: tuple[int, int]
    size: tuple[int, int]


def starts(side: int, patch: int, stride: int) -> tuple[int, ...]:
    """First pixels of windows that cover ``side``: every ``stride``, and one that ends at the border."""
    return (*range(0, side - patch, stride), side - patch)


def stopping_map(
    policy: Policy,
    states: Tensor,
    y: Tensor,
    patch: int = 128,
    stride: int | None = None,
    *,
    precision: str = "fp32",
    batch: int = 32,
) -> StoppingMap:
    """Where ``policy`` stops in overlapping windows of one picture.

    ``states``: the trajectory X_0 … X_N of the whole picture, ``(N + 1, 1, h, w)``; ``y``: ``(1, 1, h, w)``;
    ``patch``: side of a window (the whole side where the picture is smaller), at least 64 for policies trained on
    patches of 128; ``stride``: half of it by default. Windows are cut from the trajectory of the whole picture, so
    they have no borders of their own. A window that has stopped is not asked again.

    Raises:
        TypeError, ValueError: bad shapes, more steps than the policy's horizon, a stride above the patch.
    """
    states, y = grey("states", states), grey("y", y)
    checks.same_shape("y", y, (1, *states.shape[1:]), hint="one picture, (1, 1, h, w)")
    checks.integer("patch", patch, at_least=1)
    stride = max(1, patch // 2) if stride is None else checks.integer("stride", stride, at_least=1, at_most=patch)
    checks.integer("batch", batch, at_least=1)
    checks.one_of("precision", precision, PRECISIONS)
    if not isinstance(policy, Policy):
        checks.fail("policy", "a Policy", type(policy).__name__, error=TypeError)
    steps, (h, w) = len(states) - 1, states.shape[-2:]
    checks.integer(
        "steps in states", steps, at_least=1, at_most=policy.horizon, hint="at most the policy's horizon"
    )
    ph, pw = min(patch, h), min(patch, w)
    tops, lefts = starts(h, ph, stride), starts(w, pw, stride)
    corners = [(top, left) for top in tops for left in lefts]

    def windows(picture: Tensor, chosen: list[int]) -> Tensor:
        return torch.stack([picture[:, a : a + ph, b : b + pw] for a, b in (corners[i] for i in chosen)])

    stops, going = torch.zeros(len(corners), dtype=torch.int64), list(range(len(corners)))
    with torch.no_grad(), torch.autocast(y.device.type, torch.bfloat16, enabled=precision == "bf16"):
        for n in range(steps):
            still = []
            for chosen in (going[i : i + batch] for i in range(0, len(going), batch)):
                parts = (windows(picture, chosen) for picture in (states[n], y[0], states[max(n - 1, 0)]))
                values = policy(*parts, torch.full((len(chosen),), n, device=y.device))
                still += [i for i, value in zip(chosen, values.tolist(), strict=True) if value > 0]
            stops[still] = n + 1
            going = still
    return StoppingMap(stops.view(len(tops), len(lefts)), tops, lefts, (ph, pw), (h, w))


def blending(where: StoppingMap, steps: int) -> Tensor:
    """The share of X_n in every pixel, float32 ``(steps + 1, h, w)``, n = 0 … ``steps``: sums to one over n.

    Windows are tents, positive on every pixel they cover, divided by their sum.

    Raises:
        ValueError: a stop above ``steps``.
    """
    checks.integer(
        "steps", steps, at_least=int(where.stops.max()), hint="the trajectory ends before a window stops"
    )
    tent = [torch.minimum(torch.arange(side) + 1, side - torch.arange(side)).double() for side in where.patch]
    window = tent[0][:, None] * tent[1]
    shares = torch.zeros(steps + 1, *where.size, dtype=torch.float64)
    for row, top in enumerate(where.tops):
        for column, left in enumerate(where.lefts):
            n = int(where.stops[row, column])
            shares[n, top : top + where.patch[0], left : left + where.patch[1]] += window
    return (shares / shares.sum(0)).float()


def compose(states: Tensor, where: StoppingMap) -> Tensor:
    """The picture whose windows stop where ``where`` says, ``(1, 1, h, w)``, unclipped.

    ``states``: the trajectory of the whole picture, ``(N + 1, 1, h, w)``. Equals X_n where all windows over a
    pixel stop at n.

    Raises:
        TypeError, ValueError: another size than the map's, fewer steps than a stop.
    """
    checks.instance("where", where, StoppingMap)
    states = grey("states", states)
    checks.same_shape("states", states, (len(states), 1, *where.size))
    shares = blending(where, len(states) - 1).to(states.device, states.dtype)
    return (shares[:, None] * states).sum(0, keepdim=True)
