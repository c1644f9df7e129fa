"""The density model of a continuous flow against determinants, closed forms, a grid and zuko."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from zuko.transforms import FreeFormJacobianTransform

from contdepth.flows import ContinuousFlow
from contdepth.schemes import RK4, TSITOURAS, RungeKutta, integrate
from contdepth.seeds import generator


class Net(nn.Module):
    """Not linear, with time in it and a Jacobian that is not symmetric."""

    def __init__(self, d: int = 2) -> None:
        super().__init__()
        source = generator(0, "net")
        self.w = nn.Parameter(0.7 * torch.randn(5, d + 1, generator=source, dtype=torch.float64))
        self.a = nn.Parameter(0.7 * torch.randn(d, 5, generator=source, dtype=torch.float64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        joined = torch.cat([x, t.expand(*x.shape[:-1], 1)], dim=-1)
        return torch.tanh(joined @ self.w.T) @ self.a.T


def points(n: int = 4, d: int = 2) -> Tensor:
    return torch.randn(n, d, generator=generator(1, "points"), dtype=torch.float64)


def normal(z: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(torch.zeros_like(z[0]), torch.eye(z.shape[-1]).to(z)).log_prob(z)


@pytest.mark.parametrize("d", [2, 3])
def test_the_log_density_is_that_of_the_determinant(d: int) -> None:
    """Of the flow map backwards, differentiated as a whole by reverse mode: the same steps, so to rounding."""
    f, x = Net(d), points(4, d)
    flow = ContinuousFlow(f, d, span=(-0.5, 1.5), steps=80)
    grid = torch.linspace(1.5, -0.5, 81, dtype=torch.float64)

    def back(one: Tensor) -> Tensor:
        return integrate(f, one, grid, RungeKutta(RK4), keep="last")

    z, full = back(x), vmap(jacrev(back))(x)
    expected = normal(z) + torch.linalg.slogdet(full)[1]
    torch.testing.assert_close(flow.log_density(x), expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(flow(x), expected, rtol=0, atol=1e-8)


def test_a_linear_flow_has_a_normal_law() -> None:
    """x' = A x makes N(0, e^A e^Aᵀ), by tolerance and by equal steps."""
    a = torch.tensor([[0.3, -0.8], [0.5, -0.1]], dtype=torch.float64)
    through = torch.linalg.matrix_exp(a)
    law = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=torch.float64), through @ through.T)
    for how in ({"rtol": 1e-10, "atol": 1e-12}, {"rtol": 1e-10, "scheme": TSITOURAS}, {"steps": 200}):
        flow = ContinuousFlow(lambda t, x: x @ a.T, 2, parameters=[a], **how)
        torch.testing.assert_close(flow.log_density(points()), law.log_prob(points()), rtol=0, atol=1e-8)
    drawn = flow.draw(5, generator(0, "draw"))
    torch.testing.assert_close(drawn.log_density, law.log_prob(drawn.x), rtol=0, atol=1e-8)
    same = flow.sample(5, generator(0, "draw"))
    torch.testing.assert_close(same, drawn.x, rtol=0, atol=1e-12)
    z = torch.randn(5, 2, generator=generator(0, "draw"), dtype=torch.float64)
    torch.testing.assert_close(same, z @ through.T, rtol=0, atol=1e-8)


def test_there_and_back() -> None:
    flow, x = ContinuousFlow(Net(), 2, rtol=1e-9, atol=1e-11), points()
    z, down = flow.to_base(x)
    again, up = flow.from_base(z)
    torch.testing.assert_close(again, x, rtol=0, atol=1e-7)
    torch.testing.assert_close(up, -down, rtol=0, atol=1e-7)


def test_the_density_sums_to_one() -> None:
    flow = ContinuousFlow(Net(), 2, steps=8)
    side = torch.linspace(-9, 9, 91, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        total = flow.log_density(grid).exp().sum() * (side[1] - side[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_zuko_says_the_same() -> None:
    """zuko's free-form transform goes from the points to the base; its trace is held a hundred times looser."""
    f, x = Net(), points()
    other = FreeFormJacobianTransform(f, 1.0, 0.0, tuple(f.parameters()), atol=1e-11, rtol=1e-11)
    flow = ContinuousFlow(f, 2, rtol=1e-9, atol=1e-11)
    z, log_det = other.call_and_ladj(x)
    expected = normal(z) + log_det
    found = flow.log_density(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    theirs, ours = (torch.autograd.grad(one.sum(), tuple(f.parameters())) for one in (expected, found))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gradient", ["backprop", "checkpoints", "adjoint"])
@pytest.mark.parametrize("steps", [40, None])
def test_gradients_of_the_log_density(gradient: str, steps: int | None) -> None:
    """Each against a central difference along one direction."""
    f, x = Net(), points(2)
    flow = ContinuousFlow(f, 2, steps=steps, gradient=gradient, rtol=1e-9, atol=1e-11)
    found = torch.autograd.grad(flow.log_density(x).sum(), (f.w, f.a))
    ways = [torch.randn(one.shape, generator=generator(3, "way"), dtype=one.dtype) for one in (f.w, f.a)]
    along = sum((g * way).sum().item() for g, way in zip(found, ways, strict=True))
    values = []
    with torch.no_grad():
        for h in (1e-5, -2e-5):
            for one, way in zip((f.w, f.a), ways, strict=True):
                one.add_(h * way)
            values.append(flow.log_density(x).sum().item())
    difference = (values[0] - values[1]) / 2e-5
    assert along == pytest.approx(difference, rel=1e-5)


def test_the_estimate_is_right_on_average_and_repeats() -> None:
    flow = ContinuousFlow(Net(), 2, steps=4, trace="hutchinson", probes=3)
    exact = ContinuousFlow(flow.f, 2, steps=4)
    x = points(1).expand(4000, 2)
    with torch.no_grad():
        found, source = flow.log_density(x, generator(0, "probes")), exact.log_density(x[:1])
    error = found.std() / math.sqrt(len(x))
    assert abs((found.mean() - source).item()) < 3 * error.item()
    first, again = (flow.log_density(x[:9], generator(5, "p")) for _ in range(2))
    assert bool((first == again).all())
    assert (
        flow.draw(3, generator(0, "p")).log_density.shape == (3,)
        and flow.sample(3, generator(0, "p")).isfinite().all()
    )


def refusals() -> list[tuple[Any, str]]:
    flow, rough = ContinuousFlow(Net(), 2), ContinuousFlow(Net(), 2, trace="hutchinson")
    return [
        (lambda: flow.log_density(points().float()), "x: expected dtype torch.float64"),
        (lambda: flow.log_density(points(3, 3)), r"x: expected points \(..., 2\)"),
        (lambda: flow.log_density(points(), generator(0, "a")), "generator: expected None"),
        (lambda: rough.log_density(points()), "generator: expected a Generator"),
        (lambda: flow.sample(2, None), "generator: expected a Generator"),
        (lambda: ContinuousFlow(3, 2), "f: expected a function"),
        (lambda: ContinuousFlow(Net(), 2, span=(1.0, 1.0)), "span: expected two different times"),
        (lambda: ContinuousFlow(Net(), 2, span=(1.0,)), "span: expected two times"),
        (lambda: ContinuousFlow(Net(), 2, scheme=RungeKutta(RK4)), "scheme: expected one of schemes.solve"),
        (lambda: ContinuousFlow(Net(), 2, steps=3, scheme=TSITOURAS), "scheme: expected a scheme for equal steps"),
    ]


def test_what_does_not_fit_is_named() -> None:
    for call, said in refusals():
        with pytest.raises((TypeError, ValueError), match=said):
            call()
