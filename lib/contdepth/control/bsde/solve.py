"""Deep BSDE with a learned feedback: all steps in one evaluation, paths drawn freely or under the control."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices, seeds
from contdepth.control.bsde.feedback import Feedback
from contdepth.control.bsde.problem import BSDE

__all__ = ["SolvedBSDE", "residuals", "solve_bsde"]

FRESH = 2048


@dataclass(frozen=True)
class SolvedBSDE:
    """``value`` (S,): u(0, 0) by seed. ``spread`` (S,): standard deviation of the residual. ``feedback``: Z."""

    value: Tensor
    spread: Tensor
    feedback: Feedback


def noise(problem: BSDE, steps: int, half: int, generators: Sequence[torch.Generator]) -> Tensor:
    """ΔW and -ΔW: (S, steps, 2 half, d), one generator a seed."""
    shape, root = (steps, half, problem.dim), math.sqrt(problem.horizon / steps)
    drawn = torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in generators]) * root
    return torch.cat((drawn, -drawn), 2)


@torch.no_grad()
def draw(problem: BSDE, feedback: Feedback, dw: Tensor, controlled: bool) -> tuple[Tensor, Tensor]:
    """Paths X (S, steps + 1, batch, d), and the increments of W that they have without a control."""
    if controlled and problem.strength:
        h, x = problem.horizon / dw.shape[1], torch.zeros_like(dw[:, :1])
        states, pushed = [x], []
        for n in range(dw.shape[1]):
            drift = -problem.strength * feedback(x, slice(n, n + 1))
            pushed.append(dw[:, n : n + 1] + drift * h)
            x = x + problem.volatility * pushed[-1]
            states.append(x)
        return torch.cat(states, 1), torch.cat(pushed, 1)
    moved = problem.volatility * dw.cumsum(1)
    return torch.cat((torch.zeros_like(dw[:, :1]), moved), 1), dw


def residuals(problem: BSDE, z: Tensor, x: Tensor, dw: Tensor, start: Tensor) -> Tensor:
    """g(X_T) - Y_T from Y_0 = ``start`` (S,), by Euler's steps Y - h f(Y, |Z|²) + Z·ΔW: (S, batch).

    ``z`` and ``dw`` are (S, steps, batch, d), ``x`` (S, steps + 1, batch, d). ΔW is the increment of X over σ:
    where a control v pushes the paths, dX = σ(dW + v dt), it holds v h too, and Y gets Z·v h, as Girsanov says.
    """
    h, square, moved = problem.horizon / z.shape[1], z.square().sum(-1), (z * dw).sum(-1)
    y = start[:, None].expand_as(moved[:, 0])
    if problem.coupled:
        for n in range(z.shape[1]):
            y = y - h * problem.driver(y, square[:, n]) + moved[:, n]
    else:
        y = y + (moved - h * problem.driver(y[:, None], square)).sum(1)
    return problem.terminal(x[:, -1]) - y


def solve_bsde(
    problem: BSDE,
    steps: int = 20,
    iterations: int = 300,
    *,
    seed: Sequence[int] = (0, 1, 2),
    batch: int = 64,
    rate: float = 1e-3,
    controlled: bool = False,
    watch: Callable[[int, Tensor], object] | None = None,
    device: str | torch.device = "cpu",
) -> SolvedBSDE:
    """Fit Z by Adam (linear decay of ``rate``) so that the residual has least variance; Y_0 is its mean.

    Departures from Han, Jentzen, E 2018: Y_0 is no parameter of Adam but the running mean of the residual; Z is a
    :class:`Feedback`; paths come in pairs ±W; ``controlled`` draws them under the control found so far, where the
    equation has one, instead of freely. All seeds are trained at once, in float64, each with its own paths.
    ``watch`` is called with the number of iterations done and Y_0 (S,). The result's value is from fresh paths.

    Raises:
        TypeError, ValueError: no problem, a bad number, or ``controlled`` for an equation without a control.
    """
    checks.instance("problem", problem, BSDE)
    n = checks.integer("steps", steps, at_least=1)
    checks.integer("iterations", iterations, at_least=1)
    checks.integer("batch", batch, at_least=2)
    checks.real("rate", rate, above=0)
    each, where = checks.several("seed", seed, "give a tuple of seeds"), devices.named("device", device)
    if controlled and not problem.strength:
        checks.fail("controlled", "False for an equation without a control", controlled)
    checks.affordable("batch", len(each), n, max(batch, FRESH), problem.dim)
    feedback = Feedback(each, n, problem.dim, problem.volatility * math.sqrt(problem.horizon / n)).to(where)
    generators = [seeds.generator(s, "paths") for s in each]
    optimiser = torch.optim.Adam(feedback.parameters(), lr=rate, betas=(0.9, 0.99))
    start = torch.zeros(len(each), dtype=torch.float64, device=where)

    def residual(half: int) -> Tensor:
        x, dw = draw(problem, feedback, noise(problem, n, half, generators).to(where), controlled)
        return residuals(problem, feedback(x[:, :-1]), x, dw, start)

    for k in range(iterations):
        optimiser.param_groups[0]["lr"] = rate * (1 - k / iterations)
        found = residual(batch // 2)
        optimiser.zero_grad()
        found.var(1).sum().backward()
        optimiser.step()
        start = start + max(1 / (k + 1), 0.05) * found.detach().mean(1)
        if watch is not None:
            watch(k + 1, start)
    with torch.no_grad():
        x, dw = draw(problem, feedback, noise(problem, n, FRESH // 2, generators).to(where), controlled)
        z = feedback(x[:, :-1])
        for _ in range(8 if problem.coupled else 1):
            start = start + residuals(problem, z, x, dw, start).mean(1)
        spread = residuals(problem, z, x, dw, start).std(1)
    return SolvedBSDE(start, spread, feedback)
