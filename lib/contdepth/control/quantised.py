"""Descent whose steps are rounded to a grid that gets finer, and the unit-norm step that comes with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["ETA", "ROUNDINGS", "QuantisedDescent", "quantise", "quantised_update", "resolution", "transient_step"]

ETA = 2.0**19
"""η of the authors' configuration."""
ROUNDINGS = ("down", "nearest", "none")
BASES = ("sgd", "adamw")


def resolution(epoch: float, eta: float = ETA, base: float = 2.0) -> float:
    """Q(t) = η b^⌊log_b ln(t + 2)⌋, the number of quanta in 1; t in epochs, not in batches.

    Seok & Cho (arXiv 2305.18864), as their public code has it. With η = 2¹⁹ and b = 2 the quantum 1/Q is 3.8e-6 at
    the start, 1.9e-6 from epoch 0.72, 9.5e-7 from 5.4, 4.8e-7 from 52.6 on.

    Raises:
        TypeError, ValueError: a negative ``epoch``, ``eta`` outside [1e-6, 2⁶⁰], ``base`` outside (1, 1e6].
    """
    t = checks.real("epoch", epoch, at_least=0)
    eta = checks.real("eta", eta, at_least=1e-6, at_most=2.0**60)
    base = checks.real("base", base, above=1, at_most=1e6)
    return eta * base ** math.floor(math.log(math.log(t + 2)) / math.log(base))


def quantise(x: Tensor, resolution: float, rounding: str = "down") -> Tensor:
    """⌊Qx⌋/Q, or ⌊Qx + ½⌋/Q for ``"nearest"``, or x itself for ``"none"``; any shape, Q = ``resolution``.

    The authors' code rounds down, and has the ½ in a branch for debugging alone. If x is spread smoothly over many
    quanta, the error has variance 1/(12Q²) and mean -1/(2Q) if rounded down, 0 if to the nearest. Where Q is no
    power of two, Qx is rounded by floating-point arithmetic first.

    Raises:
        TypeError, ValueError: ``x`` that is not real, a ``resolution`` outside [1e-12, 2⁸⁰], an unknown rounding.
    """
    checks.reals("x", x)
    q = checks.real("resolution", resolution, at_least=1e-12, at_most=2.0**80)
    checks.one_of("rounding", rounding, ROUNDINGS)
    if rounding == "none":
        return x
    return torch.floor(x * q + (0.5 if rounding == "nearest" else 0.0)) / q


def transient_step(step: Tensor, lr: float, epoch: float, half: float, sharpness: float = 2.0) -> Tensor:
    """r = lr·½(1 + tanh(-κ(t - τ₀)))·h/‖h‖ for a step h of any shape; 0 where h is 0.

    Its length is ``lr`` whatever the slope until t = ``epoch`` comes near τ₀ = ``half``, half of it there, nothing
    after; κ = ``sharpness`` and both times are in epochs. The norm is over the whole tensor: one for each layer.

    Raises:
        TypeError, ValueError: ``step`` that is not real, negative numbers.
    """
    checks.reals("step", step)
    lr = checks.real("lr", lr, at_least=0)
    t, half = checks.real("epoch", epoch, at_least=0), checks.real("half", half, at_least=0)
    size = 0.5 * lr * (1 + math.tanh(-checks.real("sharpness", sharpness, at_least=0) * (t - half)))
    norm = torch.linalg.vector_norm(step)
    return torch.where(norm > 0, size / torch.where(norm > 0, norm, 1.0), 0.0) * step


def quantised_update(
    step: Tensor,
    lr: float,
    epoch: float,
    epochs: float,
    *,
    eta: float = ETA,
    base: float = 2.0,
    sharpness: float = 2.0,
    rounding: str = "down",
    transient: bool = True,
) -> Tensor:
    """What is added to the weights in place of ``step`` h: ⌊Q(h + r)⌋/Q, at ``epoch`` t of ``epochs``.

    The parts are ``quantise``, ``resolution`` and ``transient_step`` with τ₀ half of ``epochs``; they are taken
    away by ``rounding="none"`` and ``transient=False``. Under ``torch.func.vmap`` members have norms of their own.

    Raises:
        TypeError, ValueError: as the parts; ``transient`` that is no bool.
    """
    checks.real("epochs", epochs, above=0)
    if checks.instance("transient", transient, bool):
        step = step + transient_step(step, lr, epoch, epochs / 2, sharpness)
    return quantise(step, resolution(epoch, eta, base), rounding)


