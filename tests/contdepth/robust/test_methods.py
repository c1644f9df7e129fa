"""Methods of adversarial training against loops written out by hand."""

from __future__ import annotations

import copy
import math
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from contdepth.robust.methods.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.methods.method import Natural, errors
from contdepth.robust.methods.mode import in_mode
from contdepth.robust.methods.trades import TRADES, TRADESYOPO
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.studies.yopo.contest import little_cnn

THREAT = Threat("1/5")
NORMS = [THREAT, Threat("1", norm="l2")]


def batch(count=6, size=8, seed=3, dtype=torch.float64):
    """Images, some pixels at the ends of the box, and labels."""
    source = generator(seed, "test")
    x = (1.2 * torch.rand(count, 1, size, size, generator=source, dtype=dtype) - 0.1).clamp(0, 1)
    return x, torch.randint(10, (count,), generator=source)


def plain(dtype=torch.float64):
    model = little_cnn(1, 8, width=4, hidden=12, seed=1)
    with torch.no_grad():
        for conv in (model.conv1, model.conv2, model.conv3):
            conv.bias.copy_(torch.linspace(-0.2, 0.2, len(conv.bias)))
    return model.to(dtype)


def normed(dtype=torch.float64):
    """A network with batch statistics and an affine, bias-free first layer."""
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )
    model[1].running_mean.uniform_(-0.1, 0.1)
    model[1].running_var.uniform_(0.5, 2)
    return model.to(dtype)


def grads(model):
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def clear(model):
    for p in model.parameters():
        p.grad = None


def statistics(model):
    return {name: b.clone() for name, b in model.named_buffers()}


def same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[key], b[key]) for key in a)


def worst(a, b):
    assert a.keys() == b.keys()
    return max(float((a[key] - b[key]).double().norm() / b[key].double().norm().clamp_min(1e-12)) for key in b)


def ball(delta, x, threat):
    """Nearest point of the ball, then of the box: written out without ``Threat``."""
    radius = threat.radius
    if threat.norm == "linf":
        delta = torch.minimum(torch.maximum(delta, -radius * torch.ones_like(x)), radius * torch.ones_like(x))
    else:
        for i in range(len(delta)):
            length = delta[i].pow(2).sum().sqrt()
            if length > radius:
                delta = delta.clone()
                delta[i] = delta[i] * (radius / length)
    return torch.minimum(torch.maximum(x + delta, torch.zeros_like(x)), torch.ones_like(x)) - x


def ascent_direction(gradient, threat):
    if threat.norm == "linf":
        return torch.where(gradient > 0, 1.0, torch.where(gradient < 0, -1.0, 0.0)).to(gradient)
    return torch.stack([g / g.pow(2).sum().sqrt() for g in gradient])


def pixel_gradient(model, x, delta, y):
    leaf = delta.clone().requires_grad_()
    return torch.autograd.grad(cross_entropy(model(x + leaf), y), leaf)[0]


def expected_gradient(model, loss):
    clear(model)
    loss(model).backward()
    return grads(model)


# Natural and the shared parts ------------------------------------------------------------------------------------


def test_natural_is_the_ordinary_gradient_and_step_one_update():
    model, (x, y) = plain(), batch()
    twin = copy.deepcopy(model)
    wanted = expected_gradient(twin, lambda m: cross_entropy(m(x), y))
    result = Natural(model).step(x, y, torch.optim.SGD(model.parameters(), lr=0.5))
    with torch.no_grad():
        logits = twin(x)
        assert result.loss == cross_entropy(logits, y).item() and result.delta is None
        assert result.errors == pytest.approx(1 - int((logits.argmax(1) == y).sum()) / 6)
        for name, p in twin.named_parameters():
            assert torch.equal(dict(model.named_parameters())[name], p - 0.5 * wanted[name])


def test_errors_are_a_share():
    logits = torch.eye(4)
    assert errors(logits, torch.tensor([0, 1, 2, 3])) == 0
    assert errors(logits, torch.tensor([0, 1, 2, 0])) == 0.25


