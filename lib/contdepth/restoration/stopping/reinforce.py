"""A stopping probability learnt by policy gradient, on the rewards of Zhang et al. 2019 (arXiv 1805.07709)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from contdepth import checks
from contdepth.control.policy_gradient import leave_one_out, policy_gradient_loss, rewards_to_go
from contdepth.restoration.stopping.learning import LinearRate, check_objective
from contdepth.restoration.stopping.policy import Encoded, Policy
from contdepth.restoration.stopping.rollouts import Rollouts, stopped_at
from contdepth.seeds import generator

__all__ = ["Decisions", "ReinforcePlan", "decisions", "draw_stops", "train_reinforce"]


@dataclass(frozen=True)
class Decisions:
    """Going on or stopping at n = 0 … N - 1, each ``(episodes, N)``.

    ``log_probabilities`` of what was done, with gradients; ``rewards``: L(X_n) - L(X_{n+1}) for going on, 0 for
    stopping, so that they add up to L(X_0) - L(X_stop); ``taken``: False after the stop.
    """

    log_probabilities: Tensor
    rewards: Tensor
    taken: Tensor


def draw_stops(values: Tensor, source: Generator) -> Tensor:
    """Stops drawn from q(n) = π_n ∏_{s<n} (1 - π_s), π = sigmoid(-v), int64 ``(episodes,)`` in 0 … N.

    ``values``: v, ``(episodes, N)``, as in ``first_stop``. Drawn on the device of ``source`` and moved.

    Raises:
        TypeError, ValueError: values of another shape or dtype, no generator.
    """
    checks.reals("values", values, ndim=2, hint="(episodes, N), one for each decision; none at N")
    checks.instance("source", source, Generator, "contdepth.seeds.generator makes one")
    drawn = torch.rand(values.shape, generator=source, device=source.device).to(values.device)
    return (drawn < values.detach().sigmoid()).long().cumprod(1).sum(1)


def decisions(values: Tensor, losses: Tensor, stops: Tensor) -> Decisions:
    """The decisions that led to ``stops``, int64 ``(episodes,)``, at v ``(episodes, N)``.

    ``losses``: L(X_n, x*), ``(episodes, N + 1)``, in the dtype of ``values``.

    Raises:
        TypeError, ValueError: shapes that do not go together, stops outside 0 … N.
    """
    episodes, steps = checks.reals("values", values, ndim=2, hint="(episodes, N)").shape
    checks.same_shape("losses", checks.reals("losses", losses, like=values), (episodes, steps + 1))
    stopped_at(losses, stops)
    n = torch.arange(steps, device=values.device)
    on = n < stops.to(values.device)[:, None]
    log_probabilities = torch.where(on, logsigmoid(values), logsigmoid(-values))
    rewards = torch.where(on, losses[:, :-1] - losses[:, 1:], 0.0)
    return Decisions(log_probabilities, rewards, n <= stops.to(values.device)[:, None])


@dataclass(frozen=True)
class ReinforcePlan(LinearRate):
    """How to learn π by REINFORCE: Adam, its rate going linearly from ``learning_rate`` to ``learning_rate_end``.

    ``episodes`` an update, all of which run to their drawn stop; ``scale``: factor of all rewards; ``baseline``:
    subtract the mean of the other episodes' rewards to go. All of these are ours.

    Raises:
        TypeError, ValueError: an unknown key, a value out of its range.
    """

    updates: int = 2000
    episodes: int = 64
    scale: float = 1.0
    baseline: bool = True
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-4
    precision: str = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        self.check_rate()
        checks.integer("episodes", self.episodes, at_least=1)
        checks.real("scale", self.scale, above=0)
        checks.instance("baseline", self.baseline, bool)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return asdict(self)


def train_reinforce(policy: Policy, rollouts: Rollouts, plan: ReinforcePlan) -> list[float]:
    """Train ``policy`` in place; the mean loss saved by the drawn stops of every update, in the losses' unit.

    Values mean what they mean to ``train_stopping``: π = sigmoid(-v), and ``stopping.greedy`` stops at π >= 1/2.

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon.
        DivergenceError: the loss is not finite.
    """
    policy.train()
    encoded = Encoded.of(policy, rollouts, plan.precision)
    losses = rollouts.losses.float()
    optimiser = torch.optim.Adam(policy.parameters(), lr=plan.learning_rate, fused=True)
    episodes, actions = generator(plan.seed, "reinforce/episodes"), generator(plan.seed, "reinforce/actions")
    history = []
    for update in range(plan.updates):
        chosen = torch.randint(len(rollouts), (plan.episodes,), generator=episodes)
        rows = chosen[:, None] * rollouts.steps + torch.arange(rollouts.steps)
        values = encoded.values(rows.flatten()).view(rows.shape)
        made = decisions(values, losses[chosen.to(losses.device)], draw_stops(values, actions))
        rewards = plan.scale * made.rewards
        against = leave_one_out(rewards_to_go(rewards), made.taken) if plan.baseline else None
        loss = policy_gradient_loss(made.log_probabilities, rewards, baseline=against, taken=made.taken)
        optimiser.param_groups[0]["lr"] = plan.rate(update)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        check_objective("REINFORCE's loss", float(loss.detach()), update)
        history.append(float(made.rewards.sum(1).mean()))
    policy.eval()
    return history
