"""Training of maps between functions: relative error, Adam with a halved rate, checkpoints that resume."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from contdepth import checks, devices
from contdepth.errors import DivergenceError
from contdepth.seeds import generator
from contdepth.training.checkpoint import Checkpointing, checksum, identity_of, save_checkpoint

__all__ = ["OperatorFit", "fit_operator", "relative_error"]


def relative_error(found: Tensor, truth: Tensor) -> Tensor:
    """Return ||found - truth|| / ||truth|| ``(N,)`` of functions ``(N, *rest)``, in the L2 norm of the grid.

    A mean of these numbers is what Li et al. minimise and report. The root of one summed square by another is
    another number: there, large functions weigh more.

    Raises:
        TypeError, ValueError: not two batches of one shape and dtype; a true function that is zero.
    """
    checks.reals("truth", truth)
    checks.reals("found", found, like=truth)
    if truth.ndim < 2:
        checks.fail("truth", "functions (N, *rest)", f"shape {tuple(truth.shape)}")
    checks.same_shape("found", found, tuple(truth.shape))
    devices.common(truth=truth, found=found)
    size = truth.flatten(1).norm(dim=1)
    if not bool((size > 0).all() | size.isnan().any()):
        checks.fail("truth", "functions that are not zero", f"a zero one at {int((size == 0).nonzero()[0])}")
    return (found - truth).flatten(1).norm(dim=1) / size


@dataclass
class OperatorFit:
    """What a training leaves.

    Attributes:
        settings: what a checkpoint is known by.
        steps: of Adam, done.
        losses: mean relative error over each epoch's batches, as they were seen in training mode.
        rates: learning rate of each epoch.
    """

    settings: dict[str, Any]
    steps: int = 0
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def fit_operator(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    epochs: int = 500,
    batch: int = 20,
    rate: float = 1e-3,
    halve: int = 100,
    decay: float = 1e-4,
    seed: int = 0,
    checkpoint: Path | str | None = None,
    every: int = 200,
    progress: bool = False,
) -> OperatorFit:
    """Train ``model`` in place to map functions ``inputs`` to ``targets`` by the mean relative error.

    The defaults are those of the authors' Burgers script; that it decays the weights by 1e-4 is from memory.
    No test error is looked at, so none can choose an epoch. The model may be any module that takes and returns
    such batches; it is trained where its weights are, in their dtype, and left in evaluation mode.

    Args:
        model: such as a ``FourierNeuralOperator``.
        inputs: ``(N, C, *space)``, finite.
        targets: ``(N, D, *space)``, finite, none of them zero.
        epochs: passes over the functions.
        batch: functions per step; the last, smaller batch of an epoch is used.
        rate: learning rate of Adam at the start.
        halve: epochs after which the rate is halved, again and again.
        decay: added to the gradient, times the weights, as in ``torch.optim.Adam``.
        seed: order of the functions; an epoch's depends on it and the epoch alone.
        checkpoint: a file from which a run that was stopped anywhere goes on, to the same bits.
        every: steps between two writes of it.
        progress: show a bar.

    Raises:
        TypeError, ValueError: a wrong argument; functions that do not fit.
        DivergenceError: a loss that is not finite, with step and rate.
        CheckpointError: a file of another run.
    """
    checks.instance("model", model, nn.Module)
    like = next((p for p in model.parameters() if p.requires_grad), None)
    if like is None:
        checks.fail("model", "a module with weights to train", type(model).__name__)
    checks.reals("model weights", like)
    inputs, targets = _functions("inputs", inputs, like), _functions("targets", targets, like)
    if len(inputs) != len(targets):
        checks.fail("targets", f"{len(inputs)} functions, as inputs", len(targets))
    relative_error(targets, targets)  # none is zero
    epochs, size = checks.integer("epochs", epochs, at_least=0), checks.integer("batch", batch, at_least=1)
    settings = {
        "epochs": epochs,
        "batch": size,
        "rate": checks.real("rate", rate, above=0),
        "halve": checks.integer("halve", halve, at_least=1),
        "decay": checks.real("decay", decay, at_least=0),
        "seed": checks.integer("seed", seed, at_least=0),
        "data": [checksum(inputs), checksum(targets)],
    }
    per_epoch = math.ceil(len(inputs) / size)
    kept = Checkpointing(checkpoint, every=every, total=epochs * per_epoch)
    run = identity_of(model, **settings)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
    result, total = OperatorFit(run), 0.0
    stored = kept.load(run)
    if stored is not None:
        model.load_state_dict(stored["model"])
        optimiser.load_state_dict(stored["optimiser"])
        result.steps, result.losses, result.rates = stored["steps"], stored["losses"], stored["rates"]
        total = stored["total"]
    model.train()
    order: Tensor | None = None
    bar = tqdm(total=kept.total, initial=result.steps, disable=None if progress else True, unit="step")
    with bar:
        while result.steps < kept.total:
            epoch, place = divmod(result.steps, per_epoch)
            if order is None or place == 0:
                order = torch.randperm(len(inputs), generator=generator(seed, f"operator/order/{epoch}"))
                order = order.to(inputs.device)
            for group in optimiser.param_groups:
                group["lr"] = rate * 0.5 ** (epoch // halve)
            here = order[place * size : (place + 1) * size]
            optimiser.zero_grad(set_to_none=True)
            loss = relative_error(model(inputs[here]), targets[here]).mean()
            value = loss.item()
            if not math.isfinite(value):
                now = f"{value} at step {result.steps} (epoch {epoch}), learning rate {group['lr']:.4g}"
                raise DivergenceError(f"loss: expected a finite value, found {now}; lower rate")
            loss.backward()
            optimiser.step()
            result.steps += 1
            total += value * len(here)
            if result.steps % per_epoch == 0:
                result.losses.append(total / len(inputs))
                result.rates.append(group["lr"])
                total = 0.0
            path = kept.due(result.steps)
            if path is not None:
                content = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "total": total}
                save_checkpoint(path, run, {**vars(result), **content})
            bar.update()
    model.eval()
    return result


def _functions(name: str, values: Tensor, like: Tensor) -> Tensor:
    checks.finite(name, checks.reals(name, values))
    if values.ndim < 3 or values.numel() == 0:
        checks.fail(name, "functions (N, channels, *space), at least one", f"shape {tuple(values.shape)}")
    return values.to(like)