def test_step_forgets_old_gradients():
    model, (x, y) = plain(), batch()
    twin = copy.deepcopy(model)
    for p in model.parameters():
        p.grad = torch.full_like(p, 7.0)
    for net in (model, twin):
        Natural(net).step(x, y, torch.optim.SGD(net.parameters(), lr=0.1))
    assert same(model.state_dict(), twin.state_dict())


def test_gradients_add_up():
    model, (x, y) = plain(), batch()
    once = expected_gradient(model, lambda m: cross_entropy(m(x), y))
    clear(model)
    for _ in range(2):
        Natural(model).gradients(x, y)
    assert worst(grads(model), {key: 2 * g for key, g in once.items()}) < 1e-14


def test_bf16_runs_the_network_in_bfloat16():
    model, (x, y) = plain(torch.float32), batch(dtype=torch.float32)
    seen = []
    model.conv1.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    method = PGDTraining(model, threat=THREAT, steps=1, step_size="1/10", precision="bf16")
    result = method.gradients(x, y)
    assert set(seen) == {torch.bfloat16} and method.logits(x).dtype == torch.float32
    assert result.delta.dtype == torch.float32 and all(p.grad.dtype == torch.float32 for p in model.parameters())
    assert plain().double()(x.double()).dtype == Natural(plain()).logits(x.double()).dtype == torch.float64


@pytest.mark.parametrize("make", [
    lambda m: PGDTraining(m, threat=THREAT, steps=2, step_size="1/10"),
    lambda m: SummedPGD(m, threat=THREAT, steps=2, step_size="1/10"),
    lambda m: FGSMRS(m, threat=THREAT),
    lambda m: NFGSM(m, threat=THREAT),
    lambda m: FreeTraining(m, threat=THREAT, replays=2),
    lambda m: TRADES(m, threat=THREAT, steps=2, step_size="1/10"),
    lambda m: TRADESYOPO(m, first_layer="relu1", threat=THREAT, steps=2, inner_steps=2, step_size="1/10"),
    lambda m: YOPO(m, first_layer="relu1", threat=THREAT, steps=2, inner_steps=2, step_size="1/10"),
])  # fmt: skip
def test_scale_shrinks_radius_and_steps_alike(make):
    """A method at scale s equals the method whose ε and σ were written s times as large."""
    x, y = batch()
    half = Threat("1/10")
    shrunk = make(plain())
    shrunk.scale = 0.5
    small = make(plain())
    small.threat = half
    if hasattr(small, "sigma"):
        small.sigma = small.sigma / 2
    full = make(plain())
    for one in (shrunk, small, full):
        one.gradients(x, y)
    a, b = shrunk.gradients(x, y), small.gradients(x, y)
    assert torch.equal(a.delta, b.delta) and a.loss == b.loss
    assert same(grads(shrunk.model), grads(small.model))
    assert not torch.equal(full.gradients(x, y).delta, a.delta)
    limit = 3 if isinstance(shrunk, NFGSM) else 1
    assert float(a.delta.abs().max()) <= limit * half.radius + 1e-12


@pytest.mark.parametrize("make", [
    lambda m, seed: PGDTraining(m, threat=THREAT, steps=1, step_size="1/10", seed=seed),
    lambda m, seed: FGSMRS(m, threat=THREAT, seed=seed),
    lambda m, seed: TRADES(m, threat=THREAT, steps=1, step_size="1/10", seed=seed),
])  # fmt: skip
def test_noise_comes_from_the_seed_alone(make):
    x, y = batch()
    deltas = []
    for seed, disturb in ((1, 0), (1, 99), (2, 0)):
        torch.manual_seed(disturb)
        method = make(plain(), seed)
        before = torch.get_rng_state()
        deltas.append(method.gradients(x, y).delta)
        assert torch.equal(before, torch.get_rng_state())
        assert not torch.equal(method.gradients(x, y).delta, deltas[-1]), "the next batch needs new noise"
    assert torch.equal(deltas[0], deltas[1]) and not torch.equal(deltas[0], deltas[2])


