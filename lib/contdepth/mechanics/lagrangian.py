"""Accelerations from a Lagrangian, learned or given, and the network that has none.

Letters: q, v = q' ``(..., n)``; L(q, v); u = (q, v). The Euler–Lagrange equation, solved for the acceleration, is
M a = ∂L/∂q - (∂²L/∂v∂q) v with the mass matrix M = ∂²L/∂v∂v (Cranmer et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.mechanics.dense import DenseNet, ScalarNet
from contdepth.schemes.base import transforms
from contdepth.schemes.symplectic import halves

__all__ = ["AccelerationNet", "LagrangianNet", "lagrangian_acceleration"]

Lagrangian = Callable[[Tensor, Tensor], Tensor]


def lagrangian_acceleration(lagrangian: Lagrangian, q: Tensor, v: Tensor) -> Tensor:
    """Return q'' ``(..., n)`` of any ``lagrangian`` L(q, v) ``(...)`` at positions ``q`` and velocities ``v``.

    A batch is one pass: the gradient and its n products with the directions of v; L must treat its members apart.
    It can be differentiated again.

    Raises:
        TypeError, ValueError: arguments that do not fit; an L of another shape; a singular mass matrix, which is
            solved with and never replaced by a pseudo-inverse.
    """
    if not callable(lagrangian):
        checks.fail("lagrangian", "a function of q and v", type(lagrangian).__name__, error=TypeError)
    n = _pair(q, v)

    def total(x: Tensor) -> Tensor:
        value = checks.tensor("lagrangian(q, v)", lagrangian(*halves(x)))
        return checks.same_shape("lagrangian(q, v)", value, tuple(x.shape[:-1]), "one number a state").sum()

    x = torch.cat((q, v), -1)
    gradient, pull = torch.func.vjp(torch.func.grad(total), x)[:2]
    ones = torch.eye(2 * n, dtype=x.dtype, device=x.device)[n:]
    rows = torch.func.vmap(lambda e: pull(e.expand_as(x))[0])(ones)
    found, bad = _solved(gradient, rows.movedim(0, -2), v)
    _all_regular(bad)
    return found


class LagrangianNet(nn.Module):
    """L(q, v) by a dense network, and the acceleration that the Euler–Lagrange equation makes of it.

    Args:
        degrees: n.
        hidden: widths of the hidden layers.
        activation: ``"softplus"``, the paper's, or ``"tanh"``.
        init: ``"lagrangian"``, that of the authors' code, or ``"plain"``; see ``DenseNet``.
        period: q is taken modulo this, as the authors' code does with 2π for angles; None: as it is. L then jumps
            where a period ends.
        generator: draws the weights; None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or states that do not fit.
    """

    def __init__(
        self,
        degrees: int,
        hidden: Sequence[int] = (64, 64),
        *,
        activation: str = "softplus",
        init: str = "lagrangian",
        period: float | None = None,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.degrees = checks.integer("degrees", degrees, at_least=1)
        self.period = None if period is None else checks.real("period", period, above=0)
        self.net = ScalarNet(
            2 * degrees, hidden, activation=activation, init=init, generator=generator, device=device
        )

    def forward(self, q: Tensor, v: Tensor) -> Tensor:
        """Return L(q, v) ``(...)``."""
        found: Tensor = self.net(_joined(self, q, v))
        return found

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., n)``; ``ValueError`` where the mass matrix is singular."""
        found, bad = _solved(*self._slopes(q, v), v)
        _all_regular(bad)
        return found

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (v, q'') ``(..., 2n)`` for u = (q, v), NaN for a member whose mass matrix is singular.

        So a roll-out of many goes on where one of them ends; t is not looked at.
        """
        q, v = halves(checks.tensor("u", u))
        found, bad = _solved(*self._slopes(q, v), v)
        return torch.cat((v, found.masked_fill(bad.unsqueeze(-1), torch.nan)), -1)

    def energy(self, u: Tensor) -> Tensor:
        """Return v·∂L/∂v - L ``(...)``: what the learned motion keeps."""
        q, v = halves(checks.tensor("u", u))
        x = _joined(self, q, v)
        return (v * self.net.gradient(x)[..., self.degrees :]).sum(-1) - self.net(x)

    def _slopes(self, q: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of L and the rows of its Hessian that belong to v."""
        x = _joined(self, q, v)
        ones = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)[self.degrees :]
        return self.net.rows(x, ones)


