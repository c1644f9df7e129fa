"""Differential dynamic programming to a minimum: sweeps with Levenberg's damping, lengths tried, steps refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.control.ddp.sweep import FEEDBACKS, ControlProblem, backward_sweep, cost, roll_out, states_of

__all__ = ["SolvedDDP", "solve_ddp"]

LENGTHS = tuple(0.5**k for k in range(6))
SMALLEST, LARGEST = 1e-10, 1e12


@dataclass(frozen=True)
class SolvedDDP:
    """``costs`` (iterations + 1,): J before the first and after every one. ``controls`` u_t, ``states`` x_t.

    ``lengths`` (iterations,): share of k that was taken, 0 where the step was refused. ``dampings``: μ of each.
    """

    costs: Tensor
    controls: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    lengths: Tensor
    dampings: Tensor


@torch.no_grad()
def solve_ddp(
    problem: ControlProblem,
    start: Tensor,
    controls: Sequence[Tensor],
    iterations: int = 40,
    *,
    feedback: str = "states",
    coupled: bool = True,
    full: bool = False,
    damping: float = 1e-3,
    factor: float = 4.0,
    curvature: float | None = None,
) -> SolvedDDP:
    """Minimise J over the controls by ``iterations`` sweeps, each about the trajectory of the last.

    Every iteration is one backward sweep and a roll-out with lengths 1, 1/2, … 1/32 of k, of which the first that
    lowers J is taken: then ``damping`` μ is divided by ``factor``. If none does, or some Q_uu is not positive
    definite, nothing moves and μ is multiplied by it. With ``curvature`` c, Q_uu = cI and the full length is
    taken whatever J does: with ``coupled=False`` that is gradient descent with rate 1/c, as Liu, Chen, Theodorou
    (arXiv 2002.08809) link the two.

    Args:
        problem: dynamics and costs.
        start: x_0 (n,), float32 or float64.
        controls: u_0 … u_{T-1}, vectors of the same dtype.
        iterations: backward sweeps, refused ones among them.
        feedback: δx of ``K_t δx_t``: ``"states"``, ``"linearised"`` (a damped Gauss-Newton step on all controls
            at once) or ``"off"``.
        coupled: False puts Q_ux = 0, so that V_x is the gradient in x_t and no layer heeds the others.
        full: keep V_x·f_xx and its like (differential dynamic programming); else Gauss-Newton (iterative LQR).
        damping: first μ, added to the diagonal of Q_uu; 0 stays 0 while steps are taken.
        factor: by which μ changes.
        curvature: see above.

    Departure: the paper's exact form takes every step; damping, lengths and refusal are the usual safeguards.

    Raises:
        TypeError, ValueError: no controls, wrong shapes or dtypes, numbers outside their range, J not finite.
    """
    checks.instance("problem", problem, ControlProblem)
    start = checks.reals("start", start, ndim=1).detach()
    given = checks.several("controls", controls, "give one vector for each stage")
    if not given:
        checks.fail("controls", "at least one vector", "none")
    u: tuple[Tensor, ...] = tuple(checks.reals("controls", one, ndim=1, like=start).detach() for one in given)
    checks.integer("iterations", iterations, at_least=1)
    checks.one_of("feedback", feedback, FEEDBACKS)
    checks.instance("coupled", coupled, bool)
    checks.instance("full", full, bool)
    mu = checks.real("damping", damping, at_least=0)
    factor = checks.real("factor", factor, above=1)
    if curvature is not None:
        checks.real("curvature", curvature, above=0)
    x = states_of(problem, start, u)
    costs = [checks.finite("cost of the first controls", cost(problem, x, u), "give finite numbers")]
    lengths, dampings = [], []
    for _ in range(iterations):
        dampings.append(mu)
        policy = backward_sweep(problem, x, u, damping=mu, full=full, coupled=coupled, curvature=curvature)
        taken, now = 0.0, costs[-1]
        for length in LENGTHS:
            if policy is None:
                break
            new_x, new_u = roll_out(problem, x, u, policy, length, feedback)
            new = cost(problem, new_x, new_u)
            if curvature is not None or bool(new < now):
                x, u, now, taken = new_x, new_u, new, length
                break
        mu = mu / factor if taken else max(mu, SMALLEST) * factor
        mu = min(mu, LARGEST) if mu == 0 or mu > SMALLEST else SMALLEST
        costs.append(now)
        lengths.append(taken)
    table = torch.tensor([lengths, dampings], dtype=torch.float64, device=start.device)
    return SolvedDDP(torch.stack(costs), u, x, table[0], table[1])
