"""Residual conv nets whose blocks are particles (θ_i, t_i), sorted by t in every pass; one ODE a stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.nets.blocks import images
from contdepth.nets.plan import Plan, cifar_plan
from contdepth.nets.residual import ResidualNet

__all__ = ["TIME_RATE", "OrderedResNet", "ordered_pair", "ordered_resnet", "rate_arms", "stage_particles"]

TIME_RATE = 0.3
"""Default ratio of the learning rates of t and of the weights; the page "On images" says how it was chosen."""

Order = tuple[tuple[int, ...], ...]


def stage_particles(net: ResidualNet) -> Order:
    """Numbers (from 0) of the blocks of every stage that are particles: all whose shortcut is the identity.

    A block that changes the shape is the map to the initial state of its stage's ODE and is no particle: the first
    of stages 2 and 3, for bottlenecks also the first of stage 1.
    """
    if not isinstance(net, ResidualNet):
        checks.fail("net", "a ResidualNet", type(net).__name__, "see contdepth.nets", error=TypeError)
    stages: list[list[int]] = []
    for n, (start, shortcut) in enumerate(zip(net.starts_stage, net.shortcuts, strict=True)):
        if start:
            stages.append([])
        if isinstance(shortcut, nn.Identity):
            stages[-1].append(n)
    return tuple(map(tuple, stages))


def fold(steps: Tensor, horizon: Tensor) -> Tensor:
    """Reflect ``steps`` at 0 and ``horizon`` until they lie between; slope +1 or -1 everywhere, ends too."""
    rest = steps.remainder(2 * horizon)
    return torch.where(rest > horizon, 2 * horizon - rest, rest)


class OrderedResNet(ResidualNet):
    """A pre-activation ResNet whose blocks stand in the order of their times; images (batch, c, h, w) -> logits.

    Algorithm 1 of Lu et al. 2020 (arXiv 2003.05508), not checked against the paper: particles (θ_i, t_i) sorted
    by t, t^0 = 0, X^{l+1} = X^l + (t^l - t^{l-1}) f(X^l, θ^l), gradient steps on θ and t, one ODE for each stage
    of constant shape (``stage_particles``). Sorting happens in every forward pass; modules stay where they are, so
    momenta and the running statistics of batch norm (and the survival probability, if any) belong to the block,
    not to the place.

    Args:
        plan: blocks and widths, see ``contdepth.nets.plan``.
        times: "fixed" keeps the grid t_i = i/n of a stage of n particles. "trained" makes t_i
            = fold(i/n + √``time_rate`` τ_i) with parameters τ_i that start at 0; fold reflects R into [0, 1]
            (no-flux boundary). A step of SGD on τ then moves t at ``time_rate`` times the weights' learning rate;
            weight decay on τ pulls towards the grid.
        weighting: "gaps", coefficient n (t^l - t^{l-1}), or "equal", coefficient 1: t gives nothing but the order
            and no gradient, so "trained" is an error there.
        options: in_channels, num_classes, survival, seed as in ``ResidualNet``.

    Departures: the coefficient is n times the paper's, that is, every stage has time horizon n instead of 1 (or f
    is multiplied by n), so that the grid gives exactly the plain ResNet; the time behind the last particle, up to
    t = 1, adds nothing. With "gaps" the net jumps where two times cross: the earlier of the two has the whole
    gap, the later none.

    Raises:
        TypeError, ValueError: unknown ``times`` or ``weighting``, "trained" with "equal", a ``time_rate`` that
        is not positive, a plan without a stage of at least two particles.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        times: str = "trained",
        weighting: str = "gaps",
        time_rate: float = TIME_RATE,
        **options: Any,
    ) -> None:
        super().__init__(plan, **options)
        self.times_are = checks.one_of("times", times, ("fixed", "trained"))
        self.weighting = checks.one_of("weighting", weighting, ("gaps", "equal"))
        self.time_rate = checks.real("time_rate", time_rate, above=0)
        if times == "trained" and weighting == "equal":
            checks.fail(
                "times",
                '"fixed" with weighting "equal"',
                '"trained"',
                "the loss is piecewise constant in t, nothing would train it",
            )
        self.particles = stage_particles(self)
        sizes = [len(stage) for stage in self.particles]
        if max(sizes) < 2:
            checks.fail("plan", "a stage with at least two particles", plan.name, "take a larger depth")
        self.tau: Tensor
        self.grid: Tensor
        self.horizon: Tensor
        self.reorders: Tensor
        self.latest: Tensor
        tau = torch.zeros(sum(sizes))
        if times == "trained":
            self.tau = nn.Parameter(tau)
        else:
            self.register_buffer("tau", tau)
        self.register_buffer("grid", torch.cat([torch.arange(1.0, n + 1) for n in sizes]))
        self.register_buffer("horizon", torch.cat([torch.full((n,), float(n)) for n in sizes]))
        self.register_buffer("reorders", torch.zeros((), dtype=torch.int64))
        self.register_buffer("latest", torch.tensor([n for stage in self.particles for n in stage]))

    def extra_repr(self) -> str:
        rate = f", time_rate={self.time_rate}" if self.times_are == "trained" else ""
        return f"{super().extra_repr()}, times={self.times_are!r}, weighting={self.weighting!r}{rate}"

    def clocks(self) -> tuple[Tensor, ...]:
        """n t_i of each stage's particles in block order, differentiable in τ; on the grid exactly 1 … n."""
        steps = fold(self.grid + self.horizon * (math.sqrt(self.time_rate) * self.tau), self.horizon)
        return steps.split([len(stage) for stage in self.particles])

    def times(self) -> tuple[Tensor, ...]:
        """t_i in [0, 1] of each stage's particles in block order, on the CPU, without gradient."""
        return tuple(steps.detach().cpu() / max(len(steps), 1) for steps in self.clocks())

    @torch.no_grad()
    def set_times(self, times: Sequence[Tensor]) -> None:
        """Put each stage's particles, in block order, at ``times`` in [0, 1]; fixed times move as well."""
        if len(times) != len(self.particles):
            checks.fail("times", f"one tensor for each of {len(self.particles)} stages", len(times))
        for i, (one, stage) in enumerate(zip(times, self.particles, strict=True)):
            checks.same_shape(f"times[{i}]", checks.reals(f"times[{i}]", one), (len(stage),))
            if not bool(((one >= 0) & (one <= 1)).all()):
                checks.fail(f"times[{i}]", "times in [0, 1]", one.tolist())
        wanted = torch.cat([one.to(self.tau) for one in times])
        self.tau.copy_((wanted - self.grid / self.horizon) / math.sqrt(self.time_rate))

    def places(self, clocks: Sequence[Tensor]) -> list[list[int]]:
        """For each stage its particles' numbers within the stage, by rising time; ties keep the block order."""
        values = [steps.detach().tolist() for steps in clocks]
        return [sorted(range(len(v)), key=v.__getitem__) for v in values]

    def order(self) -> Order:
        """Block numbers of each stage's particles, in the order in which they are applied."""
        chosen = zip(self.particles, self.places(self.clocks()), strict=True)
        return tuple(tuple(stage[i] for i in place) for stage, place in chosen)

    def inversions(self) -> int:
        """Number of pairs of particles of one stage that stand the other way round than at the start."""
        return sum(a > b for stage in self.order() for i, a in enumerate(stage) for b in stage[i + 1 :])

    def coefficients(self) -> tuple[Tensor, ...]:
        """The factors of f along each stage, in the order of application; differentiable in τ for "gaps"."""
        return tuple(self.gaps(steps, place) for steps, place in self.sorted_clocks())

    def sorted_clocks(self) -> list[tuple[Tensor, list[int]]]:
        """(n t in block order, particles by rising time) of each stage."""
        clocks = self.clocks()
        return list(zip(clocks, self.places(clocks), strict=True))

    def gaps(self, steps: Tensor, place: list[int]) -> Tensor:
        """Coefficients of one stage, (n,)."""
        if self.weighting == "equal":
            return torch.ones_like(steps)
        return steps[torch.tensor(place, dtype=torch.int64, device=steps.device)].diff(prepend=steps.new_zeros(1))

    def count_reorder(self, blocks: list[int]) -> None:
        """In training, ``reorders`` counts the passes whose order is not that of the pass before."""
        now = torch.tensor(blocks, dtype=torch.int64)
        if not torch.equal(now, self.latest.cpu()):
            self.reorders += 1
            self.latest.copy_(now)

    def trajectory(self, x: Tensor) -> Iterator[Tensor]:
        """Yield u_0 (the stem's output) and the state after every block in the order of times, L + 1 tensors."""
        images(x, self.stem.in_channels, self.stem.weight)
        moves = self.sorted_clocks()
        if self.training:
            self.count_reorder(
                [stage[i] for stage, (_, place) in zip(self.particles, moves, strict=True) for i in place]
            )
        u = self.stem(x)
        yield u
        first = 0
        for stage, shape, (steps, place) in zip(self.particles, self.plan.stages, moves, strict=True):
            if len(stage) < shape.blocks:
                u, _ = self.advance(first, u, u)
                yield u
            for i, c in zip(place, self.gaps(steps, place).unbind(), strict=True):
                u = u + c * self.residual(stage[i], u)
                yield u
            first += shape.blocks
        if self.training and devices.records(x.device):
            torch.rand(())  # a pass that sorts looks at numbers; by this draw contdepth.training.replay knows it


