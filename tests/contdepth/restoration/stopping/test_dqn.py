"""Deep Q-learning on a table against the optimal values by enumeration; every index and sign by hand."""

from __future__ import annotations

import math

import pytest
import torch
from stopping_bank import BEST, EPISODES, LOSSES, SHORT, N, Table, bank, best_returns, noisy_bank

from contdepth.restoration.stopping.dqn import DeepQ, DQNPlan, train_dqn
from contdepth.restoration.stopping.policy import make_policy
from contdepth.restoration.stopping.rules import (
    first_stop,
    greedy,
)
from contdepth.training.loop import DivergenceError


def learner(plan=None, start=0.0, **changes):
    plan = DQNPlan(**{**SHORT, **changes}) if plan is None else plan
    return DeepQ(Table(start=start), bank(), plan)


@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("double", [False, True])
def test_q_learning_reaches_the_optimal_values(discount, double):
    policy = Table(start=0.5)
    plan = DQNPlan(
        updates=1000,
        discount=discount,
        double=double,
        target_every=20,
        epsilon_updates=1000,
        epsilon_end=0.5,
        **SHORT,
    )
    history = train_dqn(policy, bank(), plan)
    expected = best_returns(LOSSES, discount)
    torch.testing.assert_close(policy.grid().double(), expected, atol=0.02, rtol=0)
    assert greedy(policy, bank()).tolist() == first_stop(expected).tolist()
    assert history.returns[-1] == pytest.approx(bank().gain(first_stop(expected)).mean().item())
    assert history.stops[-1] == pytest.approx(first_stop(expected).double().mean().item())


def test_discount_changes_the_stop_where_patience_is_needed():
    assert first_stop(best_returns(LOSSES, 1.0)).tolist() == BEST
    assert first_stop(best_returns(LOSSES, 0.7)).tolist() == [2, 0, 4, 1, 0]


def test_scale_multiplies_the_values():
    policy = Table(start=0.5)
    train_dqn(policy, bank(), DQNPlan(updates=1000, target_every=20, scale=0.5, epsilon_end=0.5, **SHORT))
    torch.testing.assert_close(policy.grid().double(), best_returns(LOSSES, 1.0) / 2, atol=0.02, rtol=0)


def test_targets_by_hand():
    run = learner(discount=0.5)
    run.target = torch.tensor([[9.0, -4.0, 3.0, 6.0]]).repeat(EPISODES, 1)
    first_episode = run.targets(torch.arange(N))
    assert first_episode.tolist() == [
        2.0,  # r_1 = 2, next is stopped: max(0, -4)
        2.0 + 0.5 * 3.0,
        -1.0 + 0.5 * 6.0,
        -2.0,  # going on from N - 1 ends the episode: nothing of the next episode's 9
    ]
    halved = learner(discount=0.5, scale=0.5)
    halved.target = run.target
    assert halved.targets(torch.arange(N)).tolist() == [1.0, 1.0 + 1.5, -0.5 + 3.0, -1.0]


def test_double_q_takes_the_online_choice_at_the_target_value():
    run = learner(discount=0.5, double=True)
    run.target = torch.tensor([[9.0, -4.0, 3.0, 6.0]]).repeat(EPISODES, 1)
    with torch.no_grad():
        run.online.policy.values.view(LOSSES.shape)[0, :-1] = torch.tensor([1.0, 1.0, -1.0, 1.0])
    assert run.targets(torch.arange(N)).tolist() == [2.0 - 0.5 * 4.0, 2.0, -1.0 + 0.5 * 6.0, -2.0]


def test_the_update_uses_the_target_network_and_leaves_it():
    run = learner(discount=0.5, start=1.0)
    assert torch.equal(run.target, torch.ones(EPISODES, N))
    run.target = torch.full((EPISODES, N), 7.0)
    run.store(torch.zeros(4, dtype=torch.int64))
    loss = run.update(rate=0.1)
    assert loss == pytest.approx((2.0 + 0.5 * 7.0 - 1.0) - 0.5)
    assert torch.equal(run.target, torch.full((EPISODES, N), 7.0))
    assert run.online.policy.values[0].item() == pytest.approx(1.1, abs=1e-5)
    run.copy_target()
    assert run.target[0, 0] == pytest.approx(1.1, abs=1e-5) and run.target[1, 0] == 1.0


