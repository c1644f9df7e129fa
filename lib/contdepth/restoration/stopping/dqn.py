"""Deep Q-learning of the stopping time: a moving endpoint problem with the actions stop and continue."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from contdepth import checks
from contdepth.restoration.stopping.learning import LinearRate, check_objective
from contdepth.restoration.stopping.policy import Encoded, Policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.rules import first_stop, greedy
from contdepth.seeds import generator

__all__ = ["DQNHistory", "DQNPlan", "DeepQ", "train_dqn"]


@dataclass(frozen=True)
class DQNPlan(LinearRate):
    """How to learn Q: Mnih et al. 2015, on the rewards of Zhang et al. 2019 (arXiv 1805.07709).

    The paper's own settings were not seen; all of these are ours. ``discount`` γ (1: the return is the loss
    saved, the horizon is finite); ``scale``: factor of all rewards; ``updates`` of ``batch`` transitions each, by
    Adam, its rate going linearly from ``learning_rate`` to ``learning_rate_end``; ``target_every``: updates from
    one copy of the online network to the target network to the next; ``double``: the online network chooses the
    next action (van Hasselt et al. 2016); ``capacity`` of the replay in transitions; ``warm_up``: transitions of
    random actions before the first update; ``actions``: environments side by side, each takes one action an
    update. Exploration: with probability ε, linear from ``epsilon_start`` to ``epsilon_end`` over
    ``epsilon_updates``, a random action, which is to continue with probability ``random_continue``, high so that
    late steps are seen. ``precision``: ``"fp32"`` or ``"bf16"`` (faster on a CPU with bfloat16).

    Raises:
        TypeError, ValueError: an unknown key, a value out of its range.
    """

    updates: int = 2000
    batch: int = 64
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-4
    discount: float = 1.0
    scale: float = 1.0
    target_every: int = 200
    double: bool = False
    capacity: int = 20_000
    warm_up: int = 1000
    actions: int = 8
    epsilon_start: float = 1.0
    epsilon_end: float = 0.1
    epsilon_updates: int = 1000
    random_continue: float = 0.85
    precision: str = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        self.check_rate()
        for name in ("batch", "target_every", "capacity", "actions", "epsilon_updates", "warm_up"):
            checks.integer(name, getattr(self, name), at_least=1)
        if self.warm_up > self.capacity:
            checks.fail("warm_up", f"at most the capacity {self.capacity}", self.warm_up)
        checks.real("scale", self.scale, above=0)
        for name in ("discount", "epsilon_start", "epsilon_end"):
            checks.real(name, getattr(self, name), at_least=0, at_most=1)
        checks.real("random_continue", self.random_continue, above=0, at_most=1)
        checks.one_of("double", self.double, (False, True))

    def epsilon(self, update: int) -> float:
        """ε at update ``update``, counted from 0."""
        checks.real("update", update, at_least=0)
        share = min(1.0, update / self.epsilon_updates)
        return self.epsilon_start + share * (self.epsilon_end - self.epsilon_start)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return asdict(self)


@dataclass
class DQNHistory:
    """Training curves: ``losses`` of every update; the rest at each copy of the target network and at the end.

    ``updates`` done by then; ``returns``: mean loss saved by the greedy policy's episodes (undiscounted, not
    scaled); ``stops``: their mean stopping step; ``epsilons``.
    """

    losses: list[float] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    epsilons: list[float] = field(default_factory=list)


class DeepQ:
    """The state of one run: online network, target network, replay, and the environments.

    Q(stop) = 0 exactly, by definition of the problem (stopping ends the episode and earns 0): the network learns
    Q(continue) alone, and the replay keeps only transitions of continuing. A transition is a row
    ``episode · N + n`` of the bank, from which states, reward and end follow. Going on from N − 1 to N ends the
    episode. The bank is finite, so the target network is kept as what it says of all states: ``target``,
    ``(episodes, N)``, exact and cheaper than a second network.
    """

    def __init__(self, policy: Policy, rollouts: Rollouts, plan: DQNPlan) -> None:
        self.plan = plan
        self.rollouts = rollouts
        self.online = Encoded.of(policy, rollouts, plan.precision)
        self.horizon = rollouts.steps
        self.rewards = (plan.scale * rollouts.rewards).float().flatten()
        self.optimiser = torch.optim.Adam(policy.parameters(), lr=plan.learning_rate, fused=True)
        self.explore, self.draws = generator(plan.seed, "dqn/explore"), generator(plan.seed, "dqn/replay")
        self.replay = torch.empty(plan.capacity, dtype=torch.int64)
        self.stored = self.written = 0
        self.episodes, self.steps = self.fresh(plan.actions), torch.zeros(plan.actions, dtype=torch.int64)
        self.copy_target()

    def fresh(self, count: int) -> Tensor:
        """Random episodes, int64 ``(count,)``."""
        return torch.randint(len(self.rollouts), (count,), generator=self.explore)

    def copy_target(self) -> None:
        """The target network becomes the online network of now."""
        self.target = self.online.table()

    def act(self, epsilon: float) -> None:
        """One action in every environment, ε-greedy; continuing goes to the replay, what has ended starts anew."""
        shape = self.steps.shape
        random = torch.rand(shape, generator=self.explore) < epsilon
        go_on = torch.rand(shape, generator=self.explore) < self.plan.random_continue
        rows = self.episodes * self.horizon + self.steps
        if not bool(random.all()):
            with torch.no_grad():
                go_on = torch.where(random, go_on, (self.online.values(rows) > 0).cpu())
        self.store(rows[go_on])
        self.steps = self.steps + 1
        over = ~go_on | (self.steps == self.horizon)
        self.episodes = torch.where(over, self.fresh(len(over)), self.episodes)
        self.steps = torch.where(over, 0, self.steps)

    def store(self, rows: Tensor) -> None:
        """Put ``rows`` into the ring of ``capacity`` transitions, over the oldest ones."""
        places = (self.written + torch.arange(len(rows))) % self.plan.capacity
        self.replay[places] = rows
        self.written += len(rows)
        self.stored = min(self.plan.capacity, self.written)

    def targets(self, rows: Tensor) -> Tensor:
        """r + γ max(0, Q'(next)), with r alone where the next state is X_N: ``(k,)``."""
        rows = rows.to(self.rewards.device)
        after = torch.where((rows + 1) % self.horizon == 0, rows, rows + 1)
        following = self.target.flatten()[after]
        if self.plan.double:
            with torch.no_grad():
                best = torch.where(self.online.values(after) > 0, following, 0.0)
        else:
            best = following.clamp_min(0)
        return self.rewards[rows] + self.plan.discount * torch.where(after == rows, 0.0, best)

    def update(self, rate: float) -> float:
        """One step on a batch drawn from the replay; its Huber loss."""
        rows = self.replay[torch.randint(self.stored, (self.plan.batch,), generator=self.draws)]
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss = huber_loss(self.online.values(rows), self.targets(rows))
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())


def train_dqn(
    policy: Policy, rollouts: Rollouts, plan: DQNPlan, *, held_out: Rollouts | None = None
) -> DQNHistory:
    """Train ``policy`` in place on the bank ``rollouts``; the same bits for the same seed, start and thread count.

    The greedy episodes of the history are those of ``held_out`` if given, otherwise of the bank itself.

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon.
        DivergenceError: the loss is not finite.
    """
    policy.train()
    run, history = DeepQ(policy, rollouts, plan), DQNHistory()
    while run.stored < plan.warm_up:
        run.act(epsilon=1.0)
    for update in range(plan.updates):
        run.act(plan.epsilon(update))
        history.losses.append(run.update(plan.rate(update)))
        check_objective("Huber loss", history.losses[-1], update)
        if (update + 1) % plan.target_every == 0 or update + 1 == plan.updates:
            run.copy_target()
            bank = rollouts if held_out is None else held_out
            stops = first_stop(run.target) if held_out is None else greedy(policy, held_out, plan.precision)
            history.updates.append(update + 1)
            history.returns.append(float(bank.gain(stops).mean()))
            history.stops.append(float(stops.double().mean()))
            history.epsilons.append(plan.epsilon(update))
    policy.eval()
    return history
