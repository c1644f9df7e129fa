"""Quantised descent: errors of rounding, the rule as published, what is left without its quantum, and resuming."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap

from contdepth.control import (
    LangevinDescent,
    QuantisedDescent,
    langevin_step,
    quantise,
    quantised_update,
    resolution,
    transient_step,
)
from contdepth.seeds import generator


def noise(*shape: int, purpose: str = "x", dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=generator(11, purpose), dtype=dtype)


@pytest.mark.parametrize(("rounding", "mean"), [("down", -0.5), ("nearest", 0.0)])
def test_errors_of_a_smooth_density_are_uniform_and_white(rounding, mean):
    """Standard errors at 200,000 numbers: 6e-4 of the mean, 1.2e-3 of the ratio, 2.2e-3 of the correlation."""
    x = noise(200_000)
    error = 8 * (quantise(x, 8.0, rounding) - x)
    assert float(error.mean()) == pytest.approx(mean, abs=0.004)
    assert float(12 * error.var()) == pytest.approx(1, abs=0.008)
    centred = error - error.mean()
    assert abs(float((centred[1:] * centred[:-1]).mean() / centred.var())) < 0.012


def test_errors_of_a_signal_below_the_quantum_are_the_signal():
    x = 0.05 * noise(20_000)
    assert not quantise(x, 1.0, "nearest").any()
    down = quantise(x, 1.0)
    assert float(down.var()) == pytest.approx(0.25, abs=0.01) and float(down.mean()) == pytest.approx(
        -0.5, abs=0.02
    )


def test_a_grid_is_kept_and_the_error_is_at_most_a_quantum():
    grid = torch.arange(-9, 10, dtype=torch.float64) / 8
    for rounding in ("down", "nearest"):
        assert torch.equal(quantise(grid, 8.0, rounding), grid)
    x = noise(1000)
    down, near = quantise(x, 8.0) - x, quantise(x, 8.0, "nearest") - x
    assert (down <= 0).all() and (down > -1 / 8).all() and (near.abs() <= 1 / 16).all()
    assert quantise(x, 8.0, "none") is x


def test_quanta_of_the_published_configuration():
    """Powers of two: 3.8e-6, 1.9e-6, 9.5e-7, 4.8e-7, with steps where ln(t + 2) is 1, 2 and 4."""
    for epoch, power in (
        (0, 18),
        (0.7, 18),
        (0.73, 19),
        (5.3, 19),
        (5.5, 20),
        (10, 20),
        (50, 20),
        (52.7, 21),
        (100, 21),
    ):
        assert resolution(epoch) == 2.0**power
    assert 1 / resolution(0) == pytest.approx(3.8e-6, rel=0.01)
    assert 1 / resolution(10) == pytest.approx(9.5e-7, rel=0.01)
    assert 1 / resolution(100) == pytest.approx(4.8e-7, rel=0.01)
    assert resolution(math.exp(3.001) - 2, 1.0, 3.0) == 3.0 and resolution(math.exp(2.999) - 2, 1.0, 3.0) == 1.0


def test_the_quantum_beside_the_spacing_of_float32():
    """Between ½ and 1 float32 has a spacing of 2⁻²⁴: a quantum is 64 of them at the start and 8 at epoch 100."""
    spacing = float(torch.nextafter(torch.tensor(0.5), torch.tensor(1.0)) - 0.5)
    assert 1 / resolution(0) / spacing == 64 and 1 / resolution(100) / spacing == 8
    weights = (0.5 + 0.5 * torch.rand(2000, generator=generator(1, "w"))).clamp(0.5, 0.99)
    step = quantise(1e-4 * noise(2000, dtype=torch.float32), resolution(100))
    assert torch.equal((weights + step).double(), weights.double() + step.double())


def test_the_transient_points_down_the_slope_and_dies_at_half():
    h = noise(4, 3)
    for epoch, share in ((0, 0.5 * (1 + math.tanh(40))), (20, 0.5), (20.5, 0.5 * (1 - math.tanh(1)))):
        r = transient_step(h, 0.1, epoch, 20.0)
        assert torch.allclose(r / r.norm(), h / h.norm(), atol=1e-14)
        assert float(r.norm()) == pytest.approx(0.1 * share, rel=1e-12)
    assert float(transient_step(h, 0.1, 30, 20.0).norm()) < 1e-9
    assert not transient_step(torch.zeros(3), 0.1, 0, 20.0).any()


def test_at_infinite_resolution_the_rule_is_descent_with_a_unit_norm_step():
    """Closed form: with ‖h + r‖ = lr(‖g‖ + s); and Q = 2⁴⁵ differs from no rounding by at most 2⁻⁴⁵."""
    g = noise(5, 4)
    plain = quantised_update(-0.1 * g, 0.1, 3.0, 40, rounding="none")
    assert torch.allclose(plain, -0.1 * g * (1 + 1 / g.norm()), rtol=0, atol=1e-12)
    fine = quantised_update(-0.1 * g, 0.1, 3.0, 40, eta=2.0**45)
    assert float((fine - plain).abs().max()) < 2e-12 and not torch.equal(fine, plain)
    bare = quantised_update(-0.1 * g, 0.1, 3.0, 40, rounding="none", transient=False)
    assert torch.equal(bare, -0.1 * g)


def test_members_have_norms_of_their_own():
    h = noise(3, 5, 4)
    h[1] *= 1e3
    found = vmap(lambda one: quantised_update(one, 0.1, 3.0, 40))(h)
    assert torch.equal(found, torch.stack([quantised_update(one, 0.1, 3.0, 40) for one in h]))


def slopes(count: int) -> list[Tensor]:
    return [noise(3, 2, purpose=f"g{n}") for n in range(count)]


def walked(rule: torch.optim.Optimizer, weights: nn.Parameter, gradients: list[Tensor]) -> Tensor:
    for gradient in gradients:
        weights.grad = gradient.clone()
        rule.step()
    return weights.detach().clone()


def test_the_optimiser_on_sgd_is_the_rule_step_by_step():
    weights = nn.Parameter(noise(3, 2, purpose="w"))
    expected = weights.detach().clone()
    rule = QuantisedDescent([weights], 0.1, epochs=4, batches=3, eta=64.0)
    found = walked(rule, weights, slopes(12))
    for n, g in enumerate(slopes(12)):
        t = n / 3
        r = -0.1 * 0.5 * (1 + math.tanh(-2 * (t - 2))) * g / g.norm()
        q = 64 * 2 ** math.floor(math.log2(math.log(t + 2)))
        expected += torch.floor(q * (-0.1 * g + r)) / q
    assert torch.allclose(found, expected, rtol=0, atol=1e-13)


def test_without_rounding_and_transient_it_is_sgd_and_adamw():
    for kind in ("sgd", "adamw"):
        ours, theirs = (nn.Parameter(noise(3, 2, purpose="w")) for _ in range(2))
        options = {"kind": kind, "rounding": "none", "transient": False, "eps": 1e-12}
        rule = QuantisedDescent([ours], 0.1, epochs=4, batches=3, **options)
        if kind == "sgd":
            peer: torch.optim.Optimizer = torch.optim.SGD([theirs], 0.1)
        else:  # PyTorch decays before the step: moved back by one decay at each end
            peer = torch.optim.AdamW([theirs], 0.1, weight_decay=0.01, eps=1e-12)
            theirs.data /= 1 - 0.1 * 0.01
        there = walked(peer, theirs, slopes(9))
        if kind == "adamw":
            there = there * (1 - 0.1 * 0.01)
        assert torch.allclose(walked(rule, ours, slopes(9)), there, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_stored_state_goes_on(kind):
    whole, cut = (nn.Parameter(noise(3, 2, purpose="w")) for _ in range(2))
    options = {"epochs": 4, "batches": 3, "kind": kind}
    walked(QuantisedDescent([whole], 0.1, **options), whole, slopes(12))
    first = QuantisedDescent([cut], 0.1, **options)
    walked(first, cut, slopes(12)[:7])
    second = QuantisedDescent([cut], 0.1, **options)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(walked(second, cut, slopes(12)[7:]), whole)


def test_rounding_down_moves_a_flat_direction():
    """Equal and opposite slopes: to the nearest nothing moves, down every step loses half a quantum."""
    h = 0.01 * noise(1000)
    both = torch.stack([h, -h])
    for rounding, mean in (("nearest", 0.0), ("down", -0.5)):
        moved = 2.0**12 * quantise(both, 2.0**12, rounding)
        assert float(moved.mean()) == pytest.approx(mean, abs=1e-12)


def test_langevin_steps_have_the_variance_of_their_temperature():
    """On ½aw² the Euler steps settle at T/(a(1 - a lr/2)); 20,000 walkers, standard error 1 %."""
    a, lr, temperature = 2.0, 0.2, 0.3
    w, source = torch.zeros(20_000, dtype=torch.float64), generator(0, "walk")
    for _ in range(80):
        w = w + langevin_step(a * w, lr, temperature, source)
    assert float(w.var()) == pytest.approx(temperature / (a * (1 - a * lr / 2)), rel=0.04)
    weights = nn.Parameter(noise(3, 2, purpose="w"))
    expected = weights.detach().clone()
    rule = LangevinDescent([weights], 0.1, temperature=0.5, generator=generator(0, "xi"))
    found, source = walked(rule, weights, slopes(2)), generator(0, "xi")
    for g in slopes(2):
        expected += -0.1 * g + math.sqrt(0.1) * torch.randn(3, 2, generator=source, dtype=torch.float64)
    assert torch.allclose(found, expected, rtol=0, atol=1e-14) and rule.step(lambda: 2.0) == 2.0


@pytest.mark.parametrize(
    ("argument", "given"),
    [("kind", {"kind": "adam"}), ("eta", {"eta": 0.0}), ("base", {"base": 1.0}), ("betas", {"betas": (0.9,)}),
     ("rounding", {"rounding": "up"}), ("epochs", {"epochs": 0}), ("lr", {"lr": -1.0})],
)  # fmt: skip
def test_settings_outside_their_range_are_told(argument, given):
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        QuantisedDescent([nn.Parameter(noise(2, 2))], **({"epochs": 2, "batches": 2} | given))
