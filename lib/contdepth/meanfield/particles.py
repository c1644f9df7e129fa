"""Particles (θ_i, t_i): a distribution over weights and depth, and the residual net it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["WEIGHTINGS", "Particles", "reflect"]

WEIGHTINGS = ("equal", "gaps")


def reflect(t: Tensor) -> Tensor:
    """Fold times of any size into [0, 1] by reflection at both ends, the no-flux boundary; slope +1 or -1."""
    checks.reals("t", t)
    t = t.remainder(2)
    return torch.where(t > 1, 2 - t, t)


@dataclass(frozen=True)
class Particles:
    """ρ = Σ_i m_i δ(θ_i, t_i): parameters ``theta`` (L, k), times ``t`` (L,) in [0, 1], masses ``mass`` (L,).

    Each particle is one residual block (Lu et al. 2020, arXiv 2003.05508). Without ``mass`` every m_i is 1/L, the
    particle approximation of a probability; masses are not required to sum to 1, so that a part of a distribution
    is one too (a dropped block leaves a hole).

    Raises:
        TypeError, ValueError: no particle, shapes that do not fit, values that are not finite, a t outside [0, 1].
    """

    theta: Tensor
    t: Tensor
    mass: Tensor | None = None

    def __post_init__(self) -> None:
        checks.reals("theta", self.theta, ndim=2, hint="one row of parameters for each particle")
        checks.reals("t", self.t, ndim=1)
        if len(self.theta) == 0:
            checks.fail("theta", "at least one particle", "none", "a residual net needs a block")
        checks.same_shape("t", self.t, (len(self.theta),), "give one time for each particle")
        checks.finite("theta", self.theta.detach())
        outside = ~((self.t >= 0) & (self.t <= 1))
        if bool(outside.any()):
            i = int(outside.nonzero()[0])
            checks.fail(
                "t",
                "times in [0, 1]",
                f"{self.t[i].item():.6g} at particle {i}",
                "fold them back with contdepth.meanfield.reflect",
            )
        if self.mass is not None:
            checks.same_shape("mass", checks.reals("mass", self.mass, ndim=1), (len(self.theta),))
            checks.finite("mass", self.mass.detach())
        devices.common(theta=self.theta, t=self.t, mass=self.t if self.mass is None else self.mass)

    @classmethod
    def on_grid(cls, theta: Tensor) -> Particles:
        """``theta`` (L, k) as the blocks of a plain ResNet: t_i = i/L, i = 1 … L."""
        checks.reals("theta", theta, ndim=2)
        count = len(theta)
        return cls(theta, torch.arange(1, count + 1, dtype=theta.dtype, device=theta.device) / max(count, 1))

    def __len__(self) -> int:
        return len(self.theta)

    @property
    def order(self) -> Tensor:
        """Particle numbers by rising time (ties keep their order), (L,)."""
        return self.t.detach().argsort(stable=True)

    @property
    def is_sorted(self) -> bool:
        """Whether the particles stand in the order of their times."""
        return bool((self.t.diff() >= 0).all())

    @property
    def masses(self) -> Tensor:
        """m_i, (L,): 1/L where none were given."""
        return torch.full_like(self.t, 1 / len(self)) if self.mass is None else self.mass

    def pick(self, which: Tensor | Sequence[int]) -> Particles:
        """The particles ``which`` (numbers, in that order) with their own times and masses."""
        checks.indices("which", which, len(self))
        index = torch.as_tensor(which, dtype=torch.int64, device=self.t.device)
        if len(index) and not bool(((index >= 0) & (index < len(self))).all()):
            checks.fail("which", f"particle numbers 0 … {len(self) - 1}", index.tolist())
        return Particles(self.theta[index], self.t[index], self.masses[index])

    def sorted(self) -> Particles:
        """The same distribution, particles in the order of their times."""
        order = self.order
        mass = None if self.mass is None else self.mass[order]
        return Particles(self.theta[order], self.t[order], mass)

    def weights(self, weighting: str = "equal") -> Tensor:
        """The factor c_l of every block, (L,), for particles in the order of their times.

        ``"equal"``: the masses, 1/L; the time gives nothing but the place. ``"gaps"``: t_l - t_{l-1} with
        t_0 = 0, the step of Algorithm 1 of the paper; masses play no part. See the page "the limit" for what
        the two have in common and what not.

        Raises:
            ValueError: an unknown weighting, particles that are not sorted.
        """
        checks.one_of("weighting", weighting, WEIGHTINGS)
        if not self.is_sorted:
            i = int((self.t.diff() < 0).nonzero()[0])
            checks.fail(
                "particles",
                "particles sorted by time",
                f"t = {self.t[i].item():.6g} before {self.t[i + 1].item():.6g} (particles {i} and {i + 1})",
                "call .sorted()",
            )
        if weighting == "equal":
            return self.masses
        return self.t.diff(prepend=self.t.new_zeros(1))

    def permute(self, order: Sequence[int] | Tensor) -> Particles:
        """Parameters in the new ``order`` (a permutation) at the old times and masses: blocks change places."""
        checks.indices("order", order, len(self))
        index = torch.as_tensor(order, dtype=torch.int64, device=self.t.device)
        if index.shape != self.t.shape or not torch.equal(index.sort().values, torch.arange(len(self)).to(index)):
            checks.fail("order", f"a permutation of 0 … {len(self) - 1}", index.tolist())
        return Particles(self.theta[index], self.t, self.mass)

    def swap(self, i: int, j: int) -> Particles:
        """Blocks ``i`` and ``j`` change places."""
        for name, number in (("i", i), ("j", j)):
            checks.integer(name, number, at_least=0, at_most=len(self) - 1)
        order = list(range(len(self)))
        order[i], order[j] = j, i
        return self.permute(order)

    def drop(self, i: int) -> Particles:
        """Without block ``i``; the others keep their masses, so their sum falls by m_i."""
        checks.integer("i", i, at_least=0, at_most=len(self) - 1)
        if len(self) == 1:
            checks.fail("particles", "at least two particles to drop one", "1")
        return self.pick([n for n in range(len(self)) if n != i])

    def mixed(self, other: Particles, share: float) -> Particles:
        """(1 - s) ρ + s ν for ν = ``other`` and s = ``share`` in [0, 1], sorted."""
        share = checks.real("share", share, at_least=0, at_most=1)
        checks.instance("other", other, Particles)
        if other.theta.shape[1] != self.theta.shape[1]:
            checks.fail("other", f"particles of {self.theta.shape[1]} parameters", other.theta.shape[1])
        return Particles(
            torch.cat([self.theta, other.theta]),
            torch.cat([self.t, other.t]),
            torch.cat([(1 - share) * self.masses, share * other.masses]),
        ).sorted()
