"""YOPO-m-n: m full passes, and n steps of the adversary on the first layer's Hamiltonian in each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth import checks
from contdepth.robust.cut import Cut
from contdepth.robust.fused import fused_available, inner_steps_fused
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.method import Method, Step, check_threat, errors, read_step
from contdepth.robust.threat import Threat

__all__ = ["YOPO", "Hamiltonian"]


class Hamiltonian:
    """The adversary's side of YOPO: maximise ⟨p, f_0(x + δ)⟩ over δ with the slack p frozen.

    p = ∂ℓ/∂x_1 is minus the co-state, so this maximum is the minimum of the Hamiltonian H_0 = ⟨p_1, f_0⟩ of the
    maximum principle. ``kind`` says how the n steps are taken:

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
        self.cut, self.wanted, self.kind, self.seen = cut, kind, None, None
        checks.one_of("inner", kind, ("auto", "plain", "fused", "closed"))
        self.conv: nn.Conv2d | None = None
        self.relu = False

    def settle(self, x: Tensor, threat: Threat, precision: str) -> str:
        """Look at the first layer with a batch, once for each dtype and device, and choose the kind."""
        if self.seen != (seen := (x.dtype, x.device, threat.norm, precision)):
            self.seen = seen
            self.cut.check(x)
            affine = self.cut.affine(x)
            reason = self.no_kernel(x, threat, precision)
            if self.wanted == "closed" and not affine:
                hint = 'use inner="auto"'
                checks.fail(
                    "inner", 'an affine first layer for "closed"', f"{self.cut.name!r}, which is not", hint
                )
            if self.wanted == "fused" and reason:
                checks.fail("inner", 'a first layer for "fused"', reason, 'use inner="auto"')
            self.kind = self.wanted
            if self.wanted == "auto":
                self.kind = "closed" if affine else "plain" if reason else "fused"
        return self.kind

    def no_kernel(self, x: Tensor, threat: Threat, precision: str) -> str | None:
        """Why the fused kernel cannot be used, or None."""
        leaves = self.cut.leaves(x)
        kinds = [type(module) for module, _ in leaves]
        if kinds not in ([nn.Conv2d], [nn.Conv2d, nn.ReLU]) or not all(direct for _, direct in leaves):
            return f"{self.cut.name!r} is not the output of a Conv2d on the image, with or without a ReLU module"
        if threat.norm != "linf" or precision != "fp32" or x.dtype != torch.float32 or x.device.type != "cpu":
            return f"the kernel is for linf, float32 and the CPU, here {threat.norm}, {x.dtype}, {x.device.type}"
        self.conv, self.relu = leaves[0][0], len(leaves) == 2
        return fused_available(self.conv)

    def steps(self, x: Tensor, delta: Tensor, slack: Tensor, threat: Threat, sigma: float, count: int) -> Tensor:
        """δ after ``count`` steps of size ``sigma`` by the plain or the fused way; ``slack``: shape of f_0(x)."""
        if self.kind == "fused":
            return inner_steps_fused(self.conv, self.relu, x, delta, slack, threat, sigma, count)
        return inner_steps_plain(self.cut, x, delta, slack, threat, sigma, count)

    @staticmethod
    def closed(x: Tensor, delta: Tensor, gradient: Tensor, threat: Threat, sigma: float, count: int) -> Tensor:
        """δ after ``count`` steps where the gradient J^T p is the same at every δ."""
        direction = threat.direction(gradient)
        if threat.norm == "linf":
            return threat.project(delta + count * sigma * direction, x)
        for _ in range(count):
            delta = threat.project(delta + sigma * direction, x)
        return delta


