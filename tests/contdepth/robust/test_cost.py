"""Cost formulas against counted operations, the cut, the threat's geometry, and the comparison of ascents."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust.methods.baselines import FGSMRS, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.methods.method import Natural
from contdepth.robust.methods.trades import TRADES, TRADESYOPO
from contdepth.robust.threat import Threat, budget
from contdepth.robust.yopo.ascent import compare_ascents, pinned
from contdepth.robust.yopo.cost import (
    count_forwards,
    first_layer_share,
    limit,
    multiply_adds,
    pgd_cost,
    yopo_cost,
)
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.inner_loop import InnerLoop
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.studies.yopo.contest import little_cnn
from contdepth.studies.yopo.reference import reference_gradients
from contdepth.timing import cpu_seconds, gpu_seconds

THREAT = Threat("1/5")


def batch(count=4, size=8, dtype=torch.float32, seed=3):
    source = generator(seed, "test")
    x = (1.2 * torch.rand(count, 1, size, size, generator=source, dtype=dtype) - 0.1).clamp(0, 1)
    return x, torch.randint(10, (count,), generator=source)


def hooked(*models):
    """Whether any module of ``models`` has a forward hook."""
    handles = [module.register_forward_hook(lambda *_: None) for model in models for module in model.modules()]
    hooks = [handle.hooks_dict_ref() for handle in handles]
    for handle in handles:
        handle.remove()
    return any(hooks)


def plain(dtype=torch.float32):
    return little_cnn(1, 8, width=4, hidden=12, seed=1).to(dtype).eval()


# Cost ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("n", [1, 10])
def test_yopo_cost_counts_what_runs(m, n):
    """Multiply-adds of a step by PyTorch's counter, over those of a forward pass."""
    model, (x, y) = SmallCNN(size=28, channels=(8, 8, 8, 8), hidden=20).eval(), batch(size=28)
    share = first_layer_share(model, "relu1", x)
    forward = multiply_adds(model, x)
    method = YOPO(
        model, first_layer="relu1", threat=THREAT, steps=m, inner_steps=n, step_size="1/50", inner="plain"
    )
    method.gradients(x, y)
    with FlopCounterMode(display=False) as counter:
        method.gradients(x, y)
    assert share > 0.05
    assert counter.get_total_flops() / 2 / len(x) / forward == pytest.approx(yopo_cost(m, n, share), rel=1e-9)


@pytest.mark.parametrize("clean", [False, True])
def test_pgd_cost_counts_what_runs(clean):
    """The formula leaves out that a pass for the weights needs no gradient of the image: s for each of them."""
    model, (x, y) = SmallCNN(size=28, channels=(8, 8, 8, 8), hidden=20).eval(), batch(size=28)
    share = first_layer_share(model, "relu1", x)
    method = PGDTraining(model, threat=THREAT, steps=4, step_size="1/50", clean_weight=float(clean))
    method.gradients(x, y)
    with FlopCounterMode(display=False) as counter:
        method.gradients(x, y)
    found = counter.get_total_flops() / 2 / len(x) / multiply_adds(model, x)
    assert found == pytest.approx(pgd_cost(4, clean=clean) - share * (2 if clean else 1), rel=1e-9)


def test_official_and_untrimmed_costs():
    assert yopo_cost(5, 10, 0) == 15 and yopo_cost(5, 3, 0.5) == 15 + 15
    assert yopo_cost(5, 10, 0.01, official=True) - yopo_cost(5, 10, 0.01) == pytest.approx(1 + 0.05)
    assert pgd_cost(40) == 83 and pgd_cost(10, clean=True) == 26
    assert pgd_cost(10, trimmed=False) == 33 and pgd_cost(10, clean=True, trimmed=False) == 36


def test_limit_is_the_ratio_without_a_first_layer():
    assert limit(40, 5) == Fraction(83, 15) and limit(10, 5) == Fraction(23, 15)
    for r, m, n in ((40, 5, 10), (10, 5, 3), (7, 2, 9)):
        assert float(limit(r, m)) == pytest.approx(pgd_cost(r) / yopo_cost(m, n, 0))
        assert float(limit(r, m)) > pgd_cost(r) / yopo_cost(m, n, 0.02)


