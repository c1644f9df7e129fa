"""JPEG deblocking with a recurrent unit: one picture at several qualities, stopped by policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.degrade import jpeg
from contdepth.restoration.metrics import grey, psnr, ssim
from contdepth.restoration.models.unit import RestorationUnit, trajectory
from contdepth.restoration.stopping.dqn import DQNPlan, train_dqn
from contdepth.restoration.stopping.policy import Policy, PolicyUnit, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts

__all__ = ["Deblocked", "deblock", "learn", "stop_lazily"]


@dataclass(frozen=True)
class Deblocked:
    """One picture at q qualities: N steps of a unit, p policies.

    ``psnr``: dB of the clipped X_0 … X_N, ``(q, N + 1)`` float64, X_0 being the JPEG picture; ``stops``: where
    each policy stops, int64 ``(p, q)``; ``ssim``: of X_0 in its first row and of each policy's result in the
    others, ``(1 + p, q)`` float64, NaN where it was not asked for.
    """

    psnr: Tensor
    stops: Tensor
    ssim: Tensor

    @property
    def stopped(self) -> Tensor:
        """PSNR where each policy stops, ``(p, q)``."""
        return self.psnr[torch.arange(self.psnr.shape[0]), self.stops]


def deblock(
    unit: RestorationUnit,
    clean: Tensor,
    qualities: Sequence[int],
    steps: int,
    policies: Sequence[Policy] = (),
    similarity: bool = False,
) -> Deblocked:
    """Code ``clean`` ``(1, 1, h, w)`` at each quality, run ``unit`` for ``steps`` steps, and ask the policies.

    ``similarity``: compute SSIM, which takes about as long as two steps of a small unit. A job for
    ``contdepth.parallel.run_all``: one picture each.

    Raises:
        TypeError, ValueError: not one grey image in [0, 1]; no quality, or one out of range; no step.
    """
    grey("clean", clean)
    if len(clean) != 1:
        checks.fail("clean", "one image, (1, 1, h, w)", f"{len(clean)} images", "one job for each picture")
    if not len(qualities):
        checks.fail("qualities", "at least one", "none")
    checks.integer("steps", steps, at_least=1)
    y = torch.cat([jpeg(clean, quality) for quality in qualities])
    iterates = trajectory(unit, y, steps)
    chosen = [stop_lazily(policy, iterates) for policy in policies]
    stops = torch.stack(chosen) if chosen else y.new_empty(0, len(y), dtype=torch.int64)
    alike = y.new_full((1 + len(policies), len(y)), torch.nan, dtype=torch.float64)
    if similarity:
        wanted = torch.cat([stops.new_zeros(1, len(y)), stops])
        for column in range(len(y)):
            for n in wanted[:, column].unique().tolist():
                alike[wanted[:, column] == n, column] = ssim(iterates[n, column][None], clean)
    return Deblocked(psnr(iterates, clean).T, stops, alike)


def stop_lazily(policy: Policy, iterates: Tensor) -> Tensor:
    """The first n with v ≤ 0 for each image, N where there is none, int64 ``(q,)``; no later state is looked at.

    ``iterates``: X_0 … X_N, ``(N + 1, q, 1, h, w)``. The same stops as ``rules.greedy``
    without storing rollouts, for large pictures.

    Raises:
        TypeError, ValueError: not such iterates, or more steps than the policy's horizon.
    """
    checks.floating("iterates", iterates, ndim=5, hint="(N + 1, q, 1, h, w), as trajectory() returns")
    steps, count = len(iterates) - 1, iterates.shape[1]
    checks.integer("len(iterates) - 1", steps, at_least=1, at_most=policy.horizon)
    where = iterates.device
    stops, going = torch.full((count,), steps, device=where), torch.arange(count, device=where)
    with torch.no_grad():
        for n in range(steps):
            x, previous = iterates[n, going], iterates[max(n - 1, 0), going]
            on = policy(x, iterates[0, going], previous, torch.full_like(going, n)) > 0
            stops[going[~on]] = n
            going = going[on]
            if not len(going):
                break
    return stops


def learn(bank: Rollouts, plan: DQNPlan) -> PolicyUnit:
    """A policy unit trained on ``bank`` by deep Q-learning, its start and draws from the plan's seed.

    A job for ``contdepth.parallel.run_all``: one seed each.

    Raises:
        TypeError, ValueError: not rollouts.
        DivergenceError: the loss is not finite.
    """
    policy = make_policy(bank.steps, plan.seed)
    train_dqn(policy, bank, plan)
    return policy