def test_the_target_network_lags_in_training(monkeypatch):
    copies = []
    copy = DeepQ.copy_target

    def spied(self):
        copy(self)
        copies.append(self.target.clone())

    monkeypatch.setattr(DeepQ, "copy_target", spied)
    policy = Table(start=0.5)
    history = train_dqn(policy, bank(), DQNPlan(updates=25, target_every=10, **SHORT))
    assert history.updates == [10, 20, 25] and len(copies) == 4 and len(history.losses) == 25
    assert all(not torch.equal(a, b) for a, b in zip(copies, copies[1:], strict=False))


def test_environments_follow_the_rules():
    run = learner(start=-1.0, actions=3, capacity=60)
    run.episodes, run.steps = torch.tensor([0, 1, 2]), torch.tensor([0, 2, N - 1])
    run.act(epsilon=0.0)
    assert run.stored == 0 and run.steps.tolist() == [0, 0, 0]
    with torch.no_grad():
        run.online.policy.values.fill_(1.0)
    run.episodes, run.steps = torch.tensor([0, 1, 2]), torch.tensor([0, 2, N - 1])
    run.act(epsilon=0.0)
    assert run.replay[:3].tolist() == [0, 1 * N + 2, 2 * N + N - 1]
    assert run.steps.tolist() == [1, 3, 0] and run.episodes[:2].tolist() == [0, 1]


def test_random_actions_continue_as_often_as_asked():
    run = learner(start=-1.0, actions=2000, capacity=4000, random_continue=0.7)
    run.act(epsilon=1.0)
    assert run.stored == pytest.approx(1400, abs=100)
    run = learner(start=-1.0, actions=2000, capacity=4000, random_continue=1.0)
    run.act(epsilon=0.3)
    assert run.stored == pytest.approx(600, abs=90)


def test_replay_forgets_the_oldest():
    run = learner(capacity=50, warm_up=10)
    for start in range(0, 12, 4):
        run.store(torch.arange(start, start + 4))
    run.store(torch.full((45,), 99))
    assert run.stored == 50 and run.written == 57
    assert run.replay[:7].tolist() == [99] * 7 and run.replay[7:12].tolist() == [7, 8, 9, 10, 11]
    run.store(torch.tensor([77, 78]))
    assert run.stored == 50 and run.replay[5:12].tolist() == [99, 99, 77, 78, 9, 10, 11]


def test_schedules():
    plan = DQNPlan(updates=11, epsilon_updates=4, epsilon_end=0.2, learning_rate=1.0, learning_rate_end=0.5)
    assert [plan.epsilon(u) for u in (0, 2, 4, 9)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert [plan.rate(u) for u in (0, 5, 10)] == pytest.approx([1.0, 0.75, 0.5])
    assert plan.resolved()["epsilon_updates"] == 4


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bits(precision):
    def run(seed):
        policy = make_policy(3, seed=0, width=4)
        plan = DQNPlan(updates=12, target_every=5, batch=8, warm_up=20, precision=precision, seed=seed)
        history = train_dqn(policy, noisy_bank(), plan)
        return history.losses, policy.state_dict()

    (one, first), (two, second), (three, _) = run(0), run(0), run(1)
    assert one == two and all(torch.equal(first[k], second[k]) for k in first)
    assert one != three


def test_held_out_episodes_are_what_the_history_reports():
    policy = Table(start=1.0)
    held_out = bank().take(torch.tensor([1]))
    history = train_dqn(policy, bank(), DQNPlan(updates=1, **{**SHORT, "learning_rate": 1e-9}), held_out=held_out)
    assert history.stops == [N] and history.returns == [-4.0]


def test_diverging_training_is_an_error():
    with pytest.raises(DivergenceError, match="Huber loss.*learning_rate"):
        train_dqn(Table(start=math.nan), bank(), DQNPlan(updates=3, **SHORT))
