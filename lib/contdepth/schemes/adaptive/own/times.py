"""Solving a batch whose members begin, end and are asked for at times of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.own.again import Again, Chosen
from contdepth.schemes.adaptive.own.walk import OwnWalk
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE, EmbeddedPair
from contdepth.schemes.adaptive.setting import Setting, Tolerances, prepared
from contdepth.schemes.adaptive.solution import Solution, Statistics
from contdepth.schemes.base import Field
from contdepth.schemes.gradients.held import held_by

__all__ = ["solve_at"]


def solve_at(
    f: Field,
    u0: Tensor,
    t: Tensor,
    scheme: EmbeddedPair = DORMAND_PRINCE,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    most: int = 100_000,
    gradient: str = "backprop",
    parameters: Iterable[Tensor] | None = None,
) -> Solution:
    """Solve u' = f(t, u) for every member of a batch from its own start, by its own steps, at its own times.

    A member's result is the one it has alone, whatever times the others are asked for. The way that is common for
    batches takes the union of all times and the states of all members at each: with n members of m distinct times
    n²m states, of which nm are wanted; this one makes nm. Inner times end no step: states there are those inside
    the steps, of order 4. Each member is solved in its own share of time, from 0 to 1.

    Args:
        f: right-hand side ``f(t, u)``; t is ``(..., 1)``, a time for each member.
        u0: states ``(..., d)``, each at the first of its times, float32, float64 or complex.
        t: times ``(N + 1, ...)`` of the dtype of |u0|, N >= 1; those of a member never turn back and may repeat.
        scheme: ``DORMAND_PRINCE`` or ``TSITOURAS``.
        rtol: as ``solve``.
        atol: as ``solve``.
        most: steps tried at most.
        gradient: ``"backprop"``, or ``"checkpoints"`` to keep states of √N of N steps, as ``solve``. There is no
            adjoint: each member would need a gradient of its own in all that ``f`` holds.
        parameters: what checkpoints differentiate of that which ``f`` holds; None: the parameters of a module.

    Returns:
        The solution: ``t``, states ``u`` ``(N + 1, ..., d)``, counts one a member. It is differentiable in ``u0``
        and in what ``f`` holds, not in ``t``.

    Raises:
        IntegrationError: the error cannot be kept, or there are too many steps; times it names are shares.
        TypeError, ValueError: a wrong argument or value of ``f``, or for checkpoints a tensor in ``f`` that needs
            gradients and is not named.
    """
    checks.instance("scheme", scheme, EmbeddedPair, "a scheme for stiff equations ends steps where all are asked")
    checks.one_of("gradient", gradient, ("backprop", "checkpoints"))
    start, span, shares = _times(u0, t)
    held = held_by(f, parameters) if gradient == "checkpoints" else None

    def scaled(share: Tensor, u: Tensor) -> Tensor:
        value = f(torch.addcmul(start, share, span), u)
        fits = isinstance(value, Tensor) and value.shape == u.shape and value.dtype == u.dtype
        return value * span if fits else value

    if u0.numel() == 0:
        return Solution(t, u0.expand(*t.shape, u0.shape[-1]).clone(), Statistics(0, 0, 0, 0))
    grid, limits = t.new_tensor([0.0, 1.0]), Tolerances(rtol, atol, None, most)
    setting = prepared(scaled, u0, grid, scheme, limits, own=True, recorded=False)
    wanted = setting.recorded and torch.is_grad_enabled()
    with torch.no_grad():
        quiet = setting
        if setting.recorded:
            quiet = prepared(scaled, u0.detach(), grid, scheme, limits, own=True, recorded=False)
        first = u0.reshape(setting.flow.shape).contiguous()
        passing = None if wanted else _Passing(quiet, first, 1 - shares)
        chosen = Chosen(passing)
        walk = OwnWalk(quiet.flow, quiet.steps, quiet.course, quiet.offsets, False, chosen)
        (last,) = walk(first.detach())
    if passing is not None:
        who, which, found = passing.found(first)
    else:
        first = u0.reshape(setting.flow.shape).contiguous()
        again = _AgainAt(setting, walk, chosen.packed(), 1 - shares)
        last, found = again.whole(first) if held is None else again.in_stretches(first, held)
        who, which = again.passed
    u = _table(first, last, 1 - shares, who, which, found)
    counts = (count.reshape(u0.shape[:-1]) for count in (walk.counts.accepted, walk.counts.rejected))
    both = {id(one.flow): one.flow.calls for one in (setting, quiet)}
    return Solution(t, u.reshape(*t.shape, u0.shape[-1]), Statistics(sum(both.values()), 0, *counts))


class _Passing:
    """A watch that keeps states inside steps; ``rests`` ``(members, N + 1)``, what is left to go at the times."""

    def __init__(self, setting: Setting, u: Tensor, rests: Tensor) -> None:
        assert isinstance(setting.steps, ExplicitSteps)
        self.steps, self.rests = setting.steps, rests
        self.left = torch.ones_like(rests[:, :1])
        self.kept: list[tuple[Tensor, ...]] = []

    def __call__(self, t: Tensor, u: Tensor, after: Tensor, step: Tensor, good: Tensor) -> None:
        who, which, theta, self.left = _passed(self.rests, self.left, torch.where(good, step, 0.0))
        if len(who):
            self.kept.append((who, which, self.steps.inside_own(u, after, theta, who)))

    def found(self, u: Tensor) -> list[Tensor]:
        none = self.rests.new_zeros(0, dtype=torch.long)
        return [torch.cat(part) for part in zip((none, none, u[:0]), *self.kept, strict=True)]


class _AgainAt(Again):
    """Steps taken again, with states at ``rests``; ``passed``: whose, and which of the times."""

    def __init__(self, setting: Setting, walk: OwnWalk, sizes: Tensor, rests: Tensor) -> None:
        self.rests, self.taken = rests, list[tuple[Tensor, Tensor]]()
        super().__init__(setting, walk, sizes)
        self.passed = [torch.cat(part) for part in zip(*self.taken, strict=True)]

    def _scheduled(self, sizes: Tensor) -> Iterator[tuple[Tensor, ...]]:
        left = torch.ones_like(sizes[0])
        for step in sizes.unbind():
            t = self.walk.end - left.to(self.walk.end.dtype)
            who, which, theta, left = _passed(self.rests, left, step)
            self.taken.append((who, which))
            yield t, step, which, who, theta


def _passed(rests: Tensor, left: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return whose step passes which time, at which share of the step, and what is left afterwards.

    Times at the start and at the end are none of a step's.
    """
    after = left - step
    inside = (rests < left) & (rests >= after) & (rests > 0) & (step > 0)
    who, which = inside.nonzero(as_tuple=True)
    return who, which, (left[who, 0] - rests[who, which]) / step[who, 0], after


