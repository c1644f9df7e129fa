"""One loop for every method: learning-rate schedule, ε-ramp, checkpoints, time, accuracy on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from contdepth import checks, devices
from contdepth.robust.losses import checked_inputs
from contdepth.robust.methods.method import Method, Step, checked_optimiser, trainable
from contdepth.seeds import derive, generator
from contdepth.training.augment import cropped
from contdepth.training.checkpoint import Checkpointing, checksum, identity_of, save_checkpoint
from contdepth.training.evaluation import Pair, layout
from contdepth.training.loop import by_name, check_loss, draws_of, set_rate, sgd
from contdepth.training.recipes import Recipe
from contdepth.training.replay import Replay

__all__ = ["Trained", "train"]

AT_ONCE = 100
"""Steps after which a device that records is waited for, at the latest."""
Probe = Callable[[nn.Module], dict[str, float]]


@dataclass
class Trained:
    """``losses`` and ``errors`` (share) on what each step trained on; ``seconds`` that the steps took so far.

    ``probes``: what the probe returned, each with ``step`` and ``seconds``.
    """

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    probes: list[dict[str, float]] = field(default_factory=list)


def train(
    method: Method,
    data: Pair,
    recipe: Recipe,
    *,
    seed: int,
    steps: int | None = None,
    ramp: float = 0.0,
    optimiser: Callable[[Any], torch.optim.Optimizer] | None = None,
    probe: Probe | None = None,
    probes: int = 0,
    checkpoint: Path | str | None = None,
    every: int = 200,
    progress: bool = True,
) -> Trained:
    """Train ``method.model`` in place on ``data`` = (images (N, …) in [0, 1], labels (N,)).

    Batch size, learning-rate schedule, crops and flips, which need images (N, C, H, W), come from ``recipe``
    (precision is the method's own); the run has ``steps`` steps (its epochs' worth if None), and the schedule is
    stretched to them. ``ramp``: share of the steps over which ε and the step sizes grow linearly from 0 (from one
    part in ``ramp``·steps) to their full size. ``optimiser`` makes one from the parameters (SGD of the recipe if
    None); its rate is set by the schedule. ``probe(model)`` is called in eval mode at ``probes`` equally spaced
    steps, the last one included; its time is not counted. The model is trained on the device of its parameters and
    left in eval mode.

    Order, augmentation and noise of a step depend on ``seed`` and its number alone, so a run with
    ``checkpoint`` goes on where it stopped, to the same bits (same machine, thread count and PyTorch).
    ``seconds`` is CPU time of the process (nothing else should run in it), on a GPU the clock's. Where steps are
    recorded (CUDA, SGD of the recipe, a method of this package, no ramp), random starts come from the device's
    generator, data are moved there once, losses are read every 100 steps, and ``seconds`` counts crops as well.

    Raises:
        DivergenceError: the loss is not finite; step and learning rate are named.
        CheckpointError: ``checkpoint`` belongs to another run.
        TypeError, ValueError: see ``Method``; counts or shares out of range.
    """
    checks.instance("method", method, Method, "such as Natural(model)")  # type: ignore[type-abstract]
    checks.instance("recipe", recipe, Recipe)
    for name, call in (("optimiser", optimiser), ("probe", probe)):
        if call is not None and not callable(call):
            checks.fail(name, "a function or None", repr(call), error=TypeError)
    pair = checks.several("data", data, "pass (images, labels)")
    if len(pair) != 2:
        checks.fail("data", "a pair (images, labels)", f"{len(pair)} of them")
    images, labels = pair
    checks.floating("images", images, hint="divide uint8 images by 255")
    if recipe.pad or recipe.flip:
        checks.tensor("images", images, ndim=4, hint="for others take a recipe with pad=0 and flip=False")
    checked_inputs(images, labels)
    per_epoch = math.ceil(len(images) / recipe.batch)
    total = recipe.epochs * per_epoch if steps is None else checks.integer("steps", steps, at_least=1)
    checks.real("ramp", ramp, at_least=0, at_most=1)
    checks.integer("probes", probes, at_least=0, at_most=total)
    kept = Checkpointing(checkpoint, every=every, total=total)
    model = method.model
    device = trainable(model)[0].device
    engine = sgd(model, recipe) if optimiser is None else optimiser(model.parameters())
    checked_optimiser(engine, model)
    looks = {round((i + 1) * total / probes) for i in range(probes)} if probe is not None else set()
    run = identity_of(
        model,
        recipe=recipe.resolved(),
        seed=checks.integer("seed", seed, at_least=0),
        steps=total,
        ramp=ramp,
        method=describe(method),
        optimiser=f"{type(engine).__name__} {engine.defaults}",
        data=[checksum(images), checksum(labels)],
    )
    result, stored = Trained(), kept.load(run)
    if stored is not None:
        model.load_state_dict(stored["model"])
        engine.load_state_dict(stored["optimiser"])
        method.load_state(stored["method"])
        result = Trained(**stored["result"])

    def save() -> None:
        path = kept.due(result.steps)
        if path is not None:
            states = {"model": model.state_dict(), "optimiser": engine.state_dict(), "method": method.state()}
            save_checkpoint(path, run, {**states, "result": vars(result)})

    def update(chosen: Tensor, *offsets: Tensor) -> tuple[Tensor, ...]:
        """A step of the method on the images ``chosen``: its loss and its share of errors."""
        loss, errors = method.step(*batch(chosen, *offsets), engine).numbers
        return torch.as_tensor(loss), torch.as_tensor(errors)

    def batch(chosen: Tensor, *offsets: Tensor) -> Pair:
        x, y = images[chosen], labels[chosen]
        if offsets:
            x = cropped(x, *by_name(recipe, offsets), recipe.pad)
            x = x.clone(memory_format=form) if form == torch.contiguous_format else x
        return x, y

    def look() -> None:
        """Read what the steps since the last look have left."""
        for done in waiting:
            step, value = len(result.losses), done.loss
            check_loss("loss", value, step, step // per_epoch, stretched_rate(recipe, step, total))
            result.losses.append(value)
            result.errors.append(done.errors)
        waiting.clear()

    model.train()
    form = layout(recipe, model)
    images, labels, source = images.to(device), labels.to(device), method.source
    if devices.records(device):
        method.source = generator(seed, "robust", device)
    waiting: list[Step] = []
    order, epoch_now = None, -1
    with (
        devices.random_state_kept(device),
        tqdm(total=total, initial=result.steps, disable=None if progress else True, unit="step") as bar,
    ):
        replay = Replay(update, device, generators=(method.source,), wanted=recordable(method, optimiser))
        began = devices.now(device)
        while result.steps < total:
            step = result.steps
            epoch, place = divmod(step, per_epoch)
            if epoch != epoch_now:
                order, *offsets = (part.to(device) for part in draws_of(recipe, len(images), seed, epoch))
                epoch_now = epoch
            here = slice(place * recipe.batch, (place + 1) * recipe.batch)
            parts = (order[here], *(part[here] for part in offsets))  # type: ignore[index]
            set_rate(engine, stretched_rate(recipe, step, total))
            method.scale = min(1.0, (step + 1) / (ramp * total)) if ramp else 1.0
            method.source.manual_seed(derive(seed, f"attack/{step}"))
            devices.seed(derive(seed, f"noise/{step}"), device)  # dropout
            if replay.recorder is None:
                x, y = batch(*parts)
                began = devices.now(device)
                waiting.append(method.step(x, y, engine))
            else:  # a recorded step has the scale that it was recorded with
                loss, errors = replay(*parts) if method.scale == 1 else update(*parts)
                waiting.append(Step(loss.clone(), errors.clone()))
            result.steps += 1
            due = result.steps in looks or result.steps == total or kept.due(result.steps) is not None
            if replay.recorder is None or due or len(waiting) == AT_ONCE:
                result.seconds += devices.now(device) - began
                look()
            if result.steps in looks:
                model.eval()
                result.probes.append({"step": result.steps, "seconds": result.seconds, **probe(model)})  # type: ignore[misc]
                model.train()
            save()
            if not waiting:
                began = devices.now(device)
            bar.update()
    model.eval()
    method.scale = 1.0
    method.source = source
    return result


def recordable(method: Method, optimiser: object) -> bool:
    """Whether steps of ``method`` may be recorded: its code and the rule of the weights are this package's."""
    return optimiser is None and type(method).__module__.startswith("contdepth.")


def stretched_rate(recipe: Recipe, step: int, total: int) -> float:
    """The recipe's learning rate at ``step`` of ``total``, its epochs stretched to fill them."""
    if recipe.schedule == "one-cycle":
        return replace(recipe, epochs=total).rate(step, 1)
    return recipe.rate(int(step * recipe.epochs / total), 1)


def describe(method: Method) -> str:
    """The method's name and settings, to tell runs apart."""
    plain = {k: v for k, v in vars(method).items() if isinstance(v, (int, float, str, bool)) and k != "scale"}
    return f"{type(method).__name__} {plain} {method.threat} {getattr(method, 'sigma', '')}"
