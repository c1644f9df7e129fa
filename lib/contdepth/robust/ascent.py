"""How much the inner loop finds: the loss after each pass with frozen slack, one big step, or true gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import checks
from contdepth.robust.cut import Cut
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.threat import Threat

__all__ = ["Ascent", "compare_ascents"]

WAYS = ("one step", "inner loop", "true gradients")


@dataclass(frozen=True)
class Ascent:
    """``losses[way]``: mean loss before and after each pass, (m + 1,). ``deltas[way]``: last δ, as the images.

    ``equal``: share of pixels in which one step and the inner loop, from the same δ with the same slack, agree to
    1e-6, (m,). ``difference``: the largest difference there, (m,).
    """

    losses: dict[str, np.ndarray]
    deltas: dict[str, Tensor]
    equal: np.ndarray
    difference: np.ndarray


def slack_at(cut: Cut, x: Tensor, delta: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """p at x + δ, shape of f_0(x), and the full gradient with respect to δ, both of the summed loss."""
    point = (x + delta).detach().requires_grad_()
    with cut.detached() as found:
        loss = cross_entropy(cut.model(point), y, reduction="sum")
    slack = torch.autograd.grad(loss, found["state"])[0]
    return slack, torch.autograd.grad(found["output"], point, slack)[0]


def compare_ascents(
    model: nn.Module,
    first_layer: str,
    x: Tensor,
    y: Tensor,
    delta: Tensor,
    threat: Threat,
    *,
    steps: int,
    inner_steps: int,
    step_size: float,
) -> Ascent:
    """Three adversaries from the same ``delta``, m = ``steps`` passes each, the model held fixed.

    ``"inner loop"``: n = ``inner_steps`` steps of σ = ``step_size`` with the slack of the pass (YOPO).
    ``"one step"``: one step of nσ along the full gradient of the pass. ``"true gradients"``: n steps of σ, each
    with its own full gradient, so n times the passes. The model should be in eval mode.

    Raises:
        TypeError, ValueError: see ``Cut``; counts below 1.
    """
    m, n = checks.integer("steps", steps, at_least=1), checks.integer("inner_steps", inner_steps, at_least=1)
    cut = Cut(model, first_layer)
    deltas = {way: threat.project(delta, x) for way in WAYS}
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    equal, difference = [], []

    def look() -> None:
        with torch.no_grad():
            for way in WAYS:
                losses[way].append(float(cross_entropy(model(x + deltas[way]), y)))

    def big_step(delta: Tensor, gradient: Tensor, size: float) -> Tensor:
        return threat.project(delta + size * threat.direction(gradient), x)

    look()
    for _ in range(m):
        slack, gradient = slack_at(cut, x, deltas["inner loop"], y)
        single = big_step(deltas["inner loop"], gradient, n * step_size)
        looped = inner_steps_plain(cut, x, deltas["inner loop"], slack, threat, step_size, n)
        gap = (single - looped).abs()
        equal.append(float((gap <= 1e-6).double().mean()))
        difference.append(float(gap.max()))
        deltas["inner loop"] = looped
        deltas["one step"] = big_step(
            deltas["one step"], slack_at(cut, x, deltas["one step"], y)[1], n * step_size
        )
        for _ in range(n):
            true = slack_at(cut, x, deltas["true gradients"], y)[1]
            deltas["true gradients"] = big_step(deltas["true gradients"], true, step_size)
        look()
    return Ascent({way: np.array(v) for way, v in losses.items()}, deltas, np.array(equal), np.array(difference))
