"""Training through the integrator, learned and fitted starts, accelerations, forecasts that blow up."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contdepth import problems, schemes
from contdepth.errors import DivergenceError
from contdepth.mechanics import (
    AccelerationNet,
    Forecast,
    HamiltonianNet,
    LagrangianNet,
    PlanePendulum,
    VectorFieldNet,
    fit_accelerations,
    fit_rollouts,
    fit_starts,
    forecast,
    simulate,
)
from contdepth.mechanics.rollouts import Schedule
from contdepth.seeds import generator

PENDULUM = problems.Pendulum()
TIMES = torch.linspace(0, 1.0, 6, dtype=torch.float64)
LEAPFROG = schemes.Leapfrog()


class Spring(nn.Module):
    """H = p²/2 + k q²/2 with k to be learned."""

    def __init__(self, k: float = 1.0) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(k, dtype=torch.float64))

    @property
    def parts(self) -> Any:
        return (lambda t, p: p), (lambda t, q: -self.k * q)

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        q, p = u.chunk(2, -1)
        return torch.cat((p, -self.k * q), -1)


def observed(count: int = 12, noise: float = 0.0, k: float = 2.0, times: Tensor = TIMES) -> Tensor:
    starts = torch.randn(count, 2, generator=generator(0, "starts"), dtype=torch.float64)
    with torch.no_grad():
        found = simulate(Spring(k).field, starts, times)
    return found + noise * torch.randn(found.shape, generator=generator(0, "noise"), dtype=found.dtype)


@pytest.mark.parametrize("window", [1, 3, None])
def test_a_stiffness_is_found_up_to_the_order_of_the_scheme(window: int | None) -> None:
    model = Spring()
    more = {"steps": 120, "seed": 0, "window": window, "rate": 0.08, "schedule": "cosine", "batch": 32}
    fit = fit_rollouts(model, observed(), TIMES, scheme=LEAPFROG, substeps=3, **more)
    assert fit.window == (window or 5)
    assert float(model.k.detach()) == pytest.approx(2, abs=0.01)
    assert len(fit.losses) == 120
    assert fit.losses[-1] < 1e-4 * fit.losses[0]


def test_the_loss_is_that_of_a_roll_out() -> None:
    """By hand: windows of two steps, drawn as the seed says."""
    data = observed(3)
    fit = fit_rollouts(Spring(1.5), data, TIMES, scheme=LEAPFROG, steps=1, seed=7, window=2, batch=4)
    pick = torch.randint(4 * 3, (4,), generator=generator(7, "step/0"))
    total = 0.0
    for one in pick.tolist():
        begin, which = one % 4, one // 4
        u = data[begin, which]
        for step in (1, 2):
            u = LEAPFROG.step(Spring(1.5).parts, TIMES[0], u, 0.2).detach()
            total += float((u - data[begin + step, which]).square().sum())
    assert fit.losses == [pytest.approx(total / (4 * 2 * 2), rel=1e-12)]


def test_training_repeats_itself() -> None:
    losses = []
    for _ in range(2):
        net = HamiltonianNet(1, (8,), generator=generator(0, "net")).double()
        losses.append(fit_rollouts(net, observed(), TIMES, scheme=LEAPFROG, steps=5, seed=3).losses)
    assert losses[0] == losses[1]


def test_leapfrog_training_keeps_the_energy_that_euler_training_loses() -> None:
    starts = 2 * torch.rand(30, 2, generator=generator(1, "starts"), dtype=torch.float64) - 1
    data, errors = simulate(PENDULUM.f, starts, TIMES).float(), {}
    for scheme in (LEAPFROG, schemes.ForwardEuler()):
        net = HamiltonianNet(1, (16,), generator=generator(0, "net"))
        more = {"steps": 80, "seed": 0, "rate": 0.03, "schedule": "cosine"}
        fit = fit_rollouts(net, data, TIMES.float(), scheme=scheme, **more)
        found = fit.forecast(data[0, :10], torch.linspace(0, 20, 101))
        errors[scheme.name] = float(found.energy_error(PENDULUM.energy, 1.0)[-1].nanmean())
    leapfrog, euler = errors.values()
    assert leapfrog < 0.1 * euler


def test_learned_starts_undo_noise() -> None:
    times = torch.linspace(0, 4.0, 17, dtype=torch.float64)
    truth, data = observed(times=times), observed(noise=0.2, times=times)
    model = Spring(1.7)
    more = {"steps": 80, "seed": 0, "rate": 0.04, "schedule": "cosine", "starts": "learned", "start_rate": 0.06}
    fit = fit_rollouts(model, data, times, scheme=LEAPFROG, **more)
    before, after = ((one - truth[0]).square().mean() for one in (data[0], fit.starts))
    assert after < 0.3 * before
    plain = Spring(1.7)
    del more["starts"], more["start_rate"]
    fit_rollouts(plain, data, times, scheme=LEAPFROG, **more)
    assert abs(model.k.item() - 2) < abs(plain.k.item() - 2)


def test_fitted_starts_are_the_least_squares() -> None:
    """For a linear motion: by the normal equations."""
    data, model = observed(4, noise=0.3), Spring(2.0)
    found = fit_starts(model, data, TIMES, scheme=LEAPFROG, iterations=50)
    with torch.no_grad():
        eye = torch.eye(2, dtype=torch.float64)
        maps = schemes.integrate(model.parts, eye, TIMES, LEAPFROG)  # row i: where unit i goes
    wanted = torch.linalg.lstsq(maps.mT.reshape(-1, 2), data.transpose(1, 2).reshape(-1, 4)).solution.T
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    assert model.k.grad is None
    single = fit_starts(HamiltonianNet(1, (4,)), data.float(), TIMES.float(), scheme=LEAPFROG)
    assert single.dtype == torch.float32
    with pytest.raises(TypeError, match="model: expected one with parts"):
        fit_starts(VectorFieldNet(2), data, TIMES, scheme=LEAPFROG)


@pytest.mark.parametrize("kind", [LagrangianNet, AccelerationNet])
def test_accelerations_are_learned(kind: Any) -> None:
    system, state = PlanePendulum(), generator(0, "states")
    net = kind(1, (16,), generator=generator(0, "net")).double()

    def draw(source: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        q, v = 2 * torch.rand(2, 64, 1, generator=source, dtype=torch.float64) - 1
        return q, v, system.acceleration(q, v)

    for samples in (draw, draw(state)):
        fit = fit_accelerations(net, samples, steps=150, seed=0, rate=0.02)
    assert fit.losses[-1] < 0.1
    found = fit.forecast(
        torch.tensor([[0.5, 0.0]]).double(),
        torch.linspace(0, 1, 11, dtype=torch.float64),
        scheme=schemes.RungeKutta(schemes.RK4),
    )
    assert bool(found.whole.all())
    assert f"{kind.__name__}, 150 steps" in repr(fit)


def test_a_blow_up_is_named() -> None:
    """u' = u² from u ends at 1/u."""

    class Square:
        def field(self, t: Tensor, u: Tensor) -> Tensor:
            return u.square()

    starts = torch.tensor([[0.5], [0.01], [1.0]], dtype=torch.float64)
    times = torch.linspace(0, 3, 31, dtype=torch.float64)
    found = forecast(Square(), starts, times, scheme=schemes.RungeKutta(schemes.RK4), substeps=20, limit=50)
    assert found.broken.tolist() == [pytest.approx(2.0, abs=0.11), math.inf, pytest.approx(1.0, abs=0.11)]
    assert found.whole.tolist() == [False, True, False]
    assert bool(found.states[times < found.broken[2]][:, 2].isfinite().all())
    assert bool(found.states[times >= found.broken[2]][:, 2].isnan().all())
    torch.testing.assert_close(found.states[-1, 1], torch.tensor([1 / (100 - 3)]).double(), rtol=1e-6, atol=0)
    assert repr(found) == "Forecast(30 steps to t = 3, 2 of 3 blew up, the first at t = 1)"
    error = found.energy_error(lambda u: u.squeeze(-1), 2.0)
    torch.testing.assert_close(error[5, 0], (found.states[5, 0, 0] - 0.5) / 2)
    torch.testing.assert_close(found.energy_error(lambda u: u.squeeze(-1))[5, 0], 4 * error[5, 0])