class YOPO(Method):
    """Adversarial training by the maximum principle (Zhang et al. 2019), for any model.

    One step on a batch: draw δ; m = ``steps`` times (1) one forward and backward pass at x + δ that ends at the
    output of the first layer, giving p and the gradients of all other weights, (2) n = ``inner_steps`` ascent
    steps of size σ = ``step_size`` on ⟨p, f_0(x + δ)⟩ with p frozen, (3) the first layer's gradient of
    ⟨p, f_0(x + δ)⟩ at the *new* δ. The weights then move once, along the sum over the m passes.

    ``first_layer``: name of the module whose output ends f_0 (see ``Cut``). ``inner``: see ``Hamiltonian``.
    ``average``: divide the sum by m (the authors write the same into the learning rate as lr/m). ``accounting`` of
    the first layer's weights: ``"paper"`` counts (3) alone; ``"official"`` adds the ordinary gradient in passes
    2…m, which is what the authors' code does on PyTorch 2; ``"official-1.0"`` adds it in every pass (PyTorch 1.0).
    Biases of the first layer follow the same rule here; in the authors' code theirs is always counted twice.

    Departures: δ starts inside the box (the code starts outside it, and its clamp then freezes pixels in pass 1);
    sign and projection follow the code, the printed algorithm has neither; no extra forward pass for logging.
    BatchNorm behind the first layer works in the mode it is in: in training mode each of the m passes counts.

    Raises:
        TypeError, ValueError: see ``Cut``, ``Threat``; counts below 1; pixels outside [0, 1]; batch statistics
            or dropout in training mode inside the first layer; an input that reaches the model past it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        first_layer: str,
        threat: Threat,
        steps: int,
        inner_steps: int,
        step_size: object,
        inner: str = "auto",
        accounting: str = "paper",
        average: bool = False,
        precision: str = "fp32",
        seed: int = 0,
    ) -> None:
        super().__init__(model, precision=precision, seed=seed)
        self.threat = check_threat(threat)
        self.steps = checks.integer("steps", steps, at_least=1)
        self.inner_steps = checks.integer("inner_steps", inner_steps, at_least=1)
        self.sigma = read_step("step_size", step_size)
        self.accounting = checks.one_of("accounting", accounting, ("paper", "official", "official-1.0"))
        self.average = bool(average)
        self.hamiltonian = Hamiltonian(Cut(model, first_layer), inner)

    def gradients(self, x: Tensor, y: Tensor, delta: Tensor | None = None) -> Step:
        """The gradient sum of one batch, from a random start or the given ``delta``."""
        threat, sigma = self.now, float(self.sigma) * self.scale
        self.hamiltonian.settle(x, threat, self.precision)
        delta = threat.start(x, self.source) if delta is None else threat.project(delta, x)
        for j in range(self.steps):
            loss, logits, slack, delta_gradient = self.full_pass(x, delta, y, j)
            if self.hamiltonian.kind == "closed":
                delta = Hamiltonian.closed(x, delta, delta_gradient, threat, sigma, self.inner_steps)
            else:
                with self.autocast(x):
                    delta = self.hamiltonian.steps(x, delta, slack, threat, sigma, self.inner_steps)
            with self.autocast(x):
                output = self.hamiltonian.cut(x + delta)
            if output.requires_grad:
                output.backward(slack)
        return Step(loss.item(), errors(logits, y), delta)

    def full_pass(
        self, x: Tensor, delta: Tensor, y: Tensor, j: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Loss, logits, slack p and (affine first layer only) J^T p at x + δ; gradients of the deep weights."""
        closed = self.hamiltonian.kind == "closed"
        point = (x + delta).requires_grad_()
        with self.hamiltonian.cut.detached() as found:
            logits = self.logits(point)
        loss = cross_entropy(logits, y)
        ((loss / self.steps) if self.average else loss).backward()
        slack, output = found["state"].grad, found["output"]
        if slack is None or point.grad is not None:
            hint = "name the first module on the only way from the image to the logits"
            name = repr(self.hamiltonian.cut.name)
            checks.fail("first_layer", "a layer that every way through the model crosses", name, hint)
        again = self.accounting == "official-1.0" or (self.accounting == "official" and j > 0)
        gradient = torch.autograd.grad(output, point, slack, retain_graph=again)[0] if closed else None
        if again:
            output.backward(slack)
        return loss, logits, slack, gradient
