"""One training with looks on the way and an audit at its end, as the plain result of a piece."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn

from contdepth import devices
from contdepth.robust.attacks.audit import Effort, audit
from contdepth.robust.attacks.pgd import PGD, NoAttack, accuracy
from contdepth.robust.losses import percent
from contdepth.robust.methods.loop import train
from contdepth.robust.methods.method import Method
from contdepth.seeds import generator
from contdepth.training.evaluation import Pair
from contdepth.training.recipes import Recipe

__all__ = ["audited", "device_name"]

EVERY = 392
"""Steps from one checkpoint to the next: two epochs of 50,000 images in batches of 256."""


def audited(
    method: Method,
    data: Pair,
    test: Pair,
    recipe: Recipe,
    attack: PGD,
    *,
    seed: int,
    hard: int = 1000,
    effort: str | Mapping[str, Any] = "standard",
    folder: Path | None = None,
) -> dict[str, Any]:
    """Train ``method`` on ``data`` by ``recipe``, with a look after each epoch, and judge it on ``test``.

    In percent: ``clean`` and ``pgd`` (under ``attack``) on all test images; ``pgd_few``, ``looks`` and the rows of
    ``contdepth.robust.audit``, each as ``audit_…``, on the first ``hard`` of them, ``audit_autoattack`` being
    APGD-CE, APGD-T and Square together. ``effort``: the audit's budget, or what an ``Effort`` is made of.
    ``flags``: names of those raised; ``seconds`` that the steps took, ``look_seconds`` of them before each look;
    ``losses``: means over epochs; ``updates`` of the weights; ``where``: name of the device.

    With ``folder`` a training that was stopped goes on to the same weights; the audit, a matter of minutes, begins
    anew.
    """
    model, device = method.model, devices.of(method.model)
    images, labels = (part.to(device) for part in test)
    few = images[:hard], labels[:hard]

    def look(model: nn.Module) -> dict[str, float]:
        return {"robust": percent(accuracy(model, *few, attack, source=generator(seed, "look")))}

    kept = None if folder is None else Path(folder) / "training.pt"
    result = train(method, data, recipe, seed=seed, probe=look, probes=recipe.epochs, checkpoint=kept, every=EVERY)
    source = generator(seed, "evaluation")
    clean = accuracy(model, images, labels, NoAttack(), source=source)
    robust = accuracy(model, images, labels, attack, source=source, among=clean)
    budget = effort if isinstance(effort, str) else Effort(**effort)
    found = audit(model, *few, attack.threat, budget=budget, source=generator(seed, "audit"))
    each = len(result.losses) // recipe.epochs
    return {
        "clean": percent(clean),
        "pgd": percent(robust),
        "pgd_few": percent(robust[:hard]),
        **{f"audit_{name.replace(' ', '_').replace('-', '_')}": found.accuracy(name) for name in found.correct},
        "flags": [flag.name for flag in found.flags],
        "seconds": result.seconds,
        "steps": result.steps,
        "updates": result.steps * method.updates,
        "looks": [one["robust"] for one in result.probes],
        "look_seconds": [one["seconds"] for one in result.probes],
        "losses": [fmean(result.losses[at : at + each]) for at in range(0, len(result.losses), each)],
        "where": device_name(device),
    }


def device_name(device: torch.device) -> str:
    """What the maker calls ``device``, or its kind: seconds are compared between devices of one name alone."""
    named = getattr(devices.accelerator(device), "get_device_name", None)
    return device.type if named is None else str(named(device))