def test_who_has_blown_up_stays_so() -> None:
    """A shorter step from the last state within the limit would bring it back."""

    class Growth:
        def field(self, t: Tensor, u: Tensor) -> Tensor:
            return u

    times = torch.tensor([0.0, 0.5, 1.5, 1.6], dtype=torch.float64)
    found = forecast(Growth(), torch.ones(1, 1).double(), times, scheme=schemes.RungeKutta(schemes.RK4), limit=2)
    assert found.broken.tolist() == [1.5]
    assert found.states[:, 0, 0].isnan().tolist() == [False, False, True, True]


def test_a_forecast_is_what_integrate_gives() -> None:
    net, starts = HamiltonianNet(1, (5,), generator=generator(0, "net")).double(), observed()[0]
    found = forecast(net, starts, TIMES, scheme=LEAPFROG)
    assert isinstance(found, Forecast)
    with torch.no_grad():
        torch.testing.assert_close(found.states, schemes.integrate(net.parts, starts, TIMES, LEAPFROG))
    back = forecast(net, found.states[-1], TIMES.flip(0), scheme=LEAPFROG)
    torch.testing.assert_close(back.states[-1], starts)


def test_rates_along_the_steps() -> None:
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=2.0)
    cycle = Schedule(optimiser, "one cycle", 100)
    assert [cycle.share(n) for n in (0, 30, 65)] == [pytest.approx(one) for one in (0.04, 1.0, 0.5)]
    cosine = Schedule(optimiser, "cosine", 10)
    cosine.set(5)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(1.0)
    assert Schedule(optimiser, "constant", 10).share(9) == 1


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"scheme": schemes.LinearTwoStep(k=0.1)}, TypeError, "scheme: expected a scheme of one step"),
        ({"scheme": schemes.StochasticDepth()}, TypeError, "scheme: expected a scheme of one step"),
        ({"window": 6}, ValueError, "window: expected a number <= 5"),
        ({"times": TIMES[:3]}, ValueError, "times: expected 6"),
        ({"times": TIMES.flip(0)[[0, 2, 1, 3, 4, 5]]}, ValueError, "times: expected at least two, strictly"),
        ({"window": 2, "times": TIMES**2}, ValueError, "times: expected equal steps"),
        ({"model": Spring}, TypeError, "model: expected one with parts"),
        ({"model": VectorFieldNet(2)}, TypeError, "model: expected one with parts for leapfrog"),
        ({"model": nn.Linear(2, 2)}, TypeError, "model: expected one with parts"),
        ({"rate": 1e70, "steps": 50}, DivergenceError, "loss: expected a finite value"),
    ],
)
def test_what_does_not_fit_is_named(more: dict[str, Any], kind: type[Exception], said: str) -> None:
    arguments = {"model": Spring(), "trajectories": observed(), "times": TIMES, "scheme": LEAPFROG, "steps": 2}
    with pytest.raises(kind, match=said):
        fit_rollouts(**{**arguments, "seed": 0, **more})
