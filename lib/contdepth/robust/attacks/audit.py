"""One call that tells how robust a classifier is, and whether the figures can be believed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.attacks.apgd import APGD, APGDTargeted
from contdepth.robust.attacks.flags import Flag, flags_of
from contdepth.robust.attacks.pgd import (
    FGSM,
    PGD,
    Attack,
    NoAttack,
    RandomNoise,
    accuracy,
)
from contdepth.robust.attacks.square import Square
from contdepth.robust.losses import (
    LOSSES,
    ascent,
    checked_inputs,
    checked_labels,
    checked_logits,
    checked_model,
    percent,
)
from contdepth.robust.threat import Threat

__all__ = ["EFFORTS", "Audit", "Effort", "audit"]


@dataclass(frozen=True)
class Effort:
    """How hard an audit tries: steps of PGD and APGD, restarts, targets, black-box queries, steps of the curve."""

    pgd_steps: int = 40
    restarts: int = 5
    apgd_steps: int = 100
    targets: int = 9
    targeted_steps: int = 100
    queries: int = 5000
    curve: tuple[int, ...] = (1, 3, 10, 40, 100)
    curve_samples: int = 500

    def __post_init__(self) -> None:
        for name in ("pgd_steps", "apgd_steps", "targets", "targeted_steps", "queries", "curve_samples"):
            checks.integer(name, getattr(self, name), at_least=1)
        checks.integer("restarts", self.restarts, at_least=2)
        curve = [checks.integer("curve", k, at_least=1) for k in checks.several("curve", self.curve, "rising")]
        if not curve or curve != sorted(set(curve)):
            checks.fail("curve", "numbers of steps, rising", self.curve, "such as (1, 10, 40)")


EFFORTS = {
    "quick": Effort(20, 3, 30, 3, 30, 300, (1, 3, 10, 30), 200),
    "standard": Effort(),
}


@dataclass(frozen=True)
class Audit:
    """Results of :func:`audit`.

    ``correct``: for each row, bool (n,), which images survive; ``seconds``: wall time of each row; ``curve``:
    (steps, mean cross-entropy under PGD with them, from the same starts); ``flags``: empty if nothing looks wrong.
    """

    threat: Threat
    effort: Effort
    correct: dict[str, Tensor]
    seconds: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    flags: tuple[Flag, ...]

    def accuracy(self, name: str) -> float:
        """Accuracy of one row in percent."""
        checks.one_of("name", name, tuple(self.correct))
        return percent(self.correct[name])

    @property
    def gap(self) -> float:
        """PGD with one start minus the AutoAttack-like ensemble, in points: how much PGD flatters."""
        return self.accuracy("pgd") - self.accuracy("autoattack")

    def rows(self) -> list[dict[str, float | int | str]]:
        """Dicts of ``attack``, ``label``, ``accuracy`` and its standard ``error`` in percent, …."""
        table: list[dict[str, float | int | str]] = []
        for name, mask in self.correct.items():
            share, n = percent(mask), len(mask)
            error = math.sqrt(share * (100 - share) / n)
            table.append(
                {
                    "attack": name,
                    "label": label(name, self.effort),
                    "accuracy": share,
                    "error": error,
                    "images": n,
                    "seconds": self.seconds[name],
                }
            )
        return table

    def __str__(self) -> str:
        lines = [f"Audit on {len(self.correct['clean'])} images, {self.threat}"]
        lines += [
            f"  {row['label']:<32}{row['accuracy']:7.2f} % ± {row['error']:.2f}{row['seconds']:9.1f} s"
            for row in self.rows()
        ]
        lines.append("  loss after k steps of PGD: " + ", ".join(f"{k}: {value:.3f}" for k, value in self.curve))
        lines.append(f"  PGD − AutoAttack-like: {self.gap:.2f} points")
        lines += [f"  FLAG {flag}" for flag in self.flags] or ["  no flags"]
        return "\n".join(lines)

    def print(self) -> None:
        """Print the table and the flags."""
        print(self)


def label(name: str, effort: Effort) -> str:
    """A row's name for humans."""
    return {
        "clean": "clean",
        "noise": "random noise",
        "fgsm": "FGSM",
        "pgd": f"PGD-{effort.pgd_steps}",
        "pgd restarts": f"PGD-{effort.pgd_steps}, {effort.restarts} starts",
        "pgd margin": f"PGD-{effort.pgd_steps}, margin loss (CW)",
        "apgd-ce": f"APGD-CE-{effort.apgd_steps}",
        "apgd-t": f"APGD-T-{effort.targeted_steps}, {effort.targets} targets",
        "square": f"Square, {effort.queries} queries",
        "autoattack": "AutoAttack-like (these three)",
        "worst": "worst case of all",
    }[name]


