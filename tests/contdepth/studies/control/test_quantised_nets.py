"""The contest of quantised descent: nets side by side against the library's optimiser, what is seen, two wells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from contdepth.control import QuantisedDescent, quantise, resolution
from contdepth.seeds import generator
from contdepth.studies.control.discrete.training import Images, images
from contdepth.studies.control.quantised import training
from contdepth.studies.control.quantised.contest import GRIDS, without_quantum
from contdepth.studies.control.quantised.rules import ADAMW, SGD, Clock, Rule, moves, thermal
from contdepth.studies.control.quantised.training import Plan, logits, train
from contdepth.studies.control.quantised.wells import Walk, by_quantum, escaped, gibbs_share, rounded_variance

PLAN = Plan(hidden=(8,), epochs=4, batch=20)
RULES = [replace(SGD, unit=True, rounding="down"), replace(ADAMW, rate=0.01, unit=True, rounding="down")]


def small() -> Images:
    return images("digits", limit=100)


def by_optimiser(rule: Rule, data: Images, seed: int) -> tuple[list[Tensor], float]:
    """The same training with PyTorch's layers and the library's optimiser."""
    sizes = (64, 8, 10)
    parts = training.start(sizes, [seed])
    layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    for t, layer in enumerate(layers):
        layer.weight.data.copy_(parts[2 * t][0].T)
        layer.bias.data.copy_(parts[2 * t + 1][0, 0])
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    descent = QuantisedDescent(
        net.parameters(),
        rule.rate,
        epochs=4,
        batches=5,
        kind=rule.kind,
        rounding=rule.rounding,
        transient=rule.unit,
    )
    for epoch in range(4):
        order = torch.randperm(100, generator=generator(seed, f"order/{epoch}"))
        for k in range(5):
            chosen = order[20 * k : 20 * k + 20]
            descent.zero_grad()
            cross_entropy(net(data.x[chosen]), data.y[chosen]).backward()
            descent.step()
    right = (net(data.test_x).argmax(1) == data.test_y).double().mean()
    return [p.detach() for p in net.parameters()], float(100 * right)


@pytest.mark.parametrize("rule", RULES, ids=["sgd", "adamw"])
def test_nets_side_by_side_are_those_of_the_optimiser(rule):
    data, seeds = small(), [3, 4]
    done = train(rule, data, PLAN, seeds, watch=True)
    for k, seed in enumerate(seeds):
        parts, right = by_optimiser(rule, data, seed)
        sizes = torch.cat([parts[0].abs().flatten(), parts[2].abs().flatten()])
        assert done.size[k] == pytest.approx(float(sizes.median()), rel=1e-3)
        assert done.accuracy[k] == pytest.approx(right, abs=1.01)
        began = training.start((64, 8, 10), [seed])[-1].mean()
        assert done.seen.path[-1][k] == pytest.approx(float(parts[-1].mean() - began), abs=3e-5)


def test_moves_are_rounded_after_the_unit_step():
    clock, slopes = Clock(5, 4, done=3), [torch.randn(2, 6, 3, generator=generator(0, "s"))]
    rounded, exact = moves(RULES[0], slopes, [], clock, thermal([0, 1]))
    for k in range(2):
        g = slopes[0][k]
        wanted = -0.1 * g - 0.1 * 0.5 * (1 + math.tanh(-2 * (0.6 - 2))) * g / g.norm()
        torch.testing.assert_close(exact[0][k], wanted)
    assert torch.equal(rounded[0], quantise(exact[0], resolution(0.6)))
    bare, same = moves(without_quantum(RULES[0]), slopes, [], clock, thermal([0, 1]))
    assert torch.equal(bare[0], exact[0]) and torch.equal(same[0], exact[0])


def test_a_schedule_falls_and_momentum_is_that_of_pytorch():
    rule, clock = Rule(rate=0.2, momentum=0.9, cosine=True), Clock(5, 4)
    weights = nn.Parameter(torch.zeros(3, 2))
    peer = torch.optim.SGD([weights], 0.2, momentum=0.9)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(peer, 20)
    ours, state = torch.zeros(1, 3, 2), []
    for n in range(20):
        weights.grad = torch.randn(3, 2, generator=generator(n, "g"))
        ours += moves(rule, [weights.grad[None]], state, clock, thermal([0]))[0][0]
        peer.step()
        falls.step()
        clock.done += 1
    torch.testing.assert_close(ours[0], weights.detach())


def test_noise_has_its_temperature_and_each_net_its_own():
    rule = Rule(rate=0.3, temperature=1e-3)
    added, _ = moves(rule, [torch.zeros(2, 300, 300)], [], Clock(5, 4), thermal([0, 1]))
    assert float(added[0].var()) == pytest.approx(2 * 0.3 * 1e-3, rel=0.02)
    assert not torch.equal(added[0][0], added[0][1])


def test_layers_are_linear_ones():
    parts, x = training.start((5, 4, 3), [0, 1]), torch.randn(2, 7, 5, generator=generator(0, "x"))
    for k in range(2):
        one = (x[k] @ parts[0][k] + parts[1][k]).relu() @ parts[2][k] + parts[3][k]
        torch.testing.assert_close(logits(parts, x)[k], one)


def test_what_is_seen_of_the_roundings():
    data, seeds = small(), [0, 1, 2]
    down = train(RULES[0], data, PLAN, seeds, watch=True).seen
    near = train(replace(RULES[0], rounding="nearest"), data, PLAN, seeds, watch=True).seen
    assert np.abs(down.mean + 0.5).max() < 0.03 and np.abs(near.mean).max() < 0.03
    assert np.abs(down.ratio - 1).max() < 0.05 and np.abs(down.lag).max() < 0.05
    times = np.arange(20) / 5
    assert down.halves[-1] == pytest.approx(sum(0.5 / resolution(t) for t in times))
    assert np.abs(down.path[-1] / down.halves[-1] + 1).max() < 0.4
    assert np.abs(near.path[-1]).max() < 0.4 * down.halves[-1]
    assert (down.variance > 0).all() and down.quantum.tolist() == [1 / resolution(2), 1 / resolution(3)]
    assert ((down.below > 0) & (down.below < 0.1)).all()


def test_every_arm_has_as_many_settings():
    assert {len(rules) for rules in GRIDS.values()} == {5}
    assert all(len(set(rules)) == 5 for rules in GRIDS.values())


def test_variance_after_rounding():
    """Against a million draws; a fine grid adds Δ²/12, a coarse one keeps nothing, or Δ²/4 if down."""
    x = torch.randn(1_000_000, generator=generator(0, "x"), dtype=torch.float64)
    for rounding in ("nearest", "down"):
        for quantum in (1.0, 3.0):
            mean, variance = rounded_variance(quantum, rounding)
            found = quantise(x, 1 / quantum, rounding)
            assert float(found.var()) == pytest.approx(variance[0], rel=0.01)
            assert float(found.mean()) == pytest.approx(quantum * mean[0], abs=0.01)
    assert rounded_variance(0.5)[1][0] == pytest.approx(1 + 0.25 / 12, rel=1e-9)
    assert rounded_variance(30.0)[1][0] < 1e-20
    assert rounded_variance(30.0, "down")[1][0] == pytest.approx(225)


def test_walkers_leave_by_heat_and_not_by_rounding():
    walk = Walk(walkers=400, steps=1500)
    hot = escaped(replace(walk, langevin=True), 0)
    assert 0.3 < hot < gibbs_share() and escaped(walk, 0) == 0
    assert (
        abs(escaped(replace(walk, quantum="published"), 0) - escaped(replace(walk, quantum="transient"), 0)) < 0.01
    )
    left, right = by_quantum(walk, [2.0], "down", [0])[0]
    assert left > 0.95 and right == 0
    weight = [quad(lambda x: math.exp(-((x * x - 1) ** 2 / 4 + x / 10) / 0.1), a, a + 4)[0] for a in (-4, 0)]
    assert gibbs_share() == pytest.approx(weight[0] / sum(weight), abs=1e-4)
