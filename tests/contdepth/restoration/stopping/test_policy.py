"""The policy unit: its size, its start, its features by hand."""

from __future__ import annotations

import pytest
import torch
from stopping_bank import noisy_bank

from contdepth.restoration.stopping.policy import Encoded, continuation_values, make_policy
from contdepth.seeds import generator


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
