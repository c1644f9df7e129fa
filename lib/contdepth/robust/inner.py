"""YOPO's inner loop in plain torch: ascent on the Hamiltonian of the first layer, with the slack held fixed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks
from contdepth.robust.losses import checked_batch
from contdepth.robust.threat import Threat, check_threat

__all__ = ["inner_steps_plain"]


def inner_steps_plain(
    layer_function: Callable[[Tensor], Tensor],
    x: Tensor,
    delta: Tensor,
    slack: Tensor,
    threat: Threat,
    step_size: float,
    steps: int,
) -> Tensor:
    """δ after ``steps`` ascent steps on H(δ) = Σ p · f₀(x + δ) with p frozen; a new tensor like ``delta``.

    One step: δ ← project(δ + σ · direction(∇H)), with direction and projection of ``threat`` (either norm). This
    is the inner loop of YOPO-m-n (Zhang et al. 2019, arXiv 1905.00877), with the sign of the loss: the slack p is
    +∂ℓ/∂f₀ and the step ascends. ∇H comes from one vector-Jacobian product with p; H itself is never formed.
    Departure from the official code: x + δ is not clipped before f₀, since a δ from ``threat.start`` or
    ``threat.project`` keeps it in the box.

    Args:
        layer_function: first layer f₀ from images to its output; any differentiable function. No gradient of its
            parameters is formed, but a layer with running statistics in training mode would update them.
        x: images (batch, C, H, W) in [0, 1].
        delta: start, same shape, inside the threat.
        slack: p, the shape of ``layer_function(x)``.
        threat: norm, radius and pixel box.
        step_size: σ, in units of the pixel range.
        steps: n, 0 returns a copy of ``delta``.

    Raises:
        TypeError, ValueError: ``steps`` below 0, σ not positive, no threat, no real tensors, or shapes that do
            not agree.
    """
    checks.integer("steps", steps, at_least=0)
    checks.real("step_size", step_size, above=0)
    check_threat(threat)
    checks.same_shape("delta", checked_batch("delta", delta), tuple(checked_batch("x", x).shape))
    checked_batch("slack", slack)
    x, delta, slack = x.detach(), delta.detach().clone(), slack.detach()
    for _ in range(steps):
        leaf = delta.detach().requires_grad_()
        with torch.enable_grad():
            output = checks.floating("layer_function(x + delta)", layer_function(x + leaf))
        checks.same_shape("slack", slack, tuple(output.shape), "take it at the output of this layer")
        (gradient,) = torch.autograd.grad(output, leaf, slack)
        delta = threat.project(delta + step_size * threat.direction(gradient), x)
    return delta
