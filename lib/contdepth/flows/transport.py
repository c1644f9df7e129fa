"""What a flow costs, and what it does to a density, integrated beside it.

Letters: ``f`` right-hand side of x' = f(t, x), x of shape ``(..., d)``, J = df/dx, ``m`` probes ε.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field

__all__ = ["Carried", "Transport", "draw_probes", "exact_probes"]


class Carried(NamedTuple):
    """Points ``x`` ``(..., d)`` with the integrals along their paths, each ``(...)``.

    ``kinetic`` is ∫|f|² dt, ``jacobian`` ∫|J|² dt with the Frobenius norm, ``density`` the change of the
    logarithm of the density at the moving point, -∫tr J dt, or None.
    """

    x: Tensor
    kinetic: Tensor
    jacobian: Tensor
    density: Tensor | None


@dataclass(frozen=True, eq=False)
class Transport:
    """The right-hand side of u = (x, e, n) or, with ``density``, of u = (x, e, n, l), for every solver.

    Finlay et al. 2020, section 4: e' = |f|² and n' = |εᵀJ|², whose mean over ε is |J|²; l' = -εᵀJε, whose mean
    is -tr J (Grathwohl et al. 2019). All three are means over the probes given. Both costs are sums over
    coordinates, as in the paper's formulas; the authors' code takes half the mean of f² over coordinates.

    Args:
        f: right-hand side ``f(t, x)``, differentiable in x, each point's value from that point alone.
        probes: ε, ``(m, ..., d)``, drawn once for a whole path (:func:`draw_probes`), or those for which nothing
            is left to chance (:func:`exact_probes`).
        density: carry the logarithm of the density too.

    Raises:
        TypeError, ValueError: a wrong argument; called, a state of another shape or dtype than the probes say.
    """

    f: Field
    probes: Tensor
    density: bool = False

    def __post_init__(self) -> None:
        if not callable(self.f):
            checks.fail("f", "a function of (t, x)", type(self.f).__name__, error=TypeError)
        probes = checks.floating("probes", self.probes)
        if probes.ndim < 2 or probes.is_complex() or probes.numel() == 0:
            found = f"{probes.dtype} of shape {tuple(probes.shape)}"
            checks.fail("probes", "real probes (m, ..., d), none of these zero", found)
        if self.density not in (True, False):
            checks.fail("density", "True or False", f"{self.density!r:.60}", error=TypeError)

    def start(self, x: Tensor) -> Tensor:
        """Return the state at which a path begins: ``x`` with integrals of zero, ``(..., d + 2)`` or one more."""
        checks.same_shape("x", checks.floating("x", x), tuple(self.probes.shape[1:]), "that of a probe")
        return torch.cat([x, x.new_zeros(*x.shape[:-1], 2 + self.density)], dim=-1)

    def carried(self, u: Tensor) -> Carried:
        """Return the parts of a state ``(..., d + 2)``, or one more; leading axes of times are welcome."""
        width = self.probes.shape[-1]
        checks.floating("u", u)
        if u.ndim < 1 or u.shape[-1] != width + 2 + self.density:
            checks.fail("u", f"states (..., {width + 2 + self.density})", f"shape {tuple(u.shape)}")
        density = u[..., width + 2] if self.density else None
        return Carried(u[..., :width], u[..., width], u[..., width + 1], density)

    def __call__(self, t: Tensor, u: Tensor) -> Tensor:
        """Return u', of the shape of ``u``: one evaluation of f and a product εᵀJ for each probe."""
        x = self.carried(u).x
        checks.same_shape("u", x, tuple(self.probes.shape[1:]), "points like those of the probes")
        if x.dtype != self.probes.dtype:
            checks.fail("u", f"{self.probes.dtype}, that of the probes", f"{x.dtype}", error=TypeError)
        recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            value = checks.same_shape("f(t, x)", self.f(t, at), tuple(x.shape), "f must return dx/dt")
            pulled = self._pulled(value, at, recorded)
        value = value if recorded else value.detach()
        kinetic = value.square().sum(-1, keepdim=True)
        jacobian = pulled.square().sum(-1, keepdim=True).mean(0)
        rates = [value, kinetic, jacobian]
        if self.density:
            rates.append(-(pulled * self.probes).sum(-1, keepdim=True).mean(0))
        return torch.cat(rates, dim=-1)

    def _pulled(self, value: Tensor, at: Tensor, recorded: bool) -> Tensor:
        """Return εᵀJ for each probe, ``(m, ..., d)``."""
        if not value.requires_grad:
            return torch.zeros_like(self.probes)
        last, found = len(self.probes) - 1, []
        for n, probe in enumerate(self.probes):
            keep = recorded or n < last
            (one,) = torch.autograd.grad(
                value, at, probe, create_graph=recorded, retain_graph=keep, materialize_grads=True
            )
            found.append(one)
        return torch.stack(found)


def draw_probes(x: Tensor, generator: torch.Generator, count: int = 1) -> Tensor:
    """Draw ``count`` probes ``(count, ..., d)`` for the points ``x`` ``(..., d)``: independent normal numbers.

    They are drawn on the generator's device and moved to that of ``x``.
    """
    checks.integer("count", count, at_least=1)
    checks.instance("generator", generator, torch.Generator)
    shape = (count, *checks.floating("x", x).shape)
    return torch.randn(shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device)


def exact_probes(x: Tensor) -> Tensor:
    """Return d probes ``(d, ..., d)`` for the points ``x`` ``(..., d)`` that leave nothing to chance.

    These are the unit vectors times √d: the mean of εᵀJε over them is the trace and that of |εᵀJ|² the square of
    the Frobenius norm. A step then takes d products, so this is for few coordinates.
    """
    checks.floating("x", x)
    if x.ndim < 1 or x.numel() == 0:
        checks.fail("x", "points (..., d)", f"shape {tuple(x.shape)}")
    width = x.shape[-1]
    unit = torch.eye(width, dtype=x.dtype, device=x.device) * width**0.5
    return unit.reshape(width, *([1] * (x.ndim - 1)), width).expand(width, *x.shape).contiguous()
