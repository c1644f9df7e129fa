"""The paper's own setting: PreActResNet18 on CIFAR-10 and SmallCNN on MNIST, for one GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from contdepth import checks, devices
from contdepth.data.unit_range import pixels
from contdepth.nets.preact_resnet18 import PreActResNet18
from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust.attacks.apgd import APGD, APGDTargeted
from contdepth.robust.attacks.pgd import PGD, NoAttack, accuracy
from contdepth.robust.attacks.square import Square
from contdepth.robust.losses import percent
from contdepth.robust.methods.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.methods.loop import Trained, train
from contdepth.robust.methods.method import Method
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.timing import cpu_seconds, gpu_seconds
from contdepth.training.evaluation import Pair
from contdepth.training.recipes import Recipe

__all__ = ["CIFAR_METHODS", "cifar_run", "cifar_runs", "mnist_run"]


def common(threat: Threat, precision: str) -> dict[str, Any]:
    return {"threat": threat, "precision": precision}


CIFAR_METHODS: Mapping[str, Callable[[nn.Module, Threat, str], Method]] = {
    "YOPO-5-3": lambda model, threat, precision: YOPO(
        model,
        first_layer="conv1",
        steps=5,
        inner_steps=3,
        step_size="2/255",
        average=True,
        **common(threat, precision),
    ),
    "PGD-5 summed": lambda model, threat, precision: SummedPGD(
        model, steps=5, step_size="6/255", average=True, **common(threat, precision)
    ),
    "PGD-10": lambda model, threat, precision: PGDTraining(
        model, steps=10, step_size="2/255", **common(threat, precision)
    ),
    "FGSM-RS": lambda model, threat, precision: FGSMRS(model, **common(threat, precision)),
    "N-FGSM": lambda model, threat, precision: NFGSM(model, **common(threat, precision)),
    "Free-8": lambda model, threat, precision: FreeTraining(model, replays=8, **common(threat, precision)),
}


def cifar_run(
    name: str,
    data: Pair,
    test: Pair,
    threat: Threat,
    seed: int,
    steps: int,
    *,
    device: str = "cuda",
    width: int = 64,
    rate: float = 0.2,
    hard: int = 1000,
    precision: str = "bf16",
) -> dict[str, float]:
    """Train PreActResNet18 by one method for ``steps`` steps of 256 images, one cycle of SGD, and evaluate it.

    One rate for every method is a departure: the authors take 0.2 on the sum/5 for YOPO and 0.05 for PGD.

    Returns percent: ``clean``, ``PGD-20``, ``PGD-50``, ``worst`` (APGD-CE, APGD-T and Square on the first
    ``hard`` test images), ``gap`` (PGD-20 minus worst on these); and ``seconds``, ``seconds to 42`` (first look
    with 42 % under PGD-20 on them; nan if there was none).
    """
    recipe = Recipe(
        "cifar", epochs=1, lr=rate, batch=256, schedule="one-cycle", weight_decay=5e-4, pad=4, flip=True
    )
    model = PreActResNet18(seed=seed, width=width).to(device)
    method = CIFAR_METHODS[checks.one_of("name", name, tuple(CIFAR_METHODS))](model, threat, precision)
    images, labels = (part.to(device) for part in test)
    few = images[:hard], labels[:hard]
    source = generator(seed, "evaluation")
    judged = partial(accuracy, model, source=source)
    pgd = PGD(threat, steps=20, step_size="2/255")

    def probe(model: nn.Module) -> dict[str, float]:
        return {"robust": percent(judged(*few, pgd))}

    result: Trained = train(method, data, recipe, seed=seed, steps=steps, probe=probe, probes=min(20, steps))
    clean = judged(images, labels, NoAttack())
    robust = judged(images, labels, pgd, among=clean)
    worst = clean[:hard]
    for attack in (APGD(threat, steps=100), APGDTargeted(threat, steps=100), Square(threat, queries=5000)):
        worst = judged(*few, attack, among=worst)
    reached = [look["seconds"] for look in result.probes if look["robust"] >= 42]
    return {
        "clean": percent(clean),
        "PGD-20": percent(robust),
        "PGD-50": percent(judged(*few, PGD(threat, steps=50, step_size="2/255", restarts=10), among=clean[:hard])),
        "worst": percent(worst),
        "gap": percent(robust[:hard]) - percent(worst),
        "seconds": result.seconds,
        "seconds to 42": reached[0] if reached else float("nan"),
    }


def cifar_runs(
    seeds: Sequence[int],
    *,
    names: Sequence[str] = tuple(CIFAR_METHODS),
    epsilon: str = "8/255",
    device: str = "cuda",
    seconds: float = 360.0,
) -> dict[str, dict[str, np.ndarray]]:
    """``cifar_run`` for every method and seed in ``seconds`` of training each: method → quantity → (seeds,)."""
    threat = Threat(epsilon)
    data, test = pixels("cifar10", "train", 50000), pixels("cifar10", "test", 10000)
    x, y = (part[:256].to(device) for part in data)
    tasks = {}
    for name in names:
        method = CIFAR_METHODS[name](PreActResNet18().to(device).train(), threat, "bf16")
        tasks[name] = partial(method.step, x, y, torch.optim.SGD(method.model.parameters(), lr=0.01))
    clock = gpu_seconds if devices.accelerator(devices.named("device", device)) else cpu_seconds
    steps = {name: max(20, round(seconds / each)) for name, each in clock(tasks).items()}
    found = {
        name: [cifar_run(name, data, test, threat, seed, steps[name], device=device) for seed in seeds]
        for name in names
    }
    return {name: {key: np.array([run[key] for run in runs]) for key in runs[0]} for name, runs in found.items()}


def mnist_run(
    seeds: Sequence[int], *, device: str = "cuda", rate: float = 0.01, epochs: int = 41, limit: int = 60000
) -> dict[str, np.ndarray]:
    """SmallCNN by YOPO-5-10 with the authors' recipe, dropout and zero last layer included, on ``limit`` images.

    SGD on the sum of the five gradients at ``rate``/5, weight decay 5e-4; the rate falls tenfold in epochs 30, 35
    and 39. Returns percent, each (seeds,): ``clean`` and ``PGD-40`` on the test images, ``PGD-40 few`` and
    ``APGD-T`` on the first 1,000. A departure: one schedule for all layers, where the code lets the first
    layer's rate fall in epochs 15 and 19.
    """
    threat = Threat("3/10")
    data, test = pixels("mnist", "train", limit), pixels("mnist", "test", min(limit, 10000))
    recipe = Recipe("mnist", epochs=epochs, lr=rate / 5, batch=256, milestones=(30, 35, 39), weight_decay=5e-4)
    found: dict[str, list[float]] = {key: [] for key in ("clean", "PGD-40", "PGD-40 few", "APGD-T")}
    for seed in seeds:
        model = SmallCNN(seed=seed, dropout=0.5, zero_last=True).to(device)
        options: dict[str, Any] = {"steps": 5, "inner_steps": 10, "step_size": "1/100", "seed": seed}
        train(YOPO(model, first_layer="relu1", threat=threat, **options), data, recipe, seed=seed)
        images, labels = (part.to(device) for part in test)
        judged = partial(accuracy, model, source=generator(seed, "evaluation"))
        clean = judged(images, labels, NoAttack())
        robust = judged(images, labels, PGD(threat, steps=40, step_size="1/100"), among=clean)
        strong = judged(images[:1000], labels[:1000], APGDTargeted(threat, steps=100), among=clean[:1000])
        for key, mask in zip(found, (clean, robust, robust[:1000], strong), strict=True):
            found[key].append(percent(mask))
    return {key: np.array(values) for key, values in found.items()}
