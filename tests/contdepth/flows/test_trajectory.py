"""Flows through snapshots against determinants, quadrature, closed forms and finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian

from contdepth.flows import ContinuousFlow, TrajectoryFlow, exact_probes
from contdepth.seeds import generator

TIMES = (0.0, 1.0, 1.5)


class Net(nn.Module):
    """Not linear, with time in it and a Jacobian that is not symmetric."""

    def __init__(self) -> None:
        super().__init__()
        source = generator(0, "net")
        self.w = nn.Parameter(0.7 * torch.randn(5, 3, generator=source, dtype=torch.float64))
        self.a = nn.Parameter(0.7 * torch.randn(2, 5, generator=source, dtype=torch.float64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        joined = torch.cat([x, t.expand(*x.shape[:-1], 1)], dim=-1)
        return torch.tanh(joined @ self.w.T) @ self.a.T


def flow(**more: Any) -> TrajectoryFlow:
    return TrajectoryFlow(Net(), 2, TIMES, **{"steps": 20, **more})


def points(n: int = 4, purpose: str = "points") -> Tensor:
    return torch.randn(n, 2, generator=generator(1, purpose), dtype=torch.float64)


def snapshots() -> list[Tensor]:
    return [points(n, str(n)) + n for n in (3, 5, 2)]


def test_the_base_lies_an_interval_before_the_snapshots() -> None:
    assert flow().span == (-1.0, 1.5) and flow(base=-0.25).span == (-0.25, 1.5)
    assert flow(base=0.0).span == (0.0, 1.5) and flow().times == TIMES


def test_there_and_back() -> None:
    x = points()
    for more in ({}, {"steps": None, "rtol": 1e-8}):
        one = flow(**more)
        for start, end in ((0.0, 1.5), (1.2, -1.0), (0.3, 0.7)):
            again = one.push(one.push(x, start, end), end, start)
            torch.testing.assert_close(again, x, rtol=0, atol=1e-6)
        assert one.push(x, 0.5, 0.5) is x


def test_push_follows_the_field() -> None:
    """x' = t v: a shift by v (t² - s²) / 2, forwards and backwards; paths hold each of their times."""
    v, x = torch.tensor([2.0, -1.0], dtype=torch.float64), points()
    one = TrajectoryFlow(lambda t, y: t * v.expand_as(y), 2, TIMES, steps=2, parameters=[v])
    torch.testing.assert_close(one.push(x, 0.0, 1.5), x + v * 1.125)
    torch.testing.assert_close(one.push(x, 1.5, 0.5), x - v)
    found = one.paths(x, 0.5, [1.5, 0.5, -1.0])
    torch.testing.assert_close(found, torch.stack([x + v, x, x + 0.375 * v]))


