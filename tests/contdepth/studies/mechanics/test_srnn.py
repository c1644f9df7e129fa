"""The chain against DOP853, exact coarse leapfrog against it, arms of equal effort, orbits that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from contdepth.mechanics import HamiltonianNet, SpringChain, ThreeBody, VectorFieldNet, forecast, simulate
from contdepth.schemes import Leapfrog
from contdepth.seeds import generator
from contdepth.studies.mechanics.srnn import coarse, exact, noisy

CHAIN = SpringChain((1.0, 0.5, 1.3), (5.0, 4.0, 6.5, 3.0))
TINY = noisy.Plan(masses=4, count=8, rows=5, steps=3, batch=4, width=6, judged=6, horizon=12)


def motion(h: float, count: int = 9) -> tuple[Tensor, Tensor]:
    times = torch.arange(count, dtype=torch.float64) * h
    return times, exact.solved(CHAIN, CHAIN.draw(5, generator(0, "starts"), rest=False), times)


def test_the_matrix_solves_the_chain() -> None:
    times, states = motion(0.4)
    torch.testing.assert_close(states, simulate(CHAIN.field, states[0], times), rtol=0, atol=1e-8)
    energy = CHAIN.energy(states)
    torch.testing.assert_close(energy, energy[:1].expand_as(energy), rtol=1e-12, atol=0)


def test_modes_swing_at_their_own_speeds() -> None:
    omega, q, root = exact.modes(CHAIN)
    start = torch.cat((q[:, 2] / root, torch.zeros(3, dtype=torch.float64)))[None]
    times = torch.arange(4, dtype=torch.float64) * 0.3
    found = exact.solved(CHAIN, start, times)[:, 0, :3]
    torch.testing.assert_close(found, (omega[2] * times).cos()[:, None] * start[0, :3])


@pytest.mark.parametrize("share", [0.3, 0.9, 1.4])
def test_coarse_leapfrog_is_exact_beyond_the_border_too(share: float) -> None:
    """A step of 1.4 borders, where the true energy blows up, still turns every mode by the right angle."""
    h = share * 2 / float(exact.modes(CHAIN)[0][-1])
    times, states = motion(h, 60)
    found = forecast(exact.Coarse.of(CHAIN, h), states[0], times, scheme=Leapfrog())
    torch.testing.assert_close(found.states, states, rtol=0, atol=1e-10)
    true = forecast(CHAIN, states[0], times, scheme=Leapfrog())
    assert bool(true.whole.all()) == (share < 1)


def test_the_coarse_energy_differs_by_the_square_of_the_step() -> None:
    gaps = [exact.distance(CHAIN, h) for h in (0.02, 0.01)]
    assert math.log2(gaps[0] / gaps[1]) == pytest.approx(2, abs=0.01)
    at_border = [one.item() for one in exact.shares(torch.tensor([2.0], dtype=torch.float64))]
    assert at_border == pytest.approx([0.455, 1.557], abs=5e-4)
    a, b = exact.shares(torch.tensor([0.01], dtype=torch.float64))
    assert (1 - a.item()) / 1e-4 == pytest.approx(1 / 6, rel=1e-3)
    assert (b.item() - 1) / 1e-4 == pytest.approx(1 / 12, rel=1e-3)


def test_curvatures_are_read_off_the_parts() -> None:
    states = CHAIN.draw(50, generator(1, "states"), rest=False)
    for one in exact.curvatures(CHAIN, CHAIN.parts, states):
        torch.testing.assert_close(one, torch.ones(3, dtype=torch.float64))
    omega = exact.modes(CHAIN)[0]
    found = exact.curvatures(CHAIN, exact.Coarse.of(CHAIN, 0.3).parts, states)
    for one, wanted in zip(found, exact.shares(0.3 * omega), strict=True):
        torch.testing.assert_close(one, wanted)


def test_what_is_seen_holds_noise_and_what_is_judged_none() -> None:
    data = noisy.observe(replace(TINY, count=400), 0)
    gap = data.seen.double() - data.clean
    assert data.seen.shape == (6, 400, 8) and gap.std().item() == pytest.approx(0.2, rel=0.02)
    energy = data.chain.energy(data.truth)
    torch.testing.assert_close(energy, energy[:1].expand_as(energy), rtol=1e-10, atol=0)
    assert not torch.equal(data.truth[0], data.clean[0, :6]) and data.judged_times[-1].item() == pytest.approx(1.2)


def test_arms_have_equal_effort_and_equal_first_weights() -> None:
    data = noisy.observe(TINY, 1)
    fits = {name: noisy.train(arm, data, TINY, 1) for name, arm in noisy.ARMS.items()}
    assert {name: one.window for name, one in fits.items()} == {
        "leapfrog": 5, "learned starts": 5, "one step": 1, "Euler": 5, "plain, RK4": 5,
    }  # fmt: skip
    assert all(len(one.losses) == 3 for one in fits.values())
    assert isinstance(fits["plain, RK4"].model, VectorFieldNet) and fits["learned starts"].starts is not None
    assert (
        isinstance(fits["Euler"].model, HamiltonianNet)
        and fits["Euler"].scheme.name != fits["leapfrog"].scheme.name
    )
    again = noisy.train(noisy.ARMS["leapfrog"], data, TINY, 1)
    assert again.losses == fits["leapfrog"].losses


def test_the_true_energy_is_judged_by_its_scheme_alone() -> None:
    data = noisy.observe(replace(TINY, h=0.02), 2)
    found = noisy.judge(data, data.chain, Leapfrog())
    assert found.error[0] < 1e-12 and found.error[-1] < 1e-3 and 0 < found.energy[1:].max() < 0.01
    wild = noisy.judge(noisy.observe(replace(TINY, h=2.0), 2), data.chain, Leapfrog())
    assert np.isinf(wild.error[-1]) and np.isinf(wild.energy[-1])
    assert noisy.stacked([found, wild]).error.shape == (2, 13)


def test_without_noise_one_matrix_is_exact() -> None:
    data = noisy.observe(replace(TINY, noise=0.0, count=40), 3)
    found = noisy.linear(data)
    assert found.error.max() < 1e-6 and found.energy.max() < 1e-3
    loud = noisy.linear(noisy.observe(replace(TINY, count=40), 3))
    assert loud.error[-1] > 100 * found.error[-1]


def test_least_squares_are_the_same_to_the_bit() -> None:
    data, odd = noisy.observe(replace(TINY, count=300), 5), []
    found = set()
    for k in range(12):
        odd.append(torch.empty(17 + 37 * k))
        found.add(noisy.linear(data).error.tobytes())
    assert len(found) == 1


def test_stretched_steps_are_a_share_of_the_border() -> None:
    plan, data = coarse.stretched(TINY, 0, 0.9)
    omega = exact.modes(data.chain)[0][-1]
    assert plan.h * float(omega) == pytest.approx(1.8) and plan.noise == 0
    torch.testing.assert_close(data.seen, data.clean.float())


def test_orbits_are_those_of_the_true_energy() -> None:
    plan = coarse.Bodies(count=4, rows=4, steps=2, window=2, batch=2, width=4, judged=3)
    times, states = coarse.orbits(plan, 0, "train", 4)
    energy = ThreeBody().energy(states)
    torch.testing.assert_close(energy, energy[:1].expand_as(energy), rtol=1e-6, atol=0)
    seen = coarse.orbits(plan, 0, "judged", 3)
    rough, fine = (coarse.away(ThreeBody(), seen, substeps=n)[-1] for n in (1, 16))
    assert fine < rough / 1000
    helped = coarse.away(ThreeBody(), seen, optimised=True)
    assert helped[1:4].sum() < coarse.away(ThreeBody(), seen)[1:4].sum() and len(times) == 5
    fit = coarse.train_bodies(plan, 0)
    assert fit.window == 2 and coarse.away(fit.model, seen).shape == (5,)
    assert list(coarse.compared(plan, 0)) == list(coarse.KINDS)
