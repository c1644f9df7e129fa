"""First states found from observed rows that hold noise, for a motion that is known or learned."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.mechanics.forecasts import field_for, refined
from contdepth.mechanics.rollouts import _observed
from contdepth.schemes.base import Scheme, integrate

__all__ = ["fit_starts"]


def fit_starts(
    model: Any, observed: Tensor, times: Tensor, *, scheme: Scheme, substeps: int = 1, iterations: int = 20
) -> Tensor:
    """Return first states ``(B, d)`` whose roll-outs by ``model`` lie closest to ``observed`` ``(K + 1, B, d)``.

    Least squares over all K + 1 rows, from the observed first state, by at most ``iterations`` of L-BFGS with a
    strong-Wolfe search, in float64 and all trajectories as one problem. Chen et al. 2020 call it initial-state
    optimisation and take at most five iterations of L-BFGS-B on the first three steps. The model is not changed.

    Args:
        model: with ``field``, or ``parts`` for partitioned schemes. Of a module a copy in float64 is asked.
        observed: rows at ``times``.
        times: ``(K + 1,)``, strictly increasing or decreasing.
        scheme: of one step, without chance.
        substeps: steps of the scheme between two times.
        iterations: of L-BFGS.

    Raises:
        TypeError, ValueError: arguments that do not fit.
    """
    _observed(observed, times, checks.reals("observed", observed))
    count = checks.integer("iterations", iterations, at_least=1, at_most=100_000)
    between = checks.integer("substeps", substeps, at_least=1)
    checks.affordable("observed", observed.numel(), between)
    f = field_for(_in_float64(model), scheme)
    truth, grid = observed.double(), refined(times.double(), between)
    found = truth[0].clone().requires_grad_()
    how: Any = {"tolerance_grad": 1e-10, "tolerance_change": 1e-14, "line_search_fn": "strong_wolfe"}
    optimiser = torch.optim.LBFGS([found], max_iter=count, **how)

    def loss() -> Tensor:
        with torch.enable_grad():
            value = (integrate(f, found, grid, scheme)[::between] - truth).square().sum()
            (found.grad,) = torch.autograd.grad(value, found)
        return value

    optimiser.step(loss)
    best = torch.where(found.isfinite().all(-1, keepdim=True), found.detach(), truth[0])
    return best.to(observed.dtype)


def _in_float64(model: Any) -> Any:
    """A copy of a module in float64; anything else as it is."""
    if not isinstance(model, torch.nn.Module):
        return model
    return copy.deepcopy(model).double()
