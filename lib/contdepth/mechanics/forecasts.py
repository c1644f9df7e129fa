"""Roll-outs of a learned motion beyond what it was trained on, in which a blow-up is named and not drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.schemes.base import Scheme

__all__ = ["Forecast", "field_for", "forecast", "refined"]


@dataclass(frozen=True)
class Forecast:
    """States along ``times`` ``(N + 1,)``, and when each of them blew up.

    Attributes:
        times: of the states.
        states: ``(N + 1, ..., d)``, NaN from the blow-up on.
        broken: the first of the times ``(...)`` with a state that is not finite or beyond the limit; infinity
            where none is.
    """

    times: Tensor
    states: Tensor
    broken: Tensor

    @property
    def whole(self) -> Tensor:
        """Which members reached the end, bool ``(...)``."""
        return self.broken.isinf()

    def energy_error(self, energy: Callable[[Tensor], Tensor], scale: float | None = None) -> Tensor:
        """Return |E(u(t)) - E(u(0))| / scale ``(N + 1, ...)``, NaN from the blow-up on.

        Args:
            energy: the true one, as of a system, or the learned one of a network, from states to ``(...)``.
            scale: one number for all members, such as a largest potential energy; None: |E(u(0))| of each.
        """
        if not callable(energy):
            checks.fail("energy", "a function of states", type(energy).__name__, error=TypeError)
        with torch.no_grad():
            found = checks.tensor("energy(u)", energy(self.states))
        checks.same_shape("energy(u)", found, tuple(self.states.shape[:-1]), "one number a state")
        apart = (found - found[0]).abs()
        return apart / (found[0].abs() if scale is None else checks.real("scale", scale, above=0))

    def __repr__(self) -> str:
        count = self.broken.numel()
        lost = int((~self.whole).sum())
        first = f", the first at t = {float(self.broken.min()):.4g}" if lost else ""
        end = f"{len(self.times) - 1} steps to t = {float(self.times[-1]):.4g}"
        return f"Forecast({end}, {lost} of {count} blew up{first})"


def forecast(
    model: Any, starts: Tensor, times: Tensor, *, scheme: Scheme, substeps: int = 1, limit: float = 1e3
) -> Forecast:
    """Return the roll-outs of ``model`` from ``starts`` ``(..., d)`` at ``times[0]``, without gradients.

    Args:
        model: with ``field(t, u)``, or ``parts`` for partitioned schemes: a network or a system of this room.
        starts: states.
        times: ``(N + 1,)``, strictly increasing or decreasing.
        scheme: of one step, without chance, such as ``Leapfrog()`` or ``RungeKutta(RK4)``.
        substeps: equal steps between two times.
        limit: a member has blown up where its largest number exceeds this times the largest of all starts.

    Raises:
        TypeError, ValueError: a wrong argument.
        RuntimeError: an implicit scheme did not converge, which ends it for all members.
    """
    checks.finite("starts", checks.reals("starts", starts))
    if starts.numel() == 0 or starts.ndim < 1:
        checks.fail("starts", "states (..., d), at least one", f"shape {tuple(starts.shape)}")
    _grid(times, starts)
    checks.real("limit", limit, above=0)
    f, count = field_for(model, scheme), checks.integer("substeps", substeps, at_least=1)
    checks.affordable("times", len(times), starts.numel())
    checks.affordable("substeps", len(times), count)
    bound = limit * starts.abs().max().clamp(min=torch.finfo(starts.dtype).tiny)
    u = starts.detach()
    alive = u.new_ones(u.shape[:-1], dtype=torch.bool)
    broken = u.new_full(u.shape[:-1], torch.inf)
    states = [u]
    with torch.no_grad():
        for n, (start, size) in enumerate(zip(times[:-1], times.diff().tolist(), strict=True)):
            new = u
            for part in range(count):
                new = scheme.step(f, start + part * size / count, new, size / count)  # type: ignore[attr-defined]
            checks.same_shape("state", new, tuple(u.shape), "what the scheme's step returns")
            good = (new.abs() <= bound).all(-1)
            broken = torch.where(alive & ~good, times[n + 1], broken)
            alive = alive & good
            u = torch.where(alive.unsqueeze(-1), new, u)
            states.append(u.masked_fill(~alive.unsqueeze(-1), torch.nan))
    return Forecast(times, torch.stack(states), broken)


def field_for(model: Any, scheme: Any) -> Any:
    """Return what ``scheme`` takes of ``model``: parts for a partitioned one, else the field; raise otherwise."""
    plain = not (getattr(scheme, "two_step", False) or getattr(scheme, "random", False))
    if isinstance(scheme, type) or not hasattr(scheme, "step") or not plain:
        checks.fail("scheme", "a scheme of one step such as Leapfrog()", repr(scheme)[:60], error=TypeError)
    wanted = "parts" if getattr(scheme, "fields", 1) == 2 else "field"
    found = getattr(model, wanted, None)
    fits = callable(found) if wanted == "field" else isinstance(found, tuple)
    if isinstance(model, type) or not fits:
        hint = "such as HamiltonianNet or SpringChain"
        checks.fail("model", f"one with {wanted} for {scheme.name}", type(model).__name__, hint, error=TypeError)
    return found


def refined(times: Tensor, substeps: int) -> Tensor:
    """Return ``times`` with ``substeps`` equal steps between neighbours."""
    if substeps == 1:
        return times
    share = torch.arange(substeps, dtype=times.dtype, device=times.device) / substeps
    inner = times[:-1, None] + times.diff()[:, None] * share
    return torch.cat((inner.flatten(), times[-1:]))


def _grid(times: Tensor, like: Tensor) -> None:
    checks.finite("times", checks.reals("times", times, ndim=1, like=like))
    steps = times.diff()
    if len(times) < 2 or not bool((steps > 0).all() | (steps < 0).all()):
        checks.fail("times", "at least two, strictly increasing or decreasing", f"{len(times)} others")
    devices.common(states=like, times=times)
