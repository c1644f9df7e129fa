"""YOPO against the algorithm written out in plain autograd, and its first layer counted once."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from contdepth.nets.preact_resnet18 import PreActResNet18
from contdepth.robust.methods.trades import TRADESYOPO, divergence
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.cut import Cut
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.studies.yopo.contest import little_cnn
from contdepth.studies.yopo.reference import reference_gradients

M, N = 3, 4


def batch(count=6, size=10, dtype=torch.float64):
    source = generator(3, "test")
    x = torch.rand(count, 1, size, size, generator=source, dtype=dtype)
    return x, torch.arange(count) % 10


def grads(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def reference(model, count, x, y, delta, threat, sigma, restore="copy"):
    for p in model.parameters():
        p.grad = None
    first, rest = model[:count], model[count:]
    options = {"steps": M, "inner_steps": N, "step_size": sigma, "restore": restore}
    last = reference_gradients(first, rest, x, y, delta, threat, **options)
    return last, grads(model)


def ours(model, name, x, y, delta, threat, sigma, **options):
    for p in model.parameters():
        p.grad = None
    method = YOPO(model, first_layer=name, threat=threat, steps=M, inner_steps=N, step_size=sigma, **options)
    return method.gradients(x, y, delta).delta, grads(model)


def worst(a, b):
    assert a.keys() == b.keys()
    return max(float((a[k] - b[k]).norm() / b[k].norm()) for k in b)


THREAT = Threat("3/10")


CASES = [("relu1", 2, "plain"), ("conv1", 1, "plain"), ("conv1", 1, "closed")]


@pytest.mark.parametrize(("name", "count", "inner"), CASES)
def test_equals_the_plain_algorithm(name, count, inner):
    model = little_cnn(1, 10, seed=1).double()
    x, y = batch()
    delta = THREAT.start(x, generator(0, "start"))
    expected, wanted = reference(model, count, x, y, delta, THREAT, 0.03)
    found, got = ours(model, name, x, y, delta, THREAT, 0.03, inner=inner)
    assert float((found - expected).abs().max()) < 1e-12
    assert worst(got, wanted) < 1e-12


def test_the_kernel_equals_the_plain_algorithm():
    pytest.importorskip("numba")
    model = little_cnn(1, 10, seed=1)
    x, y = batch(dtype=torch.float32)
    delta = THREAT.start(x, generator(0, "start"))
    expected, wanted = reference(model, 2, x, y, delta, THREAT, 0.03)
    found, got = ours(model, "relu1", x, y, delta, THREAT, 0.03, inner="fused")
    assert float(((found - expected).abs() <= 1e-6).float().mean()) >= 0.999
    assert worst(got, wanted) < 1e-3


def test_first_layer_is_counted_once():
    """Σ_j of the Hamiltonian's gradient at the new δ, and nothing else: the accounting of the paper."""
    model = little_cnn(1, 10, seed=1).double()
    x, y = batch()
    delta = start = THREAT.start(x, generator(0, "start"))
    total = torch.zeros_like(model.conv1.weight)
    cut = Cut(model, "relu1")
    for _ in range(M):
        with cut.detached() as found:
            loss = cross_entropy(model(x + delta), y)
        slack = torch.autograd.grad(loss, found["state"])[0]
        for _ in range(N):
            point = delta.clone().requires_grad_()
            step = torch.autograd.grad((slack * cut(x + point)).sum(), point)[0].sign()
            delta = THREAT.project(delta + 0.03 * step, x)
        total += torch.autograd.grad((slack * cut(x + delta)).sum(), model.conv1.weight)[0]
    _, got = ours(model, "relu1", x, y, start, THREAT, 0.03, inner="plain")
    assert float((got["conv1.weight"] - total).norm() / total.norm()) < 1e-12


