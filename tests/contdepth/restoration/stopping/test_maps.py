"""A stop for each place of a picture: windows, blending, and one window is one stop."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stopping_bank import Brightness

from contdepth.restoration.stopping.maps import StoppingMap, blending, compose, stopping_map
from contdepth.restoration.stopping.policy import continuation_values, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.rules import (
    first_stop,
    greedy,
)
from contdepth.seeds import generator


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
