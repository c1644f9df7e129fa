"""The one training loop: progress, checkpoints that resume to the same bits, and a guard against divergence."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from contdepth import checks, devices
from contdepth.errors import DivergenceError
from contdepth.seeds import derive, generator
from contdepth.training.augment import Offsets, cropped, drawn
from contdepth.training.checkpoint import Checkpointing, checksum, identity_of, save_checkpoint
from contdepth.training.evaluation import DTYPES, Pair, checked, classes, evaluate, forward, layout, placed
from contdepth.training.recipes import Recipe
from contdepth.training.replay import Replay, recording

__all__ = ["DivergenceError", "Fit", "fit"]

COLUMNS = ("epoch", "lr", "train_loss", "train_error", "test_loss", "test_error")


@dataclass
class Fit:
    """What a run leaves: ``history`` (one list per column, one entry per epoch), steps done, resolved settings.

    Errors are in percent; ``train_*`` are running means over the epoch's augmented batches in training mode;
    ``test_*`` is nan in epochs that were not tested.
    """

    settings: dict[str, Any]
    steps: int = 0
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    @property
    def test_error(self) -> float:
        """Test error in percent after the last epoch (not the best epoch: that would select on the test set)."""
        return self.history["test_error"][-1]


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """PyTorch's deterministic algorithms inside the block if wanted; the setting from before comes back."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def check_cublas(device: torch.device, deterministic: bool) -> None:
    """Deterministic sums in cuBLAS need a fixed workspace, which is read from the environment once."""
    value = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    if deterministic and device.type == "cuda" and value not in (":4096:8", ":16:8"):
        checks.fail(
            "environment variable CUBLAS_WORKSPACE_CONFIG",
            ":4096:8 for deterministic=True on CUDA",
            "none" if value is None else repr(value),
            "set CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts",
        )


def check_loss(name: str, value: float, step: int, epoch: int, lr: float) -> None:
    """Raise ``DivergenceError`` unless the loss ``value`` is finite."""
    if not math.isfinite(value):
        raise DivergenceError(
            f"{name}: expected a finite value, found {value} at step {step} (epoch {epoch}), learning rate "
            f"{lr:.4g}; lower recipe.lr or lengthen recipe.warmup, and standardise the images"
        )


def fit(
    model: nn.Module,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | str | None = None,
    every: int = 200,
    device: str | torch.device = "cpu",
    progress: bool = True,
    deterministic: bool = False,
    on_step: Callable[[int, float], None] | None = None,
) -> Fit:
    """Train ``model`` in place on ``train`` = (float images (N, C, H, W), labels (N,)); test it as it goes.

    Data and model are moved to ``device``; the order of the data and the augmentation are drawn on the CPU.
    Data order, augmentation and noise (stochastic depth, dropout) of a step depend on ``seed`` and the step alone,
    so with ``checkpoint`` a run that was stopped anywhere goes on from its last file, written each ``every`` steps
    and at the end, to the same bits as a run that was not (same machine, thread count and PyTorch). On CUDA
    the same bits need ``deterministic=True`` as well, and with it the environment variable
    CUBLAS_WORKSPACE_CONFIG=:4096:8, set before Python starts (a ``ValueError`` says so). A finished
    checkpoint is loaded and returned. The global random state is left as it was. ``on_step(step, loss)`` is
    called after every step. The last, smaller batch of an epoch is used.

    Raises ``DivergenceError`` naming step and learning rate if a training or test loss is not finite, and
    ``CheckpointError`` for a file of another run.
    """
    settings: dict[str, Any] = {"checkpoint": checkpoint, "every": every, "progress": progress, "on_step": on_step}
    device = devices.named("device", device)
    check_cublas(device, deterministic)
    with devices.random_state_kept(device), deterministic_algorithms(deterministic):
        return deque(fitting(model, train, test, recipe, seed=seed, device=device, **settings), maxlen=1).pop()