@pytest.mark.parametrize("inner", ["plain", "closed"])
def test_official_accounting_adds_the_full_gradient(inner):
    model = little_cnn(1, 10, seed=1).double()
    x, y = batch()
    name, count = ("relu1", 2) if inner == "plain" else ("conv1", 1)
    delta = THREAT.start(x, generator(0, "start"))
    _, wanted = reference(model, count, x, y, delta, THREAT, 0.03, restore="reference")
    _, paper = ours(model, name, x, y, delta, THREAT, 0.03, inner=inner)
    _, official = ours(model, name, x, y, delta, THREAT, 0.03, inner=inner, accounting="official")
    _, older = ours(model, name, x, y, delta, THREAT, 0.03, inner=inner, accounting="official-1.0")
    assert worst(official, wanted) < 1e-12
    key = "conv1.weight"
    for p in model.parameters():
        p.grad = None
    cross_entropy(model(x + delta), y).backward()
    first_full = model.conv1.weight.grad
    assert float((older[key] - official[key] - first_full).norm() / first_full.norm()) < 1e-10
    assert float((official[key] - paper[key]).norm() / paper[key].norm()) > 0.1
    assert all(torch.equal(official[k], paper[k]) for k in paper if not k.startswith("conv1"))


def test_affine_first_layer_is_found_and_one_step_equals_n():
    x, y = batch()
    for model, name, affine in (
        (little_cnn(1, 10), "conv1", True),
        (little_cnn(1, 10), "relu1", False),
        (nn.Sequential(nn.Flatten(), nn.Linear(100, 20), nn.Tanh(), nn.Linear(20, 10)), "1", True),
        (nn.Sequential(nn.Flatten(), nn.Linear(100, 20), nn.Tanh(), nn.Linear(20, 10)), "2", False),
    ):
        assert Cut(model.double(), name).affine(x) is affine
    model = little_cnn(1, 10, seed=2).double()
    delta = THREAT.start(x, generator(0, "start"))
    many, _ = ours(model, "conv1", x, y, delta, THREAT, 0.03, inner="plain")
    one, _ = ours(model, "conv1", x, y, delta, THREAT, 0.03)
    assert float((many - one).abs().max()) < 1e-12


def test_l2_closed_form_equals_the_loop():
    threat = Threat("2", norm="l2")
    model = little_cnn(1, 10, seed=2).double()
    x, y = batch()
    delta = threat.start(x, generator(0, "start"))
    many, a = ours(model, "conv1", x, y, delta, threat, 0.5, inner="plain")
    one, b = ours(model, "conv1", x, y, delta, threat, 0.5, inner="closed")
    assert float((many - one).abs().max()) < 1e-12
    assert worst(a, b) < 1e-12
    assert float(threat.size(one).max()) <= 2 + 1e-12


