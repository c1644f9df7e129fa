"""Nets with discrete weights side by side: co-states by hand against backprop, rules, and trainings that go on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, cross_entropy, relu

from contdepth.seeds import generator
from contdepth.studies.control.discrete import oracles
from contdepth.studies.control.discrete.contest import GRIDS, rounded
from contdepth.studies.control.discrete.members import Members, accuracies, squared_hinge, sweep
from contdepth.studies.control.discrete.oracles import missed, slope_error
from contdepth.studies.control.discrete.pieces import ARMS, trained_arm
from contdepth.studies.control.discrete.rules import Adam, BinaryConnect, Discrete, FullPrecision
from contdepth.studies.control.discrete.training import Images, Plan, images, train

SIZES = (5, 7, 6, 4)


def noise(*shape: int, purpose: str) -> Tensor:
    return torch.randn(*shape, generator=generator(7, purpose), dtype=torch.float64)


def nets(count: int = 2) -> Members:
    pairs = list(enumerate(zip(SIZES, SIZES[1:], strict=False)))
    weights = [noise(count, *pair, purpose=f"w{t}") for t, pair in pairs]
    scales = [1 + 0.3 * noise(count, 1, pair[1], purpose=f"s{t}") for t, pair in pairs]
    offsets = [0.3 * noise(count, 1, pair[1], purpose=f"o{t}") for t, pair in pairs]
    return Members(weights, scales, offsets)


def by_torch(nets: Members, member: int, x: Tensor, y: Tensor, loss: str) -> Tensor:
    """The loss of one net from PyTorch's own norm and losses."""
    for t, weight in enumerate(nets.weights):
        scale, offset = nets.scales[t][member, 0], nets.offsets[t][member, 0]
        x = batch_norm(x @ weight[member], None, None, scale, offset, training=True, eps=1e-4)
        x = x if t == len(nets.weights) - 1 else relu(x)
    if loss == "cross-entropy":
        return cross_entropy(x, y)
    signs = 2 * torch.eye(SIZES[-1], dtype=x.dtype)[y] - 1
    return relu(1 - x * signs).square().mean()


@pytest.mark.parametrize("loss", ["squared hinge", "cross-entropy"])
def test_slopes_by_hand_are_those_of_backprop(loss):
    members = nets()
    x, y = noise(2, 9, 5, purpose="x"), torch.arange(18).view(2, 9) % 4
    for part in members.everything():
        part.requires_grad_()
    expected = [by_torch(members, k, x[k], y[k], loss) for k in range(2)]
    gradients = torch.autograd.grad(sum(expected), members.everything())
    with torch.no_grad():
        found = sweep(members, x, y, loss)
    torch.testing.assert_close(found.losses, torch.stack(expected), rtol=1e-13, atol=0)
    for slope, gradient in zip(found.slopes, gradients, strict=True):
        assert float((slope + gradient).norm() / gradient.norm()) < 1e-12


def test_moments_of_the_learning_part_judge():
    members = nets()
    train_x, x, y = noise(30, 5, purpose="t"), noise(8, 5, purpose="x"), torch.arange(8) % 4
    found = accuracies(members, train_x, x, y)
    for k in range(2):
        here, there = train_x, x
        for t, weight in enumerate(members.weights):
            z, w = here @ weight[k], there @ weight[k]
            extra = {"weight": members.scales[t][k, 0], "bias": members.offsets[t][k, 0], "eps": 1e-4}
            moments = z.mean(0), z.var(0, correction=0)
            here, there = (batch_norm(part, *moments, **extra) for part in (z, w))
            if t < 2:
                here, there = relu(here), relu(there)
        assert found[k] == (there.argmax(1) == y).double().mean()


def test_the_hinge_is_nothing_where_every_margin_is_one():
    final = torch.tensor([[[1.0, -1.0], [-2.0, 1.5]]])
    value, slope = squared_hinge(final, torch.tensor([[0, 1]]))
    assert value == 0 and not slope.any()


def test_adam_is_that_of_pytorch():
    ours, theirs = noise(3, 2, purpose="a"), torch.nn.Parameter(noise(3, 2, purpose="a"))
    adam, other = Adam([ours]), torch.optim.Adam([theirs], lr=0.05)
    for n in range(1, 6):
        slope = noise(3, 2, purpose=f"slope {n}")
        theirs.grad = -slope
        other.step()
        adam.step([ours], [slope], 0.05, n)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=0)


def test_binary_connect_computes_with_signs_and_stays_in_its_box():
    rule = BinaryConnect(0.9)
    weights, state = rule.start([(3, 4)], [0, 1])
    for n in range(1, 5):
        rule.move(weights, state, [torch.ones(2, 3, 4)], n, 0, 400)
    assert torch.equal(weights[0], torch.ones(2, 3, 4))
    weights[0][0, 0, 0] = 0
    assert set(rule.visible(weights)[0].unique().tolist()) == {1.0}


