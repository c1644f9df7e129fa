"""SkipNet's contest: members side by side, descent against PyTorch's, paths, savings, controls, oracles."""

from __future__ import annotations

import copy
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from contdepth.nets import Routed, hybrid_loss, path_cost
from contdepth.nets.gated import learning, net
from contdepth.nets.gated.gates import KINDS
from contdepth.seeds import generator
from contdepth.studies.adaptive.skipnet import contest, drawing, judging, oracles, released
from contdepth.studies.adaptive.skipnet.pictures import Pictures, mixed
from contdepth.studies.adaptive.skipnet.together import Together
from contdepth.studies.adaptive.skipnet.training import (
    Plan,
    along,
    build,
    by_penalty,
    by_rewards,
    descend,
    task,
)

PLAN = Plan(epochs=(1, 1), batch=20, width=2, blocks=(1, 1, 1))


@pytest.fixture(scope="module")
def data() -> Pictures:
    whole = mixed(0.3, 100, 20)
    few = (whole.learn[0][:60], whole.learn[1][:60])
    return Pictures(few, whole.choose, whole.judge)


def test_half_of_the_pictures_is_noisy_and_none_is_shared():
    whole = mixed(0.3)
    assert [len(y) for _, y in (whole.learn, whole.choose, whole.judge)] == [1079, 269, 898]
    for x, _ in (whole.learn, whole.choose):
        noisy = (x < 0).flatten(1).any(1)
        assert 0.45 < float(noisy.double().mean()) < 0.55
    x, y = whole.judge
    assert whole.clean == 449 and torch.equal(y[:449], y[449:]) and float(x[:449].min()) == 0
    assert float((x[449:] - x[:449]).std()) == pytest.approx(0.3, rel=0.02)
    assert torch.equal(mixed(0.3).learn[0], whole.learn[0])


@pytest.mark.parametrize("gate", KINDS)
def test_members_side_by_side_are_those_alone(gate):
    assert oracles.alone_gap(gate) < 1e-13


def test_members_with_paths_given_and_what_their_gates_learn():
    """No gradient reaches gates that nobody asks; given paths are followed picture by picture."""
    nets = [build(PLAN, seed).double().eval() for seed in (3, 4)]
    together = Together(nets).eval()
    x = torch.randn(5, 2, 8, 8, dtype=torch.float64, generator=generator(0, "t"))
    gates = (torch.rand(5, 2, 2, generator=generator(1, "t")) < 0.5).double()
    routes = together.route(x, gates=gates)
    for i, one in enumerate(nets):
        alone = one.route(x[:, i : i + 1], gates=gates[:, i])
        torch.testing.assert_close(routes[i].logits, alone.logits, rtol=0, atol=1e-12)
    sum(route.logits.sum() for route in routes).backward()
    assert all(value.grad is None for value in together.gates.parameters())


def test_descent_is_that_of_adam_with_a_cosine_for_each_rate(data):
    rates, seeds, epochs = (3e-3, 3e-2), (5, 6), 2
    found = [build(PLAN, seed) for seed in seeds]
    descend(found, data.learn, rates, seeds, epochs, 20, "t")
    for one, rate, seed in zip(found, rates, seeds, strict=True):
        alone = build(PLAN, seed).train()
        rule = torch.optim.Adam(alone.parameters(), rate)
        count = 0
        for epoch in range(epochs):
            order = torch.randperm(60, generator=generator(seed, f"t/order/{epoch}"))
            for chosen in order.split(20):
                for group in rule.param_groups:
                    group["lr"] = rate * (1 + math.cos(math.pi * count / (3 * epochs))) / 2
                rule.zero_grad()
                cross_entropy(alone.route(data.learn[0][chosen]).logits, data.learn[1][chosen]).backward()
                rule.step()
                count += 1
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], value, rtol=2e-3, atol=2e-4)