def ordered_resnet(depth: int = 20, block: str = "basic", *, width: int = 16, **options: Any) -> OrderedResNet:
    """``OrderedResNet`` of ``depth`` = 6n + 2 (basic) or 9n + 2 (bottleneck) layers."""
    return OrderedResNet(cifar_plan(depth, block, width=width), **options)


def ordered_pair(
    depth: int = 20, block: str = "basic", *, seed: int, time_rate: float = TIME_RATE, **options: Any
) -> dict[str, OrderedResNet]:
    """``{"plain": …, "ordered": …}``: times fixed on the grid, and trained; every initial weight bit-equal.

    ``options`` (width, in_channels, num_classes, survival) go to both. "plain" computes the bits of
    ``contdepth.nets.resnet``; "ordered" starts there.
    """
    return {
        arm: ordered_resnet(depth, block, seed=seed, times=times, time_rate=time_rate, **options)
        for arm, times in (("plain", "fixed"), ("ordered", "trained"))
    }


def rate_arms(rates: Sequence[float], *, seed: int, **options: Any) -> dict[str, OrderedResNet]:
    """Arms "fixed" and, for each of ``rates``, trained times with that ``time_rate``, named like "0.1".

    All start from bit-equal weights; ``options`` as in ``ordered_resnet``.
    """
    rates = tuple(checks.real("rates", rate, above=0) for rate in rates)
    arms = {"fixed": ordered_resnet(seed=seed, times="fixed", **options)}
    return arms | {f"{rate:g}": ordered_resnet(seed=seed, time_rate=rate, **options) for rate in rates}
