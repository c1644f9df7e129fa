"""Stochastic gradient Langevin dynamics: descent with Gaussian noise of a given temperature."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["LangevinDescent", "langevin_step"]


def langevin_step(
    gradient: Tensor, lr: float, temperature: float, generator: torch.Generator | None = None
) -> Tensor:
    """-lr·g + √(2·lr·T)·ξ with ξ standard normal, of the gradient's shape; T is in units of the loss.

    Welling & Teh 2011: an Euler-Maruyama step of length ``lr`` for dw = -∇L dt + √(2T) dB, with a stationary
    density like exp(-L/T). On a quadratic with curvature a the steps themselves have variance T/(a(1 - a·lr/2)).
    The noise is drawn by ``generator`` on its device and moved; None is the default one.

    Raises:
        TypeError, ValueError: a gradient that is not real, negative numbers, a generator that is none.
    """
    checks.reals("gradient", gradient)
    lr = checks.real("lr", lr, at_least=0)
    temperature = checks.real("temperature", temperature, at_least=0)
    if generator is not None:
        checks.instance("generator", generator, torch.Generator, "make one with contdepth.seeds.generator")
    where = gradient.device if generator is None else generator.device
    noise = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype, device=where)
    return -lr * gradient + math.sqrt(2 * lr) * math.sqrt(temperature) * noise.to(gradient.device)


class LangevinDescent(torch.optim.Optimizer):
    """Stochastic gradient Langevin dynamics as an optimiser of PyTorch: ``langevin_step`` for every tensor.

    Args:
        params: tensors or groups of them; groups may set ``lr`` and ``temperature``.
        lr: rate; schedulers may change it.
        temperature: T in units of the loss that is differentiated. 1/N of a mean loss over N data samples the
            posterior of the weights.
        generator: draws the noise.

    Raises:
        TypeError, ValueError: numbers outside their range, parameters that are not real.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        temperature: float = 1e-4,
        generator: torch.Generator | None = None,
    ) -> None:
        if generator is not None:
            checks.instance("generator", generator, torch.Generator, "make one with contdepth.seeds.generator")
        self.generator = generator
        super().__init__(params, {"lr": lr, "temperature": temperature})
        for group in self.param_groups:
            checks.real("lr", group["lr"], at_least=0)
            checks.real("temperature", group["temperature"], at_least=0)
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
            for weights in group["params"]:
                if weights.grad is not None:
                    weights += langevin_step(weights.grad, group["lr"], group["temperature"], self.generator)
        return loss
