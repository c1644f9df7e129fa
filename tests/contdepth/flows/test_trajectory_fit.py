"""Trained flows against what optimal transport and the penalty's own bias say in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contdepth.errors import CheckpointError, DivergenceError
from contdepth.flows import TrajectoryFlow, fit_trajectory, wasserstein1, wasserstein2
from contdepth.flows.trajectory.fit import _drawn
from contdepth.seeds import generator

SHIFT = torch.tensor([2.0, -1.0], dtype=torch.float64)


class Constant(nn.Module):
    """The same velocity everywhere: all that a shift needs."""

    def __init__(self) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return self.v.expand_as(x)


class Net(nn.Module):
    """A hidden layer; (t, x) to a velocity."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        source = generator(seed, "net")
        self.w = nn.Parameter(torch.randn(16, 3, generator=source, dtype=torch.float64) / 2)
        self.b = nn.Parameter(torch.randn(16, generator=source, dtype=torch.float64) / 2)
        self.a = nn.Parameter(torch.randn(2, 16, generator=source, dtype=torch.float64) / 4)
        self.c = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        joined = torch.cat([x, t.expand(*x.shape[:-1], 1)], dim=-1)
        return torch.tanh(joined @ self.w.T + self.b) @ self.a.T + self.c


def normal(n: int, purpose: str) -> Tensor:
    return torch.randn(n, 2, generator=generator(2, purpose), dtype=torch.float64)


@pytest.mark.parametrize("energy", [0.0, 0.25, 1.0])
def test_the_penalty_shortens_a_shift_as_calculus_says(energy: float) -> None:
    """With one velocity v and the base at t_0, mean of |x_1 - v|²/2 + λ|v|² is least at mean(x_1)/(1 + 2λ)."""
    x0, x1 = normal(50, "x0"), normal(50, "x1") + SHIFT
    flow = TrajectoryFlow(Constant(), 2, (0.0, 1.0), base=0.0, steps=1)
    done = fit_trajectory(flow, [x0, x1], steps=200, seed=0, energy=energy, rate=0.1, decay=0)
    v = x1.mean(0) / (1 + 2 * energy)
    torch.testing.assert_close(flow.f.v.detach(), v, rtol=0, atol=1e-3)
    assert done.energies[-1] == pytest.approx(v.square().sum().item(), rel=1e-3)


@pytest.fixture(scope="module")
def trained() -> dict[float, TrajectoryFlow]:
    """λ -> a flow from N(0, I) to N(SHIFT, I) within T = 0.5, nets from the same start."""
    data, found = [normal(400, "x0"), normal(400, "x1") + SHIFT], {}
    for energy in (0.0, 0.005, 0.5):
        found[energy] = TrajectoryFlow(Net(), 2, (0.0, 0.5), base=0.0, steps=2)
        fit_trajectory(found[energy], data, steps=200, seed=0, energy=energy, rate=0.01)
    return found


def test_a_cheap_flow_costs_what_transport_costs(trained: dict[float, TrajectoryFlow]) -> None:
    """Kinetic energy against W₂²/T = |shift|²/T, and against that of the assignment of two fresh samples."""
    flow, x = trained[0.005], normal(400, "fresh")
    with torch.no_grad():
        spent = flow.energy(x, 0.0, 0.5).mean().item()
        moved = flow.push(x, 0.0, 0.5)
    assert spent == pytest.approx(SHIFT.square().sum().item() / 0.5, rel=0.1)
    assert spent == pytest.approx(wasserstein2(x, moved).item() ** 2 / 0.5, rel=0.05)
    assert spent >= wasserstein2(x, moved).item() ** 2 / 0.5 - 1e-9


def test_paths_are_straight_and_reach_the_law_between(trained: dict[float, TrajectoryFlow]) -> None:
    """W₁ of the middle within 1.35 times its sampling floor, that of the same points under the exact map."""
    flow, x = trained[0.005], normal(400, "fresh")
    with torch.no_grad():
        half, end = flow.paths(x, 0.0, [0.25, 0.5])
    assert (half - (x + end) / 2).norm(dim=-1).mean() < 0.05 * SHIFT.norm()
    middle = normal(400, "middle") + SHIFT / 2
    floor = wasserstein1(x + SHIFT / 2, middle)
    assert wasserstein1(half, middle) < 1.35 * floor
    assert wasserstein1(x, middle) > 2 * floor


def test_more_weight_less_energy(trained: dict[float, TrajectoryFlow]) -> None:
    x = normal(400, "fresh")
    spent = [flow.energy(x, 0.0, 0.5).mean().item() for flow in trained.values()]
    assert spent[0] > spent[1] > spent[2]


