"""Derivatives of a solution that was found without a graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contdepth.schemes.adaptive.common import Walk
from contdepth.schemes.adaptive.control import Allowance
from contdepth.schemes.adaptive.flow import Flow
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.adaptive.setting import Tolerances, prepared
from contdepth.schemes.base import Field
from contdepth.schemes.gradients.adjoint import Adjoint, Last
from contdepth.schemes.gradients.euler import with_euler_gradient
from contdepth.schemes.gradients.held import check_named, held_by

__all__ = ["to_the_end", "with_adjoint", "with_euler"]


def with_adjoint(
    f: Field,
    found: Tensor,
    u0: Tensor,
    t: Tensor,
    scheme: EmbeddedPair | Rosenbrock,
    limits: Tolerances,
    parameters: Iterable[Tensor] | None,
) -> Tensor:
    """Return states ``(N + 1, ..., d)`` with derivatives by the continuous adjoint, to the same tolerances."""
    held = held_by(f, parameters)
    flow = Flow(f, u0.shape)
    for n in (0, -1):
        check_named(flow, t[n], found[n], held)
    adjoint = Adjoint(flow, held, to_the_end(scheme, replace(limits, first=None)))
    states = adjoint.attach(found[1:], u0, t, list(range(1, len(t))))
    return torch.cat([u0.unsqueeze(0), states])


def with_euler(f: Field, found: Tensor, u0: Tensor, t: Tensor, *, static: bool, own: bool) -> Tensor:
    """Return states ``(N + 1, ..., d)`` with Euler's derivatives between the times."""
    flow = Flow(f, u0.shape)
    states = with_euler_gradient(flow, list(found[1:].unbind()), u0, t, static=static, own=own)
    return torch.stack([u0, *states])


@dataclass(frozen=True)
class _Each(Allowance):
    """The error that a step may make in each of several parts of a vector: that of the worst of them counts."""

    parts: tuple[int, ...]

    def size(self, values: Tensor, scale: Tensor) -> Tensor:
        """Return the largest root mean square of ``values / scale``."""
        shares = [share for share in (values / scale).split(self.parts) if share.numel()]
        return torch.stack([torch.linalg.vector_norm(share) / share.numel() ** 0.5 for share in shares]).amax()


def to_the_end(scheme: EmbeddedPair | Rosenbrock, limits: Tolerances) -> Last:
    """Return what solves to the end, the error small in every part."""

    def last(f: Field, u0: Tensor, t: Tensor, parts: tuple[int, ...]) -> Tensor:
        setting = prepared(f, u0, t, scheme, limits, own=False, recorded=False)
        allowed = _Each(**vars(setting.course.allowed), parts=parts)
        walk = Walk(setting.flow, setting.steps, replace(setting.course, allowed=allowed))
        return deque(walk(u0.contiguous()), maxlen=1).pop().after

    return last
