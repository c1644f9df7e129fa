"""Stopping rules on banks made by hand: every index, sign and probability against an independent oracle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from contdepth.restoration.models.unit import RestorationUnit, UnitShape, make_unit
from contdepth.restoration.stopping.dqn import DeepQ, DQNPlan, train_dqn
from contdepth.restoration.stopping.learning_to_stop import (
    StopPlan,
    forward_kl,
    log_oracle_posterior,
    log_stop_distribution,
    most_likely,
    train_stopping,
    variational,
)
from contdepth.restoration.stopping.maps import StoppingMap, blending, compose, stopping_map
from contdepth.restoration.stopping.policy import Encoded, Policy, continuation_values, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts, roll_out
from contdepth.restoration.stopping.rules import (
    NOISE_LINE,
    Line,
    best_fixed,
    by_noise_level,
    first_stop,
    fit_line,
    fixed,
    greedy,
    mean_steps,
    oracle,
    regret,
)
from contdepth.seeds import generator
from contdepth.training.loop import DivergenceError

# Best steps 2, 0, 4 (after a step that makes it worse), 1, 4; the third and fifth need foresight.
LOSSES = torch.tensor(
    [
        [5.0, 3.0, 1.0, 2.0, 4.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [3.0, 2.0, 2.5, 2.2, 0.5],
        [2.0, 1.0, 1.5, 2.5, 2.0],
        [2.0, 2.5, 3.0, 2.0, 1.2],
    ]
)
BEST = [2, 0, 4, 1, 4]
EPISODES, N = len(LOSSES), LOSSES.shape[1] - 1
SHORT = {"precision": "fp32", "learning_rate": 0.05, "learning_rate_end": 0.001, "warm_up": 50, "batch": 32}


def bank(losses=LOSSES, size=4, **options):
    """States that are constant images whose value is their own number, episode · (N + 1) + n."""
    numbers = torch.arange(losses.numel()).float().view(losses.shape)
    states = numbers[:, :, None, None].expand(*losses.shape, size, size).clone()
    return Rollouts(states, states[:, 0].clone(), losses, torch.arange(len(losses)), **options)


class Table(Policy):
    """One free value for each state of ``bank``: a Q-table in the clothes of a network."""

    def __init__(self, horizon=N, start=0.0):
        super().__init__()
        self.horizon = horizon
        self.values = nn.Parameter(torch.full((LOSSES.numel(),), start))

    def encode(self, x, y, previous):
        return x[:, 0, 0, 0].clone()

    def value(self, features, step):
        return self.values[features.round().long()]

    def grid(self, losses=LOSSES):
        return self.values.detach().view(losses.shape)[:, :-1]


def best_returns(losses, discount):
    """Q*(continue) at n: the best discounted sum of rewards over all later stops m > n, by enumeration."""
    q = torch.empty(len(losses), losses.shape[1] - 1, dtype=torch.float64)
    for e, row in enumerate(losses.double().tolist()):
        for n in range(len(row) - 1):
            sums = [
                sum(discount ** (k - n - 1) * (row[k - 1] - row[k]) for k in range(n + 1, m + 1))
                for m in range(n + 1, len(row))
            ]
            q[e, n] = max(sums)
    return q


def learner(plan=None, start=0.0, **changes):
    plan = DQNPlan(**{**SHORT, **changes}) if plan is None else plan
    return DeepQ(Table(start=start), bank(), plan)


# --- rollouts ---------------------------------------------------------------------------------------------------


def test_rewards_are_what_a_step_saves():
    rewards = bank().rewards
    assert rewards.shape == (EPISODES, N)
    assert rewards[0].tolist() == [2.0, 2.0, -1.0, -2.0]
    assert rewards[1].tolist() == [-1.0, -1.0, -1.0, -1.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_rewards_telescope_to_the_gain(seed, steps):
    source = generator(seed, "test")
    losses = torch.randn(6, steps + 1, generator=source, dtype=torch.float64)
    rollouts = bank(losses)
    stops = torch.randint(steps + 1, (6,), generator=source)
    by_hand = torch.stack([r[:s].sum() for r, s in zip(rollouts.rewards, stops.tolist(), strict=True)])
    torch.testing.assert_close(rollouts.gain(stops), by_hand, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(rollouts.rewards.sum(1), losses[:, 0] - losses[:, -1], rtol=1e-12, atol=1e-12)


def test_gain_of_each_stop():
    gains = [bank().gain(fixed(n, EPISODES))[0].item() for n in range(N + 1)]
    assert gains == [0.0, 2.0, 4.0, 3.0, 1.0]


class Halfway(RestorationUnit):
    """X_n = (X_{n-1} + 0.5) / 2: from y towards grey 0.5."""

    def forward(self, x, y):
        return (0.5 - x) / 2


def pictures(count=5, size=8):
    source = generator(0, "test")
    clean = torch.rand(count, 1, size, size, generator=source)
    return clean, clean + 0.4 * torch.randn(clean.shape, generator=source)


@pytest.mark.parametrize("loss", ["psnr", "mse"])
def test_roll_out_keeps_unclipped_iterates_and_losses_of_clipped_ones(loss):
    clean, noisy = pictures()
    levels = torch.arange(5.0)
    done = roll_out(Halfway(), clean, noisy, levels, 3, loss, batch=2, dtype=torch.float32)
    assert done.states.shape == (5, 4, 8, 8) and done.steps == 3 and len(done) == 5
    assert done.states.dtype == torch.float32 and done.loss == loss
    assert torch.equal(done.states[:, 0], noisy[:, 0]) and torch.equal(done.observations, noisy[:, 0])
    for n in range(4):
        iterate = 0.5 + (noisy - 0.5) / 2**n
        torch.testing.assert_close(done.states[:, n], iterate[:, 0])
        mse = 255**2 * (iterate.clamp(0, 1) - clean).square().double().mean((1, 2, 3))
        expected = mse if loss == "mse" else -10 * torch.log10(255**2 / mse)
        torch.testing.assert_close(done.losses[:, n], expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(done.psnr[:, n], 10 * torch.log10(255**2 / mse), rtol=1e-5, atol=0)
    assert done.states.min() < 0


def test_roll_out_is_free_of_autograd_and_of_the_batch():
    clean, noisy = pictures()
    unit = make_unit(UnitShape(width=4), seed=0)
    with torch.no_grad():
        for p in unit.parameters():
            p.add_(0.02)
    one, all_ = (roll_out(unit, clean, noisy, torch.zeros(5), 2, batch=b) for b in (1, 5))
    torch.testing.assert_close(one.losses, all_.losses)
    assert one.states.dtype == torch.float16 and not one.states.requires_grad
    assert not one.states.is_inference() and not one.losses.is_inference()


def test_inputs_are_state_observation_and_the_state_before():
    x, y, before = bank().inputs(torch.tensor([0, 2, 2]), torch.tensor([0, 1, 4]))
    assert x.shape == (3, 1, 4, 4)
    assert x[:, 0, 0, 0].tolist() == [0, 11, 14]
    assert y[:, 0, 0, 0].tolist() == [0, 10, 10]
    assert before[:, 0, 0, 0].tolist() == [0, 10, 13]


def test_take_keeps_rows_together():
    part = bank().take(torch.tensor([3, 1]))
    assert part.levels.tolist() == [3, 1] and part.losses[0].tolist() == LOSSES[3].tolist()
    assert part.states[1, 0, 0, 0] == 5 and part.observations[0, 0, 0] == 15
    assert len(bank().take(torch.arange(EPISODES) < 2)) == 2


# --- rules ------------------------------------------------------------------------------------------------------


def test_oracle_and_best_fixed_step():
    assert oracle(LOSSES).tolist() == BEST
    assert oracle(torch.tensor([[2.0, 1.0, 1.0]])).tolist() == [1]
    assert LOSSES.mean(0).tolist() == pytest.approx([2.6, 2.1, 2.2, 2.54, 2.54])
    assert best_fixed(LOSSES) == 1
    assert best_fixed(torch.tensor([[3.0, 2.0, 1.0]])) == 2
    assert fixed(3, 2).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("values", "stop"),
    [
        ([-1.0, 5.0, 5.0], 0),
        ([1.0, -1.0, 5.0], 1),
        ([1.0, 1.0, -1.0], 2),
        ([1.0, 1.0, 1.0], 3),
        ([0.0, 1.0, 1.0], 0),
        ([1e-30, -1e-30, 1.0], 1),
    ],
)
def test_first_stop(values, stop):
    assert first_stop(torch.tensor([values])).tolist() == [stop]


def test_greedy_with_the_true_values_is_the_oracle():
    policy = Table()
    with torch.no_grad():
        policy.values.view(LOSSES.shape)[:, :-1] = best_returns(LOSSES, 1.0)
    assert greedy(policy, bank()).tolist() == BEST
    assert bank().gain(greedy(policy, bank())).tolist() == (LOSSES[:, 0] - LOSSES.amin(1)).tolist()


def test_greedy_stops_at_the_state_it_dislikes():
    for wanted in range(N + 1):
        policy = Table(start=1.0)
        with torch.no_grad():
            policy.values.view(LOSSES.shape)[2, wanted:] = -1.0
        assert greedy(policy, bank()).tolist() == [N, N, wanted, N, N]


def test_noise_level_rule_rounds_halves_up_and_clips():
    levels = torch.tensor([0.0, 4.9, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 300.0])
    assert by_noise_level(levels, 8).tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert by_noise_level(torch.tensor([29.99, 30.0, 20.0]), 8).tolist() == [2, 3, 2]
    assert by_noise_level(levels[:2], 8, Line(0.0, 3.0)).tolist() == [3, 3]
    assert (NOISE_LINE.slope, NOISE_LINE.intercept) == (0.1, -0.5)


def test_fitted_line_is_least_squares():
    levels = torch.tensor([25.0, 35.0, 45.0, 55.0])
    line = fit_line(levels, torch.tensor([2, 3, 4, 5]))
    assert (line.slope, line.intercept) == pytest.approx((0.1, -0.5))
    x, y = torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([1, 3, 2, 7])
    design = torch.stack([x, torch.ones(4)], 1).double()
    solution = torch.linalg.lstsq(design, y.double()[:, None]).solution[:, 0]
    line = fit_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx(tuple(solution.tolist()))


def test_regret_is_in_db_and_zero_for_the_oracle():
    rollouts = bank(LOSSES - 30)
    assert regret(rollouts, oracle(rollouts.losses)).tolist() == [0.0] * EPISODES
    assert regret(rollouts, fixed(1, EPISODES)).tolist() == pytest.approx([2, 1, 1.5, 0, 1.3], abs=1e-5)
    squared = bank(LOSSES, loss="mse")
    by_hand = 10 * math.log10(3.0 / 1.0)
    assert regret(squared, fixed(1, EPISODES))[0].item() == pytest.approx(by_hand, rel=1e-6)


def test_mean_steps_of_each_level():
    stops, levels = torch.tensor([2, 4, 3, 3]), torch.tensor([55.0, 55.0, 25.0, 25.0])
    assert mean_steps(stops, levels) == {25.0: 3.0, 55.0: 3.0}
    assert list(mean_steps(torch.tensor([1, 0, 4]), torch.tensor([35.0, 25.0, 35.0])).items()) == [
        (25.0, 0.0),
        (35.0, 2.5),
    ]


# --- deep Q-learning --------------------------------------------------------------------------------------------


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


def noisy_bank(episodes=6, steps=3, size=12):
    source = generator(1, "test")
    states = torch.rand(episodes, steps + 1, size, size, generator=source)
    return Rollouts(
        states, states[:, 0].clone(), torch.randn(episodes, steps + 1, generator=source), torch.ones(episodes)
    )


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


# --- the policy unit --------------------------------------------------------------------------------------------


def test_parameters_of_the_policy_unit():
    assert sum(p.numel() for p in make_policy(12, seed=0).parameters()) == 98_481


def test_the_start_depends_on_the_seed_alone():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        a = make_policy(4, seed=3).state_dict()
        torch.manual_seed(6)
        b, c = make_policy(4, seed=3).state_dict(), make_policy(4, seed=4).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a) and not torch.equal(a["blocks.weight"], c["blocks.weight"])


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (16, 16), (13, 32)])
def test_any_size_goes_in(size):
    policy = make_policy(4, seed=0, width=4)
    x = torch.rand(2, 1, *size, generator=generator(0, "any size"))
    assert policy(x, x, x, torch.tensor([0, 3])).shape == (2,)


def test_encoding_by_hand():
    x, y, previous = torch.full((1, 1, 4, 8), 0.75), torch.full((1, 1, 4, 8), 0.5), torch.full((1, 1, 4, 8), 0.25)
    x[0, 0, 1, 6] = 1.0
    features = make_policy(4, seed=0, width=4).encode(x, y, previous)
    assert features.shape == (1, 1, 2, 48)
    assert features[0, 0, 0].tolist() == [1.0] * 16 + [-1.0] * 16 + [4.0] * 16
    assert features[0, 0, 1, 6] == 2.0 and features[0, 0, 1, 16 + 6] == -2.0 and features[0, 0, 1, 32 + 6] == 6.0


def test_every_input_and_the_step_matter():
    policy = make_policy(4, seed=0, width=4)
    x, y, z = (torch.rand(1, 1, 16, 16, generator=generator(i, "test")) for i in range(3))
    step = torch.tensor([1])
    base = policy(x, y, z, step)
    for other in (policy(x + 0.1, y, z, step), policy(x, y + 0.1, z, step), policy(x, y, z + 0.1, step)):
        assert (other - base).abs() > 1e-6
    assert (policy(x, y, z, torch.tensor([2])) - base).abs() > 1e-6


def test_batched_values_are_those_of_single_states():
    rollouts, policy = noisy_bank(), make_policy(5, seed=0, width=4)
    by_hand = torch.empty(6, 3)
    for e in range(6):
        for n in range(3):
            x, before = rollouts.states[e, n], rollouts.states[e, max(n - 1, 0)]
            parts = (v[None, None] for v in (x, rollouts.observations[e], before))
            by_hand[e, n] = policy(*parts, torch.tensor([n])).detach()[0]
    torch.testing.assert_close(continuation_values(policy, rollouts, batch=4), by_hand)
    torch.testing.assert_close(Encoded.of(policy, rollouts, batch=5).table(batch=7), by_hand)
    half = Encoded.of(policy, rollouts, "bf16").table()
    torch.testing.assert_close(half, continuation_values(policy, rollouts, precision="bf16"), atol=1e-2, rtol=0)
    torch.testing.assert_close(half, by_hand, atol=2e-2, rtol=0)


# --- learning to stop -------------------------------------------------------------------------------------------


def test_stop_distribution_is_the_product_of_its_definition():
    values = torch.randn(7, 5, generator=generator(0, "test"), dtype=torch.float64)
    pi = 1 / (1 + values.exp())
    q = log_stop_distribution(values).exp()
    for n in range(5):
        by_hand = pi[:, n] * (1 - pi[:, :n]).prod(1)
        torch.testing.assert_close(q[:, n], by_hand)
    torch.testing.assert_close(q[:, 5], (1 - pi).prod(1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12))
def test_stop_distribution_sums_to_one(values):
    log_q = log_stop_distribution(torch.tensor([values], dtype=torch.float64))
    assert torch.isfinite(log_q).all() and float(log_q.exp().sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_gradients_against_finite_differences(objective):
    losses, beta = LOSSES[0].double(), 0.7
    posterior = log_oracle_posterior(losses, beta)

    def f(v):
        log_q = log_stop_distribution(v)
        return forward_kl(posterior, log_q) if objective == "forward-kl" else variational(losses, log_q, beta)

    v = torch.tensor([0.3, -0.2, 0.5, -1.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(v), v)
    assert gradient.abs().min() > 1e-3
    for n in range(N):
        h = torch.zeros(N, dtype=torch.float64)
        h[n] = 1e-6
        assert ((f(v + h) - f(v - h)) / 2e-6).item() == pytest.approx(float(gradient[n]), rel=1e-6)


def test_kl_is_zero_only_at_the_posterior_and_its_hazard_is_the_minimum():
    posterior = log_oracle_posterior(LOSSES.double(), 0.5)
    tail = posterior.exp().flip(1).cumsum(1).flip(1)
    hazard = (posterior.exp() / tail)[:, :-1]
    log_q = log_stop_distribution(torch.log(1 / hazard - 1))
    torch.testing.assert_close(log_q, posterior, atol=1e-9, rtol=1e-9)
    assert forward_kl(posterior, log_q).abs().max() < 1e-9
    assert (forward_kl(posterior, log_stop_distribution(torch.zeros(EPISODES, N).double())) > 0.1).all()
    spike = torch.tensor([0.0, -math.inf], dtype=torch.float64)
    assert forward_kl(spike, torch.tensor([0.5, 0.5]).double().log()).item() == pytest.approx(math.log(2))


def test_objective_is_the_reverse_kl_up_to_its_constant():
    losses, beta = LOSSES.double(), 0.7
    log_q = log_stop_distribution(torch.randn(EPISODES, N, generator=generator(0, "test"), dtype=torch.float64))
    reverse = forward_kl(log_q, log_oracle_posterior(losses, beta))
    constant = -beta * torch.logsumexp(-losses / beta, dim=1)
    torch.testing.assert_close(variational(losses, log_q, beta), beta * reverse + constant)


def test_posterior_limits():
    cold, hot = log_oracle_posterior(LOSSES, 1e-3).exp(), log_oracle_posterior(LOSSES, 1e6).exp()
    torch.testing.assert_close(cold, nn.functional.one_hot(oracle(LOSSES), N + 1).float())
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / (N + 1)), atol=1e-5, rtol=0)
    by_hand = torch.exp(-LOSSES[0] / 0.5) / torch.exp(-LOSSES[0] / 0.5).sum()
    torch.testing.assert_close(log_oracle_posterior(LOSSES, 0.5)[0].exp(), by_hand)


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_stopping_probabilities_learn_the_oracle(objective):
    policy = Table()
    plan = StopPlan(
        updates=800, episodes=5, beta=0.1, objective=objective, learning_rate=0.1, learning_rate_end=0.01,
        precision="fp32",
    )  # fmt: skip
    history = train_stopping(policy, bank(), plan)
    assert len(history) == 800 and history[-1] < history[0]
    assert greedy(policy, bank()).tolist() == BEST
    assert most_likely(policy.grid()).tolist() == BEST
    again = Table()
    assert train_stopping(again, bank(), plan) == history and torch.equal(again.values, policy.values)


def test_first_above_half_and_most_likely_differ():
    values = -torch.logit(torch.tensor([[0.4, 0.45, 0.55, 0.5], [0.1, 0.1, 0.1, 0.1]], dtype=torch.float64))
    assert first_stop(values).tolist() == [2, 4]
    assert most_likely(values).tolist() == [0, 4]


# --- maps -------------------------------------------------------------------------------------------------------


class Brightness(Policy):
    """Goes on while the window's mean of X_n exceeds 0.07; X_n loses 0.1 a step in the tests below."""

    horizon = 8

    def encode(self, x, y, previous):
        return x.mean((1, 2, 3))

    def value(self, features, step):
        return features - 0.07


