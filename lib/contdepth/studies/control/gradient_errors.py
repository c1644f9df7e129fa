"""How far approximate gradients are from the exact one, as the step tends to zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from contdepth.schemes import RK4, RungeKutta
from contdepth.studies.control.calibration import Plan, through
from contdepth.studies.control.corrections import Corrections, Hybrid
from contdepth.studies.control.lorenz import core, trajectories

__all__ = ["gradient_errors", "slope"]


def gradient_errors(
    steps: list[int], gradients: tuple[str, ...], *, time: float | None = 1.0, size: int = 64, seed: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Return step sizes ``(n,)``, errors by the name of the gradient and norms of the exact one, ``(n,)`` each.

    The loss is the mean square of the last state over 10, the correction is not trained. With a ``time`` there are
    ``n`` steps, which share it; without, their size is 1 / n and their number always 20. Beside the gradients of
    :func:`through` there is ``"jacobian"``, with the exact Jacobian of each step, that of the paper's theorem.
    """
    start = trajectories(size, 2, 0.01, seed=seed)[:, 0].unsqueeze(0)
    model = Hybrid(core, Corrections((seed,)))
    sizes, norms = [], []
    errors: dict[str, list[float]] = {one: [] for one in gradients}
    for n in steps:
        h, count = (1 / n, 20) if time is None else (time / n, n)
        exact = _gradient(model, start, "exact", count, h)
        sizes.append(h)
        norms.append(float(exact.norm()))
        for one in gradients:
            errors[one].append(float((_gradient(model, start, one, count, h) - exact).norm()))
    return np.array(sizes), {one: np.array(values) for one, values in errors.items()}, np.array(norms)


def _gradient(model: Hybrid, start: Tensor, gradient: str, count: int, h: float) -> Tensor:
    """Return the gradient in all weights, as one vector."""
    plan = replace(Plan(), intervals=count, interval=h)
    jacobian = gradient == "jacobian"
    end = _by_jacobians(model, start, count, h) if jacobian else through(model, start, plan, gradient)[-1]
    parts = torch.autograd.grad((end / 10).square().mean(), list(model.parameters()))
    return torch.cat([part.flatten() for part in parts])


def _by_jacobians(model: Hybrid, u: Tensor, count: int, h: float) -> Tensor:
    """Return the last state, each step differentiated exactly in the state and as Euler's in the weights."""
    frozen = {name: value.detach() for name, value in model.named_parameters()}
    scheme, t = RungeKutta(RK4), torch.zeros((), dtype=u.dtype)
    for _ in range(count):
        learned = h * model.correction(t, u.detach())
        u = scheme.step(lambda t, v: torch.func.functional_call(model, frozen, (t, v)), t, u, h)
        u = u + learned - learned.detach()
    return u


def slope(sizes: np.ndarray, errors: np.ndarray) -> float:
    """Return the order seen between the two smallest steps."""
    return float(np.log(errors[-2] / errors[-1]) / np.log(sizes[-2] / sizes[-1]))
