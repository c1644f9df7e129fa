"""Potentials, their Laplacians and symmetries, and the flows along their gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import hessian, jacrev, vmap

from contdepth.flows import ContinuousFlow, DualIsing, MongeAmpereFlow, Potential, translations
from contdepth.schemes import RK4, RungeKutta, integrate
from contdepth.seeds import generator

KINDS: list[dict[str, Any]] = [
    {},
    {"activation": "log cosh"},
    {"even": True},
    {"symmetries": torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])},
    {"activation": "log cosh", "even": True, "symmetries": torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])},
]


def potential(d: int = 3, hidden: int = 5, size: float = 4.0, **kind: Any) -> Potential:
    made = Potential(d, hidden, generator=generator(0, "potential"), **kind).double()
    with torch.no_grad():
        made.out.mul_(size)
        if made.bias is not None:
            made.bias.copy_(torch.linspace(-1, 1, hidden))
    return made


def points(n: int = 4, d: int = 3) -> Tensor:
    return torch.randn(n, d, generator=generator(1, "points"), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_derivatives_of_the_potential(kind: dict[str, Any]) -> None:
    phi, x = potential(**kind), points()
    gradient, laplacian = phi.slopes(x)
    torch.testing.assert_close(gradient, vmap(jacrev(phi))(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(phi.gradient(x), gradient, rtol=0, atol=0)
    full = vmap(hessian(phi))(x)
    torch.testing.assert_close(laplacian, full.diagonal(dim1=1, dim2=2).sum(1), rtol=0, atol=1e-12)
    assert laplacian.abs().min() > 1e-3


def test_the_value_is_the_formula() -> None:
    phi, x = potential(), points()
    by_hand = sum(
        phi.out[h] * torch.log1p(torch.exp(x @ phi.weight[h] + phi.bias[h]))
        for h in range(5)  # type: ignore[index]
    )
    torch.testing.assert_close(phi(x), by_hand)
    phi = potential(activation="log cosh", bias=False)
    torch.testing.assert_close(phi(x), torch.log(torch.cosh(x @ phi.weight.T)) @ phi.out)


def test_symmetries_are_means_over_images() -> None:
    cycle = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    plain, phi, x = potential(), potential(symmetries=cycle, even=True), points()
    images = [sign * x[:, row] for row in cycle for sign in (1, -1)]
    torch.testing.assert_close(phi(x), torch.stack([plain(image) for image in images]).mean(0))
    for image in images:
        torch.testing.assert_close(phi(image), phi(x), rtol=0, atol=1e-12)


def test_a_law_has_the_symmetries_of_its_potential() -> None:
    phi = potential(9, 6, symmetries=translations(3), even=True)
    flow, x = MongeAmpereFlow(phi, 9, time=1.0, steps=4), points(2, 9)
    found = flow.log_density(x)
    moved = x.reshape(2, 3, 3).roll((1, 2), (1, 2)).reshape(2, 9)
    torch.testing.assert_close(flow.log_density(-moved), found, rtol=0, atol=1e-10)
    turned = x.flip(1).roll(1, 1)[:, torch.randperm(9, generator=generator(0, "permutation"))]
    assert (flow.log_density(turned) - found).abs().min() > 1e-3


@pytest.mark.parametrize("kind", KINDS[:3])
def test_the_log_density_is_that_of_the_determinant(kind: dict[str, Any]) -> None:
    phi, x = potential(**kind), points()
    flow = MongeAmpereFlow(phi, 3, time=1.0, steps=80)
    grid = torch.linspace(1.0, 0.0, 81, dtype=torch.float64)

    def back(one: Tensor) -> Tensor:
        return integrate(lambda t, y: phi.gradient(y), one, grid, RungeKutta(RK4), keep="last")

    z, full = back(x), vmap(jacrev(back))(x)
    expected = -0.5 * z.square().sum(1) - 1.5 * math.log(2 * math.pi) + torch.linalg.slogdet(full).logabsdet
    torch.testing.assert_close(flow.log_density(x), expected, rtol=0, atol=1e-8)


def test_three_ways_to_the_laplacian() -> None:
    """One pass and d products agree to rounding, with gradients; probes on average; a function needs no layer."""
    phi, x = potential(), points(2)
    flows = [MongeAmpereFlow(phi, 3, time=1.0, steps=3, trace=one) for one in ("fused", "exact")]
    flows.append(
        MongeAmpereFlow(lambda y: phi(y), 3, time=1.0, steps=3, trace="exact", parameters=phi.parameters())
    )
    values = [flow.log_density(x) for flow in flows]
    grads = [torch.autograd.grad(value.sum(), tuple(phi.parameters())) for value in values]
    for value, grad in zip(values[1:], grads[1:], strict=True):
        torch.testing.assert_close(value, values[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(grad, grads[0], rtol=1e-9, atol=1e-12)
    rough = MongeAmpereFlow(phi, 3, time=1.0, steps=3, trace="hutchinson")
    with torch.no_grad():
        found = rough.log_density(x[:1].expand(4000, 3), generator(0, "probes"))
    assert abs((found.mean() - values[0][0]).item()) < 3.5 * found.std().item() / math.sqrt(4000)


@pytest.mark.parametrize("gradient", ["checkpoints", "adjoint"])
@pytest.mark.parametrize("trace", ["fused", "exact"])
def test_thrifty_gradients(gradient: str, trace: str) -> None:
    phi, x = potential(), points(2)
    function = phi if trace == "fused" else lambda y: phi(y)
    found = []
    for how in ("backprop", gradient):
        more = {"trace": trace, "gradient": how, "parameters": list(phi.parameters())}
        flow = MongeAmpereFlow(function, 3, time=1.0, steps=20, **more)
        drawn = flow.draw(3, generator(0, "draw"))
        loss = drawn.log_density.sum() + drawn.x.square().sum() + flow.sample(2, generator(2, "draw")).sum()
        found.append(torch.autograd.grad(loss + flow.log_density(x).sum(), tuple(phi.parameters())))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_the_volume_is_that_of_the_jacobian_that_functions_of_torch_find() -> None:
    """Paths are transparent to torch.func, with two steps the determinant of their map is met roughly."""
    phi, z = potential(), points()
    for steps, bound in ((40, 1e-7), (2, 1e-1)):
        flow = MongeAmpereFlow(phi, 3, time=1.0, steps=steps)
        full = vmap(jacrev(flow.moved))(z)
        wrong = (torch.linalg.slogdet(full).logabsdet - flow.from_base(z).log_det).abs().max()
        assert wrong < bound and (steps > 2 or wrong > 1e-6)


def test_there_and_back() -> None:
    phi, x = potential(), points()
    flow = MongeAmpereFlow(phi, 3, time=2.0, steps=40)
    z, down = flow.to_base(x)
    again, up = flow.from_base(z)
    assert (again - x).abs().max() <= 1e-6 and (up + down).abs().max() <= 1e-6
    assert (z - x).abs().max() > 0.1


def test_a_quadratic_potential_scales() -> None:
    """φ = ½ k |x|²: the law is normal with variance e^{2kT}."""
    flow = MongeAmpereFlow(lambda x: 0.15 * x.square().sum(-1), 2, time=2.0, trace="exact", parameters=[points()])
    x, size = points(4, 2), math.exp(0.3 * 2.0)
    expected = -0.5 * (x / size).square().sum(1) - math.log(2 * math.pi) - 2 * math.log(size)
    torch.testing.assert_close(flow.log_density(x), expected, rtol=0, atol=1e-8)


def test_the_variational_free_energy_is_above_the_exact_one_and_falls() -> None:
    """4 x 4 at the critical temperature: an untrained flow, and 60 steps of Adam on it."""
    model = DualIsing(4)
    phi = Potential(
        16, 24, activation="log cosh", bias=False, symmetries=translations(4)[:1], generator=generator(0, "w")
    )
    flow = MongeAmpereFlow(phi, 16, time=1.0, steps=5)
    optimiser, source = torch.optim.Adam(flow.parameters(), 0.03), generator(0, "z")

    def estimate() -> tuple[float, float]:
        with torch.no_grad():
            drawn = flow.draw(2000, generator(9, "z"))
            values = (drawn.log_density + model.energy(drawn.x)) / 16
        return values.mean().item(), values.std().item() / math.sqrt(2000)

    before, error = estimate()
    assert before > model.free_energy() + 5 * error
    for _ in range(60):
        drawn = flow.draw(128, source)
        loss = (drawn.log_density + model.energy(drawn.x)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after, error = estimate()
    assert model.free_energy() - 3 * error < after < before - 0.1


def test_what_does_not_fit_is_named() -> None:
    calls = [
        (lambda: MongeAmpereFlow(lambda x: x.sum(-1), 2), "trace: expected 'exact' or 'hutchinson'"),
        (lambda: MongeAmpereFlow(potential(), 2), "dimension: expected 3, that of the potential"),
        (lambda: MongeAmpereFlow(potential(), 3, time=-1.0), "time: expected a number > 0"),
        (
            lambda: Potential(3, 4, symmetries=torch.tensor([[0, 1, 1]])),
            "symmetries: expected each row",
        ),
        (lambda: Potential(3, 4, symmetries=torch.tensor([[1, 2, 0]])), "symmetries: expected a group"),
        (lambda: Potential(3, 4, symmetries=torch.zeros(1, 3)), "symmetries: expected permutations in int64"),
        (lambda: potential()(points().float()), "x: expected dtype torch.float64"),
        (
            lambda: MongeAmpereFlow(lambda x: x, 3, trace="exact", steps=1, parameters=[points()]).moved(points()),
            r"potential\(x\): expected shape \(4,\)",
        ),
    ]
    for call, said in calls:
        with pytest.raises((TypeError, ValueError), match=said):
            call()
    assert isinstance(MongeAmpereFlow(potential(), 3), ContinuousFlow)