def fading(levels, steps=8):
    """X_n = max(levels − 0.1 n, 0): a window of constant level 0.1 k stops at n = k."""
    return torch.stack([(levels - 0.1 * n).clamp_min(0) for n in range(steps + 1)])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 41), st.integers(1, 37), st.integers(1, 16), st.integers(0, 10**6))
def test_windows_cover_and_sum_to_one(h, w, patch, seed):
    states = torch.rand(4, 1, h, w, generator=generator(seed, "test"))
    where = stopping_map(Brightness(), states, states[:1], patch=patch)
    where = StoppingMap(
        torch.randint(4, where.stops.shape, generator=generator(seed, "stops")),
        where.tops, where.lefts, where.patch, where.size,
    )  # fmt: skip
    shares = blending(where, 3)
    assert shares.shape == (4, h, w) and (shares >= 0).all()
    torch.testing.assert_close(shares.sum(0), torch.ones(h, w))
    same = StoppingMap(torch.full_like(where.stops, 2), where.tops, where.lefts, where.patch, where.size)
    torch.testing.assert_close(compose(states, same), states[2:3])


def test_each_place_gets_its_own_stop():
    levels = torch.zeros(1, 17, 31)
    levels[..., :16], levels[..., 16:] = 0.2, 0.6
    states = fading(levels)
    where = stopping_map(Brightness(), states, states[:1], patch=8, stride=4)
    assert where.tops == (0, 4, 8, 9) and where.lefts == (0, 4, 8, 12, 16, 20, 23)
    assert where.stops[0].tolist() == [2, 2, 2, 5, 6, 6, 6] and (where.stops == where.stops[0]).all()
    out = compose(states, where)
    assert out.shape == (1, 1, 17, 31)
    torch.testing.assert_close(out[..., :12], states[2][None, ..., :12])
    torch.testing.assert_close(out[..., 20:], states[6][None, ..., 20:])