def test_first_layer_share_of_the_papers_networks():
    x, _ = batch(count=2, size=28)
    model = SmallCNN().eval()
    first = 26 * 26 * 32 * 9
    rest = 24 * 24 * 32 * 32 * 9 + 10 * 10 * 64 * 32 * 9 + 8 * 8 * 64 * 64 * 9
    linear = 1024 * 200 + 200 * 200 + 200 * 10
    assert multiply_adds(model, x) == first + rest + linear
    assert first_layer_share(model, "conv1", x) == first_layer_share(model, "relu1", x)
    assert first_layer_share(model, "conv1", x) == pytest.approx(first / (first + rest + linear))
    assert 0.019 < first / (first + rest + linear) < 0.020


M, N = 3, 4
YOPO_OPTIONS = {"threat": THREAT, "steps": M, "inner_steps": N, "step_size": "1/50"}


@pytest.mark.parametrize(("make", "expected"), [
    (Natural, (1, 1)),
    (lambda m: PGDTraining(m, threat=THREAT, steps=7, step_size="1/9"), (8, 8)),
    (lambda m: PGDTraining(m, threat=THREAT, steps=7, step_size="1/9", clean_weight=1), (9, 9)),
    (lambda m: SummedPGD(m, threat=THREAT, steps=7, step_size="1/9"), (7, 7)),
    (lambda m: FGSMRS(m, threat=THREAT), (2, 2)),
    (lambda m: FreeTraining(m, threat=THREAT, replays=8), (1, 1)),
    (lambda m: YOPO(m, first_layer="relu1", inner="plain", **YOPO_OPTIONS), (M, M * (N + 2))),
    (lambda m: YOPO(m, first_layer="conv1", inner="plain", **YOPO_OPTIONS), (M, M * (N + 2))),
    (lambda m: YOPO(m, first_layer="conv1", inner="closed", **YOPO_OPTIONS), (M, M * 2)),
    (lambda m: TRADES(m, threat=THREAT, steps=5, step_size="1/9"), (8, 8)),
    (lambda m: TRADESYOPO(m, first_layer="relu1", inner="plain", **YOPO_OPTIONS), (M + 3, M * (N + 1) + 3)),
])  # fmt: skip
def test_forward_passes(make, expected):
    method = make(plain())
    name = method.loop.cut.name if hasattr(method, "loop") else "conv1"
    assert count_forwards(method, name, *batch()) == expected
    assert not hooked(method.model)


def test_inner_steps_in_a_kernel_run_no_layer():
    pytest.importorskip("numba")
    method = YOPO(plain(), first_layer="relu1", inner="fused", **YOPO_OPTIONS)
    assert count_forwards(method, "relu1", *batch()) == (M, 2 * M)


def test_cpu_seconds_interleaves_after_a_warm_up_and_takes_the_median(monkeypatch):
    order, clock = [], [0.0]
    lengths = {"a": iter([50, 1, 9, 2]), "b": iter([60, 4, 3, 8])}

    def task(name):
        order.append(name)
        clock[0] += next(lengths[name])

    monkeypatch.setattr(time, "process_time", lambda: clock[0])
    found = cpu_seconds({"a": lambda: task("a"), "b": lambda: task("b")}, rounds=3)
    assert order == ["a", "b"] * 4 and found == {"a": 2, "b": 4}


@pytest.mark.parametrize("call", [
    lambda: yopo_cost(0, 1, 0.1),
    lambda: yopo_cost(1, 0, 0.1),
    lambda: yopo_cost(1, 1, 1.1),
    lambda: yopo_cost(1, 1, -0.1),
    lambda: pgd_cost(0),
    lambda: limit(0, 1),
    lambda: limit(1, 0),
    lambda: cpu_seconds({}, 0),
])  # fmt: skip
def test_bad_counts(call):
    with pytest.raises(ValueError, match="expected"):
        call()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_gpu_seconds_names_the_other_function():
    with pytest.raises(RuntimeError, match="use cpu_seconds"):
        gpu_seconds({})


# The cut ---------------------------------------------------------------------------------------------------------


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


# Ascents ---------------------------------------------------------------------------------------------------------


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


# The algorithm in plain autograd ---------------------------------------------------------------------------------


