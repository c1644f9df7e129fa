"""Gated nets: their paths, what is computed on them, and the gradients of the gates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from contdepth.nets import GatedNet, gated_resnet, path_cost, random_gates, resnet
from contdepth.nets.gated.gates import KINDS
from contdepth.seeds import generator

SMALL = {"width": 3, "in_channels": 1, "num_classes": 3, "seed": 2}
GATES = 8


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def net(kind: str = "feedforward-II", **options: object) -> GatedNet:
    """In float64, its batch norms have met pictures, in evaluation mode; scores are spread over both signs."""
    model = gated_resnet(20, gate=kind, **SMALL, **options).double()
    with torch.no_grad():
        for layer in model.gates.last:
            layer.weight *= 20
        for _ in range(3):
            model(noise(16, 1, 8, 8))
        scores = model.eval().route(noise(16, 1, 8, 8)).scores.mean(0)
        for layer, s in zip(model.gates.last, [scores.mean()] if kind == "recurrent" else scores, strict=True):
            layer.bias -= s
    return model


def masked(model: GatedNet, x: Tensor, gates: Tensor) -> Tensor:
    """Every block of every picture, times its gate: the equation, written out."""
    u = model.stem(x)
    for n in range(GATES + 1):
        here = model.shortcuts[n](u)
        whole = here + model.branches[n](u)
        g = gates[:, n - 1, None, None, None] if n else 1
        u = g * whole + (1 - g) * here
    return model.head(u)


def rows_met(model: GatedNet, call: object) -> list[int]:
    """How many pictures each gated branch was given."""
    met = [0] * GATES

    def hook(k: int) -> object:
        def seen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            met[k] += len(inputs[0])

        return seen

    hooks = [model.branches[k + 1].register_forward_pre_hook(hook(k)) for k in range(GATES)]
    call()
    for one in hooks:
        one.remove()
    return met


@pytest.mark.parametrize("kind", KINDS)
def test_skipped_is_the_same_as_masked_and_computes_less(kind: str) -> None:
    model, x = net(kind), noise(6, 1, 8, 8)
    with torch.no_grad():
        route = model.route(x)
        torch.testing.assert_close(route.logits, masked(model, x, route.gates), rtol=0, atol=1e-12)
        met = rows_met(model, lambda: model(x))
    assert 0.1 < route.skipped < 0.9
    assert met == route.gates.sum(0).int().tolist()
    assert torch.equal(route.gates, (route.probabilities > 0.5).double())


def test_a_block_that_nobody_needs_is_not_called() -> None:
    model, x = net(), noise(4, 1, 8, 8)
    gates = torch.ones(4, GATES, dtype=torch.float64)
    gates[:, 3] = 0
    calls = []
    model.branches[4].register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        out = model.route(x, gates=gates).logits
    assert not calls
    torch.testing.assert_close(out, masked(model, x, gates), rtol=0, atol=1e-12)


def test_all_gates_open_is_the_residual_net() -> None:
    """To the bit, with the same weights from the same seed; and in training every picture meets every block."""
    plain, model = resnet(20, **SMALL).eval(), gated_resnet(20, **SMALL).eval()
    x = noise(3, 1, 8, 8).float()
    assert torch.equal(plain(x), model.route(x, gates=torch.ones(3, GATES)).logits)
    assert rows_met(model.train(), lambda: model.route(x, gates=torch.zeros(3, GATES))) == [3] * GATES


@pytest.mark.parametrize("kind", KINDS)
def test_multiply_adds_are_those_of_an_independent_counter(kind: str) -> None:
    """PyTorch's counter of operations, on what is really computed along mixed paths."""
    model, x = net(kind), noise(5, 1, 8, 8)
    cost = path_cost(model, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        gates = model.route(x).gates
    assert counter.get_total_flops() == 2 * float(cost.of(gates).sum())
    assert 0 < cost.gates < cost.fixed and not model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        resnet(20, **SMALL).double().eval()(x)
    assert counter.get_total_flops() == 2 * 5 * cost.whole


def test_multiply_adds_by_hand() -> None:
    cost = path_cost(gated_resnet(8, width=2, in_channels=1, num_classes=3), 8, 4)
    stem, first = 32 * 9 * 2, 2 * 32 * 9 * 4
    second, third = 8 * 9 * (2 * 4 + 16), 2 * 9 * (4 * 8 + 64)
    shortcuts, head = 8 * 2 * 4 + 2 * 4 * 8, 8 * 3
    gates = 2 * 10 + 4 * 10 + 2 * (4 * 10 * 20 + 10)
    assert (cost.fixed, cost.gates, cost.blocks) == (
        stem + first + shortcuts + head + gates,
        gates,
        (second, third),
    )
    gates_shut = torch.zeros(2, 2)
    assert cost.of(gates_shut).tolist() == [cost.fixed] * 2
    assert cost.saved(gates_shut) == pytest.approx(1 - cost.fixed / (cost.fixed - gates + second + third))
    assert cost.saved(torch.ones(2, 2)) == pytest.approx(-gates / cost.whole)


def loss_by_gates(model: GatedNet, x: Tensor, gates: Tensor) -> Tensor:
    return masked(model, x, gates).square().sum()


@pytest.mark.parametrize("way", ["straight-through", "soft"])
def test_gradient_of_the_last_gate_against_finite_differences(way: str) -> None:
    """Σ over pictures of ∂L/∂g p (1 - p), with ∂L/∂g by differences at the gates that were used."""
    model, x = net(), noise(4, 1, 8, 8)
    route = model.route(x, way)
    route.logits.square().sum().backward()
    p, h = route.probabilities[:, -1].detach(), 1e-6
    wanted = 0.0
    for i in range(4):
        up, down = route.gates.detach().clone(), route.gates.detach().clone()
        up[i, -1] += h
        down[i, -1] -= h
        with torch.no_grad():
            slope = (loss_by_gates(model, x, up) - loss_by_gates(model, x, down)) / (2 * h)
        wanted += float(slope * p[i] * (1 - p[i]))
    assert abs(wanted) > 1e-4
    assert float(model.gates.last[-1].bias.grad) == pytest.approx(wanted, rel=1e-5)


def test_soft_gates_against_finite_differences() -> None:
    model, x = net("recurrent"), noise(3, 1, 8, 8)
    weight = model.gates.cell.weight_ih
    model.route(x, "soft").logits.square().sum().backward()
    for place in [(0, 0), (17, 3), (39, 9)]:
        values = []
        for h in (1e-6, -1e-6):
            with torch.no_grad():
                weight[place] += h
                values.append(float(model.route(x, "soft").logits.square().sum()))
                weight[place] -= h
        assert float(weight.grad[place]) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-7)


