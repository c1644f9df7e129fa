"""Matched training runs: every method with the same network, data, optimiser, schedule and budget of CPU time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.files import write_atomically
from contdepth.nets.init import draw_weights
from contdepth.nets.small_cnn import SmallCNN
from contdepth.parallel import run_all
from contdepth.robust.attacks.apgd import APGD, APGDTargeted
from contdepth.robust.attacks.pgd import PGD, Attack, NoAttack, accuracy
from contdepth.robust.attacks.square import Square
from contdepth.robust.losses import percent
from contdepth.robust.methods.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining
from contdepth.robust.methods.loop import Trained, train
from contdepth.robust.methods.method import Method, Natural
from contdepth.robust.methods.trades import TRADES, TRADESYOPO
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.timing import cpu_seconds
from contdepth.training.evaluation import Pair
from contdepth.training.recipes import Recipe

__all__ = [
    "METHODS",
    "Setting",
    "attacks",
    "contest",
    "contestant",
    "more_queries",
    "one_run",
    "steps_within",
    "trained",
]


def sizes(threat: Threat, share: str) -> Fraction:
    """A step size as a share of ε."""
    return threat.epsilon * Fraction(share)


def yopo(model: nn.Module, threat: Threat, m: int, n: int, share: str, **options: Any) -> YOPO:
    return YOPO(
        model,
        first_layer="relu1",
        threat=threat,
        steps=m,
        inner_steps=n,
        step_size=sizes(threat, share),
        **options,
    )


def pgd(model: nn.Module, threat: Threat, r: int, share: str, **options: Any) -> PGDTraining:
    return PGDTraining(model, threat=threat, steps=r, step_size=sizes(threat, share), **options)


BETA = 6.0
"""Weight of the penalty of both TRADES methods."""


def trades_yopo(model: nn.Module, threat: Threat, **options: Any) -> TRADESYOPO:
    return TRADESYOPO(
        model,
        first_layer="relu1",
        threat=threat,
        steps=3,
        inner_steps=4,
        step_size=sizes(threat, "1/8"),
        weight=BETA,
        **options,
    )


METHODS: Mapping[str, Callable[[nn.Module, Threat], Method]] = {
    "natural": lambda model, threat: Natural(model),
    "YOPO-5-10": lambda model, threat: yopo(model, threat, 5, 10, "1/30"),
    "YOPO-5-10 (fused)": lambda model, threat: yopo(model, threat, 5, 10, "1/30", inner="fused"),
    "YOPO-5-10 (plain loop)": lambda model, threat: yopo(model, threat, 5, 10, "1/30", inner="plain"),
    "YOPO-5-10, official": lambda model, threat: yopo(model, threat, 5, 10, "1/30", accounting="official"),
    "YOPO-5-1": lambda model, threat: yopo(model, threat, 5, 1, "1/3"),
    "PGD-40": lambda model, threat: pgd(model, threat, 40, "1/30"),
    "PGD-10": lambda model, threat: pgd(model, threat, 10, "2/15"),
    "FGSM-RS": lambda model, threat: FGSMRS(model, threat=threat),
    "N-FGSM": lambda model, threat: NFGSM(model, threat=threat),
    "Free-8": lambda model, threat: FreeTraining(model, threat=threat, replays=8),
    "TRADES-10": lambda model, threat: TRADES(
        model, threat=threat, steps=10, step_size=sizes(threat, "2/15"), weight=BETA
    ),
    "TRADES-YOPO-3-4": lambda model, threat: trades_yopo(model, threat),
    "TRADES-YOPO-3-4 (fused)": lambda model, threat: trades_yopo(model, threat, inner="fused"),
    "TRADES-YOPO-3-4 (plain loop)": lambda model, threat: trades_yopo(model, threat, inner="plain"),
}
"""The contestants on SmallCNN, with step sizes as shares of ε: 0.01, 0.1 and 0.04 at ε = 0.3.

In brackets the inner loop, where it is named: "fused" in one kernel, "plain loop" in autograd, as in the authors'
code. They take the same steps, equal to rounding, and differ in their time alone.
"""


@dataclass(frozen=True)
class Setting:
    """What all runs of a contest share.

    ``optimiser`` "adam" or "sgd" with the recipe's rates and schedule; ``ramp``: share of the steps in which ε
    grows to its full size. Slow attacks see the first ``hard`` test images, with ``apgd_steps`` steps and
    ``queries`` of Square; ``probes`` looks at clean and PGD-20 accuracy during training. ``stronger=False``:
    evaluation by PGD-40 alone.
    """

    threat: Threat
    recipe: Recipe = Recipe("contest", epochs=1, lr=2e-3, batch=64, schedule="one-cycle", warmup=0.1)
    network: str = "little"
    optimiser: str = "adam"
    stronger: bool = True
    ramp: float = 0.4
    hard: int = 200
    apgd_steps: int = 50
    queries: int = 1000
    probes: int = 10


def network(images: Tensor, setting: Setting, seed: int) -> nn.Sequential:
    """The contest's network for such images: SmallCNN, or its little sister with three convolutions."""
    _, in_channels, size, _ = images.shape
    if setting.network == "SmallCNN":
        return SmallCNN(in_channels, size, seed=seed)
    return little_cnn(in_channels, size, seed=seed)


