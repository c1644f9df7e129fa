"""Train a flow through snapshots; a run that was stopped goes on to the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.errors import DivergenceError
from contdepth.flows.trajectory.flow import TrajectoryFlow
from contdepth.seeds import generator
from contdepth.training.checkpoint import Checkpointing, checksum, identity_of, save_checkpoint

__all__ = ["TrajectoryFit", "fit_trajectory"]


@dataclass
class TrajectoryFit:
    """What a run leaves, an entry a step: the ``losses`` and their parts as ``TrajectoryLoss`` names them."""

    losses: list[float] = field(default_factory=list)
    log_densities: list[list[float]] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)
    jacobians: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.losses)


def fit_trajectory(
    flow: TrajectoryFlow,
    snapshots: Sequence[Tensor],
    *,
    steps: int,
    seed: int,
    energy: float = 0.0,
    jacobian: float = 0.0,
    batch: int = 1000,
    rate: float = 1e-3,
    last_rate: float | None = None,
    decay: float = 1e-5,
    noise: float = 0.0,
    checkpoint: Path | str | None = None,
    every: int = 200,
) -> TrajectoryFit:
    """Train ``flow`` in place by ``steps`` of Adam on :meth:`TrajectoryFlow.loss`, where its parameters are.

    A step draws ``batch`` points of each snapshot without replacement, or all of a smaller one, and adds normal
    noise of deviation ``noise``. Batches, noise and probes depend on ``seed`` and the step alone, drawn on the
    CPU. ``energy`` and ``jacobian`` are the weights of that loss. ``batch``, ``rate`` and ``decay`` (of the
    weights, in Adam's gradient) are the defaults of Tong et al.'s code, which adds noise of 0.1; with
    ``last_rate`` the rate falls geometrically to it, which theirs does not. ``checkpoint`` is a file, written each
    ``every`` steps and at the end.

    Raises:
        TypeError, ValueError: a flow whose f is not a module with parameters, arguments that do not fit.
        DivergenceError: the loss is not finite.
        CheckpointError: the file of another run.
    """
    checks.instance("flow", flow, TrajectoryFlow)
    learned = list(flow.f.parameters()) if isinstance(flow.f, nn.Module) else []
    if not learned:
        checks.fail("flow", "a flow whose f is a module with parameters", type(flow.f).__name__, error=TypeError)
    samples = flow._snapshots(snapshots)
    total, size = checks.integer("steps", steps, at_least=1), checks.integer("batch", batch, at_least=1)
    settings = {
        "energy": checks.real("energy", energy, at_least=0),
        "jacobian": checks.real("jacobian", jacobian, at_least=0),
        "rate": checks.real("rate", rate, above=0),
        "last_rate": checks.real("last_rate", rate if last_rate is None else last_rate, above=0),
        "decay": checks.real("decay", decay, at_least=0),
        "noise": checks.real("noise", noise, at_least=0),
    }
    plan = {**settings, "batch": size, "steps": total, "seed": checks.integer("seed", seed, at_least=0)}
    solver = [flow.times, flow.span, flow.trace, flow.probes, flow.steps, repr(flow.scheme), flow.rtol, flow.atol]
    data = [checksum(x) for x in samples]
    run = identity_of(flow, **plan, gradient=flow.gradient, flow=repr(solver), data=data)
    kept, done = Checkpointing(checkpoint, every=every, total=total), TrajectoryFit()
    optimiser = torch.optim.Adam(learned, lr=settings["rate"], weight_decay=settings["decay"])
    stored, fall = kept.load(run), settings["last_rate"] / settings["rate"]
    if stored is not None:
        flow.load_state_dict(stored["model"])
        optimiser.load_state_dict(stored["optimiser"])
        done = TrajectoryFit(**stored["history"])
    while done.steps < total:
        source = generator(seed, f"step/{done.steps}")
        drawn = [_drawn(x, size, settings["noise"], source) for x in samples]
        part = done.steps / max(total - 1, 1)
        optimiser.param_groups[0]["lr"] = settings["rate"] * fall**part
        optimiser.zero_grad(set_to_none=True)
        with torch.enable_grad():
            chance = source if flow.chance else None
            loss = flow.loss(drawn, settings["energy"], chance, jacobian=settings["jacobian"])
        if not math.isfinite(loss.total.item()):
            hint = "lower rate, or take smaller steps of the flow"
            checks.fail(
                "loss", "a finite value", f"{loss.total} at step {done.steps}", hint, error=DivergenceError
            )
        loss.total.backward()
        optimiser.step()
        done.losses.append(loss.total.item())
        done.log_densities.append(loss.log_density.tolist())
        done.energies.append(loss.energy.item())
        done.jacobians.append(loss.jacobian.item())
        path = kept.due(done.steps)
        if path is not None:
            states = {"model": flow.state_dict(), "optimiser": optimiser.state_dict()}
            save_checkpoint(path, run, {**states, "history": vars(done)})
    return done


def _drawn(x: Tensor, size: int, noise: float, source: torch.Generator) -> Tensor:
    """Return ``size`` rows of ``x`` in random order, or all, each with its noise."""
    chosen = torch.randperm(len(x), generator=source)[:size]
    found = x[chosen.to(x.device)]
    if noise:
        found = found + noise * torch.randn(found.shape, generator=source, dtype=x.dtype).to(x.device)
    return found