def test_energy_is_the_quadrature_of_the_speed() -> None:
    """By Simpson's rule over the paths, in both directions; of x' = -x in closed form."""
    x, one = points(), flow()
    t = torch.linspace(0.2, 1.4, 41, dtype=torch.float64)
    along = one.paths(x, 0.2, t.tolist())
    speed = torch.stack([one.f(s, at).square().sum(-1) for s, at in zip(t, along, strict=True)])
    weights = torch.tensor([1.0, *[4.0, 2.0] * 19, 4.0, 1.0], dtype=torch.float64) * 0.03 / 3
    expected = (weights[:, None] * speed).sum(0)
    torch.testing.assert_close(one.energy(x, 0.2, 1.4), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(one.energy(along[-1], 1.4, 0.2), expected, rtol=1e-5, atol=0)
    w = torch.ones((), dtype=torch.float64)
    decay = TrajectoryFlow(lambda t, y: -w * y, 2, TIMES, steps=40, parameters=[w])
    closed = x.square().sum(-1) * -torch.expm1(-2 * torch.tensor(1.5, dtype=torch.float64)) / 2
    torch.testing.assert_close(decay.energy(x, 0.0, 1.5), closed, rtol=1e-6, atol=0)


def test_the_density_of_a_time_is_that_of_the_determinant() -> None:
    x, one = points(), flow()
    for time in (0.0, 0.4, 1.0, 1.5):
        z = one.push(x, time, -1.0)
        full = torch.stack([jacobian(lambda y, at=time: one.push(y, at, -1.0), point) for point in x])
        law = torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
        expected = law.log_prob(z) + torch.linalg.slogdet(full)[1]
        torch.testing.assert_close(one.log_density_at(x, time), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(one.log_density(x), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(one.log_density_at(x, -1.0), law.log_prob(x))
    plain = ContinuousFlow(one.f, 2, span=(-1.0, 1.5), rtol=1e-9)
    torch.testing.assert_close(one.log_density(x), plain.log_density(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("base", [-1.0, 0.0])
def test_the_loss_is_that_of_its_parts(base: float) -> None:
    """All samples in one pass, against each by itself."""
    one, data = flow(base=base), snapshots()
    found = one.loss(data, 0.3)
    each = [one.log_density_at(x, t).mean() for x, t in zip(data, TIMES, strict=True)]
    torch.testing.assert_close(found.log_density, torch.stack(each))
    torch.testing.assert_close(found.energy, one.energy(data[-1], 1.5, base).mean())
    torch.testing.assert_close(found.total, 0.3 * found.energy - sum(each))
    both = one.loss(data, 0.3, jacobian=0.2)
    torch.testing.assert_close(both.total, found.total + 0.2 * found.jacobian)
    assert found.energy > 0 and found.jacobian > 0


def test_the_price_of_the_jacobian_is_the_quadrature_of_its_square() -> None:
    """By Simpson's rule over the last snapshot's paths, with Jacobians that are built."""
    one, data = flow(), snapshots()
    t = torch.linspace(-1.0, 1.5, 81, dtype=torch.float64)
    back = one.paths(data[-1], 1.5, t.flip(0).tolist()).flip(0)
    squares = torch.stack(
        [
            torch.stack([jacobian(lambda y, at=s: one.f(at, y), point).square().sum() for point in x])
            for s, x in zip(t, back, strict=True)
        ]
    )
    weights = torch.tensor([1.0, *[4.0, 2.0] * 39, 4.0, 1.0], dtype=torch.float64) * 2.5 / 80 / 3
    expected = (weights[:, None] * squares).sum(0).mean()
    torch.testing.assert_close(one.loss(data).jacobian, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_gradients_of_the_loss(gradient: str) -> None:
    """Against a central difference along one direction."""
    one, data = flow(gradient=gradient, base=-0.5), snapshots()
    held = (one.f.w, one.f.a)
    found = torch.autograd.grad(one.loss(data, 0.3, jacobian=0.2).total, held)
    ways = [torch.randn(w.shape, generator=generator(3, "way"), dtype=w.dtype) for w in held]
    along = sum((g * way).sum().item() for g, way in zip(found, ways, strict=True))
    values = []
    with torch.no_grad():
        for h in (1e-5, -2e-5):
            for w, way in zip(held, ways, strict=True):
                w.add_(h * way)
            values.append(one.loss(data, 0.3, jacobian=0.2).total.item())
    assert along == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_the_estimate_is_right_on_average() -> None:
    rough, exact = flow(trace="hutchinson", steps=4), flow(steps=4)
    data = [points(1, "a").expand(3000, 2), points(1, "b").expand(2000, 2), points(1, "c").expand(2000, 2)]
    with torch.no_grad():
        found = rough.loss(data, 0.1, generator(0, "probes"))
        wanted = exact.loss([x[:1] for x in data], 0.1)
        again = rough.loss(data, 0.1, generator(0, "probes"))
        for k, x in enumerate(data):
            spread = rough.log_density_at(x, TIMES[k], generator(1, "probes")).std() / len(x) ** 0.5
            assert abs((found.log_density[k] - wanted.log_density[k]).item()) < 3 * spread.item()
    torch.testing.assert_close(found.energy, wanted.energy)
    assert again.total == found.total


def test_probes_stay_with_their_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes that tell their points apart: all in one pass is each by itself; exact ones give the exact loss."""
    rough, data, source = flow(trace="hutchinson", probes=2), snapshots(), generator(0, "probes")
    for probes in (
        lambda x, source, count: torch.stack([x, x.flip(-1)]),
        lambda x, source, count: exact_probes(x),
    ):
        monkeypatch.setattr("contdepth.flows.continuous.draw_probes", probes)
        found = rough.loss(data, 0.3, source)
        each = [rough.log_density_at(x, t, source).mean() for x, t in zip(data, TIMES, strict=True)]
        torch.testing.assert_close(found.log_density, torch.stack(each))
    torch.testing.assert_close(found.total, flow().loss(data, 0.3).total)


def test_what_does_not_fit_is_named() -> None:
    one, rough, data = flow(), flow(trace="hutchinson"), snapshots()
    for call, said in [
        (lambda: TrajectoryFlow(Net(), 2, [0.0]), "times: expected at least two"),
        (lambda: TrajectoryFlow(Net(), 2, [0.0, 0.0]), "times: expected at least two, each after"),
        (lambda: flow(base=0.5), "base: expected a number <= 0"),
        (lambda: one.push(points(), 0.0, 2.0), "end: expected a number <= 1.5"),
        (lambda: one.energy(points(), -2.0, 0.0), "start: expected a number >= -1"),
        (lambda: one.log_density_at(points(), 9.0), "time: expected a number <= 1.5"),
        (lambda: one.paths(points(), 0.0, []), "times: expected at least one"),
        (lambda: one.loss(data[:2]), "snapshots: expected 3, one for each time, found 2"),
        (lambda: one.loss([*data[:2], data[2].float()]), "snapshots: expected dtype torch.float64"),
        (lambda: one.loss(data, -1.0), "energy: expected a number >= 0"),
        (lambda: one.loss(data, 0.0, generator(0, "a")), "generator: expected None"),
        (lambda: rough.loss(data), "generator: expected a Generator"),
    ]:
        with pytest.raises((TypeError, ValueError), match=said):
            call()