class AccelerationNet(nn.Module):
    """q'' by a dense network of (q, v), which knows no Lagrangian: the baseline of equal size.

    Arguments and errors as of ``LagrangianNet``, but that ``init`` is ``"plain"``.
    """

    def __init__(
        self,
        degrees: int,
        hidden: Sequence[int] = (64, 64),
        *,
        activation: str = "softplus",
        period: float | None = None,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.degrees = checks.integer("degrees", degrees, at_least=1)
        self.period = None if period is None else checks.real("period", period, above=0)
        self.net = DenseNet(
            2 * degrees, degrees, hidden, activation=activation, generator=generator, device=device
        )

    def acceleration(self, q: Tensor, v: Tensor) -> Tensor:
        """Return q'' ``(..., n)``."""
        found: Tensor = self.net(_joined(self, q, v))
        return found

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (v, q'') ``(..., 2n)`` for u = (q, v); t is not looked at."""
        q, v = halves(checks.tensor("u", u))
        return torch.cat((v, self.acceleration(q, v)), -1)


def _pair(q: Tensor, v: Tensor) -> int:
    """Return n if ``q`` and ``v`` are ``(..., n)`` of one shape, dtype and device; raise otherwise."""
    checks.reals("q", q)
    if q.ndim < 1 or q.shape[-1] < 1:
        checks.fail("q", "positions (..., n) with n >= 1", f"shape {tuple(q.shape)}")
    checks.same_shape("v", checks.reals("v", v, like=q), tuple(q.shape), "that of q")
    devices.common(q=q, v=v)
    return q.shape[-1]


def _joined(model: LagrangianNet | AccelerationNet, q: Tensor, v: Tensor) -> Tensor:
    """Return (q, v), q within its period."""
    if _pair(q, v) != model.degrees:
        checks.fail("q", f"positions (..., {model.degrees})", f"shape {tuple(q.shape)}")
    return torch.cat((q if model.period is None else q % model.period, v), -1)


def _solved(gradient: Tensor, rows: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return M⁻¹ (∂L/∂q - (∂²L/∂v∂q) v) ``(..., n)`` and where M is singular to rounding or not finite, ``(...)``.

    From the gradient of L and the rows of its Hessian that belong to v.
    """
    n = v.shape[-1]
    mixed, mass = rows.split(n, -1)
    force = gradient[..., :n] - (mixed @ v.unsqueeze(-1)).squeeze(-1)
    if n == 1:
        pivots = mass.squeeze(-1)
        found = force / pivots
    else:
        factors, order, _ = torch.linalg.lu_factor_ex(mass)
        pivots = factors.diagonal(dim1=-2, dim2=-1)
        found = torch.linalg.lu_solve(factors, order, force.unsqueeze(-1)).squeeze(-1)
    sizes = pivots.detach().abs()
    least = 4 * n * torch.finfo(sizes.dtype).eps * sizes.amax(-1)
    return found, ~(sizes.amin(-1) > least)


def _all_regular(bad: Tensor) -> None:
    """Raise if a mass matrix is ``bad``; where torch.func is at work, no number is looked at."""
    if not transforms() and bool(bad.any()):
        where = tuple(bad.nonzero()[0].tolist())
        found = f"a singular one{f' at index {where}' if where else ''}"
        hint = "a Lagrangian that is linear in a velocity, or does not hold it, gives no acceleration"
        checks.fail("mass matrix", "an invertible ∂²L/∂v∂v", found, hint)