def fitting(
    model: nn.Module,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | str | None = None,
    every: int = 200,
    device: torch.device,
    progress: bool = True,
    on_step: Callable[[int, float], None] | None = None,
) -> Iterator[Fit]:
    """The steps of ``fit``: yields what the run has left before the first and after each one.

    Every step seeds the global generators, whose state is the caller's to keep.
    """
    checks.instance("model", model, nn.Module)
    checks.instance("recipe", recipe, Recipe, "contdepth.training.recipe(name) makes one")
    train, test = checked("train", train), checked("test", test)
    per_epoch = math.ceil(len(train[0]) / recipe.batch)
    total = recipe.epochs * per_epoch
    kept = Checkpointing(checkpoint, every=every, total=total)
    run = identity_of(
        model,
        recipe=recipe.resolved(),
        seed=checks.integer("seed", seed, at_least=0),
        data=[checksum(part) for part in (*train, *test)],
    )
    form = layout(recipe, model)
    (images, labels), test = (placed(data, recipe.precision, device, form) for data in (train, test))
    model.to(device=device, dtype=DTYPES[recipe.precision], memory_format=form)  # type: ignore[call-overload]
    optimiser = sgd(model, recipe)
    result, sums = Fit({**run, "device": str(device), "threads": torch.get_num_threads()}), [0.0, 0.0]
    stored = kept.load(run)
    if stored is not None:
        model.load_state_dict(stored["model"])
        optimiser.load_state_dict(stored["optimiser"])
        result.steps, result.history, sums = stored["steps"], stored["history"], list(stored["sums"])

    def update(chosen: Tensor, *offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Move the weights by the images ``chosen``; return the loss and the number of errors there."""
        x, y = images[chosen], labels[chosen]
        if offsets:
            x = cropped(x, *by_name(recipe, offsets), recipe.pad)
            x = x.clone(memory_format=form) if form == torch.contiguous_format else x
        optimiser.zero_grad(set_to_none=True)
        logits = forward(model, x, recipe.precision)
        loss = cross_entropy(logits, y if recording() else classes("train labels", y, logits))
        loss.backward()
        if replay.recorder is None:
            check_loss("loss", loss.item(), step, epoch, lr)
        optimiser.step()
        return loss.detach(), (logits.argmax(1) != y).sum()

    def save() -> None:
        path = kept.due(result.steps)
        if path is not None:
            states = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
            save_checkpoint(path, run, {**states, "steps": result.steps, "history": result.history, "sums": sums})

    model.train()
    replay = Replay(update, device)
    numbers = torch.zeros(per_epoch, 2, dtype=torch.float64, device=device)  # loss and errors of an epoch's steps
    order, seen = None, result.steps % per_epoch
    hidden = None if progress else True
    yield result
    with tqdm(total=total, initial=result.steps, disable=hidden, unit="step", desc=f"seed {seed}") as bar:
        while result.steps < total:
            step = result.steps
            epoch, place = divmod(step, per_epoch)
            if order is None or place == 0:
                order, *offsets = (part.to(device) for part in draws_of(recipe, len(images), seed, epoch))
            here = slice(place * recipe.batch, (place + 1) * recipe.batch)
            devices.seed(derive(seed, f"noise/{step}"), device)
            lr = set_rate(optimiser, recipe.rate(step, per_epoch))
            numbers[place, 0], numbers[place, 1] = replay(order[here], *(part[here] for part in offsets))
            result.steps += 1
            ends = result.steps % per_epoch == 0
            if replay.recorder is None or on_step is not None or ends or kept.due(result.steps) is not None:
                values = numbers[seen : place + 1].tolist()
                for i, (value, wrong) in enumerate(values, seen):
                    check_loss("loss", value, step - place + i, epoch, recipe.rate(step - place + i, per_epoch))
                    sums[0] += value * min(recipe.batch, len(images) - i * recipe.batch)
                    sums[1] += wrong
                seen = 0 if ends else place + 1
            if ends:
                tested = result.steps == total or (epoch + 1) % recipe.test_every == 0
                on_test = math.nan, math.nan
                if tested:
                    on_test = evaluate(model, test, precision=recipe.precision)
                    check_loss("test loss", on_test[0], step, epoch, lr)
                row = (epoch, lr, sums[0] / len(images), 100 * sums[1] / len(images), *on_test)
                for name, number in zip(COLUMNS, row, strict=True):
                    result.history[name].append(number)
                sums[:] = [0.0, 0.0]
                bar.set_postfix(train_error=f"{row[3]:.1f} %", test_error=f"{row[5]:.1f} %")
            save()
            bar.update()
            if on_step is not None:
                on_step(step, value)
            if result.steps == total:
                model.eval()
            yield result
    model.eval()


def draws_of(recipe: Recipe, count: int, seed: int, epoch: int) -> list[Tensor]:
    """Order (count,) of an epoch's images and what they draw for crop and mirror, in that order, all on the CPU.

    What a step draws depends on ``seed`` and its number alone.
    """
    order = torch.randperm(count, generator=generator(seed, f"order/{epoch}"))
    sizes = [len(part) for part in order.split(recipe.batch)]
    first = epoch * len(sizes)
    steps = [
        drawn(size, recipe.pad, recipe.flip, generator(seed, f"augment/{step}"))
        for step, size in enumerate(sizes, first)
    ]
    parts = [torch.cat(part) for part in zip(*steps, strict=True) if part[0] is not None]
    return [order, *parts]


def by_name(recipe: Recipe, offsets: Sequence[Tensor]) -> Offsets:
    """The offsets that a recipe draws, with None for those that it does not."""
    waiting = list(offsets)
    mirrored = waiting.pop(0) if recipe.flip else None
    return mirrored, waiting.pop(0) if recipe.pad else None


def sgd(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """The recipe's rule; where steps are recorded, with the rate as a tensor that a recorded step reads anew.

    PyTorch 2.13.0's fused rule makes the buffers of momentum in the first step or never: so they are made here.
    """
    device = devices.of(model)
    rule: dict[str, Any] = {
        "momentum": recipe.momentum,
        "nesterov": recipe.nesterov,
        "weight_decay": recipe.weight_decay,
    }
    if not devices.records(device):
        return torch.optim.SGD(model.parameters(), lr=recipe.lr, **rule)
    made = torch.optim.SGD(model.parameters(), lr=torch.tensor(recipe.lr, device=device), fused=True, **rule)
    for p in model.parameters() if recipe.momentum else ():
        made.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return made


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> float:
    """Give all groups the learning rate ``rate`` and return it; a tensor stays where it is."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"] = group["lr"].to(group["params"][0].device)  # a checkpoint brings it to the CPU
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    return rate
