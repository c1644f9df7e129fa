"""A solver that gives no derivatives: SciPy's, with the core as a function of NumPy."""

from __future__ import annotations

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from contdepth import checks
from contdepth.studies.control.corrections import Hybrid
from contdepth.studies.control.lorenz import RHO, SIGMA

__all__ = ["by_scipy"]


def by_scipy(model: Hybrid, u0: Tensor, t: Tensor) -> Tensor:
    """Return states ``(N + 1, seeds, batch, 3)`` of the model by ``solve_ivp`` (RK45, tolerances 1e-6).

    The core is written in NumPy here, and the network is asked for numbers: no graph leads through.
    """
    shape = tuple(u0.shape)

    def rate(time: float, flat: np.ndarray) -> np.ndarray:
        u = flat.reshape(shape)
        x, y, z = u[..., 0], u[..., 1], u[..., 2]
        known = np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y], -1)
        with torch.no_grad():
            learned = model.correction(torch.tensor(time), torch.from_numpy(u)).numpy()
        return (known + learned).ravel()

    times = t.numpy()
    found = solve_ivp(rate, (times[0], times[-1]), u0.numpy().ravel(), t_eval=times, rtol=1e-6, atol=1e-6)
    if not found.success:
        checks.fail("model", "a solution up to the last time", found.message)
    return torch.from_numpy(np.ascontiguousarray(found.y.T).reshape(len(times), *shape))
