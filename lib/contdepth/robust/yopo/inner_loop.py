"""The adversary's side of YOPO: a full pass that ends at the first layer's output, and n steps with its slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.fused import fused_available, inner_steps_fused

__all__ = ["FullPass", "InnerLoop"]


@dataclass(frozen=True)
class FullPass:
    """One pass at x + δ: ``logits``, ``loss``, the ``slack`` p = ∂ℓ/∂x_1, and the first layer's graph.

    ``output`` is f_0(x + δ) with its graph back to the leaf ``delta``; p and ``output`` share their shape.
    """

    logits: Tensor
    loss: Tensor
    slack: Tensor
    output: Tensor
    delta: Tensor

    def input_gradient(self, keep: bool = False) -> Tensor:
        """J^T p, the full gradient with respect to δ, shaped like δ; ``keep`` the graph of the first layer."""
        return torch.autograd.grad(self.output, self.delta, self.slack, retain_graph=keep)[0]


class InnerLoop:
    """Maximise ⟨p, f_0(x + δ)⟩ over δ with the slack p frozen, f_0 given by ``cut``.

    p is minus the co-state p_1, so this maximum is the minimum of the Hamiltonian H_0 = ⟨p_1, f_0⟩ of the maximum
    principle. ``kind`` says how the n steps are taken:

    * ``"plain"``: n times δ ← Proj(δ + σ sign ∇_δ⟨p, f_0(x + δ)⟩), by autograd, for any first layer;
    * ``"fused"``: the same in one kernel, for a convolution with or without ReLU on the input (float32, CPU, ℓ∞);
    * ``"closed"``: f_0 affine, so the gradient is J^T p at every δ and is taken once. For ℓ∞ the n steps of σ are
      one step of nσ (each pixel moves one way, so clipping n times or once ends at the same place); for ℓ2 the n
      steps are kept, projections included, but cost no pass;
    * ``"auto"``: the last of these that applies.

    Raises:
        ValueError: a ``kind`` that the first layer does not allow.
    """

    def __init__(self, cut: Cut, kind: str = "auto") -> None:
        self.kind: str | None
        self.cut, self.kind = cut, None
        self.wanted = checks.one_of("inner", kind, ("auto", "plain", "fused", "closed"))
        self.seen: tuple[object, ...] | None = None
        self.conv: nn.Conv2d | None = None
        self.relu = False

    def settle(self, x: Tensor, threat: Threat, precision: str) -> str:
        """Look at the first layer and choose the kind; again if dtype, device, norm or a mode has changed."""
        modes = tuple(module.training for module in self.cut.model.modules())
        if self.seen != (seen := (x.dtype, x.device, threat.norm, precision, modes)):
            self.cut.check(x)
            affine = self.cut.affine(x)
            reason = self.no_kernel(x, threat, precision)
            if self.wanted == "closed" and not affine:
                found = f"{self.cut.name!r}, which is not"
                checks.fail("inner", 'an affine first layer for "closed"', found, 'use inner="auto"')
            if self.wanted == "fused" and reason:
                checks.fail("inner", 'a first layer for "fused"', reason, 'use inner="auto"')
            self.kind, self.seen = self.wanted, seen
            if self.wanted == "auto":
                self.kind = "closed" if affine else "plain" if reason else "fused"
        return self.kind  # type: ignore[return-value]

    def no_kernel(self, x: Tensor, threat: Threat, precision: str) -> str | None:
        """Why the fused kernel cannot be used, or None."""
        leaves = self.cut.leaves(x)
        modules = [module for module, _ in leaves]
        if [type(module) for module in modules] not in ([nn.Conv2d], [nn.Conv2d, nn.ReLU]) or not all(
            direct for _, direct in leaves
        ):
            return f"{self.cut.name!r} is not the output of a Conv2d on the image, with or without a ReLU module"
        if threat.norm != "linf" or precision != "fp32" or x.dtype != torch.float32 or x.device.type != "cpu":
            return f"the kernel is for linf, float32 and the CPU, here {threat.norm}, {x.dtype}, {x.device.type}"
        self.conv, self.relu = modules[0], len(modules) == 2  # type: ignore[assignment]
        return fused_available(modules)

    def full_pass(
        self,
        forward: Callable[[Tensor], Tensor],
        loss_of: Callable[[Tensor], Tensor],
        x: Tensor,
        delta: Tensor,
        *,
        weights: bool,
    ) -> FullPass:
        """Forward and backward at x + δ, the backward pass ending at the first layer's output.

        ``forward``: the model; ``loss_of``: logits to a loss without dimensions. ``weights``: add the gradients of
        all weights behind the first layer to their ``.grad``; otherwise no gradient reaches a weight.
        """
        leaf = delta.detach().clone().requires_grad_()
        with self.cut.detached() as found:
            logits = forward(x + leaf)
        loss, state = loss_of(logits), found["state"]
        if weights:
            loss.backward()
            slack, past = state.grad, leaf.grad
        else:
            slack, past = torch.autograd.grad(loss, (state, leaf), allow_unused=True)
        if slack is None or past is not None:
            hint = "name the first module on the only way from the image to the logits"
            name = repr(self.cut.name)
            checks.fail("first_layer", "a layer that every way through the model crosses", name, hint)
        return FullPass(logits.detach(), loss.detach(), slack, found["output"], leaf)

    def advance(
        self, one: FullPass, x: Tensor, threat: Threat, sigma: float, count: int, keep: bool = False
    ) -> Tensor:
        """δ after ``count`` steps of size ``sigma`` from ``one``; ``keep`` the graph of the first layer."""
        delta = one.delta.detach()
        if self.kind == "closed":
            direction = threat.direction(one.input_gradient(keep))
            if threat.norm == "linf":
                return threat.project(delta + count * sigma * direction, x)
            for _ in range(count):
                delta = threat.project(delta + sigma * direction, x)
            return delta
        if self.kind == "fused":
            return inner_steps_fused(self.conv, self.relu, x, delta, one.slack, threat, sigma, count)  # type: ignore[arg-type]
        return inner_steps_plain(self.cut, x, delta, one.slack, threat, sigma, count)