class QuantisedDescent(torch.optim.Optimizer):
    """Seok & Cho's rule on the step of SGD or of AdamW, as an optimiser of PyTorch.

    h = -lr·g, or Adam's step with corrected means; then ``quantised_update``, each tensor by itself; then, with
    ``"adamw"``, w ← (1 - lr·decay)·w. There is no momentum for ``"sgd"``, as in the authors' code. Time is the
    number of calls of ``step`` over ``batches``, kept in the state, so that a loaded ``state_dict`` goes on.

    Args:
        params: tensors or groups of them; groups may set all that follows.
        lr: rate; schedulers may change it.
        epochs: how many there will be; the transient is gone after half of them.
        batches: steps in an epoch.
        kind: ``"sgd"`` or ``"adamw"``; for the latter the rate in r is multiplied by √(1-β₂ⁿ)/(1-β₁ⁿ), and time
            runs one step ahead, both as in the authors' code.
        eta, base, sharpness, rounding, transient: see ``quantised_update``.
        weight_decay, betas, eps: of AdamW; the authors' ε is 1e-6, outside of the root and not corrected.

    Raises:
        TypeError, ValueError: numbers outside their range, parameters that are not real.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        epochs: int,
        batches: int,
        kind: str = "sgd",
        eta: float = ETA,
        base: float = 2.0,
        sharpness: float = 2.0,
        rounding: str = "down",
        transient: bool = True,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
    ) -> None:
        rule = {"eta": eta, "base": base, "sharpness": sharpness, "rounding": rounding, "transient": transient}
        adam = {"weight_decay": weight_decay, "betas": betas, "eps": eps}
        super().__init__(params, {"lr": lr, "epochs": epochs, "batches": batches, "kind": kind, **rule, **adam})
        for group in self.param_groups:
            checks.real("lr", group["lr"], at_least=0)
            checks.integer("epochs", group["epochs"], at_least=1)
            checks.integer("batches", group["batches"], at_least=1)
            checks.one_of("kind", group["kind"], BASES)
            checks.one_of("rounding", group["rounding"], ROUNDINGS)
            checks.instance("transient", group["transient"], bool)
            checks.real("sharpness", group["sharpness"], at_least=0)
            resolution(0.0, group["eta"], group["base"])
            checks.real("weight_decay", group["weight_decay"], at_least=0)
            checks.real("eps", group["eps"], above=0)
            means = checks.several("betas", group["betas"], "of two numbers")
            if len(means) != 2:
                checks.fail("betas", "two numbers", repr(group["betas"]))
            for mean in means:
                checks.real("betas", mean, at_least=0, below=1)
            for weights in group["params"]:
                checks.reals("params", weights)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; ``closure`` computes loss and gradients anew, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parts = ("eta", "base", "sharpness", "rounding", "transient")
            options = {key: group[key] for key in parts}
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state, rate = self.state[weights], group["lr"]
                done = state.get("step", 0)
                state["step"] = done + 1
                if group["kind"] == "adamw":
                    done = done + 1
                    h, rate = _adam(state, weights.grad, group, done)
                else:
                    h = -rate * weights.grad
                weights += quantised_update(h, rate, done / group["batches"], group["epochs"], **options)
                if group["kind"] == "adamw":
                    weights *= 1 - group["lr"] * group["weight_decay"]
        return loss


def _adam(state: dict[str, Any], gradient: Tensor, group: dict[str, Any], n: int) -> tuple[Tensor, float]:
    """Adam's step number n = 1, 2, … down ``gradient``, and its rate."""
    first, second = group["betas"]
    mean = state.setdefault("mean", torch.zeros_like(gradient)).lerp_(gradient, 1 - first)
    square = state.setdefault("square", torch.zeros_like(gradient)).lerp_(gradient.square(), 1 - second)
    rate = group["lr"] * math.sqrt(1 - second**n) / (1 - first**n)
    return -rate * mean / (square.sqrt() + group["eps"]), rate