# PGD -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threat", NORMS, ids=str)
@pytest.mark.parametrize("clean_weight", [0.0, 0.5])
def test_pgd_is_the_gradient_at_a_delta_found_by_hand(threat, clean_weight):
    model, (x, y) = plain(), batch()
    delta = threat.start(x, generator(4, "robust"))
    for _ in range(5):
        direction = ascent_direction(pixel_gradient(model, x, delta, y), threat)
        delta = ball(delta + 0.07 * direction, x, threat)
    wanted = expected_gradient(
        model, lambda m: cross_entropy(m(x + delta), y) + clean_weight * cross_entropy(m(x), y)
    )
    clear(model)
    method = PGDTraining(model, threat=threat, steps=5, step_size="7/100", clean_weight=clean_weight, seed=4)
    result = method.gradients(x, y)
    assert float((result.delta - delta).abs().max()) < 1e-12
    assert worst(grads(model), wanted) < 1e-10
    with torch.no_grad():
        assert result.loss == pytest.approx(cross_entropy(model(x + delta), y).item(), rel=1e-12)
        assert result.errors == errors(model(x + delta), y)


def test_pgd_raises_the_loss_and_a_given_start_is_projected():
    model, (x, y) = plain(), batch(count=20)
    method = PGDTraining(model, threat=THREAT, steps=1, step_size="1/1000000")
    far = torch.full_like(x, 3.0)
    assert float((method.gradients(x, y, far).delta - ball(far, x, THREAT)).abs().max()) <= 2e-6
    strong = PGDTraining(model, threat=THREAT, steps=10, step_size="1/20").gradients(x, y)
    noise = method.gradients(x, y)
    assert strong.loss > noise.loss + 0.03


@pytest.mark.parametrize("attack_mode", ["eval", "train"])
@pytest.mark.parametrize("training", [True, False])
def test_pgd_attacks_in_the_chosen_mode_and_trains_in_the_callers(attack_mode, training):
    model, (x, y) = normed().train(training), batch()
    twin = copy.deepcopy(model)
    modes = []
    model[1].register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    method = PGDTraining(model, threat=THREAT, steps=3, step_size="1/20", attack_mode=attack_mode, clean_weight=1)
    delta = THREAT.start(x, generator(0, "robust"))
    twin.train(attack_mode == "train")
    for _ in range(3):
        delta = ball(delta + 0.05 * pixel_gradient(twin, x, delta, y).sign(), x, THREAT)
    twin.train(training)
    wanted = expected_gradient(twin, lambda m: cross_entropy(m(x + delta), y) + cross_entropy(m(x), y))
    result = method.gradients(x, y)
    assert modes == [attack_mode == "train"] * 3 + [training] * 2
    assert all(module.training is training for module in model.modules())
    assert float((result.delta - delta).abs().max()) < 1e-12
    assert worst(grads(model), wanted) < 1e-10
    assert worst(statistics(model), statistics(twin)) < 1e-12


def test_eval_attack_leaves_running_statistics_and_weight_gradients_alone():
    model, (x, y) = normed().eval(), batch()
    before = statistics(model)
    method = PGDTraining(model, threat=THREAT, steps=3, step_size="1/20")
    method.input_gradient(x, torch.zeros_like(x), y)
    assert all(p.grad is None for p in model.parameters())
    method.gradients(x, y)
    assert same(before, statistics(model))


def test_input_gradient_agrees_with_finite_differences():
    model, (x, y) = plain(), batch(count=2)
    delta = 0.01 * torch.rand(x.shape, generator=generator(0, "d"), dtype=x.dtype)
    gradient = Natural(model).input_gradient(x, delta, y)
    for place in [(0, 0, 2, 3), (1, 0, 5, 5), (1, 0, 0, 7)]:
        bump = torch.zeros_like(x)
        bump[place] = 1e-6
        with torch.no_grad():
            up, down = (cross_entropy(model(x + delta + s * bump), y, reduction="sum") for s in (1, -1))
        assert float(gradient[place]) == pytest.approx(float(up - down) / 2e-6, rel=1e-4, abs=1e-7)


