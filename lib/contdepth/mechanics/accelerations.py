"""Train a motion on accelerations that are known: Lagrangian networks, and the baseline that has no Lagrangian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.mechanics.forecasts import Forecast, forecast
from contdepth.mechanics.rollouts import SCHEDULES, Schedule, descend, weights_of
from contdepth.schemes.base import Scheme
from contdepth.seeds import generator

__all__ = ["AccelerationFit", "fit_accelerations"]

Sample = tuple[Tensor, Tensor, Tensor]


@dataclass
class AccelerationFit:
    """A trained ``model`` and the ``losses`` of each step."""

    model: nn.Module
    losses: list[float] = field(default_factory=list)

    def forecast(
        self, starts: Tensor, times: Tensor, *, scheme: Scheme, substeps: int = 1, limit: float = 1e3
    ) -> Forecast:
        """Return the roll-outs from ``starts`` (q, v) ``(..., 2n)``; see ``forecast``."""
        return forecast(self.model, starts, times, scheme=scheme, substeps=substeps, limit=limit)

    def __repr__(self) -> str:
        end = f", loss {self.losses[-1]:.3g}" if self.losses else ""
        return f"AccelerationFit({type(self.model).__name__}, {len(self.losses)} steps{end})"


def fit_accelerations(
    model: nn.Module,
    samples: Sample | Callable[[torch.Generator], Sample],
    *,
    steps: int,
    seed: int,
    batch: int = 128,
    rate: float = 1e-3,
    schedule: str = "one cycle",
    loss: str = "absolute",
) -> AccelerationFit:
    """Train ``model`` in place by ``steps`` of Adam on the error of its ``acceleration``.

    Cranmer et al. 2020 take the mean absolute error, one cycle of the rate, and fresh states in each step, with
    accelerations from the exact formula.

    Args:
        model: with ``acceleration(q, v)`` and parameters: ``LagrangianNet`` or ``AccelerationNet``.
        samples: q, v and q'', each ``(K, n)``, of which a step draws ``batch`` rows with replacement; or a
            function that draws the three for one step from a generator of the CPU.
        steps: of training.
        seed: of the rows; they depend on it and the step alone.
        batch: rows in a step; not looked at where ``samples`` is a function.
        rate: of Adam.
        schedule: as of ``fit_rollouts``.
        loss: ``"absolute"`` or ``"squared"`` mean error.

    Raises:
        TypeError, ValueError: arguments that do not fit, a mass matrix that becomes singular.
        DivergenceError: the loss is not finite.
    """
    learned = weights_of(model)
    if not callable(getattr(model, "acceleration", None)):
        hint = "such as LagrangianNet"
        checks.fail("model", "one with acceleration(q, v)", type(model).__name__, hint, error=TypeError)
    count, size = checks.integer("steps", steps, at_least=1), checks.integer("batch", batch, at_least=1)
    checks.integer("seed", seed, at_least=0)
    squared = checks.one_of("loss", loss, ("absolute", "squared")) == "squared"
    fixed = None if callable(samples) else _fitting(samples, learned[0])
    if fixed is not None:
        checks.affordable("batch", size, fixed[0].shape[1])
    optimiser = torch.optim.Adam(learned, lr=checks.real("rate", rate, above=0))
    pace = Schedule(optimiser, checks.one_of("schedule", schedule, SCHEDULES), count)
    fit = AccelerationFit(model)
    for step in range(count):
        source = generator(seed, f"step/{step}")
        if fixed is None:
            q, v, a = _fitting(samples(source), learned[0])  # type: ignore[operator]
        else:
            pick = torch.randint(len(fixed[0]), (size,), generator=source).to(fixed[0].device)
            q, v, a = (one[pick] for one in fixed)
        with torch.enable_grad():
            gap = model.acceleration(q, v) - a  # type: ignore[operator]
            value = gap.square().mean() if squared else gap.abs().mean()
        descend(value, optimiser, pace, step)
        fit.losses.append(value.item())
    return fit


def _fitting(samples: object, like: Tensor) -> Sample:
    """Return q, v and q'' if they are tensors ``(K, n)`` of one shape, as the parameters; raise otherwise."""
    parts: tuple[object, ...] = checks.several("samples", samples, "give q, v and q''")  # type: ignore[arg-type]
    if len(parts) != 3:
        checks.fail("samples", "three tensors, q, v and q''", f"{len(parts)}")
    q, v, a = (checks.finite("samples", checks.reals("samples", one, ndim=2, like=like)) for one in parts)
    if q.numel() == 0:
        checks.fail("samples", "rows (K, n), none of these zero", f"shape {tuple(q.shape)}")
    for one in (v, a):
        checks.same_shape("samples", one, tuple(q.shape), "q, v and q'' have one shape")
    devices.common(weights=like, samples=q, velocities=v, accelerations=a)
    return q, v, a