def spots() -> Images:
    """Ten classes, each with its own bright pixel out of twelve."""
    y = torch.arange(200) % 10
    x = 0.3 * torch.randn(200, 12, generator=generator(0, "spots"))
    x[torch.arange(200), y] += 2
    return Images(x[:150], y[:150], x[150:], y[150:])


PLAN = Plan((24, 24), epochs=12, batch=25)


@pytest.mark.parametrize(
    "rule", [Discrete(), Discrete("ternary", 0.25, 0.99, 1e-5), FullPrecision(0.01), BinaryConnect(0.03)], ids=repr
)
def test_every_rule_learns(rule):
    done = train(rule, spots(), PLAN, [0, 1])
    assert done.accuracy.min() > 0.85
    assert done.losses.shape == done.flips.shape == (12, 2)
    values = set(done.nets.weights[0].unique().tolist())
    if type(rule) is not FullPrecision:
        assert values <= {-1.0, 0.0, 1.0}
        assert (0.0 in values) == (rule != Discrete() and isinstance(rule, Discrete))


def test_a_mean_that_starts_at_nothing_empties_a_ternary_net_unless_it_is_corrected():
    plain, corrected = (
        train(Discrete("ternary", 0.25, 0.999, 2e-4, corrected=how), spots(), PLAN, [0]) for how in (False, True)
    )
    assert plain.non_zero[0] == 0
    assert 0.05 < corrected.non_zero[0] < 0.9 and corrected.accuracy[0] > 0.85


def test_a_net_hangs_on_its_own_seed_alone():
    pair, alone = (train(Discrete(), spots(), PLAN, seeds) for seeds in ([3, 4], [4]))
    assert torch.equal(pair.nets.weights[1][1], alone.nets.weights[1][0])


def test_a_training_goes_on_to_the_same_bits(tmp_path):
    whole = train(BinaryConnect(0.03), spots(), PLAN, [0])
    path = tmp_path / "run.pt"

    class Stop(Exception):
        pass

    class Stopping(BinaryConnect):
        def move(self, weights, state, slopes, n, epoch, total):
            if epoch == 7 and path.exists() and not go_on:
                raise Stop
            super().move(weights, state, slopes, n, epoch, total)

    go_on = False
    with pytest.raises(Stop):
        train(Stopping(0.03), spots(), PLAN, [0], checkpoint=path)
    go_on = True
    done = train(Stopping(0.03), spots(), PLAN, [0], checkpoint=path)
    assert torch.equal(done.nets.weights[0], whole.nets.weights[0])
    np.testing.assert_array_equal(done.losses, whole.losses)


def test_held_out_images_are_of_the_learning_part():
    whole, held = images("digits"), images("digits", held_out=True)
    assert len(held.x) + len(held.test_x) == len(whole.x)
    assert float(whole.x.double().mean()) == pytest.approx(0, abs=1e-6)
    assert not torch.equal(held.test_y[:40], whole.test_y[:40])


def test_oracles_agree_and_notice_a_wrong_rule(monkeypatch):
    assert slope_error((16, 8), 20) < 1e-12
    assert missed(3, (2, 2)) == 0
    monkeypatch.setattr(oracles, "ternary_update", lambda old, *_: -old)
    assert missed(3, (2, 2)) > 0


def test_the_signs_of_a_net_are_judged_with_moments_of_their_own():
    data = spots()
    done = train(FullPrecision(0.01), data, PLAN, [0])
    signs = [weight.sign() for weight in done.nets.weights]
    nets = Members(signs, done.nets.scales, done.nets.offsets)
    assert rounded(done, data)[0] == accuracies(nets, data.x, data.test_x, data.test_y).numpy()[0]


def test_arms_have_equally_many_settings():
    assert {len(grid) for grid in GRIDS.values()} == {4}
    assert all(len(set(grid)) == 4 for grid in GRIDS.values())


def test_a_piece_gives_what_the_page_asks_for(tmp_path):
    small = {"dataset": "digits", "hidden": (8,), "epochs": 2, "batch": 50, "learn": 200}
    found = [trained_arm(arm=arm, seed=0, checkpoint=tmp_path / arm, **small) for arm in ARMS]
    assert [len(one["losses"]) for one in found] == [2, 2, 2]
    assert found[0]["same"] == found[2]["same"] and found[0]["non_zero"] == 100.0
    again = trained_arm(arm="ternary", seed=0, checkpoint=tmp_path / "ternary", **small)
    assert again["accuracy"] == found[1]["accuracy"]