def loss_curve(
    model: nn.Module, x: Tensor, y: Tensor, threat: Threat, effort: Effort, source: torch.Generator, batch: int
) -> tuple[tuple[tuple[int, float], ...], float]:
    """((steps, mean cross-entropy), …) from equal starts, and the share of images whose gradient is all zero."""
    state, curve, zero = source.get_state(), [], 0
    parts = list(zip(x.split(batch), y.split(batch), strict=True))
    for part, labels in parts:
        gradient = ascent(model, part, threat.start(part, source), labels, LOSSES["ce"])[1]
        zero += int((gradient.flatten(1).abs().amax(1) == 0).sum())
    for steps in effort.curve:
        source.set_state(state)
        attack = PGD(threat, steps=steps)
        total = sum(attack.search(model, *part, source).loss.double().sum().item() for part in parts)
        curve.append((steps, total / len(x)))
    return tuple(curve), zero / len(x)


def audit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    threat: Threat | None = None,
    *,
    budget: str | Effort = "quick",
    source: torch.Generator,
    batch: int = 500,
) -> Audit:
    """Attack ``model`` on images ``x`` (n, …) in [0, 1] with classes ``y``, int64 (n,); judge the figures.

    Rows: clean, random noise, FGSM, PGD from one start, PGD from several, PGD on the margin (CW), APGD-CE, APGD-T
    and Square each alone, the worst case of these three (AutoAttack without its minimum-norm FAB, and "quick"
    with far fewer steps), and the worst case of everything. PGD rows let an image leave at its first misclassified
    point; the loss curve takes all steps. APGD-T falls back to logit differences below four classes.

    ``budget``: "quick", "standard" or an :class:`Effort`; ``source``: a CPU generator; ``batch``: images at once.

    Raises:
        TypeError, ValueError: no threat, train mode, ``x`` outside [0, 1], ``y`` of wrong shape or dtype, outputs
            that are not finite or not (n, classes), a class in ``y`` that the model lacks, no image.
    """
    hint = 'such as threat=Threat("8/255")'
    if not isinstance(threat, Threat):
        checks.fail("threat", "a Threat", "none" if threat is None else repr(threat), hint, error=TypeError)
    if not isinstance(source, torch.Generator):
        hint = "make one with contdepth.seeds.generator"
        checks.fail("source", "a torch.Generator", type(source).__name__, hint, error=TypeError)
    effort = budget if isinstance(budget, Effort) else EFFORTS[checks.one_of("budget", budget, tuple(EFFORTS))]
    checks.integer("batch", batch, at_least=1)
    checked_model(model)
    checked_inputs(x, y)
    with torch.no_grad():
        probe, again = checked_logits(model, x[:batch]), checked_logits(model, x[:batch])
    checked_labels(y, probe.shape[1])
    probabilities = bool((probe >= 0).all()) and bool(((probe.sum(1) - 1).abs() < 1e-4).all())
    wavering = (probe - again).abs().max().item()
    del probe, again

    one: dict[str, Any]
    k, one = effort.pgd_steps, {"steps": effort.pgd_steps, "early_stop": True}
    attacks: dict[str, Attack | NoAttack] = {
        "clean": NoAttack(),
        "noise": RandomNoise(threat),
        "fgsm": FGSM(threat),
        "pgd": PGD(threat, **one),
        "pgd restarts": PGD(threat, **one, restarts=effort.restarts - 1),
        "pgd margin": PGD(threat, steps=k, loss="margin", early_stop=True),
        "apgd-ce": APGD(threat, effort.apgd_steps),
        "apgd-t": APGDTargeted(threat, effort.targeted_steps, targets=effort.targets, fallback=True),
        "square": Square(threat, effort.queries),
    }
    correct: dict[str, Tensor] = {}
    seconds: dict[str, float] = {}
    for name, attack in attacks.items():
        begin = time.perf_counter()
        among = correct.get("pgd" if name == "pgd restarts" else "clean")
        correct[name] = accuracy(model, x, y, attack, source=source, batch=batch, among=among)
        seconds[name] = time.perf_counter() - begin
    correct["autoattack"] = correct["apgd-ce"] & correct["apgd-t"] & correct["square"]
    correct["worst"] = torch.stack(list(correct.values())).all(0)
    seconds["pgd restarts"] += seconds["pgd"]
    seconds["autoattack"] = sum(seconds[name] for name in ("apgd-ce", "apgd-t", "square"))
    seconds["worst"] = sum(seconds[name] for name in attacks)
    some = correct["clean"].nonzero()[: effort.curve_samples, 0]
    curve, zero = loss_curve(model, x[some], y[some], threat, effort, source, batch) if len(some) else ((), 0.0)
    return Audit(threat, effort, correct, seconds, curve, flags_of(correct, curve, zero, probabilities, wavering))
