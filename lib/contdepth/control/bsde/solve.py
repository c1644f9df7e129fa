"""Deep BSDE with a learned feedback: all steps in one evaluation, paths drawn freely or under the control."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks, devices, seeds
from contdepth.control.bsde.feedback import Feedback, LeastFeedback
from contdepth.control.bsde.problem import BSDE

__all__ = ["SolvedBSDE", "residuals", "solve_bsde"]

FRESH = 2048


@dataclass(frozen=True)
class SolvedBSDE:
    """``value`` (S,): u(0, 0) by seed. ``spread`` (S,): standard deviation of the residual. ``feedback``: Z.

    ``tilted`` (S,): from paths under the control Y_0 - λ⁻¹ ln E exp(-λ residual), from free ones ``value`` again.
    """

    value: Tensor
    spread: Tensor
    feedback: Feedback | LeastFeedback
    tilted: Tensor


def step_sizes(problem: BSDE, steps: int, shrink: float) -> Tensor:
    """Lengths of time steps (steps,) that fill [0, T], each ``shrink`` times the one before."""
    powers = torch.full((steps,), shrink, dtype=torch.float64) ** torch.arange(steps, dtype=torch.float64)
    return problem.horizon * powers / powers.sum()


def noise(dim: int, sizes: Tensor, half: int, generators: Sequence[torch.Generator]) -> Tensor:
    """ΔW and -ΔW over steps of ``sizes`` (steps,): (S, steps, 2 half, d), one generator a seed."""
    shape = (len(sizes), half, dim)
    drawn = torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in generators])
    drawn = drawn * sizes.sqrt()[:, None, None]
    return torch.cat((drawn, -drawn), 2)


@torch.no_grad()
def draw(problem: BSDE, feedback: nn.Module, dw: Tensor, sizes: Tensor, controlled: bool) -> tuple[Tensor, Tensor]:
    """Paths X (S, steps + 1, batch, d), and the increments of W that they have without a control."""
    if controlled and problem.strength:
        x = torch.zeros_like(dw[:, :1])
        states, pushed = [x], []
        for n in range(dw.shape[1]):
            drift = -problem.strength * feedback(x, slice(n, n + 1))
            pushed.append(dw[:, n : n + 1] + drift * sizes[n])
            x = x + problem.volatility * pushed[-1]
            states.append(x)
        return torch.cat(states, 1), torch.cat(pushed, 1)
    moved = problem.volatility * dw.cumsum(1)
    return torch.cat((torch.zeros_like(dw[:, :1]), moved), 1), dw


def residuals(problem: BSDE, z: Tensor, x: Tensor, dw: Tensor, start: Tensor, sizes: Tensor) -> Tensor:
    """g(X_T) - Y_T from Y_0 = ``start`` (S,), by Euler's steps Y - h f(Y, |Z|²) + Z·ΔW: (S, batch).

    ``sizes`` (steps,) holds h; ``z`` and ``dw`` are (S, steps, batch, d), ``x`` (S, steps + 1, batch, d). ΔW is
    the increment of X over σ: where a control v pushes the paths, dX = σ(dW + v dt), it holds v h too, and Y gets
    Z·v h, as Girsanov says.
    """
    square, moved = z.square().sum(-1), (z * dw).sum(-1)
    y = start[:, None].expand_as(moved[:, 0])
    if problem.coupled:
        for n in range(z.shape[1]):
            y = y - sizes[n] * problem.driver(y, square[:, n]) + moved[:, n]
    else:
        y = y + (moved - sizes[:, None] * problem.driver(y[:, None], square)).sum(1)
    return problem.terminal(x[:, -1]) - y


def rule(problem: BSDE, seed: Sequence[int], sizes: Tensor) -> Feedback | LeastFeedback:
    """A new feedback of the form that the problem's symmetry asks for."""
    if problem.symmetry == "least":
        return LeastFeedback(seed, sizes, problem.dim, problem.volatility, problem.terminal)
    shared = problem.symmetry == "rotations"
    return Feedback(seed, sizes, problem.dim, problem.volatility, shared=shared)


