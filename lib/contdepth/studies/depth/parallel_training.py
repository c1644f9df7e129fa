"""Losses and gradients of a deep net, serial or from inexact states and co-states of a few sweeps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.schemes.parallel_in_time.layers import Layers
from contdepth.schemes.parallel_in_time.multigrid import Multigrid
from contdepth.schemes.parallel_in_time.solving import parallel_adjoints, parallel_states

__all__ = ["Objective", "accuracy"]

Parameters = tuple[Tensor, ...]
"""Opening matrix and bias, the layers' matrices (N, d, d) and biases (N, ...), closing matrix and bias."""


class Objective:
    """Mean cross-entropy of opening, N layers and linear closing, plus the penalties of Günther et al.

    J = loss + tikhonov/2 ‖all parameters‖² + smoothness/2 Σ_n ‖(θ_{n+1} - θ_n)/h‖², a plain sum over layers, as in
    the authors' code.

    Args:
        branch, opening: of the layers ``(u, K, b)``, and of the first one ``(x, K, b)`` with u_0 ``(batch, d)``.
        h: step size.
        plan, sweeps: how states and co-states are found; None: layer after layer.
        warm: begin each solve with the states and co-states of the last one; the batch must then stay the same.
        tikhonov, smoothness: factors of the penalties.
        smoothness_gradient: False leaves the second penalty's gradient out, as the authors' code does (there it is
            rounded to an integer, zero); the line search sees the penalty all the same.
    """

    def __init__(
        self,
        branch: Callable[..., Tensor],
        opening: Callable[..., Tensor],
        h: float,
        *,
        plan: Multigrid | None = None,
        sweeps: int = 0,
        warm: bool = False,
        tikhonov: float = 0.0,
        smoothness: float = 0.0,
        smoothness_gradient: bool = True,
    ) -> None:
        self.branch, self.opening, self.h = branch, opening, h
        self.plan, self.sweeps, self.warm = plan, sweeps, warm
        self.tikhonov, self.smoothness, self.smoothness_gradient = tikhonov, smoothness, smoothness_gradient
        self.states: Tensor | None = None
        self.adjoints: Tensor | None = None

    def layers(self, parameters: Parameters) -> Layers:
        """The stack in the middle."""
        return Layers(self.branch, parameters[2:4], self.h)

    def solve(self, layers: Layers, u0: Tensor) -> Tensor:
        """States (N + 1, batch, d), kept for the next solve."""
        if self.plan is None:
            return layers.states(u0)
        start = self.states if self.warm else None
        self.states = parallel_states(layers, u0, self.plan, self.sweeps, start=start)
        return self.states

    def penalties(self, parameters: Parameters, *, gradient: bool = False) -> Tensor:
        """Both penalties; for the ``gradient`` without the second where it is left out."""
        found = self.tikhonov / 2 * sum((one.square().sum() for one in parameters), parameters[0].new_zeros(()))
        if self.smoothness_gradient or not gradient:
            for one in parameters[2:4]:
                found = found + self.smoothness / 2 * (one.diff(dim=0) / self.h).square().sum()
        return found

    @torch.no_grad()
    def value(self, parameters: Parameters, x: Tensor, y: Tensor) -> float:
        """J from the states that the solve gives."""
        u0 = self.opening(x, *parameters[:2])
        logits = self.solve(self.layers(parameters), u0)[-1] @ parameters[4] + parameters[5]
        return float(cross_entropy(logits, y) + self.penalties(parameters))

    def gradient(self, parameters: Parameters, x: Tensor, y: Tensor) -> tuple[float, Parameters]:
        """J and its gradient: one solve for the states, one for the co-states, all weights' gradients at once."""
        held = tuple(one.detach().requires_grad_() for one in parameters)
        layers = self.layers(tuple(one.detach() for one in parameters))
        u0 = self.opening(x, *held[:2])
        with torch.no_grad():
            states = self.solve(layers, u0.detach())
        last = states[-1].detach().requires_grad_()
        loss = cross_entropy(last @ held[4] + held[5], y)
        end, *closing = torch.autograd.grad(loss, [last, *held[4:]])
        if self.plan is None:
            adjoints = layers.adjoints(states, end)
        else:
            start = self.adjoints if self.warm else None
            adjoints = parallel_adjoints(layers, states, end, self.plan, self.sweeps, start=start)
            self.adjoints = adjoints
        begin = torch.autograd.grad(u0, held[:2], adjoints[0])
        found = (*begin, *layers.gradients(states, adjoints), *closing)
        pulled = self.penalties(held, gradient=True)
        pulls = torch.autograd.grad(pulled, held, allow_unused=True, materialize_grads=True)
        value = float((loss + self.penalties(held)).detach())
        return value, tuple(one + pull for one, pull in zip(found, pulls, strict=True))


@torch.no_grad()
def accuracy(objective: Objective, parameters: Parameters, x: Tensor, y: Tensor) -> float:
    """Share of right answers of the net itself, solved layer after layer."""
    states = objective.layers(parameters).states(objective.opening(x, *parameters[:2]))
    return float(((states[-1] @ parameters[4] + parameters[5]).argmax(1) == y).double().mean())
