"""The three published equations in 100 dimensions, solved with a network for each step, one training a piece."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import checks, control, seeds
from contdepth.control.bsde.solve import residuals
from contdepth.studies.control.per_step_nets import StepNets, train_step_nets
from contdepth.studies.control.picard import picard_estimates

__all__ = ["picard_arm", "step_nets_arm"]

FRESH = 2048


@dataclass(frozen=True)
class Setting:
    """Numbers of the authors' configurations: time steps, iterations of Adam, rate, where Y_0 starts."""

    steps: int
    iterations: int
    rate: float
    began: tuple[float, float]


ARMS = {
    "hjb": (control.hamilton_jacobi_bellman, Setting(20, 2000, 1e-2, (0.0, 1.0))),
    "allen-cahn": (control.allen_cahn, Setting(20, 4000, 5e-4, (0.3, 0.5))),
    "default-risk": (control.default_risk, Setting(40, 6000, 8e-3, (40.0, 50.0))),
}


@torch.no_grad()
def _fresh(problem: control.BSDE, model: StepNets, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """The residual on fresh paths, with the batch norms' running moments, and g(X_T) there."""
    model.eval()
    h = problem.horizon / steps
    shape = (steps, FRESH, problem.dim)
    dw = torch.randn(shape, generator=seeds.generator(seed, "fresh"), dtype=torch.float64) * math.sqrt(h)
    x = torch.cat((torch.zeros_like(dw[:1]), problem.volatility * dw.cumsum(0)))
    sizes = torch.full((steps,), h, dtype=torch.float64)
    found = residuals(problem, model(x[:-1]), x[None], dw[None], model.start, sizes)
    return found[0], problem.terminal(x[-1])


def step_nets_arm(
    *, arm: str, seed: int, dim: int = 100, steps: int | None = None, iterations: int | None = None
) -> dict[str, Any]:
    """Train the authors' networks on one equation of ``ARMS`` with their settings, batch 64.

    Returns ``value``, Y_0 after the last iteration; ``course``, Y_0 after each hundredth part of them; ``left``,
    the standard deviation of the residual on 2,048 fresh paths over that of g(X_T), which is what Z = 0 leaves
    where f does not depend on z; and ``seconds``.
    """
    make, plan = ARMS[checks.one_of("arm", arm, tuple(ARMS))]
    problem, count = make(dim), plan.iterations if iterations is None else iterations
    n, seen = plan.steps if steps is None else steps, list[float]()
    began = time.perf_counter()
    model = train_step_nets(
        problem, n, count, seed, lambda k, y: seen.append(float(y)), rate=plan.rate, began=plan.began
    )
    residual, ends = _fresh(problem, model, n, seed)
    return {
        "value": seen[-1],
        "course": np.round(seen[:: max(count // 100, 1)], 6),
        "left": float(residual.std() / ends.std()),
        "seconds": time.perf_counter() - began,
    }


def picard_arm(
    *, arm: str, seed: int, dim: int = 100, level: int = 4, base: int = 12, count: int = 20
) -> dict[str, Any]:
    """Return ``estimates`` (count,) of an equation's value by multilevel Picard, see ``picard_estimates``."""
    make, _ = ARMS[checks.one_of("arm", arm, tuple(ARMS))]
    return {"estimates": np.round(picard_estimates(make(dim), level, base, count, seed), 6)}
