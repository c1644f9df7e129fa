"""Gradient attacks inside a threat (FGSM, PGD, Carlini-Wagner margin), and the driver that counts survivors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.losses import LOSSES, ascent, checked_inputs, checked_logits, checked_model, margin
from contdepth.robust.threat import Threat, budget

__all__ = ["FGSM", "PGD", "Attack", "NoAttack", "RandomNoise", "accuracy"]


class Found(NamedTuple):
    """What one run of an attack found: δ (batch, …), whether it fools the model and the loss there, (batch,)."""

    delta: Tensor
    fooled: Tensor
    loss: Tensor


Runs = Iterable[Callable[[Tensor], Found]]
"""The runs of an attack (restarts, targets), each a function of the rows to attack."""


def blank(x: Tensor) -> Found:
    """Nothing found yet: δ = 0, not fooled, loss −∞."""
    return Found(
        torch.zeros_like(x),
        torch.zeros(len(x), dtype=torch.bool, device=x.device),
        torch.full((len(x),), -torch.inf, device=x.device, dtype=x.dtype),
    )


def worst_case(x: Tensor, runs: Runs) -> Found:
    """The first δ that fools, else the one of highest loss; each of ``runs`` gets the rows not yet fooled."""
    best = blank(x)
    for run in runs:
        rows = (~best.fooled).nonzero()[:, 0]
        if len(rows) == 0:
            break
        found = run(rows)
        better = found.fooled | (found.loss > best.loss[rows])
        best.delta[rows[better]] = found.delta[better]
        best.loss[rows[better]] = found.loss[better].to(x.dtype)
        best.fooled[rows] = found.fooled
    return best


@dataclass(frozen=True)
class Attack:
    """An attack inside ``threat``. Subclasses give :meth:`runs`; unknown settings raise ``TypeError``."""

    threat: Threat

    def __post_init__(self) -> None:
        if not isinstance(self.threat, Threat):
            checks.fail("threat", "a Threat", f"{self.threat!r}", 'such as Threat("8/255")', error=TypeError)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """The attack's runs (restarts, targets), each a function of the rows to attack."""
        raise NotImplementedError  # abstract: each kind has its own

    def search(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Found:
        """Worst case over all runs: δ, whether it fools, and the attack's loss there.

        Raises:
            TypeError, ValueError: ``x`` empty or not float in [0, 1], ``y`` not int64 (batch,) or a class that the
                model lacks, logits of a wrong shape or not finite.
        """
        checked_inputs(x, y)
        with torch.no_grad():
            return worst_case(x, self.runs(model, x.detach(), y, source))

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Tensor:
        """δ (batch, …) inside the threat; the model's mode, ``.grad`` and ``requires_grad`` stay untouched.

        The model is called as it is: in train mode, batch statistics would move. ``x``: (batch, …) in [0, 1].
        """
        return self.search(model, x, y, source).delta


@dataclass(frozen=True)
class NoAttack:
    """δ = 0: clean accuracy."""

    def search(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator | None = None) -> Found:
        """δ = 0, misclassified, and the margin, (batch,)."""
        checked_inputs(x, y)
        with torch.no_grad():
            logits = checked_logits(model, x, y)
        return Found(torch.zeros_like(x), logits.argmax(1) != y, margin(logits, y))

    def perturb(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator | None = None) -> Tensor:
        """Zeros like ``x``."""
        checked_inputs(x, y)
        return torch.zeros_like(x)


@dataclass(frozen=True)
class RandomNoise(Attack):
    """Uniform noise in the ball, worst of ``restarts`` draws: what an attack without any knowledge achieves."""

    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("restarts", self.restarts, at_least=1)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """One draw each."""

        def draw(rows: Tensor) -> Found:
            delta = self.threat.start(x[rows], source)
            logits = checked_logits(model, x[rows] + delta, y[rows])
            return Found(delta, logits.argmax(1) != y[rows], margin(logits, y[rows]))

        return [draw] * self.restarts


@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient ascent (Madry et al. 2018, arXiv 1706.06083): δ ← Π(δ + α·direction(∇ℓ)).

    ``step_size`` α ("2/255"; None: 2.5 ε/steps), ``restarts`` from a random point (``random_start=False``: from
    0), ``loss`` "ce" or "margin" (the CW attack of Madry's evaluation, here without its confidence cut). The last
    point counts, as published; ``early_stop=True`` lets an image leave at its first misclassified point (stronger
    and cheaper). Among restarts, a fooling δ comes first, then the highest loss.
    """

    steps: int = 40
    step_size: Fraction | str | float | None = None
    restarts: int = 1
    loss: str = "ce"
    random_start: bool = True
    early_stop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("steps", self.steps, at_least=1)
        checks.integer("restarts", self.restarts, at_least=1)
        checks.one_of("loss", self.loss, tuple(LOSSES))
        if self.step_size is not None:
            object.__setattr__(self, "step_size", budget("step_size", self.step_size))
        if self.restarts > 1 and not self.random_start:
            checks.fail("restarts", "1 without a random start", self.restarts, "every run would be the same")

    @property
    def alpha(self) -> float:
        """Step size as a float."""
        return 2.5 * self.threat.radius / self.steps if self.step_size is None else float(self.step_size)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """One start each."""
        return [lambda rows: self.climb(model, x[rows], y[rows], source)] * self.restarts

    def climb(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Found:
        """All steps from one start."""
        found = blank(x)
        delta = self.threat.start(x, source) if self.random_start else torch.zeros_like(x)
        rows = torch.arange(len(x), device=x.device)
        for _ in range(self.steps):
            values, gradient, fooled = ascent(model, x, delta, y, LOSSES[self.loss])
            if self.early_stop and bool(fooled.any()):
                store(found, rows[fooled], delta[fooled], True, values[fooled])
                x, y, rows, delta, gradient = (part[~fooled] for part in (x, y, rows, delta, gradient))
                if len(rows) == 0:
                    return found
            delta = self.threat.ascend(delta, x, gradient, self.alpha)
        logits = checked_logits(model, x + delta)
        store(found, rows, delta, logits.argmax(1) != y, LOSSES[self.loss](logits, y))
        return found


@dataclass(frozen=True)
class FGSM(Attack):
    """One step of ``step_size`` (None: ε) from 0 or a random point (Goodfellow et al. 2015, arXiv 1412.6572)."""

    step_size: Fraction | str | float | None = None
    loss: str = "ce"
    random_start: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.as_pgd()

    def as_pgd(self) -> PGD:
        """The same attack as PGD with one step."""
        size = self.threat.epsilon if self.step_size is None else self.step_size
        return PGD(self.threat, steps=1, step_size=size, loss=self.loss, random_start=self.random_start)

    def runs(self, model: nn.Module, x: Tensor, y: Tensor, source: torch.Generator) -> Runs:
        """The single step."""
        return self.as_pgd().runs(model, x, y, source)


def store(found: Found, rows: Tensor, delta: Tensor, fooled: Tensor | bool, loss: Tensor) -> None:
    """Write the results of ``rows`` into ``found``."""
    found.delta[rows] = delta
    found.fooled[rows] = fooled
    found.loss[rows] = loss.to(found.loss.dtype)


def accuracy(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    attack: Attack | NoAttack,
    *,
    source: torch.Generator,
    batch: int = 500,
    among: Tensor | None = None,
) -> Tensor:
    """Which images are still classified correctly under ``attack``: bool (n,), worst case over restarts.

    Only correctly classified images are attacked; ``among``, bool (n,), names them if they are known (the others
    come back False). ``x``: (n, …) in [0, 1]; ``y``: int64 (n,). The model must be in eval mode.

    Raises:
        TypeError, ValueError: train mode, or inputs as in :meth:`Attack.search`.
    """
    checked_model(model)
    checked_inputs(x, y)
    checks.integer("batch", batch, at_least=1)
    if isinstance(attack, type) or not hasattr(attack, "search"):
        checks.fail("attack", "an attack such as PGD(threat)", repr(attack), error=TypeError)
    if among is None:
        with torch.no_grad():
            parts = zip(x.split(batch), y.split(batch), strict=True)
            among = torch.cat([checked_logits(model, a, b).argmax(1) == b for a, b in parts])
    if checks.same_shape("among", checks.tensor("among", among), (len(x),)).dtype != torch.bool:
        checks.fail("among", "a mask of dtype torch.bool", f"dtype {among.dtype}", error=TypeError)
    correct = among.clone()
    if not isinstance(attack, NoAttack):
        for rows in among.nonzero()[:, 0].split(batch):
            if len(rows):
                correct[rows] = ~attack.search(model, x[rows], y[rows], source).fooled
    return correct
