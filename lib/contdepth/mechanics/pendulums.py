"""Lagrangian systems with exact accelerations and energies: pendulums, and an oscillator at high speed.

Letters: q, v = q' ``(..., n)``; states are u = (q, v) ``(..., 2n)``, velocities and not momenta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.mechanics.separable import fitting
from contdepth.schemes.symplectic import halves

__all__ = ["DoublePendulum", "PlanePendulum", "RelativisticOscillator"]


class _Motion:
    """What the systems below share."""

    degrees: ClassVar[int]

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        raise NotImplementedError  # abstract: each system has its own

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (v, q'') ``(..., 2n)`` for u = (q, v); t is not looked at."""
        q, v = self._split(u)
        return torch.cat((v, self.acceleration(q, v)), -1)

    def _split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        q, v = halves(checks.reals("u", u))
        self._fitting(q, v)
        return q, v

    def _fitting(self, q: Tensor, v: Tensor) -> None:
        fitting("q", q, self.degrees)
        fitting("v", v, self.degrees)
        checks.same_shape("v", v, tuple(q.shape), "that of q")
        devices.common(q=q, v=v)

    def _positive(self, names: Sequence[str]) -> None:
        for name in names:
            checks.real(name, getattr(self, name), above=0)


@dataclass(frozen=True)
class PlanePendulum(_Motion):
    """L = m l² v²/2 + m g l cos q for the angle q: q'' = -(g/l) sin q.

    ``problems.Pendulum`` is the case m = g = l = 1 with a torque, in q and momentum.

    Raises:
        TypeError, ValueError: a number that is not positive, or states that do not fit.
    """

    degrees: ClassVar[int] = 1

    mass: float = 1.0
    length: float = 1.0
    gravity: float = 1.0

    def __post_init__(self) -> None:
        self._positive(("mass", "length", "gravity"))

    def lagrangian(self, q: Tensor, v: Tensor) -> Tensor:
        """Return L(q, v) ``(...)``."""
        self._fitting(q, v)
        inertia = self.mass * self.length**2
        return (inertia * v.square() / 2 + self.mass * self.gravity * self.length * q.cos()).squeeze(-1)

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., 1)``."""
        self._fitting(q, v)
        return -(self.gravity / self.length) * q.sin()

    def energy(self, u: Tensor) -> Tensor:
        """Return m l² v²/2 + m g l (1 - cos q) ``(...)``: constant along solutions."""
        q, v = self._split(u)
        inertia, weight = self.mass * self.length**2, self.mass * self.gravity * self.length
        return (inertia * v.square() / 2 + weight * (1 - q.cos())).squeeze(-1)


@dataclass(frozen=True)
class DoublePendulum(_Motion):
    """Two rods of lengths l with masses m at their ends, angles q from the vertical; all 1, g = 9.8 by default.

    ``acceleration`` is Newton's, from the tensions in the rods, and not derived from ``lagrangian``.

    Raises:
        TypeError, ValueError: a number that is not positive, or states that do not fit.
    """

    degrees: ClassVar[int] = 2

    masses: tuple[float, float] = (1.0, 1.0)
    lengths: tuple[float, float] = (1.0, 1.0)
    gravity: float = 9.8

    def __post_init__(self) -> None:
        for name in ("masses", "lengths"):
            values = checks.several(name, getattr(self, name), "give two numbers")
            if len(values) != 2:
                checks.fail(name, "two", len(values))
            object.__setattr__(self, name, tuple(checks.real(name, one, above=0) for one in values))
        self._positive(("gravity",))

    def lagrangian(self, q: Tensor, v: Tensor) -> Tensor:
        """Return T - V ``(...)`` with V = 0 where both rods are level."""
        self._fitting(q, v)
        return self._kinetic(q, v) - self._potential(q)

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., 2)``: with the tensions S of the rods, found from lengths that stay as they are.

        With radial and tangential parts about each pivot and d = q_1 - q_2: the second mass is held by S_2, the
        first by S_1 and pulled by S_2, which gives a linear system in S_1/m_1 and S_2.
        """
        self._fitting(q, v)
        (m1, m2), (l1, l2), g = self.masses, self.lengths, self.gravity
        (q1, q2), (v1, v2) = q.unbind(-1), v.unbind(-1)
        c, s = (q1 - q2).cos(), (q1 - q2).sin()
        # along rod 1: S_1 - S_2 c = m_1 (l_1 v_1² + g cos q_1); of mass 2 against mass 1 along rod 2:
        # S_2 / m_2 + (S_2 - S_1 c) / m_1 = l_2 v_2²
        held1 = m1 * (l1 * v1.square() + g * q1.cos())
        s2 = (l2 * v2.square() + held1 * c / m1) / (1 / m2 + s.square() / m1)
        s1 = held1 + s2 * c
        a1 = (-g * q1.sin() - s2 * s / m1) / l1
        a2 = s1 * s / (m1 * l2)
        return torch.stack((a1, a2), -1)

    def energy(self, u: Tensor) -> Tensor:
        """Return T + V ``(...)``: constant along solutions."""
        q, v = self._split(u)
        return self._kinetic(q, v) + self._potential(q)

    def _kinetic(self, q: Tensor, v: Tensor) -> Tensor:
        (m1, m2), (l1, l2) = self.masses, self.lengths
        w1, w2 = l1 * v[..., 0], l2 * v[..., 1]
        cross = 2 * w1 * w2 * (q[..., 0] - q[..., 1]).cos()
        return m1 * w1.square() / 2 + m2 * (w1.square() + w2.square() + cross) / 2

    def _potential(self, q: Tensor) -> Tensor:
        (m1, m2), (l1, l2) = self.masses, self.lengths
        y1 = -l1 * q[..., 0].cos()
        return self.gravity * (m1 * y1 + m2 * (y1 - l2 * q[..., 1].cos()))


@dataclass(frozen=True)
class RelativisticOscillator(_Motion):
    """L = -m c² √(1 - v²/c²) - k q²/2: p = γ m v is not m v, and q'' = -(k q/m) (1 - v²/c²)^{3/2}.

    Speeds are below c; from there on all is NaN. Cranmer et al. 2020 have a relativistic particle in a uniform
    field; the spring is ours.

    Raises:
        TypeError, ValueError: a number that is not positive, or states that do not fit.
    """

    degrees: ClassVar[int] = 1

    mass: float = 1.0
    stiffness: float = 1.0
    light: float = 1.0

    def __post_init__(self) -> None:
        self._positive(("mass", "stiffness", "light"))

    def lagrangian(self, q: Tensor, v: Tensor) -> Tensor:
        """Return L(q, v) ``(...)``."""
        root = self._root(q, v)
        return (-self.mass * self.light**2 * root - self.stiffness * q.square() / 2).squeeze(-1)

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., 1)``."""
        return -(self.stiffness / self.mass) * q * self._root(q, v).pow(3)

    def energy(self, u: Tensor) -> Tensor:
        """Return (γ - 1) m c² + k q²/2 ``(...)``: constant along solutions."""
        q, v = self._split(u)
        gamma = 1 / self._root(q, v)
        return (self.mass * self.light**2 * (gamma - 1) + self.stiffness * q.square() / 2).squeeze(-1)

    def _root(self, q: Tensor, v: Tensor) -> Tensor:
        """√(1 - v²/c²), NaN at c and beyond."""
        self._fitting(q, v)
        share = 1 - (v / self.light).square()
        return torch.where(share > 0, share, torch.nan).sqrt()