def little_cnn(in_channels: int, size: int, *, width: int = 16, hidden: int = 64, seed: int = 0) -> nn.Sequential:
    """Conv-ReLU-conv-ReLU-pool-conv-ReLU, linear-ReLU-linear, for small images (``size`` from 6 on), 10 classes.

    Without padding in front of the pool, as SmallCNN; the stages have SmallCNN's names. All weights come from
    ``seed``.
    """
    left = (size - 4) // 2
    with torch.random.fork_rng(devices=[]):
        stages = {
            "conv1": nn.Conv2d(in_channels, width, 3),
            "relu1": nn.ReLU(),
            "conv2": nn.Conv2d(width, width, 3),
            "relu2": nn.ReLU(),
            "pool1": nn.MaxPool2d(2),
            "conv3": nn.Conv2d(width, 2 * width, 3, padding=1),
            "relu3": nn.ReLU(),
            "flatten": nn.Flatten(),
            "fc1": nn.Linear(2 * width * left * left, hidden),
            "relu4": nn.ReLU(),
            "fc2": nn.Linear(hidden, 10),
        }
    model = nn.Sequential(OrderedDict(stages))
    draw_weights(model, seed)
    with torch.no_grad():
        for conv in (model.conv1, model.conv2, model.conv3):
            conv.bias.zero_()  # type: ignore[union-attr, operator]
    return model


def contestant(name: str, images: Tensor, setting: Setting, seed: int) -> Method:
    """The method ``name`` with a fresh network for such images, on their device."""
    checks.one_of("name", name, tuple(METHODS))
    return METHODS[name](network(images, setting, seed).to(images.device), setting.threat)