def test_a_map_of_one_window_is_greedy_on_the_picture():
    levels = torch.full((1, 9, 7), 0.3)
    states = fading(levels)
    where = stopping_map(Brightness(), states, states[:1], patch=128)
    rollouts = Rollouts(states[:, 0][None], states[0], torch.zeros(1, 9), torch.zeros(1))
    assert where.stops.tolist() == [[3]] == [greedy(Brightness(), rollouts).tolist()]
    assert where.patch == (9, 7)


def test_map_agrees_with_greedy_on_every_window():
    policy = make_policy(4, seed=0, width=4)
    with torch.no_grad():
        policy.embedding.weight.zero_()
    states = torch.rand(5, 1, 20, 27, generator=generator(0, "test")) * torch.linspace(0.1, 2, 27)
    values = []
    for top in (0, 6, 12):
        for left in (0, 6, 12, 18, 19):
            part = states[:, 0, top : top + 8, left : left + 8][None]
            values.append(
                continuation_values(policy, Rollouts(part, part[:, 0], torch.zeros(1, 5), torch.zeros(1)))
            )
    values = torch.cat(values)
    with torch.no_grad():
        policy.head[-1].bias -= values[:, 0].median()
    where = stopping_map(policy, states, states[:1], patch=8, stride=6, batch=4)
    expected = first_stop(values - values[:, 0].median())
    assert where.stops.flatten().tolist() == expected.tolist() and len(set(expected.tolist())) > 1