class Functional(nn.Module):
    """Normalises pixels and uses functions between the modules, as users' models do."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 64, 10)

    def forward(self, x):
        z = torch.relu(self.norm(self.stem((x - 0.5) / 0.25)))
        return self.head(z.flatten(1))


def test_any_module_with_normalisation_and_batch_norm_in_both_modes():
    x, y = batch(dtype=torch.float32)
    for training in (True, False):
        torch.manual_seed(0)
        model = Functional().train(training)
        method = YOPO(model, first_layer="stem", threat=THREAT, steps=M, inner_steps=N, step_size="1/30")
        before = model.norm.running_mean.clone()
        method.step(x, y, torch.optim.Adam(model.parameters(), 1e-3))
        assert method.loop.kind == "closed"
        assert model.training is training
        assert torch.equal(before, model.norm.running_mean) is not training
        assert int(model.norm.num_batches_tracked) == (M if training else 0)


@pytest.mark.parametrize(("optimiser", "rate"), [("SGD", {"lr": 0.05, "momentum": 0.9}), ("Adam", {"lr": 3e-3})])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_trains_with_both_optimisers_and_precisions(optimiser, rate, precision):
    x, y = batch(count=20, dtype=torch.float32)
    torch.manual_seed(0)
    layers = {"first": nn.Conv2d(1, 16, 3), "relu": nn.ReLU(), "flat": nn.Flatten(), "last": nn.Linear(1024, 10)}
    model = nn.Sequential(OrderedDict(layers))
    options = {"steps": 2, "inner_steps": 3, "step_size": "1/50", "precision": precision}
    method = YOPO(model, first_layer="relu", threat=Threat("1/20"), **options)
    engine = getattr(torch.optim, optimiser)(model.parameters(), **rate)
    losses = [method.step(x, y, engine).loss for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_average_divides_by_m():
    model = little_cnn(1, 10, seed=1).double()
    x, y = batch()
    delta = THREAT.start(x, generator(0, "start"))
    _, total = ours(model, "relu1", x, y, delta, THREAT, 0.03, inner="plain")
    _, mean = ours(model, "relu1", x, y, delta, THREAT, 0.03, inner="plain", average=True)
    assert worst({k: M * v for k, v in mean.items()}, total) < 1e-12


def test_weight_gradients_are_untouched_by_the_inner_loop_of_trades():
    model = little_cnn(1, 10, seed=1).double()
    x, y = batch()
    method = TRADESYOPO(model, first_layer="relu1", threat=THREAT, steps=2, inner_steps=3, step_size="1/30")
    with torch.no_grad():
        target = torch.softmax(model(x), 1)
    delta = method.ascend(x, torch.zeros_like(x), target, THREAT, 0.03)
    assert all(p.grad is None for p in model.parameters())
    assert float(delta.abs().max()) <= 0.3 + 1e-12
    with torch.no_grad():
        low, high = (float(divergence(model(x + d), target)) for d in (0.01 * delta, delta))
    assert high > low


def bypass():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(100, 10), nn.Linear(100, 10)

        def forward(self, x):
            return self.first(x.flatten(1)) + self.head(x.flatten(1))

    return Skip()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first_layer": "conv9"}, "first_layer: expected a module of the model, such as 'conv1'"),
        ({"first_layer": 3}, "first_layer: expected the name of a module"),
        ({"threat": 0.3}, "threat: expected a Threat"),
        ({"steps": 0}, "steps: expected"),
        ({"step_size": None}, "step_size: expected a perturbation budget"),
        ({"step_size": "a/b"}, "step_size: expected a fraction"),
        ({"inner": "quick"}, "inner: expected one of"),
        ({"accounting": "ours"}, "accounting: expected one of"),
        ({"precision": "fp16"}, "precision: expected one of"),
        ({"inner": "closed", "first_layer": "relu1"}, "inner: expected an affine first layer"),
        ({"inner": "fused", "first_layer": "relu2"}, "inner: expected a first layer for"),
    ],
)
def test_bad_settings_say_what_to_do(change, words):
    x, y = batch(dtype=torch.float32)
    settings = {"first_layer": "conv1", "threat": THREAT, "steps": 1, "inner_steps": 1, "step_size": "1/30"}
    with pytest.raises((TypeError, ValueError), match=words.replace("'", ".")):
        YOPO(little_cnn(1, 10), **{**settings, **change}).gradients(x, y)


def test_bad_batches_and_models():
    x, y = batch(dtype=torch.float32)
    settings = {"threat": THREAT, "steps": 1, "inner_steps": 1, "step_size": "1/30"}
    model = little_cnn(1, 10)
    engine = torch.optim.SGD(model.parameters(), lr=0.1)
    method = YOPO(model, first_layer="relu1", **settings)
    for bad, words in ((255 * x, "pixels in .0, 1."), ((x * 255).byte(), "x: expected a floating-point")):
        with pytest.raises((TypeError, ValueError), match=words):
            method.step(bad, y, engine)
    with pytest.raises((TypeError, ValueError), match="y: expected"):
        method.step(x, y.float(), engine)
    with pytest.raises(ValueError, match="every way through the model crosses"):
        YOPO(bypass(), first_layer="first", **settings).gradients(x, y)
    norm = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(256, 10))
    with pytest.raises(ValueError, match="without batch statistics"):
        YOPO(norm, first_layer="1", **settings).gradients(x, y)
    twice = nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(ValueError, match="runs once"):
        model = nn.Sequential(twice, twice, nn.Flatten(), nn.Linear(100, 10))
        YOPO(model, first_layer="0", **settings).gradients(x, y)


def test_in_place_layers_behind_the_cut_and_in_front_of_it():
    x, y = batch(dtype=torch.float32)
    settings = {"threat": THREAT, "steps": 2, "inner_steps": 2, "step_size": "1/30"}
    grads_of = []
    for inplace in (False, True):
        torch.manual_seed(0)
        layers = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=inplace), nn.Flatten(), nn.Linear(256, 10)
        model = nn.Sequential(*layers)
        YOPO(model, first_layer="0", **settings).gradients(x, y, torch.zeros_like(x))
        grads_of.append(grads(model))
    assert worst(*grads_of) == 0


def test_a_change_of_mode_is_noticed():
    x, y = batch(dtype=torch.float32)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(256, 10)).eval()
    method = YOPO(model, first_layer="1", threat=THREAT, steps=1, inner_steps=1, step_size="1/30")
    method.gradients(x, y)
    model.train()
    with pytest.raises(ValueError, match="without batch statistics"):
        method.gradients(x, y)


def test_the_bypass_is_refused_by_trades_too():
    x, y = batch(dtype=torch.float32)
    method = TRADESYOPO(bypass(), first_layer="first", threat=THREAT, steps=1, inner_steps=1, step_size="1/30")
    with pytest.raises(ValueError, match="every way through the model crosses"):
        method.gradients(x, y)


def test_rounding_as_in_tf32_is_still_affine():
    class Rounded(nn.Conv2d):
        def forward(self, x):
            return super().forward((x.view(torch.int32) & ~0x1FFF).view(torch.float32))

    x, _ = batch(dtype=torch.float32)
    model = nn.Sequential(Rounded(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    assert Cut(model, "0").affine(x)
    assert not Cut(model, "1").affine(x)


@pytest.mark.parametrize("training", [True, False])
def test_five_passes_on_preact_resnet18_equal_the_plain_algorithm(training):
    """In float64; in float32 a pixel whose gradient is zero to rounding flips, and later passes amplify it."""
    model = PreActResNet18(width=4).double().train(training)
    source, threat = generator(0, "photos"), Threat("8/255")
    x, y = torch.rand(4, 3, 16, 16, generator=source, dtype=torch.float64), torch.arange(4)
    start = threat.start(x, source)
    options = {"steps": 5, "inner_steps": 3}
    expected = reference_gradients(model[:1], model[1:], x, y, start, threat, step_size=2 / 255, **options)
    wanted = grads(model)
    model.zero_grad()
    method = YOPO(model, first_layer="conv1", threat=threat, step_size="2/255", **options)
    found = method.gradients(x, y, start).delta
    assert method.loop.kind == "closed"
    assert float((found - expected).abs().max()) < 1e-12
    assert worst(grads(model), wanted) < 1e-9


@pytest.mark.parametrize("name", ["conv1", "relu1"])
@pytest.mark.parametrize("scale", [2.0**-90, 2.0**-40])
def test_the_scale_of_the_slack_changes_no_l2_step(name, scale):
    """Frozen slack, steps along its direction: closed form and plain loop move as far for a tiny one."""
    x, _ = batch(dtype=torch.float32)
    threat, model = Threat("1/2", "l2"), little_cnn(1, 10)
    method = YOPO(model, first_layer=name, threat=threat, steps=1, inner_steps=3, step_size="1/10")
    method.loop.settle(x, threat, "fp32")
    found = []
    for factor in (1.0, scale):
        loss = partial(lambda z, factor: factor * z[:, 0].sum(), factor=factor)
        one = method.loop.full_pass(model, loss, x, torch.zeros_like(x), weights=False)
        found.append(method.loop.advance(one, x, threat, 0.1, 3))
    assert torch.equal(*found) and float(threat.size(found[0]).min()) > 0.15


def test_l2_yopo_attacks_a_confident_model_in_earnest():
    """Margins of about 30 leave slopes of 1e-13: the steps have their full length nonetheless."""
    x, y = batch(dtype=torch.float32)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    with torch.no_grad():
        model[3].bias.copy_(torch.full((10,), -30.0))
        model[3].bias[0] = 0
    method = YOPO(model, first_layer="1", threat=Threat("1/2", "l2"), steps=2, inner_steps=3, step_size="1/5")
    sizes = Threat("1/2", "l2").size(method.gradients(x, torch.zeros_like(y)).delta)
    assert float(sizes.min()) > 0.3
