"""Discrete weights: the rules against every choice there is, co-states by hand against backprop, the optimiser."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap

from contdepth.control import ControlledSystem, DiscreteWeights, binary_update, ternary_update
from contdepth.control.discrete import damping_level
from contdepth.seeds import generator


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(5, purpose), dtype=torch.float64)


def drawn(values: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    chosen = torch.randint(len(values), shape, generator=generator(5, "weights"))
    return torch.tensor(values, dtype=torch.float64)[chosen]


def halves(final: Tensor, y: Tensor) -> Tensor:
    return (final - y).square().sum(1) / 2


def layer() -> tuple[ControlledSystem, nn.Linear, Tensor, Tensor]:
    """Two stages with tanh between, of which the first, 2 × 3, is to be chosen."""
    first, second = nn.Linear(3, 2, bias=False).double(), nn.Linear(2, 2, bias=False).double()
    second.weight.data.copy_(noise(2, 2, purpose="second"))
    system = ControlledSystem([first, nn.Tanh(), second], halves)
    return system, first, noise(7, 3), noise(7, 2, purpose="y")


@pytest.mark.parametrize("damping", [0.0, 0.3, 0.9, 1.5])
@pytest.mark.parametrize(("values", "sparsity"), [((-1, 1), 0.0), ((-1, 0, 1), 0.0), ((-1, 0, 1), 0.05)])
def test_the_rule_maximises_the_damped_hamiltonian_over_every_choice(values, sparsity, damping):
    system, first, x, y = layer()
    old = drawn(values, (2, 3))
    first.weight.data.copy_(old)
    along = system.trajectory(x, y)
    slope = system.gradient(0, along.states[0], along.costates[1])["weight"]
    level = damping_level(old, slope, damping)
    factor = level / 2 if len(values) == 2 else level

    def value(theta: Tensor) -> float:
        first.weight.data.copy_(theta)
        h = system.hamiltonian(0, along.states[0], along.costates[1]).sum()
        return float(h - sparsity * theta.abs().sum() - factor * (theta - old).square().sum())

    choices = [torch.tensor(one, dtype=torch.float64).view(2, 3) for one in product(values, repeat=6)]
    best = max(choices, key=value)
    if len(values) == 2:
        found = binary_update(old, slope, damping)
    else:
        found = ternary_update(old, slope, damping, sparsity)
    assert value(found) == pytest.approx(value(best), abs=1e-14)
    if damping < 0.9:
        assert torch.equal(found, best)


def test_without_damping_it_is_the_sign_and_above_one_nothing_moves():
    slope, old = noise(6, 5), drawn((-1, 1), (6, 5))
    assert torch.equal(binary_update(old, slope, 0.0), slope.sign())
    assert torch.equal(binary_update(old, slope, 1.0), old)
    moved = binary_update(old, slope, 0.999) != old
    wrong = old != slope.sign()
    assert moved.sum() == 1 and moved.flatten()[(slope.abs() * wrong).argmax()]


def test_where_the_slope_is_nothing_the_weight_stays():
    old = drawn((-1, 1), (4, 4))
    assert torch.equal(binary_update(old, torch.zeros_like(old), 0.0), old)


def test_sparsity_beyond_every_slope_empties_the_layer():
    slope, old = noise(6, 5), drawn((-1, 0, 1), (6, 5))
    assert not ternary_update(old, slope, 0.0, float(slope.abs().max())).any()
    scaled = 8 * slope
    assert torch.equal(ternary_update(old, slope, 0.25, 0.0), ternary_update(old, scaled, 0.25, 0.0))


def test_members_have_levels_of_their_own():
    slope, old = noise(3, 6, 5), drawn((-1, 0, 1), (3, 6, 5))
    slope[1] *= 1e6
    found = vmap(partial(ternary_update, damping=0.5, sparsity=0.0))(old, slope)
    alone = [ternary_update(o, s, 0.5, 0.0) for o, s in zip(old, slope, strict=True)]
    assert torch.equal(found, torch.stack(alone))


@pytest.mark.parametrize(("values", "corrected"), [("binary", False), ("ternary", False), ("ternary", True)])
def test_the_optimiser_averages_slopes_and_learns(values, corrected):
    teacher = drawn((-1, 1), (4, 6))
    x = noise(200, 6)
    y = x @ teacher.T
    student = nn.Linear(6, 4, bias=False).double()
    start = student.weight.detach().clone()
    rule = DiscreteWeights(
        student.parameters(), values, average=0.5, sparsity=1e-3, generator=generator(0, "first")
    )
    assert not torch.equal(student.weight, start)
    first, mean = student.weight.detach().clone(), torch.zeros(4, 6, dtype=torch.float64)
    again = DiscreteWeights([nn.Parameter(torch.zeros(4, 6).double())], values, generator=generator(0, "first"))
    assert torch.equal(again.param_groups[0]["params"][0], first)
    for n in range(1, 4):
        old = student.weight.detach().clone()
        gradient = (old @ x.T - y.T) @ x / len(x)
        mean = 0.5 * mean - 0.5 * gradient
        rule.zero_grad()
        halves(student(x), y).mean().backward()
        rule.step()
        used = mean / (1 - 0.5**n) if corrected else mean
        wanted = binary_update(old, used, 0.5) if values == "binary" else ternary_update(old, used, 0.5, 1e-3)
        assert torch.equal(student.weight, wanted)
    for _ in range(40):
        rule.zero_grad()
        halves(student(x), y).mean().backward()
        rule.step()
    assert (student.weight == teacher).sum() >= 22, (
        "the last wrong weights may come and go, for one at least moves"
    )


def test_the_average_lengthens_in_every_group():
    parts = [nn.Parameter(noise(2, 2)), nn.Parameter(noise(2, 2))]
    rule = DiscreteWeights([{"params": parts[:1]}, {"params": parts[1:], "average": 0.9}], average=0.99)
    rule.lengthen(0.5)
    assert [group["average"] for group in rule.param_groups] == pytest.approx([0.995, 0.95])
    for part in parts:
        part.grad = None
    assert rule.step(lambda: 3.0) == 3.0


@pytest.mark.parametrize(
    ("argument", "given"),
    [("values", {"values": "quaternary"}), ("damping", {"damping": -1}), ("average", {"average": 1.0})],
)
def test_settings_outside_their_range_are_told(argument, given):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        DiscreteWeights([nn.Parameter(noise(2, 2))], **given)