def test_summed_pgd_adds_the_gradients_of_all_passes_but_not_of_the_last_delta():
    model, (x, y) = plain(), batch()
    delta = THREAT.start(x, generator(0, "robust"))
    clear(model)
    losses = []
    for _ in range(4):
        step = pixel_gradient(model, x, delta, y).sign()
        loss = cross_entropy(model(x + delta), y)
        loss.backward()
        losses.append(loss.item())
        delta = ball(delta + 0.06 * step, x, THREAT)
    wanted = grads(model)
    clear(model)
    result = SummedPGD(model, threat=THREAT, steps=4, step_size="3/50").gradients(x, y)
    assert worst(grads(model), wanted) < 1e-12
    assert float((result.delta - delta).abs().max()) < 1e-12
    assert result.loss == pytest.approx(losses[-1], rel=1e-12)
    clear(model)
    SummedPGD(model, threat=THREAT, steps=4, step_size="3/50", average=True).gradients(x, y)
    assert worst(grads(model), {key: g / 4 for key, g in wanted.items()}) < 1e-12


@pytest.mark.parametrize("training", [True, False])
def test_yopo_with_an_affine_first_layer_is_summed_pgd_but_for_that_layer(training):
    x, y = batch()
    for steps in (1, 3):
        model, twin = normed().train(training), normed().train(training)
        summed = SummedPGD(model, threat=THREAT, steps=steps, step_size="3/50").gradients(x, y)
        options = {"first_layer": "0", "threat": THREAT, "steps": steps, "inner_steps": 3, "step_size": "1/50"}
        yopo = YOPO(twin, **options).gradients(x, y)
        a, b = grads(model), grads(twin)
        first_a, first_b = a.pop("0.weight"), b.pop("0.weight")
        assert worst(a, b) < 1e-10 and float((summed.delta - yopo.delta).abs().max()) < 1e-10
        assert float((first_a - first_b).norm() / first_a.norm()) > 1e-3
        assert worst(statistics(model), statistics(twin)) < 1e-10


# One-step methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threat", NORMS, ids=str)
def test_fgsm_rs_by_hand(threat):
    model, (x, y) = plain(), batch()
    delta = threat.start(x, generator(0, "robust"))
    size = 1.25 * threat.radius
    delta = ball(delta + size * ascent_direction(pixel_gradient(model, x, delta, y), threat), x, threat)
    wanted = expected_gradient(model, lambda m: cross_entropy(m(x + delta), y))
    clear(model)
    result = FGSMRS(model, threat=threat).gradients(x, y)
    assert float((result.delta - delta).abs().max()) < 1e-12 and worst(grads(model), wanted) < 1e-10
    lengths = threat.size(result.delta)
    assert float(lengths.max()) <= threat.radius + 1e-12


@pytest.mark.parametrize("noise", [2.0, 0.5])
def test_n_fgsm_by_hand(noise):
    """Noise of size kε, a step of ε, pixels clipped to the box and δ not to the ball."""
    model, (x, y) = plain(), batch()
    x = 0.1 + 0.8 * x
    source = generator(0, "robust")
    delta = (2 * torch.rand(x.shape, generator=source) - 1).double() * noise * 0.2
    delta = (x + delta).clamp(0, 1) - x
    delta = delta + 0.2 * pixel_gradient(model, x, delta, y).sign()
    delta = (x + delta).clamp(0, 1) - x
    wanted = expected_gradient(model, lambda m: cross_entropy(m(x + delta), y))
    clear(model)
    changes = {} if noise == 2 else {"noise": noise}
    result = NFGSM(model, threat=THREAT, **changes).gradients(x, y)
    assert float((result.delta - delta).abs().max()) < 1e-7 and worst(grads(model), wanted) < 1e-5
    point = x + result.delta
    assert float(point.min()) >= 0 and float(point.max()) <= 1
    assert 0.2 + 1e-3 < float(result.delta.abs().max()) <= 0.2 * (1 + noise) + 1e-9


def test_one_step_methods_keep_the_mode_in_both_passes():
    x, y = batch()
    for kind in (FGSMRS, NFGSM):
        for training in (True, False):
            model = normed().train(training)
            modes, before = [], statistics(model)
            model[1].register_forward_hook(lambda module, inputs, output, to=modes: to.append(module.training))
            kind(model, threat=THREAT).gradients(x, y)
            assert modes == [training] * 2
            assert int(model[1].num_batches_tracked) == (2 if training else 0)
            assert same(before, statistics(model)) is not training


