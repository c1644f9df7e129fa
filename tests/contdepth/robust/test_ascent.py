"""The comparison of ascents against PGD and YOPO."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_images import batch, plain
from torch.nn.functional import cross_entropy

from contdepth.robust.methods.baselines import PGDTraining
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.ascent import compare_ascents, pinned
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator

THREAT = Threat("1/5")


def test_with_an_affine_layer_one_step_and_the_inner_loop_are_one_way():
    model, (x, y) = plain(torch.float64), batch(dtype=torch.float64)
    start = THREAT.start(x, generator(0, "start"))
    found = compare_ascents(model, "conv1", x, y, start, THREAT, steps=3, inner_steps=5, step_size=0.01)
    assert np.array_equal(found.equal, np.ones(3)) and float(found.difference.max()) < 1e-12
    assert float((found.deltas["one step"] - found.deltas["inner loop"]).abs().max()) < 1e-12
    np.testing.assert_allclose(found.losses["one step"], found.losses["inner loop"], rtol=1e-12)
    assert not torch.equal(found.deltas["one step"], found.deltas["true gradients"])


@pytest.mark.parametrize("threat", [THREAT, Threat("1", norm="l2")], ids=str)
def test_each_way_by_hand(threat):
    """True gradients are PGD; the inner loop is YOPO's; one step is PGD with steps of nσ. A ReLU parts them."""
    model, (x, y) = plain(torch.float64), batch(count=12, dtype=torch.float64)
    start = threat.start(x, generator(0, "start"))
    m, n, sigma = 3, 6, 0.03
    found = compare_ascents(model, "relu1", x, y, start, threat, steps=m, inner_steps=n, step_size=sigma)

    def pgd(delta, steps, size):
        losses = []
        for _ in range(steps):
            leaf = delta.clone().requires_grad_()
            loss = cross_entropy(model(x + leaf), y)
            losses.append(loss.item())
            delta = threat.project(delta + size * threat.direction(torch.autograd.grad(loss, leaf)[0]), x)
        return delta, [*losses, cross_entropy(model(x + delta), y).item()]

    for way, steps, size, every in (("true gradients", m * n, sigma, n), ("one step", m, n * sigma, 1)):
        delta, losses = pgd(start, steps, size)
        assert float((found.deltas[way] - delta).abs().max()) < 1e-10
        np.testing.assert_allclose(found.losses[way], losses[::every], rtol=1e-10)
    options = {"steps": m, "inner_steps": n, "step_size": sigma, "inner": "plain"}
    yopo = YOPO(model, first_layer="relu1", threat=threat, **options).gradients(x, y, start)
    assert float((found.deltas["inner loop"] - yopo.delta).abs().max()) < 1e-10
    assert float(found.difference.max()) > 1e-4 and float(found.equal.min()) < 1
    assert bool((found.equal_free <= found.equal + 1e-12).all()) and float(found.equal_free.min()) < 1
    for way in found.losses:
        assert len(found.losses[way]) == m + 1 and found.losses[way][-1] > found.losses[way][0]
        assert float(threat.size(found.deltas[way]).max()) <= threat.radius * (1 + 1e-9)


def test_true_gradients_are_those_of_pgd_training():
    model, (x, y) = plain(torch.float64), batch(dtype=torch.float64)
    start = THREAT.start(x, generator(0, "start"))
    found = compare_ascents(model, "relu1", x, y, start, THREAT, steps=2, inner_steps=4, step_size=0.02)
    trained = PGDTraining(model, threat=THREAT, steps=8, step_size="1/50").gradients(x, y, start)
    assert float((found.deltas["true gradients"] - trained.delta).abs().max()) < 1e-12
    assert found.losses["true gradients"][-1] == pytest.approx(trained.loss, rel=1e-12)


def test_equality_is_counted_by_pixel():
    """The first pass by hand, from one plain inner loop and one big step; free pixels sit at no bound."""
    model, (x, y) = plain(torch.float64), batch(count=12, dtype=torch.float64)
    start, n, sigma = THREAT.start(x, generator(0, "start")), 6, 0.03
    found = compare_ascents(model, "relu1", x, y, start, THREAT, steps=1, inner_steps=n, step_size=sigma)
    options = {"steps": 1, "inner_steps": n, "step_size": sigma, "inner": "plain"}
    looped = YOPO(model, first_layer="relu1", threat=THREAT, **options).gradients(x, y, start).delta
    single = PGDTraining(model, threat=THREAT, steps=1, step_size=n * sigma).gradients(x, y, start).delta
    same = (looped - single).abs() < 1e-6
    free = torch.ones_like(same)
    for place in range(same.numel()):
        at = [
            abs(abs(float(d.flatten()[place])) - 0.2) < 1e-6
            or not 1e-6 < float((x + d).flatten()[place]) < 1 - 1e-6
            for d in (looped, single)
        ]
        free.view(-1)[place] = not all(at)
    assert 0 < int(free.sum()) < free.numel() and 0 < int(same[free].sum()) < int(free.sum())
    assert found.equal[0] == pytest.approx(int(same.sum()) / same.numel())
    assert found.equal_free[0] == pytest.approx(int(same[free].sum()) / int(free.sum()))
    assert found.difference[0] == pytest.approx(float((looped - single).abs().max()))
    edge = torch.tensor([[0.2, -0.2, 0.1, 0.1, -0.3]]), torch.tensor([[0.5, 0.5, 0.5, 0.9, 0.3]])
    assert pinned(*edge, THREAT).tolist() == [[True, True, False, True, True]]


def test_ascents_leave_the_weights_alone():
    model, (x, y) = plain(), batch()
    compare_ascents(model, "relu1", x, y, 0 * x, THREAT, steps=1, inner_steps=1, step_size=0.1)
    assert all(p.grad is None for p in model.parameters())
    for change in ({"steps": 0}, {"inner_steps": 0}):
        with pytest.raises(ValueError, match=next(iter(change))):
            compare_ascents(
                model, "relu1", x, y, 0 * x, THREAT, **{"steps": 1, "inner_steps": 1, "step_size": 0.1, **change}
            )
