"""Masses on springs between two walls, with the exact energy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.mechanics.separable import Separable, fitting, like

__all__ = ["SpringChain"]


@dataclass(frozen=True)
class SpringChain(Separable):
    """n masses in a row, neighbours and walls joined by n + 1 springs: V = Σ_i k_i (q_{i+1} - q_i)² / 2.

    i runs from 0 to n, and q_0 = q_{n+1} = 0 are the walls. Chen et al. 2020.

    Args:
        masses: m ``(n,)``, positive.
        stiffness: k ``(n + 1,)``, positive.

    Raises:
        TypeError, ValueError: a wrong argument, or states that do not fit.
    """

    masses: tuple[float, ...]
    stiffness: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("masses", "stiffness"):
            values = checks.several(name, getattr(self, name), "give a tuple of numbers")
            object.__setattr__(self, name, tuple(checks.real(name, one, above=0) for one in values))
        if len(self.masses) < 1 or len(self.stiffness) != len(self.masses) + 1:
            found = f"{len(self.masses)} masses and {len(self.stiffness)} springs"
            checks.fail("stiffness", "one more spring than masses, of which there is one at least", found)

    @classmethod
    def drawn(cls, masses: int, generator: torch.Generator) -> SpringChain:
        """Return a chain of ``masses`` drawn as in the authors' code: with z normal, max(1 + z/4, 0.2).

        Of that each mass is one, and each stiffness five times one.
        """
        count = checks.integer("masses", masses, at_least=1, at_most=10_000)
        z = torch.randn(2 * count + 1, generator=generator, device=devices.drawn_on(generator))
        values = (1 + z / 4).clamp(min=0.2).tolist()
        return cls(tuple(values[:count]), tuple(5 * one for one in values[count:]))

    @property
    def degrees(self) -> int:  # type: ignore[override]
        """n."""
        return len(self.masses)

    def energy(self, u: Tensor) -> Tensor:
        """Return H(u) ``(...)``: constant along solutions."""
        q, p = self._split(u)
        return (p * self.velocity(p)).sum(-1) / 2 + self.potential(q)

    def potential(self, q: Tensor) -> Tensor:
        """Return V(q) ``(...)`` of q ``(..., n)``."""
        fitting("q", q, self.degrees)
        return (like(self.stiffness, q) * _stretches(q).square()).sum(-1) / 2

    def force(self, q: Tensor) -> Tensor:
        """Return -∂V/∂q ``(..., n)``."""
        fitting("q", q, self.degrees)
        return (like(self.stiffness, q) * _stretches(q)).diff(dim=-1)

    def velocity(self, p: Tensor) -> Tensor:
        """Return ∂T/∂p = p/m ``(..., n)``."""
        fitting("p", p, self.degrees)
        return p / like(self.masses, p)

    def draw(self, count: int, generator: torch.Generator, *, bound: float = 2.5, rest: bool = True) -> Tensor:
        """Return ``count`` starts ``(count, 2n)`` float64, uniform in ±``bound`` in q and p.

        ``rest`` sets the first and the last mass to 0 in both, as the authors' code does, where there are others.
        """
        n = self.degrees
        checks.affordable("count", checks.integer("count", count, at_least=1), 2, n)
        where = devices.drawn_on(generator)
        drawn = torch.rand(count, 2, n, generator=generator, dtype=torch.float64, device=where)
        u = checks.real("bound", bound, above=0) * (2 * drawn - 1)
        if checks.instance("rest", rest, bool) and n > 2:
            u[..., [0, -1]] = 0
        return u.flatten(1)


def _stretches(q: Tensor) -> Tensor:
    """q_{i+1} - q_i ``(..., n + 1)`` with walls at 0."""
    return torch.nn.functional.pad(q, (1, 1)).diff(dim=-1)
