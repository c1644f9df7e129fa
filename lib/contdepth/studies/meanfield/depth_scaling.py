"""How the output of sampled nets depends on their depth, and on the order of their blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.meanfield.block import Block
from contdepth.meanfield.density import GaussianDensity
from contdepth.meanfield.ensemble import Ensemble
from contdepth.meanfield.network import MeanFieldNet
from contdepth.seeds import generator

__all__ = ["LAWS", "Batch", "Scaling", "law", "sampled", "scaling"]

LAWS = ("zero mean", "constant mean", "moving mean")


def law(
    name: str, block: Block, seed: int = 0, deviation: float = 1.0, device: str | torch.device = "cpu"
) -> GaussianDensity:
    """One of ``LAWS``: independent entries, ``deviation`` around 0, μ or μ + ν cos πt; μ, ν from ``seed``.

    They are drawn on the CPU; the law is on ``device``.
    """
    where = devices.named("device", device)
    checks.one_of("name", name, LAWS)
    source = generator(seed, "law")
    drawn = [torch.randn(block.size, generator=source, dtype=torch.float64) for _ in range(2)]
    still, moving = (one.to(where) for one in drawn)
    if name == "zero mean":
        return GaussianDensity(block, torch.zeros_like(still), deviation)
    if name == "constant mean":
        return GaussianDensity(block, still, deviation)
    return GaussianDensity(
        block, lambda t: still + torch.cos(math.pi * t)[..., None] * moving, deviation, device=where
    )


@dataclass(frozen=True)
class Scaling:
    """RMS (n,) of a quantity at ``depths`` (n,) and the least-squares slope of its logarithm in log L.

    ``slope_error`` and ``rms_errors`` (n,) are jackknife standard errors over seeds.
    """

    depths: tuple[int, ...]
    rms: Tensor
    slope: float
    slope_error: float
    rms_errors: Tensor


def scaling(depths: Sequence[int], values: Sequence[Tensor]) -> Scaling:
    """Fit the scaling of ``values``, one (seeds, batch) for each depth with the same number of seeds.

    Raises:
        ValueError: less than two depths or seeds, another number of seeds, an RMS that is 0.
    """
    if len(depths) < 2 or len(values) != len(depths):
        checks.fail("values", "one entry for each of at least two depths", len(values))
    squares = torch.stack([v.square().flatten(1).mean(1) for v in values])
    count = squares.shape[1]
    if count < 2:
        checks.fail("values", "at least two seeds", count)
    if not bool((squares.sum(1) > 0).all()):
        checks.fail("values", "an RMS > 0 at every depth", squares.mean(1).sqrt().tolist())
    without = (squares.sum(1, keepdim=True) - squares) / (count - 1)
    logs = [math.log(depth) for depth in depths]
    log_depth = torch.tensor(logs, dtype=squares.dtype, device=squares.device)
    fit = (log_depth - log_depth.mean()) / (log_depth - log_depth.mean()).square().sum()

    def spread(replicates: Tensor) -> Tensor:
        return ((count - 1) * replicates.var(dim=-1, correction=0)).sqrt()

    return Scaling(
        tuple(depths),
        squares.mean(1).sqrt(),
        float(fit @ squares.mean(1).log() / 2),
        float(spread(fit @ without.log() / 2)),
        spread(without.sqrt()),
    )


def sampled(
    density: GaussianDensity, depths: Sequence[int], seeds: Sequence[int], times: str = "uniform"
) -> Ensemble:
    """Nets with particles drawn from ``density``, one for each depth and seed, in the order of their times.

    A net's draw depends on its own depth and seed alone.
    """
    if len(set(depths)) != len(depths):
        checks.fail("depths", "no depth twice", list(depths))
    runs = [(depth, seed) for depth in sorted(depths, reverse=True) for seed in seeds]
    drawn = [density.sample(depth, generator(seed, f"sampled/{depth}"), times) for depth, seed in runs]
    return Ensemble.of(drawn, [seed for _, seed in runs])


@dataclass(frozen=True)
class Batch:
    """Nets of one depth L in the order of their blocks: ``theta`` (R, L, k) and factors ``weights`` (R, L)."""

    theta: Tensor
    weights: Tensor

    @classmethod
    def of(cls, ensemble: Ensemble, depth: int, weighting: str = "equal") -> Batch:
        """The nets of one depth of ``ensemble``, sorted by time."""
        nets = [ensemble.particles(row) for row in range(len(ensemble))[ensemble.rows(depth)]]
        return cls(torch.stack([p.theta for p in nets]), torch.stack([p.weights(weighting) for p in nets]))

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.theta.shape[1]

    @torch.no_grad()
    def outputs(self, net: MeanFieldNet, x: Tensor) -> Tensor:
        """(R, batch)."""
        start = net.initial(x).T[..., None].expand(-1, -1, len(self.theta))
        end = net.block.chain_of_many(self.theta.permute(1, 2, 0).contiguous(), self.weights.T, start)
        return torch.einsum("dbr,d->rb", end, net.w1)

    def change(self, net: MeanFieldNet, x: Tensor, how: Callable[[Batch], Batch]) -> Tensor:
        """Output of the nets after ``how`` minus that before, (R, batch)."""
        return how(self).outputs(net, x) - self.outputs(net, x)

    def permuted(self, order: Tensor, with_weights: bool = False) -> Batch:
        """Blocks in the new ``order`` (R, L), their factors left in place unless ``with_weights``."""
        order = order.to(self.theta.device)
        theta = self.theta.gather(1, order[..., None].expand_as(self.theta))
        return Batch(theta, self.weights.gather(1, order) if with_weights else self.weights)

    def swapped(self, source: torch.Generator, with_weights: bool = False) -> Batch:
        """Two neighbours, drawn anew for every net, change places."""
        runs, depth = self.weights.shape
        if depth < 2:
            checks.fail("depth", "at least two blocks to swap", depth)
        where = source.device
        order, row = torch.arange(depth, device=where).repeat(runs, 1), torch.arange(runs, device=where)
        first = torch.randint(0, depth - 1, (runs,), generator=source, device=where)
        order[row, first], order[row, first + 1] = first + 1, first
        return self.permuted(order, with_weights)

    def dropped(self, source: torch.Generator) -> Batch:
        """One block, drawn anew for every net, is left out; the others keep their factors."""
        runs, depth = self.weights.shape
        weights = self.weights.clone()
        which = torch.randint(0, depth, (runs,), generator=source, device=source.device)
        weights[torch.arange(runs), which.to(weights.device)] = 0
        return Batch(self.theta, weights)

    def shuffled(self, source: torch.Generator, windows: int = 1, with_weights: bool = False) -> Batch:
        """A random order inside each of ``windows`` parts of the depth with equal numbers of blocks.

        Raises:
            ValueError: the depth is no multiple of ``windows``.
        """
        runs, depth = self.weights.shape
        if depth % checks.integer("windows", windows, at_least=1):
            checks.fail("windows", f"a divisor of the depth {depth}", windows)
        window = torch.arange(depth, device=source.device) // (depth // windows)
        drawn = torch.rand(runs, depth, generator=source, dtype=torch.float64, device=source.device)
        keys = window + drawn
        return self.permuted(keys.argsort(dim=1), with_weights)
