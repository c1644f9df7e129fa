"""Banks of rollouts repeat, and their levels are in range."""

from __future__ import annotations

import pytest
import torch
from restoration_toys import Blur

from contdepth.restoration.stopping.bank import BankPlan, make_bank, random_crops


def test_banks_are_reproducible_and_in_range():
    plan = BankPlan(low=20, high=40, episodes=3, steps=2, patch=32, data="photos")
    bank, again = make_bank(Blur(), plan), make_bank(Blur(), plan)
    assert torch.equal(bank.states, again.states) and bank.states.shape == (3, 3, 32, 32)
    assert ((bank.levels >= 20) & (bank.levels <= 40)).all() and len(bank.levels.unique()) == 3
    clean = random_crops(plan)
    noise = (bank.observations.float() - clean[:, 0]).std(dim=(1, 2)) * 255
    torch.testing.assert_close(noise, bank.levels, rtol=0.15, atol=0)
    coded = make_bank(Blur(), BankPlan("jpeg", 10, 12, episodes=4, steps=1, patch=32, data="photos"))
    assert set(coded.levels.tolist()) <= {10, 11, 12}
    for low, high in ((0, 10), (10, 150), (10.5, 20)):
        with pytest.raises((TypeError, ValueError), match="low|high"):
            BankPlan("jpeg", low, high)
    with pytest.raises(ValueError, match="patch: expected at most"):
        make_bank(Blur(), BankPlan(patch=4096, episodes=2, data="photos"))
