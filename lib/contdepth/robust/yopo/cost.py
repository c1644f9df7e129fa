"""What a step costs: passes by formula and by count, and shares of FLOPs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from contdepth import checks
from contdepth.robust.losses import checked_inputs
from contdepth.robust.methods.method import Method
from contdepth.robust.yopo.cut import Cut

__all__ = [
    "count_forwards",
    "first_layer_share",
    "limit",
    "multiply_adds",
    "pgd_cost",
    "yopo_cost",
]


def yopo_cost(steps: int, inner_steps: int, share: float, *, official: bool = False) -> float:
    """Cost of one YOPO-m-n step in forward passes F: 3m + 2mn·s, with s = ``share`` of the first layer in F.

    A pass costs F forth, F back for the states, F back for the weights. A full pass that ends at the first layer's
    output saves 2s of 3; the Hamiltonian's weight gradient at the new δ costs 2s (forth, weights); an inner
    step 2s (forth, image). ``official`` adds what the authors' code does more: the first layer's weight
    gradient in the full pass, ms, and one forward pass for logging.
    """
    m, n = checks.integer("steps", steps, at_least=1), checks.integer("inner_steps", inner_steps, at_least=1)
    s = checks.real("share", share, at_least=0, at_most=1)
    return 3 * m + 2 * m * n * s + (m * s + 1 if official else 0)


def pgd_cost(steps: int, *, clean: bool = False, trimmed: bool = True) -> float:
    """Cost of one step of PGD-r training in forward passes: 2r + 3, + 3 for a clean batch.

    ``trimmed=False``: every attack step computes weight gradients and throws them away (3r), as PyTorch before
    1.13 probably did.
    """
    r = checks.integer("steps", steps, at_least=1)
    return (2 if trimmed else 3) * r + 3 + (3 if clean else 0)


def limit(pgd_steps: int, yopo_steps: int) -> Fraction:
    """PGD-r over YOPO-m where the first layer costs nothing: (2r + 3)/(3m), whatever the network and n."""
    checks.integer("pgd_steps", pgd_steps, at_least=1)
    return Fraction(2 * pgd_steps + 3, 3 * checks.integer("yopo_steps", yopo_steps, at_least=1))


def multiply_adds(function: Callable[[Tensor], object], x: Tensor, *, gradients: bool = False) -> float:
    """Multiply-adds of ``function(x)`` for one image, by PyTorch's counter (convolutions and matrix products).

    ``gradients``: let the function take gradients, as a training step does.
    """
    if checks.tensor("x", x).shape[:1].numel() == 0:
        checks.fail("x", "at least one image", f"shape {tuple(x.shape)}")
    counter = FlopCounterMode(display=False)
    with torch.set_grad_enabled(gradients), counter:
        function(x.clone())  # it may work in place
    return counter.get_total_flops() / 2 / len(x)


def first_layer_share(model: nn.Module, first_layer: str, x: Tensor) -> float:
    """s: multiply-adds of the first layer over those of the model."""
    return multiply_adds(Cut(model, first_layer), x) / multiply_adds(model, x)


def count_forwards(method: Method, first_layer: str, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Forward passes of one batch's gradient: (whole model, first layer). Inner steps in a kernel do not show.

    Raises:
        TypeError, ValueError: ``method`` is no ``Method``; ``first_layer``: see ``Cut``; a bad ``x`` or ``y``.
    """
    checks.instance("method", method, Method, "such as Natural(model)")  # type: ignore[type-abstract]
    checked_inputs(x, y)
    counts = {"model": 0, "first": 0}

    def counting(key: str) -> Callable[..., None]:
        def count(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            counts[key] += 1

        return count

    method.gradients(x, y)
    handles = [
        method.model.register_forward_hook(counting("model")),
        Cut(method.model, first_layer).module.register_forward_hook(counting("first")),
    ]
    try:
        method.gradients(x, y)
    finally:
        for handle in handles:
            handle.remove()
    return counts["model"], counts["first"]
