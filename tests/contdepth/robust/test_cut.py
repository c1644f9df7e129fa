"""The cut behind the first layer: what runs, where gradients end, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from small_images import batch, hooked, plain
from torch import nn
from torch.nn.functional import cross_entropy

from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.inner_loop import InnerLoop


class Scaled(nn.Module):
    """Normalises pixels outside any module, then runs a block twice as deep as its name."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
        self.unused = nn.Linear(2, 2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(108, 10))

    def forward(self, x):
        return self.head(self.block((x - 0.3) / 0.7))


def test_cut_is_the_chain_of_modules_up_to_the_name():
    x, _ = batch()
    model = plain()
    for name, count in (("conv1", 1), ("relu1", 2), ("pool1", 5), ("fc2", 11)):
        assert torch.equal(Cut(model, name)(x), model[:count](x))
    scaled = Scaled()
    for name in ("block", "block.1"):
        assert torch.equal(Cut(scaled, name)(x), scaled.block((x - 0.3) / 0.7))
    assert not hooked(model, scaled)


def test_cut_ends_the_forward_pass_there():
    ran = []
    model = plain()
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, i, o, name=name: ran.append(name))
    Cut(model, "relu1")(batch()[0])
    assert ran == ["conv1", "relu1"]


@pytest.mark.parametrize("name", ["conv1", "relu1", "pool1"])
def test_detached_gives_slack_and_weight_gradients_of_the_rest_alone(name):
    model, (x, y) = plain(torch.float64), batch(dtype=torch.float64)
    count = list(dict(model.named_children())).index(name) + 1
    first, rest = model[:count], model[count:]
    state = first(x).detach().requires_grad_()
    cross_entropy(rest(state), y).backward()
    wanted = {key: p.grad.clone() for key, p in rest.named_parameters()}
    slack = state.grad.clone()
    model.zero_grad()
    with Cut(model, name).detached() as found:
        loss = cross_entropy(model(x), y)
        loss.backward()
    assert torch.equal(found["state"].grad, slack) and torch.equal(found["output"], first(x))
    assert all(p.grad is None for p in first.parameters())
    assert all(torch.equal(dict(rest.named_parameters())[key].grad, g) for key, g in wanted.items())
    found["output"].backward(slack)
    joined = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    cross_entropy(model(x), y).backward()
    for a, p in zip(joined, model.parameters(), strict=True):
        assert torch.allclose(a, p.grad, rtol=1e-10, atol=0)
    assert not hooked(model)


def test_a_full_pass_gives_the_derivatives_of_the_loss():
    model, (x, y) = plain(torch.float64), batch(count=2, dtype=torch.float64)
    delta = torch.full_like(x, 0.01)
    one = InnerLoop(Cut(model, "relu1")).full_pass(
        model, lambda logits: cross_entropy(logits, y, reduction="sum"), x, delta, weights=False
    )
    slack, gradient = one.slack, one.input_gradient()
    assert torch.equal(one.logits, model(x + delta).detach()) and torch.equal(one.output, model[:2](x + delta))
    with torch.no_grad():
        state, step = model[:2](x + delta), torch.zeros_like(slack)
        step[1, 2, 3, 3] = 1e-6
        up, down = (cross_entropy(model[2:](state + s * step), y, reduction="sum") for s in (1, -1))
        bump = torch.zeros_like(x)
        bump[0, 0, 4, 4] = 1e-6
        more, less = (cross_entropy(model(x + delta + s * bump), y, reduction="sum") for s in (1, -1))
    assert float(slack[1, 2, 3, 3]) == pytest.approx(float(up - down) / 2e-6, rel=1e-5, abs=1e-8)
    assert float(gradient[0, 0, 4, 4]) == pytest.approx(float(more - less) / 2e-6, rel=1e-5, abs=1e-8)
    assert all(p.grad is None for p in model.parameters())


def test_leaves_tell_what_ran_and_what_came_between():
    x, _ = batch()
    model = plain()
    assert Cut(model, "relu1").leaves(x) == [(model.conv1, True), (model.relu1, True)]
    scaled = Scaled()
    assert Cut(scaled, "block").leaves(x) == [(scaled.block[0], False), (scaled.block[1], True)]
    assert not hooked(model, scaled)

    class Outside(nn.Sequential):
        def forward(self, x):
            return super().forward(x).relu()

    tail = nn.Sequential(Outside(nn.Conv2d(1, 2, 3)), nn.Flatten())
    assert Cut(tail, "0").leaves(x) == [(tail[0][0], True), (tail[0], False)]


@pytest.mark.parametrize(("layer", "refused"), [
    (nn.BatchNorm2d(1), True), (nn.Dropout(0.1), True), (nn.Identity(), False), (nn.GroupNorm(1, 1), False),
])  # fmt: skip
def test_check_refuses_random_or_counting_first_layers_in_training_mode(layer, refused):
    x, _ = batch()
    model = nn.Sequential(layer, nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model.train()
    if refused:
        with pytest.raises(ValueError, match="first_layer.*training mode.*eval mode"):
            Cut(model, "1").check(x)
    else:
        Cut(model, "1").check(x)
    with pytest.raises(ValueError, match="BatchNorm2d"):
        Cut(nn.Sequential(*model[1:]).train(), "2").check(x)
    Cut(model.eval(), "3").check(x)


def test_affine_knows_bends_however_small_the_layer():
    x, _ = batch(dtype=torch.float64)
    for scale in (1e-6, 1.0, 1e6):
        conv = nn.Conv2d(1, 2, 3).double()
        with torch.no_grad():
            conv.weight.mul_(scale)
            conv.bias.mul_(scale)
        assert Cut(nn.Sequential(conv, nn.ReLU()), "0").affine(x)
        assert not Cut(nn.Sequential(conv, nn.ReLU()), "1").affine(x)
    assert Cut(nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(2)), "1").affine(x.float())
    assert not Cut(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)), "1").affine(x.float())


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x)).flatten(1)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def test_cut_errors():
    x, _ = batch()
    for name, error in (("conv9", ValueError), ("", ValueError), (1, TypeError), (None, TypeError)):
        with pytest.raises(error, match="first_layer"):
            Cut(plain(), name)
    with pytest.raises(ValueError, match="'conv1'"):
        Cut(plain(), "typo")
    twice = Twice()
    with pytest.raises(ValueError, match="ran twice"), Cut(twice, "conv").detached():
        twice(x)
    assert not hooked(twice)
    scaled = Scaled()
    with pytest.raises(ValueError, match="never reached"):
        Cut(scaled, "unused")(x)
    with pytest.raises(ValueError, match="never reached"), Cut(scaled, "unused").detached():
        scaled(x)
    pair = nn.Sequential(Pair())
    with pytest.raises(ValueError, match="one tensor.*tuple"), Cut(pair, "0").detached():
        pair(x)
    assert not hooked(scaled, pair)