def test_ways_of_training_are_what_they_are_called(data):
    together = Together([build(PLAN, seed) for seed in (0, 1)])
    x, y = data.learn[0][:20].expand(20, 2, 8, 8), data.learn[1][:20]
    sources = [generator(seed, "t") for seed in (0, 1)]
    sample, rewarded = by_rewards(0.4)
    drawn = sample(together, x, sources)
    assert not drawn[0].gates.requires_grad and 0 < drawn[0].skipped < 1
    alike = hybrid_loss(drawn[1], y, alpha=0.4, rl_weight=1.0, baseline=True)
    assert float(rewarded(drawn[1], y).detach()) == float(alike.detach())
    through, priced = by_penalty(0.4)
    route = through(together, x, sources)[0]
    assert route.gates.requires_grad
    gap = priced(route, y) - task(route, y)
    assert float(gap.detach()) == pytest.approx(0.4 * float(route.gates.detach().mean()), abs=1e-6)
    fixed = along(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))(together, x, sources)
    assert fixed[0].gates.unique(dim=0).tolist() == [[1, 0]] and fixed[1].gates.unique(dim=0).tolist() == [[0, 1]]
    chance = along(torch.tensor([[0.5, 0.5], [1.0, 0.25]]))(together, x, sources)
    assert 0.1 < chance[0].skipped < 0.9 and bool((chance[1].gates[:, 0] == 1).all())


def seen(gates: list[list[list[float]]], right: list[list[float]]) -> judging.Seen:
    losses = 1 - np.array(right, dtype=float)
    return judging.Seen(np.array(right, dtype=float), losses, np.array(gates, dtype=float), np.zeros(len(right)))


def test_depth_objective_and_usual_path_by_hand():
    one = seen([[[1, 1], [0, 1], [0, 1], [0, 0]]], [[1, 1, 0, 1]])
    assert one.accuracy.tolist() == [75] and one.blocks.tolist() == [[2, 1, 1, 0]]
    assert one.deeper(2).tolist() == [0.5 - 1.5]
    assert one.objective(2.0).tolist() == [0.25 + 2 * 0.5]
    assert judging.usual(one).tolist() == [[0, 1]]
    assert judging.paths(one).tolist() == [3] and judging.usual_share(one).tolist() == [0.5]
    moved = judging.shuffled(one, [7])(0)
    assert sorted(moved.tolist()) == sorted(one.gates[0].tolist()) and moved.tolist() != one.gates[0].tolist()
    assert torch.equal(judging.own(one)(0), torch.as_tensor(one.gates[0]))
    ranks = judging.ranks(np.array([[1, 2, 3], [2, 2, 2], [3, 2, 1]]), np.array([[0.1, 0.2, 0.9]] * 3))
    assert ranks.tolist() == pytest.approx([1, 0, -1])


def test_savings_count_gates_where_they_choose(data):
    """One net with every path the same: what blocks cost is saved, and gates are paid for or not."""
    nets = [build(PLAN, 0)]
    cost, whole = path_cost(nets[0], 8), contest.multiply_adds(nets[0])
    path = torch.tensor([1.0, 0.0])
    given = judging.under(nets, data.judge, whole, lambda i: path.expand(40, 2))
    assert given.saved[0] == pytest.approx(100 * cost.blocks[1] / whole)
    chosen = judging.under(nets, data.judge, whole)
    blocks = chosen.gates.mean((0, 1)) @ np.array(cost.blocks)
    assert chosen.saved[0] == pytest.approx(100 * (sum(cost.blocks) - blocks - cost.gates) / whole)
    rate = judging.by_chance([0.25], 4000, 2, [3])(0)
    assert float(1 - rate.mean()) == pytest.approx(0.25, abs=0.03)


def test_arms_have_the_same_start_and_pictures_and_the_rate_is_chosen_on_others(data):
    rates, seeds = (1e-2, 3e-2), (0, 1)
    first = contest.pretrained(data, PLAN, rates, seeds, "recurrent")
    assert first.rate in rates and len(first.nets) == 2
    before = copy.deepcopy(first.nets[0].state_dict())
    swept = contest.by_alpha(first, data, PLAN, seeds, (0.0, 5.0))
    priced = contest.by_alpha(first, data, PLAN, seeds, (5.0,), rewards=False)
    assert all(torch.equal(value, before[key]) for key, value in first.nets[0].state_dict().items())
    assert swept[5.0].seen.gates.mean() <= swept[0.0].seen.gates.mean()
    assert set(priced) == {5.0} and priced[5.0].seen.right.shape == (2, 40)
    whole = contest.multiply_adds(first.nets[0])
    plain = contest.without_gates(data, PLAN, rates, seeds, whole)
    assert plain.seen.saved.tolist() == [0, 0] and (plain.seen.gates == 1).all()
    path = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    fixed = contest.without_gates(data, PLAN, rates, seeds, whole, path=path)
    assert (fixed.seen.gates == path[:, None].numpy()).all()
    chance = contest.without_gates(data, PLAN, rates, seeds, whole, chance=[0.5, 0.5])
    assert 0.3 < chance.seen.gates.mean() < 0.7


