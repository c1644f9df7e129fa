"""The first root of an event along a solution: found inside a step, then by steps that end at it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.common import Step, Walk
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE, EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.adaptive.setting import Setting, Tolerances, prepared
from contdepth.schemes.adaptive.solution import Statistics
from contdepth.schemes.base import Field, transforms

__all__ = ["Root", "first_root"]

Event = Callable[[Tensor, Tensor], Tensor]
SHARES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Root:
    """Time ``t`` ``()`` and state ``u`` of an event's first root; those of the end where ``found`` is False."""

    t: Tensor
    u: Tensor
    found: bool
    statistics: Statistics


def first_root(
    f: Field,
    u0: Tensor,
    t: Tensor,
    event: Event,
    scheme: EmbeddedPair | Rosenbrock = DORMAND_PRINCE,
    *,
    direction: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    first: float | None = None,
    most: int = 100_000,
) -> Root:
    """Follow u' = f(t, u) from ``t[0]`` until ``event(t, u)`` changes its sign, at most to ``t[1]``.

    The sign is looked at four times a step; two roots between two looks are not seen. The root is found inside the
    step and then improved by steps that end at it, so that its error is that of the scheme.

    Args:
        f: right-hand side ``f(t, u)``.
        u0: state ``(..., d)`` at ``t[0]``; all coordinates step together.
        t: start and latest end ``(2,)``.
        event: ``event(t, u)``, one real number ``()``. A root at the start itself is none.
        scheme: as in :func:`solve`, like the next ones.
        direction: 1 for roots where the event grows along the solution, -1 for those where it falls, 0 for both.
        rtol: relative tolerance.
        atol: absolute tolerance.
        first: size of the first step; chosen from f if None.
        most: steps tried at most.

    Returns:
        Time and state, differentiable in ``u0``, ``t`` and what ``f`` and ``event`` hold.

    Raises:
        IntegrationError: as :func:`solve`.
        TypeError, ValueError: a wrong argument or value of ``f`` or ``event``.
    """
    check_search(event, direction)
    setting = prepared(f, u0, t, scheme, Tolerances(rtol, atol, first, most), own=False, recorded=False)
    check_span(t)
    if u0.numel() == 0 or transforms():
        hint = "take autograd" if transforms() else "take at least one coordinate"
        checks.fail("u0", "a state outside torch.func with coordinates", f"shape {tuple(u0.shape)}", hint)
    walk = Walk(setting.flow, setting.steps, setting.course)
    before, last = _value(event, t[0], u0), u0
    with torch.set_grad_enabled(setting.recorded and torch.is_grad_enabled()):
        for step in walk(u0.contiguous()):
            with torch.no_grad():
                looks = _looks(event, setting, step, before)
                share = _crossing(event, setting, step, looks, direction)
            if share is not None:
                at, state = _root(event, setting, step, share)
                return Root(at, state, True, _cost(setting, walk))
            before, last = looks[-1][1], step.after
    return Root(t[1], last, False, _cost(setting, walk))


def check_search(event: object, direction: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless roots can be asked of ``event`` in this ``direction``."""
    checks.one_of("direction", direction, (-1, 0, 1))
    if not callable(event):
        checks.fail("event", "a function of (t, u)", type(event).__name__, error=TypeError)


def check_span(t: Tensor) -> None:
    """Raise ``ValueError`` unless ``t`` is a start and a latest end."""
    if len(t) != 2:
        checks.fail("t", "start and latest end", f"{len(t)} times", "solve gives states at more times")


def _cost(setting: Setting, walk: Walk) -> Statistics:
    return Statistics(setting.flow.calls, setting.flow.jacobians, walk.accepted, walk.rejected)


def _value(event: Event, t: Tensor, u: Tensor) -> float:
    return float(_called(event, t, u).detach())


def _called(event: Event, t: Tensor, u: Tensor) -> Tensor:
    """Return the event's value, checked."""
    value = checks.floating("event(t, u)", event(t, u), ndim=0)
    if value.is_complex():
        checks.fail("event(t, u)", "a real number", f"dtype {value.dtype}", error=TypeError)
    return value


def _looks(event: Event, setting: Setting, step: Step, before: float) -> list[tuple[float, float]]:
    """Return shares of the step and the event there, from its start to its end."""
    inner = torch.tensor(SHARES[:-1], dtype=torch.float64, device=step.after.device)
    states = [*setting.steps.inside(step.before, step.after, inner).unbind(), step.after]
    found = [_value(event, step.t + share * step.h, u) for share, u in zip(SHARES, states, strict=True)]
    return [(0.0, before), *zip(SHARES, found, strict=True)]


def _crossing(
    event: Event, setting: Setting, step: Step, looks: list[tuple[float, float]], direction: int
) -> float | None:
    """Return the share of the step at which the event first changes its sign, by the states inside."""
    for (low, at_low), (high, at_high) in pairwise(looks):
        grows, falls = at_low < 0 <= at_high, at_low > 0 >= at_high
        if (grows and direction >= 0) or (falls and direction <= 0):
            return _narrowed(event, setting, step, (low, at_low), (high, at_high))
    return None


def _narrowed(
    event: Event, setting: Setting, step: Step, low: tuple[float, float], high: tuple[float, float]
) -> float:
    """Return the root between two shares by the Illinois rule: the secant, with the value that stays halved."""
    (a, at_a), (b, at_b) = low, high
    for _ in range(60):
        share = b - at_b * (b - a) / (at_b - at_a) if at_b else b
        theta = torch.tensor([share], dtype=torch.float64, device=step.after.device)
        value = _value(event, step.t + share * step.h, setting.steps.inside(step.before, step.after, theta)[0])
        if value * at_b < 0:
            a, at_a = b, at_b
        else:
            at_a /= 2
        b, at_b = share, value
        if at_b == 0 or abs(b - a) < 1e-14 or at_a == 0:
            break
    return b


def _root(event: Event, setting: Setting, step: Step, share: float) -> tuple[Tensor, Tensor]:
    """Return time and state of the root: Newton's method over steps of size h from the step's start."""
    steps, flow, h, speed = setting.steps, setting.flow, share * step.h, 0.0
    with torch.no_grad():
        for _ in range(8):
            at, u = step.t + h, steps.attempt(step.t, step.before, h)[0]
            speed = _speed(event, at, u, flow(at, u))
            move = -_value(event, at, u) / speed if speed else math.nan
            if not math.isfinite(move) or abs(move) > abs(step.h):
                break
            h = math.copysign(min(abs(step.h), max(0.0, (h + move) / step.h * abs(step.h))), step.h)
            if abs(move) <= 1e-15 * max(abs(step.h), abs(float(step.t))):
                break
    at, u = step.t + h, steps.attempt(step.t, step.before, h)[0]
    if not (setting.recorded and speed):
        return at, u
    value = _called(event, at, u)
    late = -(value - value.detach()) / speed
    return at + late, u + flow(at, u).detach() * late


def _speed(event: Event, t: Tensor, u: Tensor, slope: Tensor) -> float:
    """Return the derivative of the event along the solution."""
    with torch.enable_grad():
        t, u = t.detach().requires_grad_(), u.detach().requires_grad_()
        value = _called(event, t, u)
        if not value.requires_grad:
            return 0.0
        by_t, by_u = torch.autograd.grad(value, (t, u), allow_unused=True)
    total = 0.0 if by_t is None else float(by_t)
    return total if by_u is None else total + float((by_u.conj() * slope).sum().real)