def solve_bsde(
    problem: BSDE,
    steps: int = 20,
    iterations: int = 300,
    *,
    seed: Sequence[int] = (0, 1, 2),
    batch: int = 64,
    rate: float = 1e-3,
    controlled: bool = False,
    shrink: float = 1.0,
    rounds: int = 1,
    watch: Callable[[int, Tensor], object] | None = None,
    device: str | torch.device = "cpu",
) -> SolvedBSDE:
    """Fit Z by Adam (linear decay of ``rate``) so that the residual has least variance; Y_0 is its mean.

    Departures from Han, Jentzen, E 2018: Y_0 is no parameter of Adam but the running mean of the residual; Z is a
    :class:`Feedback` or :class:`LeastFeedback`, as the problem's symmetry says; paths come in pairs ±W;
    ``controlled`` draws them under the control found so far, where the equation has one, instead of freely; each
    step is ``shrink`` times the one before. All seeds are trained at once, in float64, each with its own paths.
    ``watch`` is called with the number of iterations done and Y_0 (S,).

    The result is from ``rounds`` times 2,048 fresh paths. If these are under the control, its ``tilted`` value
    is right for any Z and any steps, given paths enough: by Girsanov's theorem the density of free paths against
    those drawn is exp(-λ(residual - g + Y_0)), and by Cole and Hopf u = -λ⁻¹ ln E exp(-λg) on free paths.

    Raises:
        TypeError, ValueError: no problem, a bad number, or ``controlled`` for an equation without a control.
    """
    checks.instance("problem", problem, BSDE)
    n = checks.integer("steps", steps, at_least=1)
    checks.integer("iterations", iterations, at_least=1)
    checks.integer("batch", batch, at_least=2)
    checks.real("rate", rate, above=0)
    checks.real("shrink", shrink, above=0, at_most=1)
    checks.integer("rounds", rounds, at_least=1)
    if rounds > 1 and problem.coupled:
        checks.fail("rounds", "1 where the driver depends on y", rounds)
    each, where = checks.several("seed", seed, "give a tuple of seeds"), devices.named("device", device)
    if controlled and not problem.strength:
        checks.fail("controlled", "False for an equation without a control", controlled)
    checks.affordable("batch", len(each), n, max(batch, FRESH), problem.dim)
    sizes = step_sizes(problem, n, shrink)
    feedback = rule(problem, each, sizes).to(where)
    generators = [seeds.generator(s, "paths") for s in each]
    optimiser = torch.optim.Adam(feedback.parameters(), lr=rate, betas=(0.9, 0.99))
    start, h = torch.zeros(len(each), dtype=torch.float64, device=where), sizes.to(where)

    def paths(half: int) -> tuple[Tensor, Tensor]:
        dw = noise(problem.dim, sizes, half, generators).to(where)
        return draw(problem, feedback, dw, h, controlled)

    for k in range(iterations):
        optimiser.param_groups[0]["lr"] = rate * (1 - k / iterations)
        x, dw = paths(batch // 2)
        found = residuals(problem, feedback(x[:, :-1]), x, dw, start, h)
        optimiser.zero_grad()
        found.var(1).sum().backward()
        optimiser.step()
        start = start + max(1 / (k + 1), 0.05) * found.detach().mean(1)
        if watch is not None:
            watch(k + 1, start)
    with torch.no_grad():
        parts = []
        for _ in range(rounds):
            x, dw = paths(FRESH // 2)
            z = feedback(x[:, :-1])
            parts.append(residuals(problem, z, x, dw, start, h))
        found = torch.cat(parts, 1)
        for _ in range(8 if problem.coupled else 1):
            mean = found.mean(1)
            start = start + mean
            found = residuals(problem, z, x, dw, start, h) if problem.coupled else found - mean[:, None]
    tilted, strength = start, problem.strength
    if controlled:
        tilted = start - ((-strength * found).logsumexp(1) - math.log(found.shape[1])) / strength
    return SolvedBSDE(start, found.std(1), feedback, tilted)
