"""Units and policies trained with equal effort, and every rule judged on the same noisy pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.classical import noise_level
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.choices import best_choice, train_choice
from contdepth.restoration.stopping.dqn import DQNPlan, train_dqn
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.policy import Policy, continuation_values, make_policy
from contdepth.restoration.stopping.reinforce import ReinforcePlan, train_reinforce
from contdepth.restoration.stopping.rollouts import Rollouts, roll_out, stopped_at
from contdepth.restoration.stopping.rules import best_fixed, by_noise_level, first_stop, fit_line, fixed, oracle
from contdepth.restoration.stopping.two_stages import PredictorPlan, train_predictor
from contdepth.studies.adaptive.stopping.signals import Noisy

__all__ = [
    "KINDS",
    "Learner",
    "by_level",
    "depth_by_level",
    "estimated",
    "rolled",
    "rules",
    "schedule",
    "stops_of",
    "train_policy",
    "train_unit",
]

KINDS = ("forward KL", "reverse KL", "at once", "DQN", "REINFORCE")


def schedule(levels: Tensor, low: int, high: int) -> Tensor:
    """DURR's refined schedule: a number of steps linear in the noise, int64 ``(n,)`` in low … high."""
    share = (levels - levels.min()) / (levels.max() - levels.min())
    return (low + (high - low) * share).round().long()


def train_unit(unit: RestorationUnit, data: Noisy, plan: PredictorPlan, loops: tuple[int, int]) -> RestorationUnit:
    """``unit``, trained by ``plan``; with the objective ``"given"`` it stops by the schedule ``loops``."""
    stops = schedule(data.levels, *(min(n, plan.steps) for n in loops)) if plan.objective == "given" else None
    train_predictor(unit, data.clean, data.noisy, plan, stops)
    return unit


def rolled(unit: RestorationUnit, data: Noisy, steps: int) -> Rollouts:
    """The trajectories of ``unit`` on ``data``, of which rules choose."""
    return roll_out(unit, data.clean, data.noisy, data.levels, steps, batch=16)


@dataclass(frozen=True)
class Learner:
    """What every policy gets: ``updates`` on ``states`` states each, a ``beta`` in dB where it is wanted."""

    updates: int
    states: int
    beta: float = 0.1
    rate: float = 1e-3
    precision: str = "fp32"

    def episodes(self, bank: Rollouts) -> int:
        """Whole trajectories an update."""
        return max(1, self.states // bank.steps)


def train_policy(kind: str, bank: Rollouts, learner: Learner, seed: int) -> Policy:
    """One policy unit, trained on ``bank``: the same weights at the start for the same seed, whatever the kind.

    Raises:
        ValueError: an unknown kind.
    """
    checks.one_of("kind", kind, KINDS)
    policy = make_policy(bank.steps, seed)
    rates = {"learning_rate": learner.rate, "learning_rate_end": learner.rate / 10}
    shared: dict[str, Any] = {"updates": learner.updates, "seed": seed, "precision": learner.precision, **rates}
    if kind == "DQN":
        every = max(1, learner.updates // 10)
        explored = max(1, learner.updates // 2)
        plan = DQNPlan(batch=learner.states, target_every=every, epsilon_updates=explored, **shared)
        train_dqn(policy, bank, plan)
        return policy.eval()
    if kind == "REINFORCE":
        train_reinforce(policy, bank, ReinforcePlan(episodes=learner.episodes(bank), **shared))
        return policy
    objective = "variational" if kind == "reverse KL" else "forward-kl"
    stop = StopPlan(episodes=learner.episodes(bank), beta=learner.beta, objective=objective, **shared)
    (train_choice if kind == "at once" else train_stopping)(policy, bank, stop)
    return policy


def stops_of(kind: str, policy: Policy, bank: Rollouts) -> Tensor:
    """Where the policy stops every episode of ``bank``, int64 ``(episodes,)``."""
    values = continuation_values(policy, bank)
    return best_choice(values) if kind == "at once" else first_stop(values)


def estimated(bank: Rollouts) -> Tensor:
    """The noise in each observation, grey levels of 255: by wavelets, or by differences along a single row."""
    y = bank.observations.float()
    if y.shape[1] > 1:
        return noise_level(y[:, None])
    return 255 * (y[:, 0, 1:] - y[:, 0, :-1]).abs().median(1).values / (0.6745 * 2**0.5)


def rules(learn: Rollouts, test: Rollouts) -> dict[str, Tensor]:
    """Stops on ``test`` of the rules that need no network; what they fit, they fit on ``learn``."""
    count, line = len(test), fit_line(estimated(learn), oracle(learn.losses))
    return {
        "last step": fixed(test.steps, count),
        "best fixed step": fixed(best_fixed(learn.losses), count),
        "noise level": by_noise_level(estimated(test), test.steps, line),
        "oracle": oracle(test.losses),
    }


def by_level(bank: Rollouts, stops: Tensor) -> Tensor:
    """Mean PSNR at ``stops`` for each level of ``bank``, in the order of the levels, float64 ``(levels,)``."""
    quality = stopped_at(bank.psnr, stops)
    return torch.stack([quality[bank.levels == level].mean() for level in bank.levels.unique()])


def depth_by_level(bank: Rollouts, stops: Tensor) -> Tensor:
    """Mean of ``stops`` for each level of ``bank``, ``(levels,)``."""
    return torch.stack([stops[bank.levels == level].double().mean() for level in bank.levels.unique()])
