"""How much the inner loop finds: the loss after each pass with frozen slack, one big step, or true gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.losses import checked_inputs, checked_logits, training_loss
from contdepth.robust.threat import Threat, check_threat
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.inner_loop import FullPass, InnerLoop

__all__ = ["Ascent", "compare_ascents"]

WAYS = ("one step", "inner loop", "true gradients")


@dataclass(frozen=True)
class Ascent:
    """``losses[way]``: mean loss before and after each pass, (m + 1,). ``deltas[way]``: last δ, as the images.

    ``equal``: share of pixels in which one step and the inner loop, from the same δ with the same slack, agree to
    1e-6, (m,); ``equal_free``: the same among pixels that do not sit at a bound in both. ``difference``: the
    largest difference there, (m,).
    """

    losses: dict[str, np.ndarray]
    deltas: dict[str, Tensor]
    equal: np.ndarray
    equal_free: np.ndarray
    difference: np.ndarray


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
        TypeError, ValueError: see ``Cut``; counts below 1; ``x``, ``y`` or logits as an attack refuses them;
            ``delta`` not as ``x``.
    """
    checked_inputs(x, y)
    check_threat(threat)
    checks.real("step_size", step_size, above=0)
    checks.same_shape("delta", checks.floating("delta", delta), tuple(x.shape))
    m, n = checks.integer("steps", steps, at_least=1), checks.integer("inner_steps", inner_steps, at_least=1)
    loop = InnerLoop(Cut(model, first_layer))
    deltas = {way: threat.project(delta, x) for way in WAYS}
    losses: dict[str, list[float]] = {way: [] for way in WAYS}
    equal, equal_free, difference = [], [], []

    def look() -> None:
        with torch.no_grad():
            for way in WAYS:
                losses[way].append(float(training_loss(checked_logits(model, x + deltas[way]), y)))

    def pass_at(delta: Tensor) -> FullPass:
        return loop.full_pass(
            model, lambda logits: training_loss(logits, y, reduction="sum"), x, delta, weights=False
        )

    look()
    for _ in range(m):
        one = pass_at(deltas["inner loop"])
        looped = inner_steps_plain(loop.cut, x, one.delta.detach(), one.slack, threat, step_size, n)
        single = threat.ascend(one.delta.detach(), x, one.input_gradient(), n * step_size)
        gap = (single - looped).abs()
        same = gap <= 1e-6
        free = ~(pinned(single, x, threat) & pinned(looped, x, threat))
        equal.append(float(same.double().mean()))
        equal_free.append(float(same[free].double().mean()) if bool(free.any()) else 1.0)
        difference.append(float(gap.max()))
        deltas["inner loop"] = looped
        here = deltas["one step"]
        deltas["one step"] = threat.ascend(here, x, pass_at(here).input_gradient(), n * step_size)
        for _ in range(n):
            here = deltas["true gradients"]
            deltas["true gradients"] = threat.ascend(here, x, pass_at(here).input_gradient(), step_size)
        look()
    return Ascent(
        {way: np.array(v) for way, v in losses.items()}, deltas, *map(np.array, (equal, equal_free, difference))
    )


def pinned(delta: Tensor, x: Tensor, threat: Threat) -> Tensor:
    """Pixels at a bound of the ℓ∞ ball or of the box, as ``delta``."""
    image = x + delta
    return (delta.abs() >= threat.radius - 1e-6) | (image <= 1e-6) | (image >= 1 - 1e-6)
