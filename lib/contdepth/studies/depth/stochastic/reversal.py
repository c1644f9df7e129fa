"""Paths forth and back: in Stratonovich's notation, in Itô's as it stands, and in Itô's, drift corrected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contdepth.schemes import (
    BrownianTree,
    EulerMaruyama,
    ReversibleHeun,
    StratonovichHeun,
    ito_drift,
    march_sde,
    stratonovich_drift,
)
from contdepth.studies.depth.stochastic.gradients import gradient
from contdepth.studies.depth.stochastic.problems import Equation, grid

__all__ = ["RoundTrip", "contraction", "round_trip"]


@dataclass(frozen=True)
class RoundTrip:
    """States at all times on the way forth and the way back, each ``(N + 1, paths, 1)``, in the order of time."""

    forth: Tensor
    back: Tensor

    @property
    def miss(self) -> float:
        """The mean distance from the start at which the ways back end."""
        return (self.back[0] - self.forth[0]).abs().mean().item()


def round_trip(equation: Equation, tree: BrownianTree, steps: int, notation: str) -> RoundTrip:
    """Go from x0 along the paths of ``tree`` and back, with all signs changed.

    ``notation``: ``"stratonovich"`` by Heun's scheme; ``"ito"`` by Euler-Maruyama's, its drift the same both ways;
    ``"ito, corrected"`` with b - σ'σ on the way back, which sums at the late end of every step ask for.
    """
    x0, a, b = (one.detach() for one in equation.numbers(tree.size[0]))
    drift, diffusion, t = equation.drift(a), equation.diffusion(b), grid(steps)
    with torch.no_grad():
        if notation == "stratonovich":
            forth = march_sde(drift, diffusion, x0, t, tree, StratonovichHeun())
            back = march_sde(drift, diffusion, forth[-1], t.flip(0), tree, StratonovichHeun())
            return RoundTrip(forth, back.flip(0))
        scheme, forward = EulerMaruyama(), ito_drift(drift, diffusion)
        forth, states = march_sde(forward, diffusion, x0, t, tree, scheme), []
        backward = forward if notation == "ito" else stratonovich_drift(drift, diffusion)  # b - σ'σ
        u, times = forth[-1], t.tolist()
        for n in reversed(range(steps)):
            h, dw = times[n] - times[n + 1], tree(times[n]) - tree(times[n + 1])
            u = scheme.step(backward, diffusion, t[n + 1], t[n], u, h, dw)
            states.append(u)
    return RoundTrip(forth, torch.stack([*reversed(states), forth[-1]]))


def contraction(equation: Equation, tree: BrownianTree, rate: float, steps: int) -> tuple[float, float, float]:
    """Return what a drift ``rate`` times as strong does: how far the way back misses, and two gradients' errors.

    These are the stochastic adjoint's and the reversal's mean distance to backprop through the same steps, in
    ∂X(1)/∂a, divided by the mean of that gradient; infinite where a way back left the numbers.
    """
    strong = replace(equation, a=equation.a * rate)
    miss = round_trip(strong, tree, steps, "stratonovich").miss
    found = []
    for scheme, how in ((StratonovichHeun(), "adjoint"), (ReversibleHeun(), "reversible")):
        true = gradient(strong, tree, steps, scheme, "backprop")[1][1]
        try:
            other = gradient(strong, tree, steps, scheme, how)[1][1]
            found.append(((other - true).abs().mean() / true.abs().mean()).item())
        except (ArithmeticError, RuntimeError):
            found.append(float("inf"))
    return miss, found[0], found[1]
