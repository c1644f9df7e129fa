"""A flow in the plane that carries eight Gaussians to one, with and without a price on its path."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contdepth.flows import Carried, Transport, exact_probes
from contdepth.schemes import solve
from contdepth.seeds import generator
from contdepth.studies.depth.ode_classifier import Dynamics, each_alone

__all__ = ["draw_eight", "paths", "train_flow"]

RADIUS, SPREAD = 4 / math.sqrt(2), 0.5 / math.sqrt(2)
SPAN = torch.tensor([0.0, 1.0])


def draw_eight(count: int, source: torch.Generator) -> Tensor:
    """Draw ``count`` points ``(count, 2)``: eight Gaussians of deviation 0.35 on a circle of radius 2.83."""
    angle = torch.randint(8, (count,), generator=source) * (math.pi / 4)
    centre = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)
    return centre + SPREAD * torch.randn(count, 2, generator=source)


def train_flow(
    weight: float, seed: int, *, updates: int = 300, batch: int = 256, width: int = 64, rate: float = 1e-2
) -> dict[str, float | Dynamics]:
    """Train a flow by maximum likelihood, with ``weight`` times the mean of ∫|f|² + ∫|J|² added.

    Trace and Frobenius norm are exact. The solver's tolerance is 1e-3 in training and 1e-5 afterwards.

    Returns:
        ``likelihood``, the mean logarithm of the density of 2,000 fresh points; ``evaluations`` of f alone for a
        point, the mean over them, each solved by itself; ``trained_evaluations`` in all forward passes of
        training; ``kinetic``, the mean of ∫|f|², and ``curved``, that over the mean of |x(1) - x(0)|²; ``f``, the
        right-hand side.
    """
    f = Dynamics(2, width, generator(seed, "init"))
    source, evaluations = generator(seed, "points"), 0
    optimiser = torch.optim.Adam(f.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for _ in range(updates):
        x = draw_eight(batch, source)
        likelihood, end, calls = _likelihood(f, x, 1e-3)
        loss = -likelihood.mean() + weight * (end.kinetic + end.jacobian).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        evaluations += calls
    fresh = draw_eight(2000, generator(0, "fresh points"))
    with torch.no_grad():
        likelihood, end, _ = _likelihood(f, fresh, 1e-5)
        alone = each_alone(f, fresh, 1e-5)[1]
    kinetic = end.kinetic.mean().item()
    moved = (end.x - fresh).square().sum(-1).mean().item()
    return {
        "likelihood": likelihood.mean().item(),
        "evaluations": alone,
        "trained_evaluations": evaluations,
        "kinetic": kinetic,
        "curved": kinetic / moved,
        "f": f,
    }


def _likelihood(f: Dynamics, x: Tensor, tolerance: float) -> tuple[Tensor, Carried, int]:
    """Return the logarithm of the density at ``x`` ``(n,)``, what the paths carried, and the evaluations."""
    field = Transport(f, exact_probes(x), density=True)
    found = solve(field, field.start(x), SPAN, rtol=tolerance, atol=tolerance)
    end = field.carried(found.u[-1])
    assert end.density is not None
    # along a path the density falls by the trace, so that log p(x(0)) = log p(x(1)) + the integral of the trace
    normal = -0.5 * end.x.square().sum(-1) - math.log(2 * math.pi)
    return normal - end.density, end, found.statistics.evaluations


def paths(f: Dynamics, count: int = 60, times: int = 25) -> Tensor:
    """Return paths of ``count`` fresh points, ``(times, count, 2)``."""
    x = draw_eight(count, generator(0, "paths"))
    with torch.no_grad():
        return solve(f, x, torch.linspace(0, 1, times), rtol=1e-5, atol=1e-5).u
