"""Solving an initial value problem to a tolerance, with states at the times asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.adaptive.attached import with_adjoint, with_euler
from contdepth.schemes.adaptive.checkpoints import from_checkpoints
from contdepth.schemes.adaptive.common import Walk
from contdepth.schemes.adaptive.outputs import passed, states
from contdepth.schemes.adaptive.own.again import Again, Chosen
from contdepth.schemes.adaptive.own.walk import OwnWalk
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE, EmbeddedPair
from contdepth.schemes.adaptive.record import Record, recorded_step
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.adaptive.setting import Setting, Tolerances, prepared
from contdepth.schemes.base import Field, transforms
from contdepth.schemes.gradients.held import held_by

__all__ = ["Solution", "Statistics", "solve"]


@dataclass(frozen=True)
class Statistics:
    """What a solution cost: calls of f and Jacobians, whole batches each, and steps accepted and rejected.

    For a batch with own steps the latter are one number a member. Where failures were allowed, ``status`` holds
    numbers of :class:`Status`, and ``reached`` the time of the last good state, one a member.
    """

    evaluations: int
    jacobians: int
    accepted: int | Tensor
    rejected: int | Tensor
    status: Tensor | None = None
    reached: Tensor | None = None


@dataclass(frozen=True)
class Solution:
    """States ``u`` ``(N + 1, ..., d)`` at times ``t`` ``(N + 1,)``, what they cost, and the steps if asked for."""

    t: Tensor
    u: Tensor
    statistics: Statistics
    record: Record | None = None


def solve(
    f: Field,
    u0: Tensor,
    t: Tensor,
    scheme: EmbeddedPair | Rosenbrock = DORMAND_PRINCE,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    steps: str = "common",
    first: float | None = None,
    most: int = 100_000,
    gradient: str = "backprop",
    parameters: Iterable[Tensor] | None = None,
    record: bool = False,
    failures: str = "raise",
) -> Solution:
    """Solve u' = f(t, u) from ``u0`` at ``t[0]``, with steps as long as the tolerances allow.

    Args:
        f: right-hand side ``f(t, u)``. With own steps t is ``(..., 1)``, a time for each member of the batch.
        u0: state ``(..., d)`` at ``t[0]``, floating point; complex where ``scheme`` is explicit.
        t: times ``(N + 1,)`` of the states wanted, strictly increasing or strictly decreasing. Pairs step over the
            inner ones and take the states inside steps, of order 4; Rosenbrock schemes end a step at each.
        scheme: ``DORMAND_PRINCE``, ``TSITOURAS``, or ``RODAS5P`` for stiff equations.
        rtol: relative tolerance.
        atol: absolute one: the root mean square of a step's errors as shares of ``atol + rtol |u|`` is at most 1.
        steps: ``"common"``, or ``"own"``: each member of a batch ``(..., d)`` steps as if it were alone.
        first: size of the first step; chosen from f if None.
        most: steps tried at most.
        gradient: ``"backprop"`` keeps the graph of every accepted step; ``"checkpoints"`` chooses steps without a
            graph, keeps the states of √N of N steps, and takes each step twice more; ``"adjoint"``, for common
            steps of a pair, keeps the states at ``t`` and solves the continuous adjoint backwards to the same
            tolerances, as exact as these are; ``"euler"`` differentiates one Euler step between neighbours in
            ``t``, of order 1 in their distance, and ``"static euler"`` only what is new in each step. RODAS5P has
            no adjoint: backwards a stiff equation leaves its solution, and steps that damp everything do not tell.
            Nor have own steps: each member would need a gradient of its own in all that ``f`` holds.
        parameters: what checkpoints and adjoint differentiate of that which ``f`` holds; None: the parameters of a
            module.
        record: keep sizes, errors and stiffness of the steps of a pair, as values that can be differentiated.
        failures: ``"raise"``, or ``"status"`` for own steps without derivatives: a member that cannot go on stays
            where it is, its states are NaN from there on, and ``statistics.status`` says why.

    Returns:
        The solution, differentiable in ``u0``, in what ``f`` holds and, for common steps, in ``t``: the derivative
        of the steps taken, whose sizes are constants.

    Raises:
        IntegrationError: the error cannot be kept, as where a solution ends, or there are too many steps.
        TypeError, ValueError: a wrong argument or value of ``f``, or for checkpoints and the adjoint a tensor in
            ``f`` that needs gradients and is not named.
    """
    checks.one_of("steps", steps, ("common", "own"))
    own = steps == "own"
    if record not in (True, False):
        checks.fail("record", "True or False", f"{record!r:.60}", error=TypeError)
    setting = prepared(f, u0, t, scheme, Tolerances(rtol, atol, first, most), own=own, recorded=record)
    if record and (scheme.implicit or own):
        checks.fail("record", "False", True, "steps are kept where they are common and the scheme is a pair")
    _check_gradient(gradient, scheme, own, record)
    lenient = checks.one_of("failures", failures, ("raise", "status")) == "status"
    if lenient and (not own or setting.recorded):
        hint = "a status is for members with own steps, where no derivative is recorded; take torch.no_grad()"
        checks.fail("failures", "'raise'", "'status'", hint)
    wanted = setting.recorded and torch.is_grad_enabled()
    if u0.numel() == 0:
        ends = (u0.new_zeros(u0.shape[:-1], dtype=torch.long), t[-1].expand(u0.shape[:-1])) if lenient else ()
        return Solution(t, u0.expand(len(t), *u0.shape).clone(), Statistics(setting.flow.calls, 0, 0, 0, *ends))
    if not wanted or gradient == "backprop" and not own:
        with torch.set_grad_enabled(wanted):
            return _own(setting, u0, t, lenient) if own else _common(setting, u0, t, record)
    limits = Tolerances(rtol, atol, first, most)
    with torch.no_grad():
        quiet = prepared(f, u0.detach(), t.detach(), scheme, limits, own=own, recorded=False)
    if own and gradient in ("backprop", "checkpoints"):
        return _own_again(setting, quiet, u0, t, held_by(f, parameters) if gradient == "checkpoints" else None)
    if gradient == "checkpoints":
        kept, walk = from_checkpoints(setting, quiet, u0, t, held_by(f, parameters))
        return Solution(
            t, torch.stack([u0, *kept]), Statistics(*_calls(setting, quiet), walk.accepted, walk.rejected)
        )
    with torch.no_grad():
        found = _own(quiet, u0, t, False) if own else _common(quiet, u0, t, False)
    if gradient == "adjoint":
        u = with_adjoint(f, found.u, u0, t, scheme, limits, parameters)
    else:
        u = with_euler(f, found.u, u0, t, static=gradient == "static euler", own=own)
    return Solution(t, u, found.statistics)


def _check_gradient(gradient: str, scheme: EmbeddedPair | Rosenbrock, own: bool, record: bool) -> None:
    checks.one_of("gradient", gradient, ("backprop", "checkpoints", "adjoint", "euler", "static euler"))
    if gradient == "adjoint" and scheme.implicit:
        hint = "backwards a stiff equation leaves its solution, which no step tells; take checkpoints"
        checks.fail("gradient", "'backprop' or 'checkpoints'", repr(gradient), hint)
    if gradient == "adjoint" and own:
        hint = "with own steps each member would need a gradient of its own in what f holds; take checkpoints"
        checks.fail("gradient", "'backprop' or 'checkpoints'", repr(gradient), hint)
    if gradient != "backprop" and (record or transforms()):
        checks.fail("gradient", "'backprop'", repr(gradient), "the others take autograd and no record")


def _common(setting: Setting, u0: Tensor, t: Tensor, record: bool) -> Solution:
    offsets, kept, walked = setting.offsets, [u0], []
    walk = Walk(setting.flow, setting.steps, setting.course)
    for step in walk(u0.contiguous()):
        if record:
            walked.append(recorded_step(setting.steps, step))
        stop = passed(offsets, len(kept), step.end)
        if stop > len(kept):
            kept += states(setting, step, t, len(kept), stop)
    cost = Statistics(setting.flow.calls, setting.flow.jacobians, walk.accepted, walk.rejected)
    return Solution(t, torch.stack(kept), cost, Record.of(walked) if record else None)


def _own(setting: Setting, u0: Tensor, t: Tensor, lenient: bool) -> Solution:
    walk = OwnWalk(setting.flow, setting.steps, setting.course, setting.offsets, lenient)
    found, shape = walk(u0.reshape(setting.flow.shape).contiguous()), u0.shape[:-1]
    accepted, rejected = (count.reshape(shape) for count in (walk.counts.accepted, walk.counts.rejected))
    ends = (walk.status.reshape(shape), walk.reached.reshape(shape)) if lenient else ()
    cost = Statistics(setting.flow.calls, setting.flow.jacobians, accepted, rejected, *ends)
    return Solution(t, torch.stack([u0, *(state.reshape(u0.shape) for state in found)]), cost)


def _own_again(
    setting: Setting, quiet: Setting, u0: Tensor, t: Tensor, held: tuple[Tensor, ...] | None
) -> Solution:
    """Return the solution whose steps ``quiet`` chose; from checkpoints where ``held`` is given."""
    chosen, start, shape = Chosen(), u0.reshape(setting.flow.shape).contiguous(), u0.shape[:-1]
    walk = OwnWalk(quiet.flow, quiet.steps, quiet.course, quiet.offsets, False, chosen)
    with torch.no_grad():
        walk(start.detach())
    again = Again(setting, walk, chosen.packed())
    found = again.table(*(again.whole(start) if held is None else again.in_stretches(start, held)))
    counts = (count.reshape(shape) for count in (walk.counts.accepted, walk.counts.rejected))
    return Solution(
        t, torch.stack([u0, *(x.reshape(u0.shape) for x in found)]), Statistics(*_calls(setting, quiet), *counts)
    )


def _calls(*settings: Setting) -> tuple[int, int]:
    """Return how often f and Jacobians were asked for."""
    return sum(one.flow.calls for one in settings), sum(one.flow.jacobians for one in settings)