def test_blending_by_hand():
    where = StoppingMap(torch.tensor([[0, 2]]), (0,), (0, 2), (1, 4), (1, 6))
    first = [1.0, 1.0, 2 / 3, 1 / 3, 0.0, 0.0]
    torch.testing.assert_close(blending(where, 2)[0, 0], torch.tensor(first))
    torch.testing.assert_close(blending(where, 2)[2, 0], 1 - torch.tensor(first))


# --- input errors -----------------------------------------------------------------------------------------------


def rollouts_with(**changes):
    good = bank()
    parts = {name: getattr(good, name) for name in ("states", "observations", "losses", "levels")}
    return Rollouts(**{**parts, **changes})


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: rollouts_with(states=torch.zeros(5, 5, 4)), ValueError, "states: expected a tensor with 4"),
        (lambda: rollouts_with(states=torch.zeros(5, 5, 4, 4, dtype=torch.float64)), ValueError, "states.dtype"),
        (lambda: rollouts_with(losses=LOSSES[:, :-1]), ValueError, "losses: expected shape"),
        (lambda: rollouts_with(losses=LOSSES / 0), ValueError, "losses: expected finite.*mse"),
        (lambda: rollouts_with(levels=torch.zeros(4)), ValueError, "levels: expected shape"),
        (lambda: rollouts_with(observations=torch.zeros(5, 4, 5)), ValueError, "observations"),
        (lambda: rollouts_with(loss="ssim"), ValueError, "loss: expected one of 'psnr', 'mse'"),
        (lambda: bank().gain(torch.tensor([0, 1, 2, 3, 5])), ValueError, "stops: expected steps in 0 … 4"),
        (lambda: bank().gain(torch.tensor([0, 1, 2, 3, -1])), ValueError, "stops: expected steps in 0 … 4"),
        (lambda: bank().gain(torch.tensor([0.0] * 5)), TypeError, "stops: expected dtype torch.int64"),
        (lambda: bank().gain(torch.tensor([0])), ValueError, "stops: expected shape"),
        (lambda: roll_out(Halfway(), *pictures(), torch.zeros(5), 0), ValueError, "steps"),
        (lambda: roll_out(Halfway(), *pictures(), torch.zeros(4), 1), ValueError, "levels"),
        (lambda: roll_out(Halfway(), pictures()[0], pictures()[1] * 1e5, torch.zeros(5), 1), ValueError, "finite"),
        (lambda: roll_out(Halfway(), pictures()[0][:4], pictures()[1], torch.zeros(5), 1), ValueError, "noisy"),
        (lambda: DQNPlan(gamma=0.9), TypeError, "gamma"),
        (lambda: DQNPlan(discount=1.1), ValueError, "discount"),
        (lambda: DQNPlan(warm_up=30_000), ValueError, "warm_up: expected at most the capacity"),
        (lambda: DQNPlan(precision="fp16"), ValueError, "precision"),
        (lambda: DQNPlan(random_continue=0.0), ValueError, "random_continue"),
        (lambda: StopPlan(temperature=1.0), TypeError, "temperature"),
        (lambda: StopPlan(beta=0.0), ValueError, "beta"),
        (lambda: StopPlan(objective="reverse"), ValueError, "objective"),
        (lambda: train_dqn(nn.Linear(2, 1), bank(), DQNPlan()), TypeError, "policy: expected a Policy"),
        (lambda: train_dqn(Table(), LOSSES, DQNPlan()), TypeError, "rollouts: expected Rollouts"),
        (lambda: train_dqn(Table(horizon=3), bank(), DQNPlan()), ValueError, "horizon 3, found 4"),
        (lambda: greedy(Table(), bank(), "fp16"), ValueError, "precision"),
        (lambda: log_oracle_posterior(LOSSES, -1.0), ValueError, "beta"),
        (lambda: log_stop_distribution(torch.zeros(3, 0)), ValueError, "values"),
        (lambda: oracle(torch.tensor([[1.0, math.nan]])), ValueError, "losses: expected finite"),
        (lambda: first_stop(torch.zeros(4)), ValueError, "values"),
        (lambda: fit_line(torch.ones(3), torch.tensor([1, 2, 3])), ValueError, "two different levels"),
        (lambda: by_noise_level(torch.tensor([math.nan]), 3), ValueError, "levels"),
        (lambda: mean_steps(torch.tensor([1, 2]), torch.ones(3)), ValueError, "levels"),
        (lambda: make_policy(0, seed=0), ValueError, "horizon"),
        (
            lambda: stopping_map(Brightness(), torch.zeros(10, 1, 8, 8), torch.zeros(1, 1, 8, 8)),
            ValueError,
            "horizon",
        ),
        (lambda: stopping_map(Brightness(), torch.zeros(3, 1, 8, 8), torch.zeros(1, 1, 8, 9)), ValueError, "y:"),
        (
            lambda: stopping_map(Brightness(), torch.zeros(3, 1, 8, 8), torch.zeros(1, 1, 8, 8), 4, 5),
            ValueError,
            "stride",
        ),
        (
            lambda: compose(torch.zeros(2, 1, 1, 6), StoppingMap(torch.tensor([[2]]), (0,), (0,), (1, 6), (1, 6))),
            ValueError,
            "ends before",
        ),
        (
            lambda: compose(torch.zeros(3, 1, 1, 7), StoppingMap(torch.tensor([[2]]), (0,), (0,), (1, 6), (1, 6))),
            ValueError,
            "states",
        ),
    ],
)
def test_bad_input_is_named(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
