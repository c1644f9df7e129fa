"""First roots of an event, one a member of a batch with own steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.events import check_search, check_span
from contdepth.schemes.adaptive.own.again import Again, Chosen
from contdepth.schemes.adaptive.own.crossings import Crossings
from contdepth.schemes.adaptive.own.walk import OwnWalk
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE, EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.adaptive.setting import Tolerances, prepared
from contdepth.schemes.adaptive.solution import Statistics
from contdepth.schemes.base import Field

__all__ = ["Roots", "first_roots"]


@dataclass(frozen=True)
class Roots:
    """Times ``t`` ``(...)`` and states ``u`` ``(..., d)`` of first roots; those of the end where not ``found``."""

    t: Tensor
    u: Tensor
    found: Tensor
    statistics: Statistics


def first_roots(
    f: Field,
    u0: Tensor,
    t: Tensor,
    event: Callable[[Tensor, Tensor], Tensor],
    scheme: EmbeddedPair | Rosenbrock = DORMAND_PRINCE,
    *,
    direction: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    first: float | None = None,
    most: int = 100_000,
    failures: str = "raise",
) -> Roots:
    """As :func:`first_root` for each member of a batch, which steps as if it were alone and stops at its root.

    Args:
        f: right-hand side ``f(t, u)`` with a time for each member, ``(..., 1)``.
        u0: state ``(..., d)`` at ``t[0]``.
        t: start and latest end ``(2,)``.
        event: ``event(t, u)``, a real number for each member from itself alone, of the shape of its time
            ``(..., 1)``. A root at the start itself is none.
        scheme: as in :func:`solve`, like the next ones.
        direction: 1 for roots where the event grows along the solution, -1 for those where it falls, 0 for both.
        rtol: relative tolerance.
        atol: absolute tolerance.
        first: size of the first step; chosen from f if None.
        most: steps tried at most.
        failures: as in :func:`solve`; a member that fails has no root, and its state is NaN.

    Returns:
        Times and states, differentiable in ``u0`` and in what ``f`` and ``event`` hold, and who has a root.

    Raises:
        IntegrationError: as :func:`solve`.
        TypeError, ValueError: a wrong argument or value of ``f`` or ``event``.
    """
    check_search(event, direction)
    lenient = checks.one_of("failures", failures, ("raise", "status")) == "status"
    setting = prepared(f, u0, t, scheme, Tolerances(rtol, atol, first, most), own=True, recorded=False)
    check_span(t)
    if u0.numel() == 0:
        checks.fail("u0", "a batch with members and coordinates", f"shape {tuple(u0.shape)}")
    if lenient and setting.recorded:
        hint = "a status is for solutions of which no derivative is recorded; take torch.no_grad()"
        checks.fail("failures", "'raise'", "'status'", hint)
    quiet, shape = setting, u0.shape
    with torch.no_grad():
        if setting.recorded:
            quiet = prepared(
                f, u0.detach(), t, scheme, Tolerances(rtol, atol, first, most), own=True, recorded=False
            )
        start = u0.reshape(setting.flow.shape).contiguous()
        crossings = Crossings(event, quiet, shape, start.detach(), direction)
        chosen = Chosen(crossings)
        walk = OwnWalk(quiet.flow, quiet.steps, quiet.course, quiet.offsets, lenient, chosen)
        (last,) = walk(start.detach())
    with torch.set_grad_enabled(setting.recorded):
        if setting.recorded:
            start = u0.reshape(setting.flow.shape).contiguous()
            last, _ = Again(setting, walk, chosen.packed(but_the_last_of=crossings.found)).whole(start)
            crossings.recorded(setting, last)
        at, u = crossings.roots(walk.reached, last)
    ends = (walk.status.reshape(shape[:-1]), walk.reached.reshape(shape[:-1])) if lenient else ()
    counts = (count.reshape(shape[:-1]) for count in (walk.counts.accepted, walk.counts.rejected))
    both = (setting, quiet) if setting.recorded else (quiet,)
    calls = sum(one.flow.calls for one in both), sum(one.flow.jacobians for one in both)
    cost = Statistics(*calls, *counts, *ends)
    return Roots(at.reshape(shape[:-1]), u.reshape(shape), crossings.found.reshape(shape[:-1]), cost)
