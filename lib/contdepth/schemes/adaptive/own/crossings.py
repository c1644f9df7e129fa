"""Where an event changes its sign: looked at in every step of a batch, located for all members at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.own.steps import OwnPairSteps
from contdepth.schemes.adaptive.setting import Setting

__all__ = ["Crossings"]

NODES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Crossings:
    """A watch for ``OwnWalk``: members that cross stay, with the start of their step and the states inside.

    States inside a step are a polynomial of degree 4 in its share, so that those at five ``NODES`` tell all.
    """

    def __init__(
        self, event: Callable[..., Tensor], setting: Setting, shape: torch.Size, u: Tensor, direction: int
    ) -> None:
        self.event, self.setting, self.shape, self.direction = event, setting, shape, direction
        self.inner = torch.tensor(NODES[1:-1], dtype=torch.float64, device=u.device)
        self.t = setting.course.t0.detach()
        self.u = u
        self.step = torch.zeros_like(self.t, dtype=torch.float64)
        self.found = torch.zeros_like(self.t, dtype=torch.bool)
        self.states = u.detach().expand(len(NODES), *u.shape).clone()
        with torch.no_grad():
            self.before = self.value(self.t, u)
        zero = self.before.double() * 0
        self.bracket = [zero, zero, zero, zero]

    def value(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the event, checked, ``(members, 1)``."""
        found = self.event(t.reshape(*self.shape[:-1], 1), u.reshape(self.shape))
        found = checks.same_shape("event(t, u)", checks.floating("event(t, u)", found), (*self.shape[:-1], 1))
        if found.is_complex():
            checks.fail("event(t, u)", "real numbers", f"dtype {found.dtype}", error=TypeError)
        return found.reshape(t.shape)

    def __call__(self, t: Tensor, u: Tensor, after: Tensor, step: Tensor, good: Tensor) -> Tensor:
        """Return who crosses in the step from ``t``, of size ``step`` without sign."""
        signed = step if self.setting.offsets[-1] > 0 else -step
        with torch.no_grad():
            inside = self.setting.steps.inside(u.detach(), after, self.inner)
            states = torch.cat([u.detach().unsqueeze(0), inside, after.unsqueeze(0)])
            crosses, low = torch.zeros_like(good), self.before
            for n in range(1, len(NODES)):
                high = self.value(t + (NODES[n] * signed).to(t.dtype), states[n])
                grows, falls = (low < 0) & (high >= 0), (low > 0) & (high <= 0)
                here = grows if self.direction > 0 else falls if self.direction < 0 else grows | falls
                here = here & good & (step > 0) & ~crosses
                ends: tuple[Any, ...] = (NODES[n - 1], low.double(), NODES[n], high.double())
                self.bracket = [torch.where(here, x, y) for x, y in zip(ends, self.bracket, strict=True)]
                crosses, low = crosses | here, high
            self.before = torch.where(good, low, self.before)
            self.states = torch.where(crosses, states, self.states)
        self.t, self.step = torch.where(crosses, t, self.t), torch.where(crosses, signed, self.step)
        self.u, self.found = torch.where(crosses, u, self.u), self.found | crosses
        return crosses

    def recorded(self, setting: Setting, u: Tensor) -> None:
        """Go on with steps of ``setting``, which keep their graph, from states ``u`` before the crossings."""
        self.setting, self.u = setting, u

    def roots(self, end: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return times and states of the roots, and those given where there is none.

        Newton's method over steps from the starts of the steps that cross, as for one root.
        """
        share = self._shares()
        t, u = torch.where(self.found, self.t, end), torch.where(self.found, self.u, last)
        h, speed = share * self.step, torch.zeros_like(share)
        self._begin(t, u)
        with torch.no_grad():
            moving = self.found
            for _ in range(8):
                at, state = t + h.to(t.dtype), self._attempt(t, u, h)
                slope = self.setting.flow(at, state)
                speed = torch.where(moving, self._speed(at, state, slope).double(), speed)
                move = -self.value(at, state).double() / speed
                moving = moving & torch.isfinite(move) & (move.abs() <= self.step.abs())
                ahead = torch.clamp((h + torch.where(moving, move, 0.0)) / self.step, 0.0, 1.0) * self.step
                h = torch.where(moving, ahead, h)
                moving = moving & (move.abs() > 1e-15 * torch.maximum(self.step.abs(), t.abs()))
                if not bool(moving.any()):
                    break
        at, state = t + h.to(t.dtype), self._attempt(t, u, h)
        if not self.setting.recorded:
            return at, state
        value = self.value(at, state)
        late = -(value - value.detach()) / torch.where(speed == 0, torch.inf, speed).to(value.dtype)
        return at + late, state + self.setting.flow(at, state).detach() * late

    def _shares(self) -> Tensor:
        """Return the shares of the steps at which members cross, by the Illinois rule over the states inside."""
        a, at_a, b, at_b = self.bracket
        going = self.found
        with torch.no_grad():
            for _ in range(60):
                slope = at_b - at_a
                share = torch.where(going & (slope != 0), b - at_b * (b - a) / slope, b)
                state = (self._weights(share).to(self.states.dtype) * self.states).sum(0)
                value = self.value(self.t + (share * self.step).to(self.t.dtype), state).double()
                other = value * at_b < 0
                a, at_a = torch.where(going & other, b, a), torch.where(other, at_b, at_a / 2)
                b, at_b = share, torch.where(going, value, at_b)
                going = going & (at_b != 0) & ((b - a).abs() >= 1e-14) & (at_a != 0)
                if not bool(going.any()):
                    break
        return b

    def _weights(self, share: Tensor) -> Tensor:
        """Return Lagrange's weights of the nodes, ``(nodes, members, 1)``."""
        parts = []
        for i, node in enumerate(NODES):
            others = [(share - other) / (node - other) for j, other in enumerate(NODES) if j != i]
            parts.append(torch.stack(others).prod(0))
        return torch.stack(parts)

    def _begin(self, t: Tensor, u: Tensor) -> None:
        steps = self.setting.steps
        if isinstance(steps, ExplicitSteps):
            steps.first = self.setting.flow(t, u)
        else:
            steps.begin(t, u)

    def _attempt(self, t: Tensor, u: Tensor, h: Tensor) -> Tensor:
        quick = isinstance(self.setting.steps, OwnPairSteps)
        return self.setting.steps.attempt(t, u, h if quick else h.to(self.states.abs().dtype))[0]

    def _speed(self, t: Tensor, u: Tensor, slope: Tensor) -> Tensor:
        """Return the derivatives of the event along the solutions, 0 where it has none."""
        with torch.enable_grad():
            t, u = t.detach().requires_grad_(), u.detach().requires_grad_()
            value = self.value(t, u)
            if not value.requires_grad:
                return torch.zeros_like(value)
            by_t, by_u = torch.autograd.grad(value.sum(), (t, u), allow_unused=True)
        total = torch.zeros_like(value) if by_t is None else by_t
        return total.detach() if by_u is None else total + (by_u.conj() * slope).sum(-1, keepdim=True).real
