"""What a gradient costs: seconds of the way back and of a whole step of training, and the memory that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from contdepth.studies.control.calibration import Plan, through
from contdepth.studies.control.corrections import Corrections, Hybrid
from contdepth.studies.control.lorenz import core, trajectories
from contdepth.timing import cpu_seconds

__all__ = ["bytes_kept", "seconds_back", "seconds_of_a_step"]


def _loss(plan: Plan) -> tuple[Hybrid, Tensor]:
    model = Hybrid(core, Corrections(plan.seeds))
    start = trajectories(plan.batch, 2, 0.01, seed=0)[:, 0]
    return model, start.expand(len(plan.seeds), -1, -1).contiguous()


def bytes_kept(plan: Plan, gradient: str) -> int:
    """Return the bytes of all tensors that the graph of a loss keeps for the way back, each storage once."""
    model, start = _loss(plan)
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss = through(model, start, plan, gradient).square().mean()
    loss.backward()
    return sum(kept.values())


def seconds_back(plan: Plan, gradients: Sequence[str], rounds: int = 15) -> dict[str, float]:
    """Return median CPU seconds of the way back alone, of graphs that are kept for it."""
    model, start = _loss(plan)
    losses = {one: through(model, start, plan, one).square().mean() for one in gradients}
    parameters = list(model.parameters())
    tasks = {
        name: partial(torch.autograd.grad, loss, parameters, retain_graph=True) for name, loss in losses.items()
    }
    return cpu_seconds(tasks, rounds)


def seconds_of_a_step(plan: Plan, gradients: Sequence[str], rounds: int = 15) -> dict[str, float]:
    """Return median CPU seconds of a loss and its gradient."""
    model, start = _loss(plan)

    def step(gradient: str) -> None:
        through(model, start, plan, gradient).square().mean().backward()

    return cpu_seconds({one: partial(step, one) for one in gradients}, rounds)