def test_reference_with_one_step_is_the_gradient_of_two_frozen_parts():
    """m = n = 1: the rest's gradient at the old δ, and the first layer's gradient of ⟨p, f_0⟩ at the new δ."""
    model, (x, y) = plain(torch.float64), batch(dtype=torch.float64)
    first, rest = model[:2], model[2:]
    start = THREAT.start(x, generator(0, "start"))
    state = first(x + start).detach().requires_grad_()
    slack, *deep = torch.autograd.grad(cross_entropy(rest(state), y), [state, *rest.parameters()])
    point = start.clone().requires_grad_()
    ascent = torch.autograd.grad((slack * first(x + point)).sum(), point)[0].sign()
    delta = (x + (start + 0.05 * ascent).clamp(-0.2, 0.2)).clamp(0, 1) - x
    shallow = torch.autograd.grad((slack * first(x + delta)).sum(), list(first.parameters()))
    options = {"steps": 1, "inner_steps": 1, "step_size": 0.05}
    for restore in ("copy", "reference"):
        model.zero_grad()
        last = reference_gradients(first, rest, x, y, start, THREAT, restore=restore, **options)
        assert float((last - delta).abs().max()) < 1e-12
        for p, g in zip(model.parameters(), [*shallow, *deep], strict=True):
            assert torch.allclose(p.grad, g, rtol=1e-10, atol=1e-14)
    copied = [p.grad.clone() for p in first.parameters()]
    reference_gradients(first, rest, x, y, start, THREAT, restore="copy", **options)
    for p, g in zip(first.parameters(), copied, strict=True):
        assert torch.allclose(p.grad, 2 * g, rtol=1e-10, atol=1e-14), "earlier gradients stay and add up"
    with pytest.raises(ValueError, match="restore"):
        reference_gradients(first, rest, x, y, start, THREAT, restore="none", **options)


# The threat ------------------------------------------------------------------------------------------------------

NORMS = st.sampled_from(["linf", "l2"])
RADII = st.fractions(min_value=Fraction(1, 255), max_value=1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(NORMS, RADII, st.floats(0.01, 30), st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]))
def test_projection_lies_in_ball_and_box_and_stays(norm, radius, size, seed, dtype):
    threat = Threat(radius, norm)
    source = torch.Generator().manual_seed(seed)
    x = (1.4 * torch.rand(3, 2, 4, 5, generator=source) - 0.2).clamp(0, 1).to(dtype)
    delta = size * torch.randn(x.shape, generator=source).to(dtype)
    found = threat.project(delta, x)
    slack = 1e-6 if dtype == torch.float32 else 1e-14
    point = x + found
    assert float(threat.size(found).max()) <= threat.radius * (1 + slack) + slack
    assert float(point.min()) >= 0 and float(point.max()) <= 1
    assert found.dtype == dtype
    assert float((threat.project(found, x) - found).abs().max()) <= 4 * slack
    inside = threat.project(0.999 * found, x)
    assert float((inside - 0.999 * found).abs().max()) <= 4 * slack, "inside the threat nothing moves"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(NORMS, st.integers(0, 10**6))
def test_projection_on_the_ball_is_the_nearest_point(norm, seed):
    """For images in the middle of a wide box: no other point of the ball is nearer."""
    threat = Threat("1/20", norm)
    source = torch.Generator().manual_seed(seed)
    x = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64)
    delta = 0.1 * torch.randn(x.shape, generator=source, dtype=torch.float64)
    found = threat.project(delta, x)
    for _ in range(10):
        other = threat.start(x, source)
        near, far = ((delta - one).flatten(1).norm(dim=1) for one in (found, other))
        assert bool((near <= far + 1e-12).all())


