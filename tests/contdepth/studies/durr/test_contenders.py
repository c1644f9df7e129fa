"""Contenders: backward induction against brute force, ramps of noise, maps, slopes against finite differences."""

import pytest
import torch

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import UnitShape, make_unit, trajectory
from contdepth.restoration.stopping.maps import stopping_map
from contdepth.restoration.stopping.policy import Policy, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.rules import NOISE_LINE, Line, first_stop, oracle
from contdepth.seeds import generator
from contdepth.studies.durr.contenders import (
    load_bank,
    middle,
    noise_map,
    one_picture,
    ramp,
    reward_to_go,
    save_bank,
    slopes,
    train_contender,
    whole,
)

STEPS = 5


def synthetic(episodes=6, side=16, seed=0):
    """Flat iterates whose grey value is the step number over ten, with random losses."""
    source = generator(seed, "contenders test")
    shape = (episodes, STEPS + 1, side, side)
    states = (torch.arange(STEPS + 1) / 10).view(1, -1, 1, 1).expand(shape).contiguous()
    losses = torch.rand(episodes, STEPS + 1, generator=source, dtype=torch.float64)
    y = torch.randn(episodes, side, side, generator=source)
    return Rollouts(states, y, losses, torch.linspace(20, 60, episodes))


class Counter(Policy):
    """Goes on while the step is below a bound: a policy that needs no training."""

    def __init__(self, bound, horizon=STEPS):
        super().__init__()
        self.horizon, self.bound = horizon, bound

    def encode(self, x, y, previous):
        return x.mean(dim=(1, 2, 3))

    def value(self, features, step):
        return self.bound - step.float() - 0.5 + 0 * features


class Quadratic(Policy):
    """v = sum of 3 x² + 5 x y − y² over the pixels."""

    horizon = 3

    def forward(self, x, y, previous, step):
        return (3 * x**2 + 5 * x * y - y**2).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("discount", [1.0, 0.7, 0.0])
def test_reward_to_go_is_the_best_of_all_later_stops(discount):
    rewards = torch.randn(20, STEPS, generator=generator(1, "rewards"), dtype=torch.float64)
    found = reward_to_go(rewards, discount)
    weights = discount ** torch.arange(STEPS, dtype=torch.float64)
    for n in range(STEPS):
        sums = (rewards[:, n:] * weights[: STEPS - n]).cumsum(1)
        torch.testing.assert_close(found[:, n], sums.amax(1))


def test_backward_induction_stops_where_the_loss_is_smallest():
    bank = synthetic(200)
    assert torch.equal(first_stop(reward_to_go(bank.rewards)), oracle(bank.losses))


def test_a_discount_can_stop_earlier():
    rewards = torch.tensor([[-1.0, 1.5]])
    assert first_stop(reward_to_go(rewards)).item() == 2
    assert first_stop(reward_to_go(rewards, 0.5)).item() == 0


@pytest.mark.parametrize(
    ("rewards", "discount", "word"),
    [
        (torch.zeros(2, 0), 1.0, "N >= 1"),
        (torch.zeros(2, 3), 1.5, "discount"),
        (torch.zeros(2, 3).long(), 1.0, "rewards"),
    ],
)
def test_reward_to_go_says_what_is_wrong(rewards, discount, word):
    with pytest.raises((TypeError, ValueError), match=word):
        reward_to_go(rewards, discount)


def test_a_stored_bank_comes_back(tmp_path):
    bank = synthetic()
    back = load_bank(save_bank(bank, tmp_path / "sub" / "bank.pt"))
    for name in ("states", "observations", "losses", "levels"):
        assert torch.equal(getattr(back, name), getattr(bank, name))
    assert back.loss == bank.loss


def test_the_middle_is_the_middle():
    bank = synthetic(side=9)
    states = torch.arange(81.0).view(1, 1, 9, 9).expand(6, STEPS + 1, 9, 9).contiguous()
    bank = Rollouts(states, states[:, 0].contiguous(), bank.losses, bank.levels)
    cut = middle(bank, 3)
    assert cut.states[0, 0].tolist() == cut.observations[0].tolist() == [[30, 31, 32], [39, 40, 41], [48, 49, 50]]
    assert torch.equal(cut.losses, bank.losses)
    with pytest.raises(ValueError, match="size"):
        middle(bank, 10)