def small(**more: Any) -> tuple[TrajectoryFlow, dict[str, Any]]:
    flow = TrajectoryFlow(Net(), 2, (0.0, 1.0), steps=2, trace="hutchinson")
    data = [normal(9, "x0"), normal(7, "x1") + SHIFT]
    return flow, {"snapshots": data, "steps": 6, "seed": 3, "batch": 5, "noise": 0.1, "energy": 0.1, **more}


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, settings = small()
    wanted = fit_trajectory(whole, **settings)
    file = tmp_path / "run.pt"
    stopped, _ = small()
    calls, loss = [], TrajectoryFlow.loss

    def until_five(self: TrajectoryFlow, *arguments: Any, **more: Any) -> Any:
        calls.append(0)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return loss(self, *arguments, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TrajectoryFlow, "loss", until_five)
        fit_trajectory(stopped, **settings, checkpoint=file, every=2)
    again, _ = small()
    found = fit_trajectory(again, **settings, checkpoint=file, every=2)
    assert found == wanted and found.steps == 6
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), whole.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="another seed"):
        fit_trajectory(again, **{**settings, "seed": 4}, checkpoint=file)


def test_the_rate_falls_geometrically(monkeypatch: pytest.MonkeyPatch) -> None:
    """From ``rate`` to ``last_rate``, as Adam is given it, and to the same bits after a stop."""
    flow, settings = small()
    seen, step = [], torch.optim.Adam.step

    def watched(self: torch.optim.Adam) -> None:
        seen.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    fit_trajectory(flow, **{**settings, "rate": 0.16, "last_rate": 0.005})
    assert seen == pytest.approx([0.16 / 2**k for k in range(6)])
    seen.clear()
    fit_trajectory(small()[0], **settings)
    assert set(seen) == {1e-3}


def test_the_price_of_the_jacobian_is_paid() -> None:
    """A flow that is priced for stretching stretches less, and the run keeps what it paid."""
    found = []
    for price in (0.0, 10.0):
        flow, settings = small()
        done = fit_trajectory(flow, **{**settings, "steps": 30, "rate": 0.02, "jacobian": price})
        found.append(done.jacobians[-1])
        assert len(done.jacobians) == 30 and done.jacobians[-1] >= 0
    assert found[1] < found[0]


def test_batches_are_drawn_anew_and_by_the_seed() -> None:
    losses = [fit_trajectory(small()[0], **small(seed=seed, rate=1e-9)[1]).losses for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]
    assert len({round(loss, 4) for loss in losses[0]}) == 6


def test_a_batch_has_its_size_and_its_noise() -> None:
    x = normal(4000, "x0")
    drawn = _drawn(x, 3000, 0.0, generator(0, "batch"))
    assert drawn.shape == (3000, 2) and len({*map(tuple, drawn.tolist())} & {*map(tuple, x.tolist())}) == 3000
    noisy = _drawn(x, 5000, 0.5, generator(0, "batch")) - _drawn(x, 5000, 0.0, generator(0, "batch"))
    assert noisy.shape == (4000, 2) and noisy.std().item() == pytest.approx(0.5, rel=0.05)
    assert abs(noisy.mean().item()) < 0.03


def test_a_loss_that_is_not_finite_is_told() -> None:
    flow, settings = small()
    with torch.no_grad():
        flow.f.a.fill_(1e200)
    with pytest.raises(DivergenceError, match="loss: expected a finite value, found .* at step 0"):
        fit_trajectory(flow, **settings)


def test_what_does_not_fit_is_named() -> None:
    flow, settings = small()
    fixed = TrajectoryFlow(lambda t, x: x, 2, (0.0, 1.0), steps=2, parameters=[SHIFT])
    for one, more, said in [
        (fixed, {}, "flow: expected a flow whose f is a module with parameters"),
        (flow, {"steps": 0}, "steps: expected a number >= 1"),
        (flow, {"batch": 0}, "batch: expected a number >= 1"),
        (flow, {"rate": 0.0}, "rate: expected a number > 0"),
        (flow, {"noise": -1.0}, "noise: expected a number >= 0"),
        (flow, {"jacobian": -1.0}, "jacobian: expected a number >= 0"),
        (flow, {"last_rate": 0.0}, "last_rate: expected a number > 0"),
        (flow, {"snapshots": settings["snapshots"][:1]}, "snapshots: expected 2"),
    ]:
        with pytest.raises((TypeError, ValueError), match=said):
            fit_trajectory(one, **{**settings, **more})
