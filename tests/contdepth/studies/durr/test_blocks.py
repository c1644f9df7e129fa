"""Deblocking of one picture against the bank's own rollouts and stopping rule, and its input errors."""

from __future__ import annotations

import pytest
import torch

from contdepth.restoration.degrade import jpeg
from contdepth.restoration.metrics import psnr, ssim
from contdepth.restoration.models.unit import RestorationUnit, trajectory
from contdepth.restoration.stopping.dqn import DQNPlan
from contdepth.restoration.stopping.policy import Policy, continuation_values, make_policy
from contdepth.restoration.stopping.rollouts import roll_out
from contdepth.restoration.stopping.rules import greedy
from contdepth.seeds import generator
from contdepth.studies.durr.blocks import deblock, learn, stop_lazily

QUALITIES, STEPS = [10, 30, 60], 4


class Towards(RestorationUnit):
    """Goes a share of the way to a given picture, so that PSNR grows with every step."""

    def __init__(self, goal):
        super().__init__()
        self.goal = goal

    def forward(self, x, y):
        return 0.25 * (self.goal - x) + 0.1 * (y - x)


class Counted(Policy):
    """Goes on for as long as its table of numbers says, and counts what it is asked."""

    def __init__(self, table):
        super().__init__()
        self.table, self.horizon, self.asked = table, table.shape[1], 0

    def encode(self, x, y, previous):
        self.asked += len(x)
        return y[:, 0, 0, 0]

    def value(self, features, step):
        return self.table[features.round().long(), step]


@pytest.fixture
def clean():
    smooth = torch.rand(1, 1, 6, 6, generator=generator(0, "test picture"))
    return torch.nn.functional.interpolate(smooth, size=(40, 48), mode="bilinear")


def test_psnr_is_that_of_the_coded_picture_and_its_iterates(clean):
    unit = Towards(clean)
    found = deblock(unit, clean, QUALITIES, STEPS)
    assert found.psnr.shape == (3, STEPS + 1)
    for row, quality in enumerate(QUALITIES):
        states = trajectory(unit, jpeg(clean, quality), STEPS)
        torch.testing.assert_close(found.psnr[row], psnr(states, clean)[:, 0])
    assert (found.psnr.diff(dim=1) > 0).all()
    assert (found.psnr[:, 0].diff() > 0).all()  # better at higher quality
    assert found.stops.shape == (0, 3) and found.stopped.shape == (0, 3)
    assert found.ssim.isnan().all()


def test_policies_stop_as_the_greedy_rule_on_stored_rollouts(clean):
    unit = Towards(clean)
    noisy = torch.cat([jpeg(clean, q) for q in QUALITIES])
    levels = torch.tensor(QUALITIES).float()
    bank = roll_out(unit, clean.expand(3, -1, -1, -1), noisy, levels, STEPS, dtype=torch.float32)
    policies = [make_policy(STEPS, seed) for seed in range(6)]
    for policy in policies:  # a random head says the same everywhere: make it depend on the state
        with torch.no_grad():
            policy.head[-1].weight.mul_(50)
            policy.head[-1].bias.sub_(continuation_values(policy, bank)[:, 2].mean())
    found = deblock(unit, clean, QUALITIES, STEPS, policies)
    expected = torch.stack([greedy(policy, bank) for policy in policies])
    assert len(expected.unique()) > 2  # the comparison is not of constants
    assert torch.equal(found.stops, expected)
    for p in range(len(policies)):
        for q in range(3):
            assert found.stopped[p, q] == found.psnr[q, expected[p, q]]


def test_stops_by_hand_and_no_state_after_a_stop_is_looked_at():
    table = torch.tensor([[1.0, -1, 1, 1], [0.0, 1, 1, 1], [1.0, 1, 1, 1], [2.0, 1, 1, -3]])
    iterates = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(5, -1, 1, 2, 2)
    policy = Counted(table)
    assert stop_lazily(policy, iterates).tolist() == [1, 0, 4, 3]
    assert policy.asked == 2 + 1 + 4 + 4
    assert stop_lazily(policy, iterates[:3]).tolist() == [1, 0, 2, 2]  # a shorter horizon than the policy's


def test_a_policy_sees_the_iterate_the_observation_and_the_one_before():
    class Watching(Policy):
        horizon = 3

        def encode(self, x, y, previous):
            return torch.stack([part[:, 0, 0, 0] for part in (x, y, previous)], dim=1)

        def value(self, features, step):
            assert features[:, 0].tolist() == [10.0 * int(step[0])] * len(features)
            assert features[:, 1].tolist() == [0.0] * len(features)
            assert features[:, 2].tolist() == [10.0 * max(int(step[0]) - 1, 0)] * len(features)
            return torch.ones(len(features))

    iterates = (10.0 * torch.arange(4.0)).view(4, 1, 1, 1, 1).expand(-1, 2, 1, 3, 3)
    assert stop_lazily(Watching(), iterates).tolist() == [3, 3]


def test_similarity_is_of_the_coded_picture_and_of_each_stop(clean):
    unit, table = Towards(clean), torch.tensor([[1.0, 1, -1, 1]])

    class Second(Counted):
        def encode(self, x, y, previous):
            return torch.zeros(len(x))

    found = deblock(unit, clean, QUALITIES, STEPS, [Second(table), Second(-table)], similarity=True)
    assert found.stops.tolist() == [[2, 2, 2], [0, 0, 0]]
    for column, quality in enumerate(QUALITIES):
        states = trajectory(unit, jpeg(clean, quality), STEPS)
        for row, n in enumerate((0, 2, 0)):
            torch.testing.assert_close(found.ssim[row, column], ssim(states[n], clean)[0])


def test_learning_depends_on_the_seed_alone_and_finds_a_stop(clean):
    target = clean.expand(4, -1, -1, -1)
    noisy = torch.cat([jpeg(clean, q) for q in (10, 20, 30, 40)])
    bank = roll_out(Towards(clean), target, noisy, torch.tensor([10.0, 20, 30, 40]), 3)
    plan = DQNPlan(updates=60, batch=16, warm_up=20, target_every=20, epsilon_updates=20, precision="fp32")
    first, again = learn(bank, plan), learn(bank, plan)
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert greedy(first, bank).tolist() == [3, 3, 3, 3]  # every step of this unit is an improvement
    start = make_policy(3, plan.seed)
    assert not torch.equal(first.head[-1].weight, start.head[-1].weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(clean=torch.zeros(2, 1, 16, 16)), "one image"),
        (dict(clean=torch.zeros(1, 3, 16, 16)), "one channel"),
        (dict(clean=torch.full((1, 1, 16, 16), 2.5)), r"\[0, 1\]"),
        (dict(qualities=[]), "at least one"),
        (dict(qualities=[0]), "quality"),
        (dict(steps=0), "steps"),
    ],
)
def test_wrong_input_says_what_is_wrong(clean, change, message):
    good = dict(unit=Towards(clean), clean=clean, qualities=[10], steps=1)
    with pytest.raises((TypeError, ValueError), match=message):
        deblock(**(good | change))


def test_more_steps_than_the_policy_knows_are_refused():
    with pytest.raises(ValueError, match="<= 2, found 3"):
        stop_lazily(make_policy(2, 0), torch.zeros(4, 1, 1, 8, 8))