def _table(first: Tensor, last: Tensor, rests: Tensor, who: Tensor, which: Tensor, found: Tensor) -> Tensor:
    """Return the states ``(N + 1, members, d)``: the first, those found inside steps, the last."""
    inside = first.expand(rests.shape[1], *first.shape).index_put((which, who), found)
    return torch.where((rests.T == 0)[..., None], last, inside)


def _times(u0: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return start and length of each member's time ``(..., 1)``, and shares of it ``(members, N + 1)``."""
    checks.floating("u0", u0)
    like = u0.detach().real if u0.is_complex() else u0
    checks.reals("t", t, like=checks.reals("u0", like))
    if u0.ndim < 2:
        checks.fail("u0", "a batch (..., d)", f"shape {tuple(u0.shape)}")
    checks.same_shape(
        "t", t, (*t.shape[:1], *u0.shape[:-1]), "a row for each time, a number in it for each member"
    )
    if len(t) < 2:
        checks.fail("t", "at least 2 times for each member", len(t))
    devices.common(u0=u0, t=t)
    if t.requires_grad:
        checks.fail("t", "times that are not differentiated", "such ones", "take t.detach()")
    checks.finite("t", t)
    moved = t.diff(dim=0)
    back = ((moved < 0).any(0) & (moved > 0).any(0)).nonzero()
    if len(back):
        found = f"both directions in member {tuple(back[0].tolist())}"
        checks.fail("t", "times of a member that never turn back", found, "sort them")
    rows = t.reshape(len(t), -1).T.double()
    length = rows[:, -1:] - rows[:, :1]
    shares = ((rows - rows[:, :1]) / torch.where(length == 0, 1.0, length)).clamp(0, 1)
    return t[0, ..., None], (t[-1] - t[0])[..., None], shares
