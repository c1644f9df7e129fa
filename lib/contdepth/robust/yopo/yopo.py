"""YOPO-m-n: m full passes, and n steps of the adversary on the first layer's Hamiltonian in each."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.losses import training_loss
from contdepth.robust.methods.method import Step, Stepped, Steps, errors
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.inner_loop import InnerLoop

__all__ = ["YOPO"]


class YOPO(Stepped):
    """Adversarial training by the maximum principle (Zhang et al. 2019), for any model.

    One step on a batch: draw δ; m = ``steps`` times (1) one forward and backward pass at x + δ that ends at the
    output of the first layer, giving p and the gradients of all other weights, (2) n = ``inner_steps`` ascent
    steps of size σ = ``step_size`` on ⟨p, f_0(x + δ)⟩ with p frozen, (3) the first layer's gradient of
    ⟨p, f_0(x + δ)⟩ at the *new* δ. The weights then move once, along the sum over the m passes.

    ``first_layer``: name of the module whose output ends f_0 (see ``Cut``). ``inner``: see ``InnerLoop``.
    ``average``: divide the sum by m. The authors train on the sum at a rate they write as lr/m; with SGD that
    is the mean at rate lr but for weight decay, which is then m times as strong. ``accounting`` of the first
    layer's weights: ``"paper"`` counts (3) alone; ``"official"`` adds the ordinary gradient in passes 2…m,
    which is what the authors' code does on PyTorch 2; ``"official-1.0"`` adds it in every pass (PyTorch 1.0).
    Biases of the first layer follow the same rule here; in the authors' code theirs is always counted twice.

    Departures: δ starts inside the box (the code starts outside it, and its clamp then freezes pixels in pass 1);
    sign and projection follow the code, the printed algorithm has neither; no extra forward pass for logging.
    BatchNorm behind the first layer works in the mode it is in: in training mode each of the m passes counts.
    Other arguments: see ``Stepped``.

    Raises:
        TypeError, ValueError: see ``Cut``, ``Threat``; counts below 1; pixels outside [0, 1]; batch statistics
            or dropout in training mode inside the first layer; an input that reaches the model past it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        first_layer: str,
        inner_steps: int,
        inner: str = "auto",
        accounting: str = "paper",
        average: bool = False,
        **settings: Unpack[Steps],
    ) -> None:
        super().__init__(model, **settings)
        self.inner_steps = checks.integer("inner_steps", inner_steps, at_least=1)
        self.accounting = checks.one_of("accounting", accounting, ("paper", "official", "official-1.0"))
        self.average = bool(average)
        self.first_layer, self.inner = first_layer, inner
        self.loop = InnerLoop(Cut(model, first_layer), inner)

    def gradients(self, x: Tensor, y: Tensor, delta: Tensor | None = None) -> Step:
        """The gradient sum of one batch, from a random start or the given ``delta``."""
        threat, sigma, delta = self.begin(x, delta)
        self.loop.settle(x, threat, self.precision)
        share = 1 / self.steps if self.average else 1.0

        def loss_of(logits: Tensor) -> Tensor:
            return share * training_loss(logits, y)

        for j in range(self.steps):
            again = self.accounting == "official-1.0" or (self.accounting == "official" and j > 0)
            one = self.loop.full_pass(self.logits, loss_of, x, delta, weights=True)
            with self.autocast(x):
                delta = self.loop.advance(one, x, threat, sigma, self.inner_steps, keep=again)
                output = self.loop.cut(x + delta)
            if again:
                one.output.backward(one.slack)
            if output.requires_grad:
                output.backward(one.slack)
        return Step(one.loss.double() / share, errors(one.logits, y), delta)
