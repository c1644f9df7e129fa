"""Learning to stop by policy gradient, on the bank whose best stops are known."""

from __future__ import annotations

import pytest
import torch
from stopping_bank import BEST, LOSSES, Table, bank

from contdepth.restoration.stopping.reinforce import ReinforcePlan, decisions, train_reinforce
from contdepth.restoration.stopping.rules import greedy

QUICK = {"learning_rate": 0.2, "learning_rate_end": 0.02, "precision": "fp32"}


def test_policy_gradient_learns_the_oracle_from_drawn_stops() -> None:
    """Also where the next step is worse and a later one better."""
    policy = Table()
    plan = ReinforcePlan(updates=600, episodes=32, **QUICK)
    history = train_reinforce(policy, bank(), plan)
    assert greedy(policy, bank()).tolist() == BEST
    best = float((LOSSES[:, 0] - LOSSES.amin(1)).mean())
    assert history[0] < 0.5 * best and sum(history[-50:]) / 50 > 0.9 * best
    again = Table()
    assert train_reinforce(again, bank(), plan) == history and torch.equal(again.values, policy.values)


def test_the_baseline_is_used() -> None:
    """With equal draws the first update differs."""
    moved = []
    for baseline in (True, False):
        policy = Table()
        train_reinforce(policy, bank(), ReinforcePlan(updates=1, episodes=64, baseline=baseline, **QUICK))
        moved.append(policy.values.detach().clone())
    assert not torch.equal(*moved)


@pytest.mark.parametrize("steps", [(5,), (2, 1)])
def test_stops_outside_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="stops: expected"):
        decisions(torch.zeros(1, 4), torch.zeros(1, 5), torch.tensor(steps))