@pytest.mark.parametrize("kind", ["dqn", "l2stop"])
def test_training_repeats_and_depends_on_the_seed(tmp_path, kind):
    path = save_bank(synthetic(), tmp_path / "bank.pt")
    first, again, other = (train_contender(kind, seed, path, 12, 10, "fp32") for seed in (0, 0, 1))
    assert first.objective == again.objective != other.objective
    assert first.updates[-1] == 12 and len(first.updates) == len(first.objective)
    assert first.updates == sorted(set(first.updates))
    start = make_policy(STEPS, 0).state_dict()
    assert any(not torch.equal(v, start[k]) for k, v in first.policy.state_dict().items())


def test_training_says_what_is_wrong(tmp_path):
    path = save_bank(synthetic(), tmp_path / "bank.pt")
    for kind in ("dqn", "l2stop"):
        with pytest.raises(ValueError, match="updates: expected a number >= 1, found 0"):
            train_contender(kind, 0, path, 0, 10, "fp32")
    with pytest.raises(ValueError, match="multiple of the 5 states"):
        train_contender("l2stop", 0, path, 5, 12, "fp32")
    with pytest.raises(ValueError, match="kind"):
        train_contender("sarsa", 0, path, 5, 10, "fp32")


def test_slopes_are_the_derivatives():
    x, y = torch.randn(2, 1, 1, 4, 5, generator=generator(0, "slopes"))
    by_x, by_y = slopes(Quadratic(), x, y, x, 1)
    torch.testing.assert_close(by_x, (6 * x + 5 * y)[0, 0].abs())
    torch.testing.assert_close(by_y, (5 * x - 2 * y)[0, 0].abs())


def test_slopes_of_a_policy_unit_against_finite_differences():
    policy = make_policy(3, 0)
    x, y, previous = torch.rand(3, 1, 1, 16, 16, generator=generator(0, "slopes"))
    by_x, _ = slopes(policy, x, y, previous, 2)
    h, bump, n = 5e-3, torch.zeros_like(x), torch.tensor([2])
    bump[0, 0, 7, 5] = h
    with torch.no_grad():
        up, down = (policy(p, y, previous, n) for p in (x + bump, x - bump))
    assert by_x[7, 5].item() == pytest.approx(abs((up - down).item()) / (2 * h), rel=0.1)


def test_a_ramp_grows_from_left_to_right():
    clean = torch.full((1, 1, 4000, 5), 0.5)
    spread = 255 * (ramp(clean, 20, 60, generator(0, "ramp")) - clean).std(dim=(0, 1, 2))
    torch.testing.assert_close(spread, torch.tensor([20.0, 30, 40, 50, 60]), rtol=0.05, atol=0)


def test_a_whole_picture_has_one_stop():
    states, y = torch.zeros(STEPS + 1, 1, 20, 37), torch.zeros(1, 1, 20, 37)
    assert whole(Counter(3), states, y) == 3


def test_a_noise_map_follows_the_noise_of_its_windows():
    clean = torch.full((1, 1, 128, 384), 0.5)
    y = ramp(clean, 0, 90, generator(0, "map"))
    like = stopping_map(Counter(0, 9), y[0].expand(10, 1, 128, 384), y, 128, 128)
    stops = noise_map(like, y, 9, NOISE_LINE).stops[0].tolist()
    assert stops == [1, 4, 7]
    assert noise_map(like, y, 2, Line(0, 7)).stops.unique().tolist() == [2]


def test_one_picture_compares_like_with_like():
    unit = make_unit(UnitShape(width=4), seed=0)
    clean = torch.rand(1, 1, 40, 52, generator=generator(0, "picture"))
    y = ramp(clean, 10, 60, generator(1, "picture"))
    found = one_picture(unit, [Counter(2), Counter(4)], clean, y, STEPS, NOISE_LINE, 16)
    film = trajectory(unit, y, STEPS)[:, 0]
    quality = torch.cat([psnr(state[None], clean) for state in film])
    assert found.stops == [2, 4]
    torch.testing.assert_close(found.one, quality[[2, 4]])
    torch.testing.assert_close(found.windows, found.one, rtol=1e-5, atol=1e-5)
    assert found.best == pytest.approx(quality.max().item())
    assert [set(m.stops.flatten().tolist()) for m in found.maps] == [{2}, {4}]
    with pytest.raises(ValueError, match="polic"):
        one_picture(unit, [], clean, y, STEPS, NOISE_LINE)
    with pytest.raises(ValueError, match="clean"):
        one_picture(unit, [Counter(1)], clean[..., 1:], y, STEPS, NOISE_LINE)