def test_linf_projection_is_the_nearest_point_of_ball_and_box():
    x = torch.tensor([[0.0, 0.1, 0.5, 0.95, 1.0]], dtype=torch.float64)
    delta = torch.tensor([[-0.3, -0.15, 0.5, 0.3, 0.1]], dtype=torch.float64)
    expected = torch.tensor([[0.0, -0.1, 0.2, 0.05, 0.0]], dtype=torch.float64)
    assert float((THREAT.project(delta, x) - expected).abs().max()) < 1e-15


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_is_inside_and_uniform(norm):
    """In d dimensions the share of starts within t·ε is t^d; every coordinate is symmetric around 0."""
    threat = Threat("1/10", norm)
    x = torch.full((20000, 1, 1, 3), 0.5)
    sizes = threat.size(threat.start(x, generator(0, "start"))) / threat.radius
    assert float(sizes.max()) <= 1 + 1e-6
    for t in (0.3, 0.5, 0.8, 0.95):
        assert float((sizes <= t).double().mean()) == pytest.approx(t**3, abs=0.012)
    delta = threat.start(x, generator(0, "start"))
    assert float(delta.mean(0).abs().max()) < 0.002
    assert torch.equal(delta, threat.start(x, generator(0, "start")))
    assert not torch.equal(delta, threat.start(x, generator(1, "start")))
    edge = torch.randint(2, x.shape, generator=generator(0, "edge")).float()
    clipped = edge + threat.start(edge, generator(0, "start"))
    assert float(clipped.min()) >= 0 and float(clipped.max()) <= 1
    assert threat.start(x[:2].double(), generator(0, "s")).dtype == torch.float64


def test_direction_is_the_steepest_of_unit_size():
    gradient = torch.randn(5, 2, 3, 3, generator=generator(0, "g"), dtype=torch.float64)
    gradient[0, 0, 0, 0] = 0
    other = torch.randn(200, *gradient.shape, generator=generator(1, "g"), dtype=torch.float64)
    for norm, dual in (("linf", 1), ("l2", 2)):
        threat = Threat("1", norm)
        best = (gradient * threat.direction(gradient)).flatten(1).sum(1)
        assert torch.allclose(best, gradient.flatten(1).norm(dual, dim=1))
        for one in other:
            unit = one / threat.size(one).view(-1, 1, 1, 1)
            assert bool(((gradient * unit).flatten(1).sum(1) <= best + 1e-12).all())
        assert float(threat.direction(torch.zeros_like(gradient)).abs().max()) == 0
        assert torch.allclose(threat.size(threat.direction(gradient)), torch.ones(5, dtype=torch.float64))


def test_size_is_the_norm_of_each_image():
    delta = torch.tensor([[[[3.0, -4.0]]], [[[0.0, 0.5]]]])
    assert Threat("1/5").size(delta).tolist() == [4.0, 0.5]
    assert Threat("1/5", "l2").size(delta).tolist() == [5.0, 0.5]


def test_budgets_are_exact_fractions():
    assert Threat("8/255").epsilon == Fraction(8, 255) == Threat(Fraction(8, 255)).epsilon
    assert Threat(0.3).epsilon == Fraction(3, 10) and Threat("0.3") == Threat("3/10")
    assert Threat("8/255").radius == 8 / 255
    assert Threat(1).radius == 1 and Threat(8, "l2").radius == 8
    assert Threat("8/255").scaled(0.5) == Threat("4/255")
    assert Threat("2", "l2").scaled(1.25) == Threat("5/2", "l2")
    assert Threat("3/10").scaled(1 / 3).radius == pytest.approx(0.1)
    assert str(Threat("8/255")) == "l∞, ε = 8/255" and str(Threat(2, "l2")) == "l2, ε = 2"
    assert hash(Threat("8/255")) == hash(Threat("16/510"))


@pytest.mark.parametrize(("value", "error", "message"), [
    (None, ValueError, "none"),
    (8, ValueError, "at most 1"),
    ("8", ValueError, "at most 1"),
    (0, ValueError, "> 0"),
    ("-1/255", ValueError, "> 0"),
    ("eight", ValueError, "fraction"),
    ("1/0", ValueError, "fraction"),
    (float("nan"), ValueError, "fraction"),
    (float("inf"), ValueError, "fraction"),
    (True, TypeError, "bool"),
    ([8], TypeError, "list"),
    (torch.tensor(0.1), TypeError, "Tensor"),
])  # fmt: skip
def test_bad_budgets(value, error, message):
    with pytest.raises(error, match=f"epsilon.*{message}.*8/255"):
        Threat(value)
    if value not in (8, "8"):
        with pytest.raises(error, match="radius"):
            budget("radius", value)


def test_unknown_norm():
    with pytest.raises(ValueError, match="norm.*'linf', 'l2'"):
        Threat("1/5", "l1")
