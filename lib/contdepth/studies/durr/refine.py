"""A unit as a flow: the same vector field computed with smaller steps and with schemes of higher order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.schemes import HEUN2, RK4, ForwardEuler, RungeKutta
from contdepth.schemes.base import Scheme

__all__ = ["LIMIT", "WAYS", "Way", "Computed", "observed_order", "refine", "refine_stored", "share_of_way"]


@dataclass(frozen=True)
class Way:
    """A way to compute X' = g(X, y; w): a one-step ``scheme`` with step ``h``, of which 1/h is whole.

    Raises:
        TypeError, ValueError: a step that is not positive, or no whole number of which makes a unit of time.
    """

    scheme: Scheme
    h: float

    def __post_init__(self) -> None:
        checks.real("h", self.h, above=0)
        if abs(self.per_unit * self.h - 1) > 1e-12:
            checks.fail("h", "one over a whole number", self.h)

    @property
    def per_unit(self) -> int:
        """Steps in a unit of time."""
        return max(round(1 / self.h), 1)

    @property
    def evaluations(self) -> int:
        """Evaluations of the unit in a unit of time."""
        return self.per_unit * self.scheme.stages


WAYS = {
    "Euler, h = 1": Way(ForwardEuler(), 1.0),
    "Euler, h = 1/2": Way(ForwardEuler(), 1 / 2),
    "Euler, h = 1/4": Way(ForwardEuler(), 1 / 4),
    "Euler, h = 1/8": Way(ForwardEuler(), 1 / 8),
    "Heun, h = 1": Way(RungeKutta(HEUN2), 1.0),
    "Heun, h = 1/2": Way(RungeKutta(HEUN2), 1 / 2),
    "limit": Way(RungeKutta(RK4), 1 / 4),
}
"""Name → way; the first is the recurrence that was trained."""

LIMIT = "limit"
"""The way that stands for the exact flow."""


@dataclass(frozen=True)
class Computed:
    """One level of noise, m pictures, ``per_unit`` steps in a unit of time.

    ``psnr``: of the clipped iterate after every step in dB, ``(steps + 1, m)``; ``end``: the iterate, not clipped,
    at the time asked for, ``(m, 1, h, w)``.
    """

    psnr: Tensor
    end: Tensor
    per_unit: int

    def every(self, parts: int = 1) -> Tensor:
        """PSNR at every ``parts``-th of a unit of time, ``(n, m)``.

        Raises:
            TypeError, ValueError: no whole number of steps makes such a part.
        """
        checks.integer("parts", parts, at_least=1)
        if self.per_unit % parts:
            checks.fail("parts", f"a divisor of {self.per_unit} steps in a unit of time", parts)
        return self.psnr[:: self.per_unit // parts]


def refine(
    unit: RestorationUnit, clean: Tensor, noisy: Tensor, at: int, until: int, ways: Mapping[str, Way] = WAYS
) -> dict[str, Computed]:
    """Compute the flow of ``unit`` from ``noisy`` in each of ``ways`` to time ``until``; keep the state at ``at``.

    ``clean``, ``noisy``: ``(m, 1, h, w)``. Time is counted in steps of the trained recurrence, which is forward
    Euler with h = 1. One picture at a time, so that memory does not grow with their number.

    Raises:
        TypeError, ValueError: shapes that do not fit; ``at`` not in 0 … ``until``.
    """
    checks.same_shape("noisy", noisy, tuple(clean.shape))
    checks.integer("until", until, at_least=0)
    checks.integer("at", at, at_least=0, at_most=until)
    out = {}
    for name, way in ways.items():
        steps = until * way.per_unit
        quality = torch.empty(steps + 1, len(clean), device=noisy.device)
        end = torch.empty_like(noisy)
        with torch.inference_mode():
            for m in range(len(clean)):
                x = y = noisy[m : m + 1]
                f = unit.field(y)
                for n in range(steps + 1):
                    quality[n, m] = psnr(x, clean[m : m + 1])[0]
                    if n == at * way.per_unit:
                        end[m] = x[0]
                    if n < steps:
                        x = way.scheme.step(f, torch.tensor(n * way.h), x, way.h)  # type: ignore[attr-defined]
        out[name] = Computed(quality, end, way.per_unit)
    return out


def refine_stored(name: str, clean: Tensor, noisy: Tensor, at: int, until: int) -> dict[str, Computed]:
    """``refine`` of the stored unit ``name`` in all of ``WAYS``: a job for ``contdepth.parallel.run_all``."""
    return refine(load_model(name).model, clean, noisy, at, until)  # type: ignore[arg-type]


def share_of_way(end: Tensor, other: Tensor, start: Tensor, limit: Tensor) -> Tensor:
    """Distance of two end states as a share of the way that the flow goes: ``|end - other| / |limit - start|``.

    All ``(m, 1, h, w)``, Euclidean norm over the pixels of each picture; ``(m,)``.

    Raises:
        ValueError: shapes that do not fit, or a flow that stays where it starts.
    """
    for name, value in (("other", other), ("start", start), ("limit", limit)):
        checks.same_shape(name, value, tuple(end.shape))
    way = (limit - start).flatten(1).norm(dim=1)
    if bool((way == 0).any()):
        checks.fail("limit", "a state that is not the start", "one that is, in a picture")
    return (end - other).flatten(1).norm(dim=1) / way


def observed_order(coarse: float, fine: float) -> float:
    """The order p for which an error that falls from ``coarse`` to ``fine`` with half the step is O(h^p).

    Raises:
        TypeError, ValueError: an error that is not positive.
    """
    checks.real("coarse", coarse, above=0)
    checks.real("fine", fine, above=0)
    return math.log2(coarse / fine)