# Free-m ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threat", NORMS, ids=str)
def test_free_is_its_loop_bit_for_bit(threat):
    """δ is carried over three batches, the last one smaller; every pass moves first the weights, then δ."""
    model = plain(torch.float32)
    twin = copy.deepcopy(model)
    engine, other = (torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9) for net in (model, twin))
    method = FreeTraining(model, threat=threat, replays=3)
    carried = torch.zeros(6, 1, 8, 8)
    for seed, count in ((0, 6), (1, 6), (2, 4), (3, 6)):
        x, y = batch(count=count, seed=seed, dtype=torch.float32)
        result = method.step(x, y, engine)
        for _ in range(3):
            delta = threat.project(carried[:count], x).requires_grad_()
            other.zero_grad()
            loss = cross_entropy(twin(x + delta), y)
            loss.backward()
            other.step()
            moved = delta.detach() + threat.radius * threat.direction(delta.grad)
            carried[:count] = threat.project(moved, x)
        assert torch.equal(method.delta, carried) and result.loss == loss.item()
        assert torch.equal(result.delta, delta.detach())
        assert same(model.state_dict(), twin.state_dict())
    assert float(carried.abs().max()) > 0.05 and method.updates == 3
    assert float(threat.size(carried).max()) <= threat.radius * (1 + 1e-6)


def test_free_moves_the_weights_replays_times():
    class Counting(torch.optim.SGD):
        calls = 0

        def step(self, closure=None):
            Counting.calls += 1
            return super().step(closure)

    model, (x, y) = plain(), batch()
    FreeTraining(model, threat=THREAT, replays=4).step(x, y, Counting(model.parameters(), lr=0.1))
    assert Counting.calls == 4


def test_free_state_goes_to_another_instance():
    model, (x, y) = plain(), batch()
    a, b = (FreeTraining(copy.deepcopy(model), threat=THREAT, replays=2) for _ in range(2))
    assert a.state() == {}
    engines = {one: torch.optim.SGD(one.model.parameters(), lr=0.1) for one in (a, b)}
    a.step(x, y, engines[a])
    b.model.load_state_dict(a.model.state_dict())
    b.load_state({key: value.clone() for key, value in a.state().items()})
    assert a.step(x, y, engines[a]).loss == b.step(x, y, engines[b]).loss
    assert torch.equal(a.delta, b.delta)
    b.load_state({})
    assert b.delta is None
    b.step(*batch(count=8), engines[b])
    assert b.delta.shape[0] == 8


def test_free_starts_anew_for_images_of_another_shape():
    flat = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 10)).double()
    method = FreeTraining(flat, threat=THREAT, replays=1)
    engine = torch.optim.SGD(flat.parameters(), lr=0.1)
    for size, count in ((8, 4), (10, 4), (10, 7)):
        x, y = batch(count=count, size=size)
        start = method.step(x, y, engine).delta
        assert method.delta.shape == x.shape and float(start.abs().max()) == 0


# TRADES ----------------------------------------------------------------------------------------------------------


def divergence(p, q):
    """Mean over images of Σ p log(p/q), from logits, by hand."""
    p, q = (z.exp() / z.exp().sum(1, keepdim=True) for z in (p, q))
    return (p * (p.log() - q.log())).sum(1).mean()


def trades_delta(model, x, threat, steps, sigma, seed=0):
    noise = 0.001 * torch.randn(x.shape, generator=generator(seed, "robust")).to(x)
    delta = ball(noise, x, threat)
    target = model(x).detach()
    for _ in range(steps):
        leaf = delta.clone().requires_grad_()
        step = torch.autograd.grad(divergence(target, model(x + leaf)), leaf)[0]
        delta = ball(delta + sigma * ascent_direction(step, threat), x, threat)
    return delta


def cross(z, y):
    return -(z.gather(1, y[:, None])[:, 0] - z.exp().sum(1).log()).mean()


