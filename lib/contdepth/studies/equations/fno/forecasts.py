"""The equation in place of the map: PDE-Net 2.0 on films of the functions, and a solver that may be as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import sympy
import torch
from torch import Tensor, nn

from contdepth.pde import PDENet2, relative_error, trajectories
from contdepth.pde.simulate import Equation, SpectralRHS
from contdepth.pde.simulate.integrate import exponential_steps
from contdepth.pde.symbolic.terms import term_size, typical_sizes
from contdepth.studies.equations.fno.tasks import Task, advanced, at
from contdepth.timing import cpu_seconds

__all__ = ["STEP", "enough_steps", "errors", "filmed", "forecast", "kept", "mapped", "read", "seconds"]

STEP = 0.005
"""Time between two frames of a film."""


def filmed(task: Task, a: Tensor, grid: int, frames: int) -> Tensor:
    """Return ``a`` (n, 1, fine) and ``frames`` later states on ``grid`` points, (n, frames + 1, 1, grid)."""
    states = [a]
    for _ in range(frames):
        states.append(advanced(states[-1], task.viscosity, STEP, 10))
    return torch.stack(at(grid, *states), 1)


def read(films: Tensor, *, iterations: Sequence[int] = (60, 40), seed: int = 0) -> PDENet2:
    """Return a PDE-Net 2.0 fitted to ``films`` (n, frames, 1, grid), with blocks of one frame and of two.

    Euler steps are a quarter of a frame long, since whole ones would be unstable for the largest functions.
    """
    net = PDENet2(
        size=7,
        accuracy=4,
        upwind=False,
        hidden=1,
        substeps=4,
        blocks=(1, 2),
        iterations=tuple(iterations),
        batch=len(films) * films.shape[1],
        seed=seed,
    )
    arrays = [film[:, 0].T.contiguous() for film in films]
    return net.fit(trajectories(arrays, dt=STEP, dx=(1 / films.shape[-1],)))


def kept(net: PDENet2, films: Tensor, share: float = 0.02) -> Equation:
    """Return the equation that ``net`` read, with the terms that contribute at least ``share`` of the largest."""
    sizes = typical_sizes(films.flatten(0, 1), ["u"], [1 / films.shape[-1]])
    weights = {term: abs(value) * term_size(term, sizes) for term, value in net.terms()["u"].items()}
    least = share * max(weights.values())
    rhs = sympy.Add(*(value * term for term, value in net.terms()["u"].items() if weights[term] >= least))
    return Equation("read off films", ("u",), 1, 1.0, {"u": rhs})


@torch.no_grad()
def forecast(law: Equation, a: Tensor, time: float, steps: int) -> Tensor:
    """Return what ``law`` makes of ``a`` (n, 1, points) up to ``time``, by ``steps`` steps of ETDRK4."""
    rhs = SpectralRHS(law, (a.shape[-1],))
    return rhs.to_values(exponential_steps(rhs, rhs.to_modes(a), time, steps))


def errors(found: Tensor, truth: Tensor) -> tuple[float, int]:
    """Return the mean relative error of forecasts, and how many are not finite; these err by one, as nought."""
    finite = found.flatten(1).isfinite().all(1)
    each = torch.where(finite, relative_error(torch.nan_to_num(found), truth), 1.0)
    return float(each.mean()), int((~finite).sum())


def mapped(net: nn.Module, a: Tensor, times: int = 1) -> Tensor:
    """Return what ``net`` makes of ``a`` (n, 1, grid), asked ``times`` times, each time with its own answer."""
    for _ in range(times):
        a = net.predict(a)  # type: ignore[operator]
    return a


def enough_steps(task: Task, pairs: tuple[Tensor, Tensor], grid: int, error: float) -> int:
    """Return the fewest steps, of 1, 2, 4, …, of ETDRK4 on ``grid`` points with a mean error up to ``error``."""
    a, u = at(grid, *pairs)
    steps = 1
    while steps <= task.steps:
        found = advanced(a, task.viscosity, 1.0, steps)
        if bool(found.isfinite().all()) and float(relative_error(found, u).mean()) <= error:
            return steps
        steps *= 2
    raise RuntimeError(f"ETDRK4: no error of {error:.3g} on {grid} points in {task.steps} steps; take more points")


def seconds(
    task: Task, nets: Sequence[nn.Module], a: Tensor, steps: Sequence[int], rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return CPU seconds of the solver with ``steps`` and of each net for ``a`` (n, 1, grid), both (nets,)."""
    single = a.float()
    solver, net = np.empty(len(nets)), np.empty(len(nets))
    for i, (one, count) in enumerate(zip(nets, steps, strict=True)):
        tasks = {
            "solver": partial(advanced, a, task.viscosity, 1.0, count),
            "net": partial(one.predict, single, batch=len(a)),  # type: ignore[arg-type, misc, operator]
        }
        found = cpu_seconds(tasks, rounds)
        solver[i], net[i] = found["solver"], found["net"]
    return solver, net