def test_straight_through_is_hard_forwards() -> None:
    model, x = net().train(), noise(4, 1, 8, 8)
    through, hard = model.route(x, "straight-through"), model.route(x, "hard")
    assert torch.equal(through.logits, hard.logits) and torch.equal(through.gates, hard.gates)
    assert through.gates.requires_grad and not hard.gates.requires_grad


def test_drawn_gates_have_their_probabilities() -> None:
    model = net()
    x = noise(1, 1, 8, 8).expand(4000, 1, 8, 8)
    with torch.no_grad():
        route = model.route(x, "sample", source=generator(0, "test"))
    p = route.probabilities[0, 0]
    assert abs(route.gates[:, 0].mean() - p) < 4 * math.sqrt(p * (1 - p) / 4000)
    chosen = torch.where(route.gates == 1, route.probabilities, 1 - route.probabilities)
    torch.testing.assert_close(route.log_probabilities.exp(), chosen)


def test_gates_start_where_they_are_told() -> None:
    for kind in KINDS:
        model = gated_resnet(20, gate=kind, start=0.9, **SMALL)
        with torch.no_grad():
            for layer in model.gates.last:
                layer.weight.zero_()
            found = model.route(noise(2, 1, 8, 8).float()).probabilities
        torch.testing.assert_close(found, torch.full_like(found, 0.9))


def test_random_gates_skip_at_their_rates() -> None:
    rates = torch.linspace(0, 1, 5)
    found = random_gates(20_000, 5, rates, generator(0, "test"))
    torch.testing.assert_close(1 - found.mean(0), rates, rtol=0, atol=0.015)
    assert float(1 - random_gates(20_000, 5, 0.3, generator(0, "test")).mean()) == pytest.approx(0.3, abs=0.01)


def test_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = gated_resnet(20, **SMALL).state_dict()
    torch.manual_seed(2)
    second = gated_resnet(20, **SMALL).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: gated_resnet(8, gate="chance"), "gate: expected one of 'recurrent'"),
        (lambda: gated_resnet(8, way="guess"), "way: expected one of 'hard'"),
        (lambda: gated_resnet(8, start=1.0), "start: expected a number < 1"),
        (lambda: net().route(noise(2, 1, 8, 8), gates=torch.ones(2, 7)), "gates: expected shape"),
        (lambda: net().route(noise(2, 1, 8, 8), gates=torch.full((2, 8), 0.5)), "gates: expected zeros and ones"),
        (lambda: random_gates(2, 3, torch.tensor([0.0, 0.5]), generator(0, "t")), "rate: expected shape"),
        (lambda: random_gates(2, 1, torch.tensor([1.5]), generator(0, "t")), "rate: expected probabilities"),
        (lambda: path_cost(gated_resnet(8, width=2), 8).of(torch.ones(2, 3)), "gates: expected shape"),
    ],
)
def test_what_is_refused(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
