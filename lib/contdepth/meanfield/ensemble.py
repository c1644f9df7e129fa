"""Many independent nets, several depths and seeds, evaluated and trained as one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contdepth import checks
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import Particles
from contdepth.seeds import generator

__all__ = ["Ensemble", "outputs"]


@dataclass(frozen=True)
class Ensemble:
    """R sets of particles, deepest first: ``theta`` (R, L, k), ``t`` (R, L), ``depths`` (R,), ``seeds`` (R,).

    On the device of the net, float64 when drawn here. L is the largest depth; rows beyond a run's depth hold
    zeros and are never read. With weighting "equal" a block has the factor depth^-``exponent``: 1 for the
    mean-field scaling, 1/2 for that of a random walk. With "gaps" leave it at 1.

    Raises:
        ValueError: depths that do not fall, shapes that do not fit.
    """

    theta: Tensor
    t: Tensor
    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    exponent: float = 1.0

    def __post_init__(self) -> None:
        checks.reals("theta", self.theta, ndim=3)
        checks.same_shape("t", checks.reals("t", self.t), tuple(self.theta.shape[:2]))
        for name, values in (("depths", self.depths), ("seeds", self.seeds)):
            least = 0 if name == "seeds" else 1
            several = checks.several(name, values, "one for each run")
            object.__setattr__(self, name, tuple(checks.integer(name, one, at_least=least) for one in several))
        if len(self.depths) != len(self.theta) or len(self.seeds) != len(self.theta):
            checks.fail("depths", f"{len(self.theta)} depths and seeds", f"{len(self.depths)}, {len(self.seeds)}")
        checks.real("exponent", self.exponent)
        falling = sorted(self.depths, reverse=True)
        if list(self.depths) != falling or falling[:1] != [self.theta.shape[1]]:
            checks.fail("depths", f"depths that fall from {self.theta.shape[1]}", list(self.depths))

    @classmethod
    def draw(
        cls,
        net: MeanFieldNet,
        depths: Sequence[int],
        seeds: Sequence[int],
        *,
        scale: float = 1.0,
        mean: float = 0.0,
        random_times: bool = False,
        exponent: float = 1.0,
    ) -> Ensemble:
        """One run for each depth and seed, float64: θ ~ N(``mean``, ``scale``²), t = i/L or uniform on [0, 1].

        A run's draw depends on its own seed and depth alone; it is made on the CPU and moved to the net's device.

        Raises:
            TypeError, ValueError: no depth or seed, one twice, a depth below 1.
        """
        depths = checks.several("depths", depths, "such as (2, 8, 32)")
        seeds = checks.several("seeds", seeds, "such as range(10)")
        for name, values in (("depths", depths), ("seeds", seeds)):
            for value in values:
                checks.integer(name, value, at_least=0 if name == "seeds" else 1)
            if len(values) == 0 or len(set(values)) != len(values):
                checks.fail(name, "at least one, none twice", list(values))
        checks.instance("net", net, MeanFieldNet)
        checks.real("exponent", exponent)
        runs = [(depth, seed) for depth in sorted(depths, reverse=True) for seed in seeds]

        def draw(depth: int, seed: int) -> Particles:
            checks.affordable("depths", depth, net.block.size)
            source = generator(seed, f"particles/{depth}")
            theta = net.block.draw((depth,), source, scale=scale, mean=mean).to(net.w2.device)
            if not random_times:
                return Particles.on_grid(theta)
            return Particles(theta, torch.rand(depth, generator=source, dtype=torch.float64).to(theta))

        return cls.of([draw(*run) for run in runs], [seed for _, seed in runs], exponent)

    @classmethod
    def of(cls, particles: Sequence[Particles], seeds: Sequence[int], exponent: float = 1.0) -> Ensemble:
        """One run for each of ``particles`` (without masses), deepest first; ``seeds`` names them."""
        checks.instance("particles", particles, Sequence)  # type: ignore[type-abstract]
        for one in particles:
            checks.instance("particles", one, Particles)
        if not particles or any(one.mass is not None for one in particles):
            checks.fail("particles", "at least one set, none with masses", f"{len(particles)} sets")
        depths = tuple(len(one) for one in particles)
        for one in particles:
            checks.same_shape(
                "particles", one.theta[0], particles[0].theta[0].shape, "all of one number of parameters"
            )
        if max(depths) > depths[0]:
            raise ValueError(f"particles: expected the deepest first, found depths {list(depths)}")
        theta = particles[0].theta.new_zeros(len(depths), depths[0], particles[0].theta.shape[1])
        t = theta.new_zeros(theta.shape[:2])
        for row, one in enumerate(particles):
            theta[row, : len(one)], t[row, : len(one)] = one.theta, one.t
        checks.instance("seeds", seeds, Iterable)  # type: ignore[type-abstract]
        return cls(theta, t, depths, tuple(seeds), exponent)

    @classmethod
    def together(cls, *parts: Ensemble) -> Ensemble:
        """All runs of several ensembles of equal depths; ``rows(depth)`` has those of the first part first."""
        for part in parts:
            checks.instance("parts", part, cls)
        if not parts or any(
            set(p.depths) != set(parts[0].depths) or p.exponent != parts[0].exponent for p in parts
        ):
            checks.fail(
                "parts", "ensembles of the same depths and exponent", [sorted(set(p.depths)) for p in parts]
            )
        depths = [depth for part in parts for depth in part.depths]
        seeds = [seed for part in parts for seed in part.seeds]
        order = sorted(range(len(depths)), key=lambda run: -depths[run])
        theta, t = torch.cat([part.theta for part in parts])[order], torch.cat([part.t for part in parts])[order]
        return cls(theta, t, tuple(depths[i] for i in order), tuple(seeds[i] for i in order), parts[0].exponent)

    def __len__(self) -> int:
        return len(self.theta)

    def rows(self, depth: int) -> slice:
        """The runs of one depth."""
        checks.one_of("depth", depth, sorted(set(self.depths)))
        first = self.depths.index(depth)
        return slice(first, first + self.depths.count(depth))

    def particles(self, row: int) -> Particles:
        """Run number ``row``, sorted by time."""
        checks.integer("row", row, at_least=-len(self), at_most=len(self) - 1)
        depth = self.depths[row]
        mass = None if self.exponent == 1 else torch.full_like(self.t[row, :depth], depth**-self.exponent)
        return Particles(self.theta[row, :depth], self.t[row, :depth], mass).sorted()

    def repeated(self, times: int) -> Ensemble:
        """Every run ``times`` times in a row, R · ``times`` runs."""
        checks.affordable("times", checks.integer("times", times, at_least=1), *self.theta.shape)

        def each(values: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(value for value in values for _ in range(times))

        return replace(
            self,
            theta=self.theta.repeat_interleave(times, 0),
            t=self.t.repeat_interleave(times, 0),
            depths=each(self.depths),
            seeds=each(self.seeds),
        )

    @property
    def beyond(self) -> Tensor:
        """Where a row holds no particle, (R, L), bool."""
        where = self.theta.device
        return torch.arange(self.theta.shape[1], device=where) >= torch.tensor(self.depths, device=where)[:, None]

    def order(self) -> Tensor:
        """Particle numbers by rising time, run by run, those beyond the depth last: (R, L)."""
        return self.t.detach().masked_fill(self.beyond, torch.inf).argsort(dim=1, stable=True)

    def moved(self, theta: Tensor, t: Tensor) -> Ensemble:
        """The same runs with other parameters and times."""
        return replace(self, theta=theta, t=t)

    def segments(self) -> Iterator[tuple[int, int, int]]:
        """(first layer, layer behind the last, runs still going) between two depths."""
        start = 0
        for depth in sorted(set(self.depths)):
            yield start, depth, sum(d >= depth for d in self.depths)
            start = depth


def outputs(net: MeanFieldNet, ensemble: Ensemble, x: Tensor) -> Tensor:
    """Outputs of every run on x (batch, inputs): (R, batch), differentiable in ``theta`` and (for "gaps") ``t``.

    All runs that are as deep advance together, from each depth to the next; runs that have ended wait.

    Raises:
        TypeError, ValueError: x that does not fit the net, an ensemble drawn for other blocks.
    """
    checks.instance("net", net, MeanFieldNet)
    checks.instance("ensemble", ensemble, Ensemble)
    shape = (*ensemble.theta.shape[:2], net.block.size)
    checks.same_shape("theta of the ensemble", ensemble.theta, shape, "draw it for this net")
    order = ensemble.order()
    theta = ensemble.theta.gather(1, order[:, :, None].expand_as(ensemble.theta)).permute(1, 2, 0).contiguous()
    if net.weighting == "gaps":
        weights = ensemble.t.gather(1, order).T.diff(dim=0, prepend=theta.new_zeros(1, len(ensemble)))
    else:
        each = [d**-ensemble.exponent for d in ensemble.depths]
        factors = torch.tensor(each, dtype=theta.dtype, device=theta.device)
        weights = factors.expand(len(theta), -1)
    state = net.initial(x).to(theta).T[:, :, None].expand(-1, -1, len(ensemble))
    ended = []
    for first, behind, going in ensemble.segments():
        ended.append(state[..., going:])
        state = net.block.chain_of_many(
            theta[first:behind, :, :going], weights[first:behind, :going], state[..., :going]
        )
    return torch.einsum("dbr,d->rb", torch.cat([state, *reversed(ended)], dim=-1), net.w1.to(theta))
