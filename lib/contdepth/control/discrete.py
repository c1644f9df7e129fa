"""Weights from a finite set: the damped maximiser of a Hamiltonian that is linear in them, and an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["DiscreteWeights", "binary_update", "damping_level", "ternary_update"]

VALUES = ("binary", "ternary")


def damping_level(weights: Tensor, slope: Tensor, damping: float) -> Tensor:
    """``damping`` times the largest |M| among the weights that do not stand at sign M, 0 if all do; no dimensions.

    Li & Hao's size of the penalty from one step to the next, as their code has it: it goes with the scale of M,
    and while any weight stands wrong and ``damping`` < 1, one at least may move.
    """
    wrong = weights != slope.sign()
    return damping * torch.where(wrong, slope.abs(), 0).amax()


def binary_update(weights: Tensor, slope: Tensor, damping: float = 0.5) -> Tensor:
    """argmax over θ in {-1, 1} of ⟨M, θ⟩ - (ρ/2)‖θ - θ_old‖²: sign M where |M| > ρ, the old weight elsewhere.

    Li & Hao 2018 (arXiv 1803.01299) for a layer whose H is linear in θ, with ``slope`` M = Σ_i p_{t+1} x_tᵀ (of
    the weights' shape) or a running mean of it. ρ is ``damping`` times the largest |M| among weights that stand
    wrong; 0 is plain MSA, θ = sign M. Where M is 0 the old weight stays. ``weights`` hold -1 and 1, which is not
    looked at, so that the call works under ``torch.func.vmap``: members then have levels of their own.

    Raises:
        TypeError, ValueError: tensors that are not real or not of one shape, a negative ``damping``.
    """
    _both(weights, slope, damping)
    level = damping_level(weights, slope, damping)
    return torch.where(slope.abs() > level, slope.sign(), weights)


def ternary_update(weights: Tensor, slope: Tensor, damping: float = 0.25, sparsity: float = 1e-7) -> Tensor:
    """argmax over θ in {-1, 0, 1} of ⟨M, θ⟩ - λ‖θ‖₁ - ρ‖θ - θ_old‖², with λ = ``sparsity``.

    1 where M > ρ(1 - 2θ_old) + λ, -1 where M < -ρ(1 + 2θ_old) - λ, 0 elsewhere; otherwise as ``binary_update``, in
    which the same penalty has half the factor. λ is measured in the units of M, the slope of the MEAN loss: unlike
    ``damping`` it does not go with the scale of the loss. ``weights`` hold -1, 0 and 1.

    Raises:
        TypeError, ValueError: as ``binary_update``; a negative ``sparsity``.
    """
    _both(weights, slope, damping)
    checks.real("sparsity", sparsity, at_least=0)
    level = damping_level(weights, slope, damping)
    up = slope > level * (1 - 2 * weights) + sparsity
    down = slope < -level * (1 + 2 * weights) - sparsity
    return up.to(weights.dtype) - down.to(weights.dtype)


def _both(weights: Tensor, slope: Tensor, damping: float) -> None:
    checks.reals("weights", weights)
    checks.same_shape("slope", checks.reals("slope", slope, like=weights), weights.shape)
    checks.real("damping", damping, at_least=0)
    if weights.numel() == 0:
        checks.fail("weights", "at least one number", f"shape {tuple(weights.shape)}")


class DiscreteWeights(torch.optim.Optimizer):
    """MSA on mini-batches for weights in {-1, 1} or {-1, 0, 1}, as an optimiser of PyTorch.

    -∂J/∂θ_t is Σ_i p_{t+1} x_tᵀ, the slope M of the Hamiltonian (``ControlledSystem.gradient``), so ``step``
    takes M from ``.grad``, averages it, M̄ ← αM̄ + (1 - α)M from 0, and puts every tensor at the damped maximiser,
    each with a level of its own. When it is made, it draws weights of the set in place, by ``generator`` (the
    default one if None) on the generator's device. Give it matrices and kernels; another optimiser takes biases
    and norms.

    Args:
        params: tensors or groups of them, as of any optimiser; groups may set all that follows but ``generator``.
        values: ``"binary"`` or ``"ternary"``.
        damping: see ``binary_update``; the authors take 0.5 for binary weights and 0.25 for ternary ones.
        average: α in [0, 1); ``lengthen`` brings it nearer to 1.
        sparsity: λ of ``ternary_update``.
        corrected: divide M̄ by 1 - Πα, the sum of its weights so far, as Adam does; ours. M̄ starts at 0, so
            that without it the first ones lie under λ, and a ternary net may lose all its weights, for good.

    Departures from the authors' code: M̄ starts at 0, not at random numbers of 1e-6.

    Raises:
        TypeError, ValueError: an unknown set, numbers outside their range, parameters that are not real.
    """

    def __init__(
        self,
        params: Iterable[Any],
        values: str = "binary",
        *,
        damping: float = 0.5,
        average: float = 0.999,
        sparsity: float = 1e-7,
        corrected: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        given = {"values": values, "damping": damping, "average": average, "sparsity": sparsity}
        given["corrected"] = checks.instance("corrected", corrected, bool)
        if generator is not None:
            checks.instance("generator", generator, torch.Generator, "make one with contdepth.seeds.generator")
        super().__init__(params, given)
        for group in self.param_groups:
            checks.one_of("values", group["values"], VALUES)
            checks.real("damping", group["damping"], at_least=0)
            checks.real("average", group["average"], at_least=0, below=1)
            checks.real("sparsity", group["sparsity"], at_least=0)
            for weights in group["params"]:
                checks.reals("params", weights)
                _draw(weights, group["values"], generator)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One sweep; ``closure`` computes loss and gradients anew, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                mean = state.setdefault("slope", torch.zeros_like(weights))
                mean.lerp_(-weights.grad, 1 - group["average"])
                state["total"] = 1 - group["average"] * (1 - state.get("total", 0.0))
                if group["corrected"]:
                    mean = mean / state["total"]
                if group["values"] == "binary":
                    new = binary_update(weights, mean, group["damping"])
                else:
                    new = ternary_update(weights, mean, group["damping"], group["sparsity"])
                weights.copy_(new)
        return loss

    def lengthen(self, factor: float = 0.95) -> None:
        """1 - α ← ``factor``·(1 - α) in every group: what the authors do after each epoch of MNIST."""
        checks.real("factor", factor, above=0, at_most=1)
        for group in self.param_groups:
            group["average"] = 1 - factor * (1 - group["average"])


@torch.no_grad()
def _draw(weights: Tensor, values: str, generator: torch.Generator | None) -> None:
    """Put independent, uniform members of the set into ``weights``."""
    low, high, scale = (0, 2, 2) if values == "binary" else (0, 3, 1)
    device = weights.device if generator is None else generator.device
    drawn = torch.randint(low, high, weights.shape, generator=generator, device=device)
    weights.copy_(scale * drawn.to(weights) - 1)
