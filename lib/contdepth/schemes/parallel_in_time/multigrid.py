"""Multigrid reduction in time: relax within blocks of layers, correct between them on a grid of fewer layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["Multigrid", "sweep"]

Step = Callable[[slice, int, Tensor], Tensor]
"""``step(at, stride, values)``: k values ``(k, ...)`` at the points ``at``, moved on by ``stride``, at once."""


@dataclass(frozen=True)
class Multigrid:
    """How layers are grouped for V-cycles of the full approximation scheme.

    Multigrid reduction in time (Falgout et al. 2014) as Günther et al. 2020 (arXiv 1812.04352) use it for layers.
    Level 0 has the N layers, each next one keeps every m-th point (the C-points) and steps m times as far. A sweep
    relaxes on each level on the way down, solves the coarsest one point after the other, and goes through the
    blocks again on the way up. With one entry and "F" it is parareal, U_{j+1} <- G(U_j new) + F(U_j) - G(U_j)
    (Lions, Maday, Turinici 2001). No departure.

    Args:
        coarsening: m of each level but the coarsest, integers >= 2; their product divides the number of layers.
        relaxation: "F": through the layers of each block from its C-point; "FCF": then on to the next C-point, and
            through the block again.

    Raises:
        TypeError, ValueError: no integers >= 2, another relaxation.
    """

    coarsening: tuple[int, ...] = (8,)
    relaxation: str = "F"

    def __post_init__(self) -> None:
        given = checks.several("coarsening", self.coarsening, "give a tuple such as (8,) or (4, 4)")
        if not given:
            checks.fail("coarsening", "at least one integer >= 2", "none", "one level is the serial solve")
        object.__setattr__(self, "coarsening", tuple(checks.integer("coarsening", m, at_least=2) for m in given))
        checks.one_of("relaxation", self.relaxation, ("F", "FCF"))

    def check_layers(self, layers: int) -> None:
        """Raise ``ValueError`` unless the coarsest grid's points are among those of ``layers`` layers."""
        block = math.prod(self.coarsening)
        if layers % block:
            checks.fail("plan", f"coarsening whose product divides {layers} layers", f"{self.coarsening}: {block}")

    def sequential_steps(self, layers: int, sweeps: int, *, warm: bool = False) -> int:
        """Steps that must be taken one after the other, when all blocks are relaxed at once.

        Of the initial guess (none where it is ``warm``), ``sweeps`` sweeps and the last relaxation; ``layers`` is
        what one solve layer after layer takes.

        Raises:
            TypeError, ValueError: no integers, negative ones, or layers that the blocks do not divide.
        """
        self.check_layers(checks.integer("layers", layers, at_least=1))
        checks.integer("sweeps", sweeps, at_least=0)
        coarsest = layers // math.prod(self.coarsening)
        one = coarsest + sum((m if self.relaxation == "F" else 2 * m) + 1 for m in self.coarsening)
        up = sum(m - 1 for m in self.coarsening[1:])
        one, guess = one + up, coarsest + up
        return sweeps * one + (0 if warm else guess) + self.coarsening[0] - 1


def relax(step: Step, u: Tensor, m: int, stride: int, right: Tensor | None) -> None:
    """From each C-point of ``u`` ``(n + 1, ...)``, every m-th, through the points before the next; in place."""
    n = len(u) - 1
    for i in range(m - 1):
        moved = step(slice(i * stride, n * stride, m * stride), stride, u[i:n:m])
        u[i + 1 : n : m] = moved if right is None else moved + right[i + 1 : n : m]


def reached(step: Step, u: Tensor, m: int, stride: int, right: Tensor | None) -> Tensor:
    """What comes out at the C-points after the first, ``(n / m, ...)``, from the points before them."""
    n = len(u) - 1
    moved = step(slice((m - 1) * stride, n * stride, m * stride), stride, u[m - 1 : n : m])
    return moved if right is None else moved + right[m::m]


def march(step: Step, u: Tensor, stride: int, right: Tensor | None) -> None:
    """Solve one point after the other from ``u[0]``; in place."""
    for i in range(len(u) - 1):
        moved = step(slice(i * stride, (i + 1) * stride, stride), stride, u[i : i + 1])
        u[i + 1 : i + 2] = moved if right is None else moved + right[i + 1 : i + 2]


def sweep(step: Step, u: Tensor, plan: Multigrid, level: int, stride: int, right: Tensor | None) -> None:
    """One V-cycle for u_{i+1} = step(u_i) + right_{i+1}, in place on ``u`` ``(n + 1, ...)``.

    On the finest level the points within blocks stay those of the C-points before.
    """
    if level == len(plan.coarsening):
        march(step, u, stride, right)
        return
    m, n = plan.coarsening[level], len(u) - 1
    relax(step, u, m, stride, right)
    if plan.relaxation == "FCF":
        u[m::m] = reached(step, u, m, stride, right)
        relax(step, u, m, stride, right)
    coarse = u[::m].clone()
    defect = torch.zeros_like(coarse)
    defect[1:] = reached(step, u, m, stride, right)
    defect[1:] -= step(slice(0, n * stride, m * stride), m * stride, coarse[:-1])
    sweep(step, coarse, plan, level + 1, stride * m, defect)
    u[::m] = coarse
    if level:  # on the finest level the next sweep begins with it
        relax(step, u, m, stride, right)


def guess(step: Step, u: Tensor, plan: Multigrid, level: int, stride: int) -> None:
    """Solve the coarsest level alone, and relax on those above it but the finest; in place."""
    if level == len(plan.coarsening):
        march(step, u, stride, None)
        return
    m = plan.coarsening[level]
    coarse = u[::m].clone()
    guess(step, coarse, plan, level + 1, stride * m)
    u[::m] = coarse
    if level:
        relax(step, u, m, stride, None)


def solve(step: Step, u: Tensor, plan: Multigrid, sweeps: int, warm: bool) -> Tensor:
    """``u`` ``(N + 1, ...)`` after ``sweeps`` sweeps and a last relaxation; in place."""
    if not warm:
        guess(step, u, plan, 0, 1)
    for _ in range(sweeps):
        sweep(step, u, plan, 0, 1, None)
    relax(step, u, plan.coarsening[0], 1, None)
    return u
