"""TRADES, and TRADES-YOPO: the adversary maximises the distance to the clean prediction, not the error."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax, softmax

from contdepth import checks
from contdepth.robust.losses import checked_batch, training_loss
from contdepth.robust.methods.method import Step, Stepped, Steps, errors
from contdepth.robust.methods.mode import in_mode
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.inner_loop import InnerLoop

__all__ = ["TRADES", "TRADESYOPO"]


class TRADES(Stepped):
    """Cross-entropy at x plus β = ``weight`` times KL(clean ‖ adversarial) (Zhang et al. 2019, arXiv 1901.08573).

    δ is sought with the model in eval mode: start N(0, 0.001²), r = ``steps`` ascent steps on the KL divergence.
    The clean prediction is computed once per batch there; the authors of YOPO recompute it in each step (the same
    numbers at twice the forward passes). The update is one ordinary step in the model's own mode.
    Other arguments: see ``Stepped``.
    """

    def __init__(self, model: nn.Module, *, weight: float = 6.0, **settings: Unpack[Steps]) -> None:
        super().__init__(model, **settings)
        self.weight = checks.real("weight", weight, at_least=0)

    def gradients(self, x: Tensor, y: Tensor) -> Step:
        shape, source = checked_batch("x", x).shape, self.source
        noise = 0.001 * torch.randn(shape, generator=source, device=source.device)
        threat, sigma, delta = self.begin(x, noise.to(x))
        with in_mode(self.model, False):
            with torch.no_grad():
                target = softmax(self.logits(x), 1)
            delta = self.ascend(x, delta, target, threat, sigma)
        clean, adversarial = self.logits(x), self.logits(x + delta)
        distance = kl_div(log_softmax(adversarial, 1), softmax(clean, 1), reduction="batchmean")
        loss = training_loss(clean, y) + self.weight * distance
        loss.backward()
        return Step(loss.detach(), errors(adversarial, y), delta)

    def ascend(self, x: Tensor, delta: Tensor, target: Tensor, threat: Threat, sigma: float) -> Tensor:
        """δ after the attack; no gradient reaches the weights."""
        for _ in range(self.steps):
            delta = delta.detach().requires_grad_()
            gradient = torch.autograd.grad(divergence(self.logits(x + delta), target), delta)[0]
            delta = threat.ascend(delta.detach(), x, gradient, sigma)
        return delta


class TRADESYOPO(TRADES):
    """TRADES whose δ comes from YOPO-m-n: m = ``steps`` full passes, n = ``inner_steps`` on f_0 in each.

    As in the authors' code the passes give no weight gradient and one ordinary TRADES update follows, so this is
    another algorithm than YOPO; β = ``weight`` is 1 there. Other arguments: see ``Stepped``.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        first_layer: str,
        inner_steps: int,
        inner: str = "auto",
        weight: float = 1.0,
        **settings: Unpack[Steps],
    ) -> None:
        super().__init__(model, weight=weight, **settings)
        self.inner_steps = checks.integer("inner_steps", inner_steps, at_least=1)
        self.first_layer, self.inner = first_layer, inner
        self.loop = InnerLoop(Cut(model, first_layer), inner)

    def ascend(self, x: Tensor, delta: Tensor, target: Tensor, threat: Threat, sigma: float) -> Tensor:
        self.loop.settle(x, threat, self.precision)

        def distance(logits: Tensor) -> Tensor:
            return divergence(logits, target)

        for _ in range(self.steps):
            one = self.loop.full_pass(self.logits, distance, x, delta, weights=False)
            with self.autocast(x):
                delta = self.loop.advance(one, x, threat, sigma, self.inner_steps)
        return delta


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Summed KL(target ‖ softmax of ``logits``)."""
    return kl_div(log_softmax(logits, 1), target, reduction="sum")
