"""Learning to stop: the measurements by independent oracles, the data as they are told, a small race."""

from __future__ import annotations

import pytest
import torch

from contdepth.restoration.stopping.policy import make_policy
from contdepth.restoration.stopping.rules import fixed, oracle
from contdepth.restoration.stopping.two_stages import PredictorPlan
from contdepth.seeds import generator
from contdepth.studies.adaptive.stopping import latent
from contdepth.studies.adaptive.stopping.contest import Learner, by_level, estimated, rolled, schedule, stops_of
from contdepth.studies.adaptive.stopping.races import gain, picture_race, signal_race
from contdepth.studies.adaptive.stopping.signals import GREY, SignalUnit, dead_leaves, degraded, judged, signals

L = torch.randn(20, 6, generator=generator(0, "test"), dtype=torch.float64) * 2


def test_bound_is_tight_at_the_posterior_alone() -> None:
    tight, elsewhere = latent.bound_gap(L, 0.3, 0)
    assert tight < 1e-10 and elsewhere > 1e-3


def test_temperature_goes_from_the_best_step_to_the_mean() -> None:
    assert latent.bridge_gap(L, 1e-6, 1e7) < 1e-3
    value, spread = latent.bridge(L, [1e-6, 0.1, 1.0, 10.0, 1e7])
    assert bool((value.diff() > 0).all() and (spread.diff() > 0).all())
    assert float(value[0]) == pytest.approx(float(L.amin(1).mean()), abs=1e-4)
    assert float(spread[-1]) == pytest.approx(float(torch.tensor(6.0).log()), abs=1e-4)


def test_entropy_by_hand() -> None:
    q = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=torch.float64)
    assert float(latent.entropy(q.log())) == pytest.approx(1.5 * float(torch.tensor(2.0).log()))


def test_derivative_of_the_softmin_rewards_what_is_much_worse_than_the_mean() -> None:
    error, share = latent.pushed_up(L, 1.0)
    assert error < 1e-12 and 0.1 < share < 0.9
    two = torch.tensor([[0.0, 3.0]], dtype=torch.float64)
    q = float(torch.tensor(-3.0).exp() / (1 + torch.tensor(-3.0).exp()))
    assert float(latent.softmin_weights(two, 1.0)[0, 1]) == pytest.approx(q * (1 - (3 - 3 * q)))
    assert float(latent.softmin_weights(L, 1e6).sum(1).min()) == pytest.approx(1, abs=1e-9)


def test_noise_is_estimated_along_a_row_and_in_a_picture() -> None:
    for clean in (signals(6, 512, generator(0, "test")), dead_leaves(6, 96, generator(0, "test"))):
        data = degraded(clean, [20.0, 60.0], 0)
        unit = SignalUnit(2, 0)
        found = estimated(rolled(unit, data, 1)).double()
        assert float((found / data.levels - 1).abs().max()) < 0.35


def test_data_are_as_they_are_told() -> None:
    clean = signals(50, 128, generator(0, "test"))
    assert clean.shape == (50, 1, 1, 128) and 0.25 <= float(clean.min()) and float(clean.max()) <= 0.75
    leaves = dead_leaves(4, 32, generator(0, "test"))
    assert 0.05 <= float(leaves.min()) and float(leaves.max()) <= 0.95 and float(leaves.std()) > 0.1
    apart = degraded(clean, [GREY * 0.1, GREY * 0.4], 0)
    assert len(apart.levels) == 100 and apart.levels.unique().tolist() == pytest.approx([6.375, 25.5])
    spread = (apart.noisy - apart.clean).flatten(1).std(1) * 255
    assert float((spread / apart.levels - 1).abs().mean()) < 0.1
    between = degraded(clean, [10.0, 20.0], 0, between=True)
    assert 10 <= float(between.levels.min()) < float(between.levels.max()) <= 20
    assert judged("leaves", 32, 1).shape == (6, 1, 32, 32)


def test_a_schedule_is_a_line() -> None:
    assert schedule(torch.tensor([25.0, 35.0, 45.0, 55.0]), 2, 5).tolist() == [2, 3, 4, 5]


def test_a_race_judges_every_rule_and_the_oracle_wins() -> None:
    arms = {"stage 1": ("forward KL", "reverse KL", "at once"), "DURR": ("DQN", "REINFORCE"), "softmin": ()}
    plan, learner = PredictorPlan(steps=4, updates=3, batch=4), Learner(3, 8)
    one = signal_race(0, arms, plan, learner, ((0.1, 0.4), (0.1, 0.4, 0.8)), (16, 8, 8, 3))
    assert one.levels == [0.1, 0.4, 0.8] and len(one.quality) == 3 * 4 + 5
    for (unit, rule), quality in one.quality.items():
        assert quality.shape == (3,) and bool((quality <= one.quality[unit, "oracle"]).all()), rule
        assert torch.equal(quality, by_level(one.tests[unit], one.stops[unit, rule]))
    assert torch.equal(one.stops["DURR", "oracle"], oracle(one.tests["DURR"].losses))
    assert torch.equal(one.stops["DURR", "last step"], fixed(4, 9))
    less = gain([one], ("DURR", "last step"), ("DURR", "oracle"), [0.1, 0.8])
    assert float(less) <= 0 and float(gain([one], ("DURR", "DQN"), ("DURR", "oracle"), [0.1, 0.8], True)) <= 0
    again = signal_race(0, arms, plan, learner, ((0.1, 0.4), (0.1, 0.4, 0.8)), (16, 8, 8, 3))
    assert all(torch.equal(again.quality[key], found) for key, found in one.quality.items())
    chosen, wanted = latent.mean_q(one.policies["stage 1", "forward KL"], one.tests["stage 1"], 0.1)
    for q in (chosen, wanted):
        torch.testing.assert_close(q.sum(1), torch.ones(3, dtype=torch.float64))


def test_a_race_on_pictures_starts_from_the_stored_unit() -> None:
    plan, learner = PredictorPlan(steps=3, updates=1, batch=2, learning_rate=1e-9), Learner(2, 6)
    one = picture_race(
        0, "refined-0", {"stage 1": ("forward KL",), "fixed depth": ()}, plan, learner, ((25, 55), (25, 75)),
        ("leaves", "leaves"), (6, 4, 4), (16, 32, 32),
    )  # fmt: skip
    first, second = (one.quality[unit, "oracle"] for unit in ("stage 1", "fixed depth"))
    torch.testing.assert_close(first, second, atol=1e-3, rtol=0)
    policy = make_policy(3, 0)
    assert stops_of("forward KL", policy, one.tests["stage 1"]).shape == (12,)