def engine(setting: Setting) -> Callable[..., torch.optim.Optimizer]:
    """The optimiser; the schedule sets its rate."""
    recipe = setting.recipe
    if checks.one_of("optimiser", setting.optimiser, ("adam", "sgd")) == "adam":
        return partial(torch.optim.Adam, lr=recipe.lr)
    return partial(torch.optim.SGD, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def steps_within(
    seconds: float,
    names: Sequence[str],
    data: Pair,
    setting: Setting,
    *,
    rounds: int = 9,
    workers: int = 1,
    keep: Path | None = None,
) -> dict[str, int]:
    """How many training steps of each method take ``seconds`` of CPU time, measured interleaved on one batch.

    ``workers``: processes that measure at once, as many as train at once later, since runs beside one another
    slow each other down, and not every method by the same factor; the answer is their mean. ``keep``: file for
    the answer. If it is there it is believed, so that a run that resumes finds its own numbers.
    """
    checks.real("seconds", seconds, above=0)
    if keep is not None and keep.exists():
        return json.loads(keep.read_text())
    batch = data[0][: setting.recipe.batch], data[1][: setting.recipe.batch]
    job = {"names": list(names), "data": batch, "setting": setting, "rounds": rounds}
    measured = run_all(step_costs, [job] * checks.integer("workers", workers, at_least=1), workers)
    steps = {name: max(1, round(seconds / fmean(one[name] for one in measured))) for name in names}
    if keep is not None:
        write_atomically(keep, lambda stream: stream.write(json.dumps(steps).encode()))
    return steps


def step_costs(names: Sequence[str], data: Pair, setting: Setting, rounds: int) -> dict[str, float]:
    """Median CPU seconds of a training step of each method on the batch ``data``, measured interleaved."""
    tasks = {}
    for name in names:
        method = contestant(name, data[0], setting, 0)
        method.model.train()
        tasks[name] = partial(method.step, *data, engine(setting)(method.model.parameters()))
    return cpu_seconds(tasks, rounds)


def attacks(setting: Setting) -> dict[str, Attack]:
    """The evaluation's attacks by name: PGD-40 with the paper's step of ε/30, then stronger ones."""
    threat = setting.threat
    return {
        "PGD-40": PGD(threat, steps=40, step_size=sizes(threat, "1/30")),
        "PGD-100": PGD(threat, steps=100, step_size=sizes(threat, "1/15"), restarts=2),
        "APGD-CE": APGD(threat, steps=setting.apgd_steps),
        "APGD-T": APGDTargeted(threat, steps=setting.apgd_steps),
        "Square": Square(threat, queries=setting.queries),
    }


def trained(
    name: str,
    data: Pair,
    setting: Setting,
    seed: int,
    steps: int,
    probe: Callable[[nn.Module], dict[str, float]] | None = None,
    checkpoint: Path | str | None = None,
) -> tuple[nn.Module, Trained]:
    """Train the contestant ``name`` with one seed: its model in eval mode, and what the loop recorded."""
    method = contestant(name, data[0], setting, seed)
    result = train(
        method,
        data,
        setting.recipe,
        seed=seed,
        steps=steps,
        ramp=setting.ramp,
        optimiser=engine(setting),
        probe=probe,
        probes=min(setting.probes, steps) if probe else 0,
        checkpoint=checkpoint,
        progress=False,
    )
    return method.model, result


def trained_state(name: str, data: Pair, setting: Setting, seed: int, steps: int) -> dict[str, Tensor]:
    """The weights after ``trained``."""
    return trained(name, data, setting, seed, steps)[0].state_dict()


def first_of(test: Pair, setting: Setting) -> Pair:
    """The test images that slow attacks see, with their labels."""
    return test[0][: setting.hard], test[1][: setting.hard]


def one_run(
    name: str,
    data: Pair,
    test: Pair,
    setting: Setting,
    seed: int,
    steps: int,
    checkpoint: Path | str | None = None,
) -> dict[str, object]:
    """Train one method with one seed and evaluate it on ``test``.

    Returns ``accuracy``: attack → percent; ``worst``: percent right under APGD-CE, APGD-T and Square together;
    ``hard_pgd``: PGD-40 on the same images as these;
    ``losses`` of the steps; ``seconds`` of CPU time spent in them; ``steps`` and weight ``updates``; ``curve``:
    step, seconds, clean and PGD-20 accuracy in percent at the looks on the way.
    """
    hard = first_of(test, setting)

    def probe(model: nn.Module) -> dict[str, float]:
        source = generator(seed, "look")
        quick = PGD(setting.threat, steps=20, step_size=sizes(setting.threat, "1/12"))
        clean = accuracy(model, *hard, NoAttack(), source=source)
        robust = accuracy(model, *hard, quick, source=source, among=clean)
        return {"clean": percent(clean), "robust": percent(robust)}

    model, result = trained(name, data, setting, seed, steps, probe, checkpoint)
    source = generator(seed, "evaluation")
    right = {"clean": accuracy(model, *test, NoAttack(), source=source)}
    chosen = attacks(setting)
    for attack_name in chosen if setting.stronger else ("PGD-40",):
        x, y = test if attack_name == "PGD-40" else hard
        options: dict[str, Any] = {"source": source, "among": right["clean"][: len(y)]}
        right[attack_name] = accuracy(model, x, y, chosen[attack_name], **options)
    few = right["PGD-40"][: setting.hard]
    together = [right[name] for name in ("APGD-CE", "APGD-T", "Square") if name in right]
    worst = torch.stack(together).all(0) if together else few
    return {
        "accuracy": {attack_name: percent(mask) for attack_name, mask in right.items()},
        "worst": percent(worst),
        "hard_pgd": percent(few),
        "losses": np.array(result.losses),
        "seconds": result.seconds,
        "steps": result.steps,
        "updates": result.steps * contestant(name, test[0], setting, seed).updates,
        "curve": {
            key: np.array([look[key] for look in result.probes]) for key in ("step", "seconds", "clean", "robust")
        },
    }


def contest(
    names: Sequence[str],
    data: Pair,
    test: Pair,
    setting: Setting,
    seeds: Sequence[int],
    steps: Mapping[str, int],
    *,
    workers: int = 1,
    checkpoints: Path | None = None,
) -> dict[str, list[dict[str, object]]]:
    """``one_run`` for every method and seed, ``workers`` at a time: method → results in the order of ``seeds``.

    With ``checkpoints`` (a folder) a second call goes on where the first stopped.
    """
    jobs: list[dict[str, Any]] = [
        {
            "name": name,
            "data": data,
            "test": test,
            "setting": setting,
            "seed": seed,
            "steps": steps[name],
            "checkpoint": None if checkpoints is None else checkpoints / f"{name}-{seed}.pt",
        }
        for seed in seeds
        for name in names
    ]
    results = iter(run_all(one_run, jobs, workers, progress=True))
    found: dict[str, list[dict[str, object]]] = {name: [] for name in names}
    for job in jobs:
        found[job["name"]].append(next(results))
    return found


def more_queries(
    name: str,
    data: Pair,
    test: Pair,
    setting: Setting,
    seed: int,
    steps: int,
    queries: int,
    checkpoint: Path | str | None = None,
) -> tuple[float, float]:
    """Percent of the first ``setting.hard`` images right under APGD-T and Square together, by queries of Square.

    First with ``setting.queries``, then with ``queries`` of a second search of what is left. With the
    ``checkpoint`` of ``contest`` nothing is trained again.
    """
    model, _ = trained(name, data, setting, seed, steps, checkpoint=checkpoint)
    hard, source = first_of(test, setting), generator(seed, "queries")
    right = accuracy(model, *hard, attacks(setting)["APGD-T"], source=source)
    found = []
    for number in (setting.queries, queries):
        square = Square(setting.threat, queries=number)
        right = accuracy(model, *hard, square, source=source, among=right)
        found.append(percent(right))
    return found[0], found[1]
