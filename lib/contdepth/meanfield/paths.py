"""Paths between two trained nets and the loss along them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth import checks
from contdepth.meanfield.landscape import falling_adam
from contdepth.meanfield.network import MeanFieldNet, check_data
from contdepth.meanfield.particles import Particles

__all__ = ["Path", "barrier", "bezier_path", "linear_path", "measure_path", "path_losses"]

Path = Callable[[float], Particles]
"""s in [0, 1] -> the distribution at s."""


def matched(start: Particles, end: Particles) -> None:
    """Both ends must have as many particles of as many parameters."""
    checks.instance("start", start, Particles)
    checks.instance("end", end, Particles)
    checks.same_shape("end", end.theta, tuple(start.theta.shape), "blocks are matched in the order of depth")


def linear_path(start: Particles, end: Particles) -> Path:
    """s -> (1 - s) of ``start`` + s of ``end`` in θ, t and mass, block l with block l in the order of depth."""
    matched(start, end)
    start, end = start.sorted(), end.sorted()

    def path(s: float) -> Particles:
        ends = ((start.theta, end.theta), (start.t, end.t), (start.masses, end.masses))
        theta, t, mass = (torch.lerp(zero, one, s) for zero, one in ends)
        return Particles(theta, t.clamp(0, 1), mass)

    return path


def measure_path(start: Particles, end: Particles) -> Path:
    """s -> the distribution (1 - s) ``start`` + s ``end``: all blocks of both, with masses that shift."""
    checks.instance("start", start, Particles)
    checks.instance("end", end, Particles)
    return lambda s: start.mixed(end, s)


def bezier_path(
    net: MeanFieldNet,
    start: Particles,
    end: Particles,
    x: Tensor,
    y: Tensor,
    source: torch.Generator,
    *,
    steps: int = 500,
    rate: float = 0.02,
    batch: int = 4,
) -> Path:
    """Quadratic Bézier curve (1 - s)²θ_0 + 2s(1 - s)θ_c + s²θ_1 whose control point lowers the mean loss along it.

    Garipov et al. 2018 (arXiv 1802.10026): Adam on θ_c from the midpoint, with ``batch`` positions s a step, here
    one uniform in each of ``batch`` equal intervals. Times and masses go straight.

    Raises:
        TypeError, ValueError: ends of different shapes, bad numbers or data.
    """
    checks.integer("steps", steps, at_least=0)
    checks.affordable("batch", checks.integer("batch", batch, at_least=1))
    checks.instance("net", net, MeanFieldNet)
    checks.real("rate", rate, above=0)
    checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one")
    check_data(x, y)
    straight = linear_path(start, end)
    start, end = straight(0.0), straight(1.0)
    control = straight(0.5).theta.detach().clone().requires_grad_()
    rule, schedule = falling_adam(control, rate, steps)

    def path(s: float) -> Particles:
        theta = (1 - s) ** 2 * start.theta + 2 * s * (1 - s) * control + s**2 * end.theta
        line = straight(s)
        return Particles(theta, line.t, line.mass)

    for _ in range(steps):
        drawn = torch.rand(batch, generator=source, device=source.device)
        positions = (torch.arange(batch, device=source.device) + drawn) / batch
        loss = torch.stack([net.loss(path(s), x, y) for s in positions.tolist()]).mean()
        control.grad = torch.autograd.grad(loss, control)[0]
        rule.step()
        schedule.step()
    control = control.detach()
    return path


@torch.no_grad()
def path_losses(net: MeanFieldNet, path: Path, x: Tensor, y: Tensor, count: int = 33) -> tuple[Tensor, Tensor]:
    """``count`` positions in [0, 1] with both ends, and E there: (count,), (count,)."""
    checks.instance("net", net, MeanFieldNet)
    checks.affordable("count", checks.integer("count", count, at_least=2))
    positions = torch.linspace(0, 1, count, dtype=torch.float64, device=net.w2.device)
    return positions, torch.stack([net.loss(path(s), x, y) for s in positions.tolist()])


def barrier(losses: Tensor) -> float:
    """Highest E along a path minus the larger of its ends; 0 where the ends are the highest."""
    checks.reals("losses", losses, ndim=1)
    if len(losses) == 0:
        raise ValueError("losses: expected at least one loss, found none")
    return (losses.max() - losses[[0, -1]].max()).item()