def test_best_takes_the_rate_with_the_best_mean(data, monkeypatch):
    heights = iter([50.0, 70.0, 60.0, 0.0])

    def under(nets, part, whole, paths=None):
        height = next(heights)
        return judging.Seen(np.full((2, 4), height / 100), np.zeros((2, 4)), np.ones((2, 4, 2)), np.zeros(2))

    monkeypatch.setattr(contest, "under", under)
    nets = [build(PLAN, seed) for seed in range(6)]
    assert contest.best(nets, data, (1.0, 2.0, 3.0), (0, 1), 100).rate == 2.0


def test_oracles_hold_and_see_a_wrong_sign(monkeypatch):
    assert oracles.euler_gap() < 1e-12 and oracles.slope_gap() < 1e-12
    assert 0.05 < oracles.straight_gap() < 2
    right = learning.skip_rewards
    monkeypatch.setattr(learning, "skip_rewards", lambda gates, losses, alpha: -right(gates, losses, alpha))
    assert oracles.slope_gap() > 0.1
    monkeypatch.setattr(learning, "skip_rewards", lambda gates, losses, alpha: right(1 - gates, losses, alpha))
    assert oracles.slope_gap() > 0.1
    monkeypatch.setattr(
        Routed, "log_probabilities", property(lambda self: net.logsigmoid(self.scores) * self.gates)
    )
    monkeypatch.setattr(learning, "skip_rewards", right)
    assert oracles.slope_gap() > 0.1


def test_gates_cost_what_one_counts_by_hand():
    """Nine multiply-adds a weight of 3 x 3, at a quarter or a sixteenth of the places, over a block's eighteen."""
    rest = 1 / (18 * 16 * 32 * 32)
    assert released.gate_share("feedforward-II") == pytest.approx(100 * (1 / 8 + rest), abs=0.01)
    assert released.gate_share("feedforward-I") == pytest.approx(100 * (5 / 32 + rest), abs=0.01)
    assert released.gate_share("recurrent") == pytest.approx(100 * (640 + 800 + 10) / (18 * 64**2 * 64))
    assert released.outside(30, 90) == 4 and released.outside(12, 86) == 0


def test_the_line_is_taken_where_a_net_computes():
    arms = [
        judging.Seen(np.array([[h / 100] * 100]), np.zeros((1, 100)), np.ones((1, 100, 2)), np.array([saved]))
        for h, saved in ((100.0, 0.0), (40.0, 80.0), (80.0, 40.0))
    ]
    one = judging.Seen(np.ones((1, 4)), np.ones((1, 4)), np.ones((1, 4, 2)), np.array([70.0]))
    assert judging.at_equal_computation(one, arms).tolist() == pytest.approx([50.0])


def test_pictures_show_what_they_are_given(data):
    gates = np.zeros((2, 6, 3))
    gates[:, 3:, 1] = 1
    one = judging.Seen(np.ones((2, 6)), np.ones((2, 6)), gates, np.array([30.0, 60.0]))
    figure, axes = plt.subplots(1, 3)
    drawing.cloud(axes[0], 0, one, "a", filled=False)
    drawing.line(axes[0], 1, [one, one], "b")
    assert axes[0].lines[0].get_xdata().tolist() == [70, 40]
    drawing.shares(axes[1:2], {"c": one}, 3)
    assert axes[1].images[0].get_array().tolist() == [[0, 0, 0], [0, 1, 0]] * 2
    drawing.chart(axes[2], released.CHART, 30, 90)
    assert [bar.get_height() for bar in axes[2].patches[1:]] == [50, 48, 30, 37, 18, 18, 86, 81, 77, 30, 12, 20]
    plt.close(figure)
