"""The double pendulum, one training a piece, as in the authors' notebooks but with fewer states."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.mechanics import AccelerationNet, DoublePendulum, LagrangianNet, forecast
from contdepth.mechanics.rollouts import Schedule
from contdepth.schemes import RK4, RungeKutta
from contdepth.seeds import generator
from contdepth.studies.mechanics.lnn.masses import mass
from contdepth.training import load_checkpoint, save_checkpoint

__all__ = ["double_pendulum"]

ARMS = {"lagrangian": (128, 1e-2), "baseline": (128, 1e-2), "wide": (256, 1e-2)}
"""Width and rate of each arm; rates were chosen on another seed in 2,000 steps."""

SYSTEM = DoublePendulum()
SCALE = 29.4
"""By which the notebooks divide an error of energy: the largest potential energy, (2 + 1) g."""


def double_pendulum(
    *,
    seed: int,
    arm: str,
    steps: int = 200_000,
    batch: int = 256,
    width: int | None = None,
    rate: float | None = None,
    starts: int = 40,
    until: float = 100.0,
    step: float = 0.01,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one network on fresh states each step and send it on its way from ``starts`` states near rest.

    Angles and speeds are drawn as in the notebooks, from a turn and within 10; the angles of a start from a turn,
    its speeds from 0 to 0.1. ``arm`` is one of ``ARMS``, three layers of softplus each, the angles within a period
    of a turn; ``width`` and ``rate`` are the arm's unless given. A gradient longer than 1 is cut to 1, and a step
    with a state whose mass matrix is singular is left out. Roll-outs are in float64 by RK4 with ``step``.

    Returns ``fit``, the mean absolute error of accelerations; ``zero``, that of none; ``energy``, the mean error
    of the true energy at ``until`` over 29.4, where a lost roll-out counts as 1, ``kept``, the same without these,
    and ``lost``; ``solver``, that of the true motion by the same steps; ``condition``, the largest condition
    number of the mass matrix along the paths, NaN without one; ``losses``, a mean for each hundredth; ``skipped``,
    the steps left out; ``seconds``. A stopped run goes on from the checkpoint to the same result.
    """
    began = time.perf_counter()
    normal, quick = ARMS[checks.one_of("arm", arm, tuple(ARMS))]
    make: Any = LagrangianNet if arm == "lagrangian" else AccelerationNet
    widths, source = (width or normal,) * 3, generator(seed, "lnn/weights")
    model = make(2, widths, period=2 * math.pi, generator=source)
    losses, skipped = _trained(model, seed, arm, steps, batch, rate or quick, checkpoint)
    q, v = _states(4000, generator(seed, "lnn/fresh"))
    a = SYSTEM.acceleration(q, v)
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        guess = exact.field(torch.tensor(0.0), torch.cat((q, v), -1).double())[:, 2:]
    found = {
        "fit": float((guess - a).abs().mean()),
        "zero": float(a.abs().mean()),
        "losses": losses,
        "skipped": skipped,
    }
    return {**found, **_rolled(exact, seed, starts, until, step), "seconds": time.perf_counter() - began}


def _states(n: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    drawn = torch.rand(n, 4, generator=source)
    return 2 * math.pi * drawn[:, :2], 20 * (drawn[:, 2:] - 0.5)


def _trained(
    model: nn.Module, seed: int, arm: str, steps: int, batch: int, rate: float, checkpoint: Path | None
) -> tuple[list[float], int]:
    """Train in place by Adam in one cycle on the mean absolute error; means of the loss, and steps left out."""
    rule = torch.optim.Adam(model.parameters(), lr=rate)
    pace, every = Schedule(rule, "one cycle", steps), max(1, steps // 100)
    identity = {"seed": seed, "arm": arm, "steps": steps, "batch": batch, "rate": rate}
    kept = None if checkpoint is None else Path(checkpoint) / "training.pt"
    stored = None if kept is None else load_checkpoint(kept, identity)
    losses: list[float] = []
    skipped, total = 0, 0.0
    if stored is not None:
        model.load_state_dict(stored["model"])
        rule.load_state_dict(stored["rule"])
        losses, skipped = list(stored["losses"]), int(stored["skipped"])
    for n in range(len(losses) * every, steps):
        q, v = _states(batch, generator(seed, f"lnn/step/{n}"))
        value = _step(model, rule, pace, n, (q, v, SYSTEM.acceleration(q, v)))
        skipped += value is None
        total += value or 0.0
        if (n + 1) % every == 0:
            losses.append(round(total / every, 6))
            total = 0.0
            if kept is not None:
                now = {
                    "model": model.state_dict(),
                    "rule": rule.state_dict(),
                    "losses": losses,
                    "skipped": skipped,
                }
                save_checkpoint(kept, identity, now)
    return losses, skipped


def _step(
    model: Any, rule: torch.optim.Optimizer, pace: Schedule, n: int, sample: tuple[Tensor, ...]
) -> float | None:
    """One step, and its loss; None, and nothing done, where loss or gradient is not finite, a mass singular."""
    q, v, a = sample
    try:
        value = (model.acceleration(q, v) - a).abs().mean()
    except ValueError:
        return None
    rule.zero_grad(set_to_none=True)
    value.backward()
    size = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if not bool((size + value).isfinite()):
        return None
    pace.set(n)
    rule.step()
    return float(value.detach())


def _rolled(exact: Any, seed: int, starts: int, until: float, step: float) -> dict[str, Any]:
    drawn = torch.rand(starts, 4, generator=generator(seed, "lnn/starts"), dtype=torch.float64)
    u = drawn * torch.tensor([2 * math.pi, 2 * math.pi, 0.1, 0.1], dtype=torch.float64)
    count = round(10 * until)
    times = until / count * torch.arange(count + 1, dtype=torch.float64)
    how: Any = {"scheme": RungeKutta(RK4), "substeps": max(1, round(until / count / step))}
    way, true = forecast(exact, u, times, **how), forecast(SYSTEM, u, times, **how)
    wrong = way.energy_error(SYSTEM.energy, SCALE)[-1]
    condition = float("nan")
    if isinstance(exact, LagrangianNet) and bool(way.whole.any()):
        x = way.states[::10, way.whole]
        joined = torch.cat((x[..., :2] % (2 * math.pi), x[..., 2:]), -1)
        condition = float(torch.linalg.cond(mass(exact, joined)).max())
    return {
        "energy": float(wrong.nan_to_num(1.0).clamp(max=1.0).mean()),
        "kept": float(wrong[way.whole].mean()),
        "lost": int((~way.whole).sum()),
        "solver": float(true.energy_error(SYSTEM.energy, SCALE)[-1].mean()),
        "condition": condition,
    }
