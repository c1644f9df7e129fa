"""Problems of ``benchmarks/adaptive.py``, and how they are timed."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth.schemes import RK4, Field, RungeKutta, march

Row = dict[str, Any]
"""Figures by name."""


def error(found: Tensor, exact: Tensor) -> float:
    """Return the root mean square over times and coordinates."""
    return float((found - exact).square().mean().sqrt())


def van_der_pol(mu: float) -> Field:
    """The oscillator x' = y, y' = mu (1 - x²) y - x."""

    def f(t: Tensor, u: Tensor) -> Tensor:
        x, y = u.unbind(-1)
        return torch.stack([y, mu * (1 - x * x) * y - x], -1)

    return f


def ring(t: Tensor, u: Tensor) -> Tensor:
    """A ring of coupled pendulums: angles, then speeds."""
    q, p = u.chunk(2, -1)
    return torch.cat([p, q.roll(1, -1) + q.roll(-1, -1) - 2 * q - q.sin()], -1)


def ring_start(coordinates: int) -> Tensor:
    """A wave around the ring."""
    turn = torch.arange(coordinates // 2, dtype=torch.float64) * (4 * torch.pi / coordinates)
    return torch.cat([1.5 * turn.sin(), 0.5 * (2 * turn).cos()])


def planet(t: Tensor, u: Tensor) -> Tensor:
    """Kepler's problem."""
    r, v = u.chunk(2, -1)
    return torch.cat([v, -r / r.square().sum(-1, keepdim=True) ** 1.5], -1)


RATES = torch.logspace(0, 2, 256, dtype=torch.float64).unsqueeze(-1)


def pendulums(t: Tensor, u: Tensor) -> Tensor:
    """256 pendulums, the quickest a hundred times as quick as the slowest."""
    q, p = u.chunk(2, -1)
    return torch.cat([p, -(RATES**2) * q.sin()], -1)


def robertson(t: Tensor, u: Tensor) -> Tensor:
    """Robertson's reactions."""
    a, b, c = u.unbind(-1)
    slow, back, fast = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return torch.stack([back - slow, slow - back - fast, fast], -1)


def plain_van_der_pol(t: float, u: Any) -> list[float]:
    """The oscillator with mu = 1000 in plain Python."""
    x, y = u
    return [y, 1000.0 * (1 - x * x) * y - x]


def plain_robertson(t: float, u: Any) -> list[float]:
    """Robertson's reactions in plain Python."""
    a, b, c = u
    slow, back, fast = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return [back - slow, slow - back - fast, fast]


class Counted:
    """A right-hand side that counts its calls."""

    def __init__(self, f: Field) -> None:
        self.f, self.calls = f, 0

    def __call__(self, t: Tensor, u: Tensor) -> Tensor:
        self.calls += 1
        return self.f(t, u)


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return median seconds of each call, over interleaved repeats after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for n in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if n:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


def measured_march(gradient: str, repeats: int) -> dict[str, float]:
    """Seconds of a gradient through 500 steps of RK4 and its peak of memory, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_march, gradient, repeats).result()


def _march(gradient: str, repeats: int) -> dict[str, float]:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64)).double()
    u0 = torch.randn(512, 64, dtype=torch.float64, generator=generator)

    def once(steps: int) -> None:
        start, t = u0.clone().requires_grad_(), torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        parameters = tuple(net.parameters())
        end = march(
            lambda t, u: net(u),
            start,
            t,
            RungeKutta(RK4),
            keep="last",
            gradient=gradient,
            parameters=parameters,
        )
        torch.autograd.grad(end.square().sum(), (start, *parameters))

    once(2)
    before = _peak()
    seconds = medians({gradient: lambda: once(500)}, repeats)[gradient]
    return {"seconds": seconds, "MB": (_peak() - before) / 1024}


def _peak() -> int:
    """Return the peak of memory in KB; on Linux ``ru_maxrss`` begins with that of the process before."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])


def torchode_solver(u0: Tensor, t: Tensor, tolerance: float) -> Callable[[], Tensor]:
    """Return a call of torchode's Dormand–Prince with steps of their own."""
    import torchode

    term = torchode.ODETerm(lambda s, u: pendulums(s, u))
    control = torchode.IntegralController(atol=tolerance, rtol=tolerance, term=term)
    solver = torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), control)
    problem = torchode.InitialValueProblem(y0=u0, t_eval=t.expand(len(u0), len(t)))
    return lambda: solver.solve(problem).ys.transpose(0, 1)
