"""Arguments of a solution, checked, and the steps that suit them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.common import Course, Steps
from contdepth.schemes.adaptive.control import Allowance
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.flow import Flow
from contdepth.schemes.adaptive.implicit import RosenbrockSteps
from contdepth.schemes.adaptive.jacobian import linearised
from contdepth.schemes.adaptive.own.steps import OwnPairSteps
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.backward_euler import _coupled as coupled
from contdepth.schemes.base import Field, plain, transforms
from contdepth.schemes.base import _check_grid as check_grid

__all__ = ["Setting", "Tolerances", "prepared"]

Scheme = EmbeddedPair | Rosenbrock


@dataclass(frozen=True)
class Tolerances:
    """How exact, how begun, how long."""

    rtol: float
    atol: float
    first: float | None
    most: int

    def checked(self, u0: Tensor, caution: float) -> Tolerances:
        """Return them as numbers that a state such as ``u0`` can keep, where estimates count ``caution`` times."""
        least = 10 * caution * torch.finfo(u0.dtype).eps
        rtol = checks.real("rtol", self.rtol, at_least=least, at_most=1.0, hint=f"{u0.dtype} holds no more")
        atol = checks.real("atol", self.atol, above=0.0, at_most=1e30)
        first = None if self.first is None else checks.real("first", self.first, above=0.0)
        return Tolerances(rtol, atol, first, checks.integer("most", self.most, at_least=1))


@dataclass(frozen=True)
class Setting:
    """All that a walk needs; ``moving``: the times are differentiated."""

    scheme: Scheme
    flow: Flow
    steps: Steps
    course: Course
    offsets: list[float]
    recorded: bool
    moving: bool


def prepared(
    f: Field, u0: Tensor, t: Tensor, scheme: Scheme, tolerances: Tolerances, *, own: bool, recorded: bool
) -> Setting:
    """Return the setting of a solution; raise ``TypeError`` or ``ValueError`` for arguments that do not fit."""
    _check(f, u0, t, scheme, own)
    limits = tolerances.checked(u0, scheme.caution if isinstance(scheme, Rosenbrock) else 1.0)
    checks.finite("u0", plain(u0))
    offsets = [x - float(plain(t)[0]) for x in plain(t).tolist()]
    flow = Flow(_flat(f, u0) if own else f, _flat_shape(u0) if own else u0.shape)
    state = u0.reshape(flow.shape).contiguous()
    t0 = t[0].to(u0.device).expand(len(state), 1).clone() if own else t[0]
    first = flow(t0, state)
    moving = bool(transforms()) or t.requires_grad
    recorded = recorded or moving or torch.is_grad_enabled() and (first.requires_grad or u0.requires_grad)
    with torch.set_grad_enabled(recorded and torch.is_grad_enabled()):
        steps = _steps(scheme, flow, t0, state, first, recorded, own)
    allowed = Allowance(limits.rtol, torch.tensor(limits.atol, dtype=state.abs().dtype, device=u0.device), own)
    inner = scheme.implicit and not own
    course = Course(t0, offsets[1:] if inner else offsets[-1:], allowed, limits.first, limits.most)
    return Setting(scheme, flow, steps, course, offsets, recorded, moving)


def _steps(scheme: Scheme, flow: Flow, t: Tensor, u: Tensor, first: Tensor, recorded: bool, own: bool) -> Steps:
    if isinstance(scheme, EmbeddedPair):
        quick = own and not recorded
        return OwnPairSteps(scheme, flow, u, first) if quick else ExplicitSteps(scheme, flow, u, first, recorded)
    blocks = (u.numel() // u.shape[-1], u.shape[-1]) if u.ndim > 1 and u.numel() else (1, u.numel())
    if blocks[0] > 1:
        jacobian = linearised(flow, t, u, blocks, recorded)[1]
        if coupled(flow.f, t, u, jacobian.reshape(*u.shape, u.shape[-1]).detach()):
            if own:
                hint = 'take steps="common", or let f compute each member from itself'
                checks.fail("f", "members that do not read one another", "some that do", hint)
            blocks = (1, u.numel())
    return RosenbrockSteps(scheme, flow, u, recorded, blocks)


def _flat_shape(u0: Tensor) -> torch.Size:
    return torch.Size((math.prod(u0.shape[:-1]), u0.shape[-1]))


def _flat(f: Field, u0: Tensor) -> Field:
    """Return f for states ``(members, d)`` and times ``(members, 1)`` of a batch of any shape."""
    shape = u0.shape

    def flat(t: Tensor, u: Tensor) -> Tensor:
        value = f(t.reshape(*shape[:-1], 1), u.reshape(shape))
        same = isinstance(value, Tensor) and value.shape == shape
        return value.reshape(u.shape) if same else value

    return flat if u0.ndim > 2 else f


def _check(f: Callable[..., Tensor], u0: Tensor, t: Tensor, scheme: Scheme, own: bool) -> None:
    if not callable(f):
        checks.fail("f", "a function of (t, u)", type(f).__name__, error=TypeError)
    if not isinstance(scheme, (EmbeddedPair, Rosenbrock)):
        found = f"{scheme!r:.60} ({type(scheme).__name__})"
        checks.fail("scheme", "an EmbeddedPair or a Rosenbrock scheme", found, "such as RODAS5P", error=TypeError)
    checks.floating("u0", u0)
    check_grid(t)
    real = (torch.float32, torch.float64)
    if u0.dtype not in (real if scheme.implicit else (*real, torch.complex64, torch.complex128)):
        wanted = "float32 or float64" if scheme.implicit else "float32, float64 or complex"
        checks.fail("u0", f"{wanted} for {scheme.name}", f"dtype {u0.dtype}", error=TypeError)
    if t.dtype not in real:
        checks.fail("t", "float32 or float64", f"dtype {t.dtype}", error=TypeError)
    if (scheme.implicit or own) and u0.ndim < 1 + own:
        checks.fail("u0", "a batch (..., d)" if own else "a state (..., d)", f"shape {tuple(u0.shape)}")
    if own and (t.requires_grad or transforms()):
        hint = 'take steps="common"'
        checks.fail("t", "times that are not differentiated or batched where steps are own", "such ones", hint)