@pytest.mark.parametrize("threat", NORMS, ids=str)
def test_trades_by_hand(threat):
    model, (x, y) = plain(), batch()
    delta = trades_delta(model, x, threat, 4, 0.06)
    wanted = expected_gradient(model, lambda m: cross(m(x), y) + 2.5 * divergence(m(x), m(x + delta)))
    loss = float((cross(model(x), y) + 2.5 * divergence(model(x), model(x + delta))).detach())
    clear(model)
    result = TRADES(model, threat=threat, steps=4, step_size="3/50", weight=2.5).gradients(x, y)
    assert float((result.delta - delta).abs().max()) < 1e-6
    assert result.loss == pytest.approx(loss, rel=1e-7) and worst(grads(model), wanted) < 1e-5
    assert result.errors == errors(model(x + result.delta), y)


def test_trades_delta_climbs_the_divergence_and_not_the_error():
    model, (x, y) = plain(), batch(count=20)
    method = TRADES(model, threat=THREAT, steps=8, step_size="1/20")
    delta = method.gradients(x, y).delta
    again = TRADES(plain(), threat=THREAT, steps=8, step_size="1/20").gradients(x, y.flip(0)).delta
    assert torch.equal(delta, again), "the labels play no part in the attack"
    with torch.no_grad():
        clean = model(x)
        reached = float(divergence(clean, model(x + delta)))
    climbing = [
        float(divergence(clean, model(x + trades_delta(model, x, THREAT, n, 0.05))).detach()) for n in (0, 2, 4)
    ]
    assert climbing[0] < climbing[1] < climbing[2] < reached + 1e-9


def test_default_weights_are_the_authors():
    options = {"threat": THREAT, "steps": 1, "step_size": "1/20"}
    assert TRADES(plain(), **options).weight == 6
    assert TRADESYOPO(plain(), first_layer="relu1", inner_steps=1, **options).weight == 1


def test_trades_without_weight_is_natural_training():
    model, (x, y) = plain(), batch()
    wanted = expected_gradient(model, lambda m: cross_entropy(m(x), y))
    clear(model)
    TRADES(model, threat=THREAT, steps=1, step_size="1/20", weight=0).gradients(x, y)
    assert worst(grads(model), wanted) < 1e-12


@pytest.mark.parametrize("kind", [TRADES, TRADESYOPO])
def test_trades_attacks_in_eval_mode_and_trains_once_in_the_callers(kind):
    model, (x, y) = normed().train(), batch()
    twin = copy.deepcopy(model)
    modes, seen = [], []
    model[1].register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    model[1].register_forward_hook(lambda module, inputs, output: seen.append(statistics(model)))
    extra = {"first_layer": "0", "inner_steps": 2} if kind is TRADESYOPO else {}
    result = kind(model, threat=THREAT, steps=3, step_size="1/50", **extra).gradients(x, y)
    assert modes[-2:] == [True, True] and not any(modes[:-2]) and len(modes) >= 6
    assert all(same(one, statistics(twin)) for one in seen[:-2]), "the attack moved the running statistics"
    assert all(module.training for module in model.modules())
    with torch.no_grad():
        twin(x)
        twin(x + result.delta)
    assert worst(statistics(model), statistics(twin)) < 1e-12
    assert int(model[1].num_batches_tracked) == 2


def test_trades_yopo_equals_trades_with_steps_n_times_as_large_if_the_first_layer_is_affine():
    x, y = batch()
    a, b = normed().train(), normed().train()
    one = TRADES(a, threat=THREAT, steps=3, step_size="3/50", weight=1).gradients(x, y)
    two = TRADESYOPO(b, first_layer="0", threat=THREAT, steps=3, inner_steps=3, step_size="1/50").gradients(x, y)
    assert float((one.delta - two.delta).abs().max()) < 1e-9 and worst(grads(a), grads(b)) < 1e-8


# Modes -----------------------------------------------------------------------------------------------------------


def test_in_mode_gives_every_module_its_own_mode_back():
    model = normed().train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    with in_mode(model, False):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    with pytest.raises(KeyError), in_mode(model, True):
        assert all(module.training for module in model.modules())
        raise KeyError
    assert [module.training for module in model.modules()] == before


# Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda m: PGDTraining(m, threat="8/255", steps=1, step_size="1/10"), TypeError, "threat: expected a Threat"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=0, step_size="1/10"), ValueError, "steps"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=1.5, step_size="1/10"), TypeError, "steps"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=1, step_size="-1/10"), ValueError, "step_size"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=1, step_size=None), ValueError, "step_size"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=1, step_size=1, attack_mode="test"), ValueError, "attack_mode"),
    (lambda m: PGDTraining(m, threat=THREAT, steps=1, step_size=1, clean_weight=-1), ValueError, "clean_weight"),
    (lambda m: Natural(m, precision="fp16"), ValueError, "precision"),
    (lambda m: Natural(m, seed=-1), ValueError, "seed"),
    (lambda m: FreeTraining(m, threat=THREAT, replays=0), ValueError, "replays"),
    (lambda m: FreeTraining(m, threat=0.3, replays=1), TypeError, "threat"),
    (lambda m: FGSMRS(m, threat=THREAT, factor=0), ValueError, "factor"),
    (lambda m: NFGSM(m, threat=THREAT, noise=0), ValueError, "noise"),
    (lambda m: TRADES(m, threat=THREAT, steps=1, step_size="1/9", weight=-1), ValueError, "weight"),
    (lambda m: TRADES(m, threat=None, steps=1, step_size="1/9"), TypeError, "threat"),
    (lambda m: TRADES(m, threat=THREAT, steps=True, step_size="1/9"), TypeError, "steps"),
])  # fmt: skip
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make(plain())


CUT = {"first_layer": "relu1", "inner_steps": 2}


@pytest.mark.parametrize(("kind", "own"), [
    (PGDTraining, {}), (SummedPGD, {}), (TRADES, {}), (TRADESYOPO, CUT), (YOPO, CUT),
])  # fmt: skip
@pytest.mark.parametrize(("change", "error", "message"), [
    ({"threat": 0.3}, TypeError, r'threat: expected a Threat, found 0\.3; such as Threat\("8/255"\)'),
    ({"steps": 0}, ValueError, "steps: expected a number >= 1, found 0"),
    ({"step_size": None}, ValueError, "step_size: expected a perturbation budget, found none; write it as"),
    ({"precision": "fp16"}, ValueError, "precision: expected one of 'fp32', 'bf16'"),
    ({"seed": -1}, ValueError, "seed"),
    ({"step": 1}, TypeError, "unexpected keyword argument 'step'"),
])  # fmt: skip
def test_methods_that_take_steps_refuse_the_same_settings(kind, own, change, error, message):
    settings = {"threat": THREAT, "steps": 2, "step_size": "1/20", "precision": "bf16", "seed": 4, **own}
    method = kind(plain(), **settings)
    assert (method.threat, method.steps, method.sigma, method.precision) == (THREAT, 2, Fraction(1, 20), "bf16")
    assert method.source.initial_seed() == Natural(plain(), seed=4).source.initial_seed()
    with pytest.raises(error, match=message):
        kind(plain(), **(settings | change))


@pytest.mark.parametrize("make", [
    Natural,
    lambda m: PGDTraining(m, threat=THREAT, steps=1, step_size="1/9"),
    lambda m: FreeTraining(m, threat=THREAT, replays=2),
])  # fmt: skip
@pytest.mark.parametrize(("change", "error", "message"), [
    (lambda x, y: (255 * x, y), ValueError, "divide by 255"),
    (lambda x, y: (x - 0.5, y), ValueError, r"\[0, 1\]"),
    (lambda x, y: (x * math.nan, y), ValueError, r"\[0, 1\]"),
    (lambda x, y: ((255 * x).byte(), y), TypeError, "floating"),
    (lambda x, y: (x, y.int()), TypeError, "int64"),
    (lambda x, y: (x, y[1:]), ValueError, "shape"),
])  # fmt: skip
def test_bad_batches_are_refused_and_leave_the_weights(make, change, error, message):
    model = plain()
    before = copy.deepcopy(model.state_dict())
    method = make(model)
    with pytest.raises(error, match=message):
        method.step(*change(*batch()), torch.optim.SGD(model.parameters(), lr=0.1))
    assert same(before, model.state_dict())
