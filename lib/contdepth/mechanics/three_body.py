"""Three bodies that attract one another in a plane, with the exact energy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.mechanics.separable import Separable, fitting, like

__all__ = ["ThreeBody"]


@dataclass(frozen=True)
class ThreeBody(Separable):
    """Three masses in a plane with V = -Σ_{i<j} m_i m_j / √(|q_i - q_j|² + ε²), ε the ``softening``, G = 1.

    Chen et al. 2020 take unit masses and ε = 0, with the starts of Greydanus et al. 2019. The positions q are
    (x_1, y_1, x_2, y_2, x_3, y_3), and so are the momenta.

    Args:
        masses: three, positive.
        softening: ε >= 0.

    Raises:
        TypeError, ValueError: a wrong argument, or states that do not fit.
    """

    masses: tuple[float, float, float] = (1.0, 1.0, 1.0)
    softening: float = 0.0

    def __post_init__(self) -> None:
        values = checks.several("masses", self.masses, "give a tuple of numbers")
        if len(values) != 3:
            checks.fail("masses", "three", len(values))
        object.__setattr__(self, "masses", tuple(checks.real("masses", one, above=0) for one in values))
        checks.real("softening", self.softening, at_least=0)

    @property
    def degrees(self) -> int:  # type: ignore[override]
        """6."""
        return 6

    def energy(self, u: Tensor) -> Tensor:
        """Return H(u) ``(...)``: constant along solutions."""
        q, p = self._split(u)
        return (p * self.velocity(p)).sum(-1) / 2 + self.potential(q)

    def potential(self, q: Tensor) -> Tensor:
        """Return V(q) ``(...)`` of q ``(..., 6)``."""
        r, m = self._apart(q), like(self.masses, q)
        total = q.new_zeros(q.shape[:-1])
        for i, j in ((0, 1), (0, 2), (1, 2)):
            square = r[..., i, j, :].square().sum(-1) + self.softening**2
            total = total - m[i] * m[j] / square.sqrt()
        return total

    def force(self, q: Tensor) -> Tensor:
        """Return -∂V/∂q ``(..., 6)``."""
        r, m = self._apart(q), like(self.masses, q)
        square = r.square().sum(-1) + self.softening**2
        one = torch.eye(3, dtype=q.dtype, device=q.device)  # nobody attracts itself
        pull = m[:, None] * m * (1 - one) / (square + one).pow(1.5)
        return -(pull.unsqueeze(-1) * r).sum(-2).flatten(-2)

    def velocity(self, p: Tensor) -> Tensor:
        """Return ∂T/∂p = p/m ``(..., 6)``."""
        fitting("p", p, 6)
        return p / like(self.masses, p).repeat_interleave(2)

    def angular_momentum(self, u: Tensor) -> Tensor:
        """Return Σ_i x_i p_{y,i} - y_i p_{x,i} ``(...)``: constant along solutions, as the sum of momenta is."""
        q, p = (one.unflatten(-1, (3, 2)) for one in self._split(u))
        return (q[..., 0] * p[..., 1] - q[..., 1] * p[..., 0]).sum(-1)

    def draw(self, count: int, generator: torch.Generator, *, disturbed: float = 0.2) -> Tensor:
        """Return ``count`` starts ``(count, 12)`` float64 near circular orbits of equal masses m.

        The bodies are the corners of an equilateral triangle of random angle around 0, at a distance r uniform in
        [0.9, 1.2], with speeds √(m/(√3 r)) along the circle, each component multiplied by a factor uniform in
        1 ± ``disturbed``. Chen et al. draw so too, but for the angle, whose law there is not uniform.
        Without disturbance the triangle turns for ever where there is no softening.
        """
        m = self.masses[0]
        if any(one != m for one in self.masses):
            checks.fail("masses", "three equal ones, for a circle", list(self.masses))
        checks.affordable("count", checks.integer("count", count, at_least=1), 12)
        checks.real("disturbed", disturbed, at_least=0)
        how: dict[str, Any] = {"dtype": torch.float64, "device": devices.drawn_on(generator)}
        r = 0.9 + 0.3 * torch.rand(count, 1, generator=generator, **how)
        angle = 2 * math.pi * torch.rand(count, 1, generator=generator, **how)
        angle = angle + torch.arange(3, **how) * (2 * math.pi / 3)
        factor = 1 + disturbed * (2 * torch.rand(count, 3, 2, generator=generator, **how) - 1)
        q = torch.stack((angle.cos(), angle.sin()), -1) * r.unsqueeze(-1)
        speed = (m / (math.sqrt(3) * r)).sqrt().unsqueeze(-1)
        p = m * factor * speed * torch.stack((-angle.sin(), angle.cos()), -1)
        return torch.cat((q.flatten(1), p.flatten(1)), 1)

    def _apart(self, q: Tensor) -> Tensor:
        """q_i - q_j ``(..., 3, 3, 2)``."""
        fitting("q", q, 6)
        places = q.unflatten(-1, (3, 2))
        return places.unsqueeze(-2) - places.unsqueeze(-3)
