"""Rollouts: rewards, gains, and what a policy sees."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stopping_bank import EPISODES, LOSSES, Halfway, N, bank, pictures

from contdepth.restoration.models.unit import UnitShape, make_unit
from contdepth.restoration.stopping.rollouts import roll_out
from contdepth.restoration.stopping.rules import (
    fixed,
)
from contdepth.seeds import generator


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
