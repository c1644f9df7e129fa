"""Train a motion through its integrator: the loss compares roll-outs with observed trajectories.

Letters: B trajectories with N + 1 rows each, ``(N + 1, B, d)``; a window is W steps of one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks, devices
from contdepth.errors import DivergenceError
from contdepth.mechanics.forecasts import Forecast, _grid, field_for, forecast, refined
from contdepth.schemes.base import Scheme, integrate
from contdepth.seeds import generator

__all__ = ["RolloutFit", "fit_rollouts"]

SCHEDULES = ("constant", "cosine", "one cycle")


@dataclass
class RolloutFit:
    """A trained ``model``, how its roll-outs are made, and what training left.

    Attributes:
        model: as it was given, trained in place.
        scheme: of its roll-outs.
        window: steps of a roll-out in the loss: 1 is single-step training, N the recurrent one.
        substeps: steps of the scheme between two times.
        losses: mean squared error of each step of training.
        starts: learned first states ``(B, d)``; None where the observed ones were taken.
    """

    model: nn.Module
    scheme: Scheme
    window: int
    substeps: int = 1
    losses: list[float] = field(default_factory=list)
    starts: Tensor | None = None

    def forecast(self, starts: Tensor, times: Tensor, *, limit: float = 1e3) -> Forecast:
        """Return the roll-outs from ``starts`` ``(..., d)`` by the scheme of the training; see ``forecast``."""
        return forecast(self.model, starts, times, scheme=self.scheme, substeps=self.substeps, limit=limit)

    def __repr__(self) -> str:
        end = f", loss {self.losses[-1]:.3g}" if self.losses else ""
        own = ", learned starts" if self.starts is not None else ""
        how = f"{type(self.model).__name__} by {self.scheme.name}, windows of {self.window}{own}"
        return f"RolloutFit({how}, {len(self.losses)} steps{end})"


def fit_rollouts(
    model: nn.Module,
    trajectories: Tensor,
    times: Tensor,
    *,
    scheme: Scheme,
    steps: int,
    seed: int,
    window: int | None = None,
    substeps: int = 1,
    batch: int = 64,
    rate: float = 1e-3,
    schedule: str = "constant",
    starts: str = "observed",
    start_rate: float | None = None,
) -> RolloutFit:
    """Train ``model`` in place by ``steps`` of Adam on the mean squared error of its roll-outs.

    Chen et al. 2020: with leapfrog and windows of several steps this is the symplectic RNN; the same network by
    ``ForwardEuler``, or with ``window=1``, is what it is compared with. With ``starts="learned"`` the first state
    of each trajectory is a parameter too, begun at the observed one, and the loss counts the first row as well:
    where rows hold equal normal noise, that is the maximum of the likelihood in weights and starts. The authors
    take turns instead, a few steps of L-BFGS-B for the starts between those for the weights, over the first rows
    alone; for new trajectories :func:`fit_starts` does so.

    A step draws ``batch`` windows uniformly with replacement, from ``seed`` and the step alone, on the CPU.

    Args:
        model: with ``field``, or ``parts`` for partitioned schemes, and parameters: a network of this room.
        trajectories: ``(N + 1, B, d)``, of the dtype of the parameters and where they are.
        times: ``(N + 1,)``, strictly increasing or decreasing, with equal steps where windows begin at any row.
        scheme: of one step, without chance.
        steps: of training.
        seed: of the windows.
        window: W; None: N.
        substeps: steps of the scheme between two times.
        batch: windows in a step.
        rate: of Adam.
        schedule: of the rates: ``"constant"``, ``"cosine"`` down to 0, or ``"one cycle"``, in 30 % of the steps up
            from 1/25 and then down to 0.
        starts: ``"observed"`` or ``"learned"``, which takes windows at the first row alone.
        start_rate: rate of learned starts; None: ``rate``.

    Raises:
        TypeError, ValueError: arguments that do not fit.
        DivergenceError: the loss is not finite.
    """
    f, learned = field_for(model, scheme), weights_of(model)
    n = _observed(trajectories, times, learned[0])
    length = n if window is None else checks.integer("window", window, at_least=1, at_most=n)
    count, size = checks.integer("steps", steps, at_least=1), checks.integer("batch", batch, at_least=1)
    checks.integer("seed", seed, at_least=0)
    between = checks.integer("substeps", substeps, at_least=1)
    checks.affordable("batch", size, length * between, trajectories.shape[2])
    own = checks.one_of("starts", starts, ("observed", "learned")) == "learned"
    begins = 1 if own else n + 1 - length
    if begins > 1 and not torch.allclose(times.diff(), times.diff()[0], rtol=1e-4, atol=0):
        checks.fail("times", "equal steps where windows begin at any row", "unequal ones", "take window=None")
    groups: list[dict[str, Any]] = [{"params": learned, "lr": checks.real("rate", rate, above=0)}]
    first = trajectories[0].clone().requires_grad_()
    if own:
        pace = rate if start_rate is None else checks.real("start_rate", start_rate, above=0)
        groups.append({"params": [first], "lr": pace})
    optimiser = torch.optim.Adam(groups)
    pace_of = Schedule(optimiser, checks.one_of("schedule", schedule, SCHEDULES), count)
    fit = RolloutFit(model, scheme, length, between)
    grid, rows = refined(times[: length + 1], between), torch.arange(length + 1, device=times.device)
    for step in range(count):
        pick = torch.randint(begins * trajectories.shape[1], (size,), generator=generator(seed, f"step/{step}"))
        pick = pick.to(times.device)
        begin, which = pick % begins, pick // begins
        truth = trajectories[begin + rows[:, None], which]
        with torch.enable_grad():
            states = integrate(f, first[which] if own else truth[0], grid, scheme)[::between]
            gap = states - truth
            loss = (gap if own else gap[1:]).square().mean()
        descend(loss, optimiser, pace_of, step)
        fit.losses.append(loss.item())
    fit.starts = first.detach() if own else None
    return fit


class Schedule:
    """Rates of an optimiser along the steps, as shares of those that it was made with."""

    def __init__(self, optimiser: torch.optim.Optimizer, kind: str, total: int) -> None:
        self.optimiser, self.kind, self.total = optimiser, kind, total
        self.rates = [group["lr"] for group in optimiser.param_groups]

    def share(self, step: int) -> float:
        """The share at ``step`` of 0 … total - 1."""
        done = step / self.total
        if self.kind == "constant":
            return 1.0
        if self.kind == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        if done < 0.3:
            return 0.04 + 0.96 * (1 - math.cos(math.pi * done / 0.3)) / 2
        return (1 + math.cos(math.pi * (done - 0.3) / 0.7)) / 2

    def set(self, step: int) -> None:
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.share(step)


def descend(loss: Tensor, optimiser: torch.optim.Optimizer, schedule: Schedule, step: int) -> None:
    """One step down ``loss``; raise ``DivergenceError`` if it is not finite."""
    if not math.isfinite(loss.item()):
        hint = "lower rate, take smaller steps or shorter windows"
        checks.fail("loss", "a finite value", f"{loss.item()} at step {step}", hint, error=DivergenceError)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    schedule.set(step)
    optimiser.step()


def weights_of(model: Any) -> list[Tensor]:
    """The parameters of ``model``; raise ``TypeError`` if it is no module with some."""
    learned = list(checks.instance("model", model, nn.Module).parameters())
    if not learned:
        checks.fail("model", "a module with parameters", type(model).__name__, error=TypeError)
    return list(learned)


def _observed(trajectories: Tensor, times: Tensor, like: Tensor) -> int:
    """Return N; raise if the trajectories do not fit the times or the parameters."""
    checks.finite("trajectories", checks.reals("trajectories", trajectories, ndim=3, like=like))
    if 0 in trajectories.shape:
        checks.fail("trajectories", "(N + 1, B, d), none of these zero", f"shape {tuple(trajectories.shape)}")
    devices.common(weights=like, trajectories=trajectories)
    _grid(times, trajectories)
    if len(times) != len(trajectories):
        checks.fail("times", f"{len(trajectories)}, one for each row of trajectories", len(times))
    return len(times) - 1
