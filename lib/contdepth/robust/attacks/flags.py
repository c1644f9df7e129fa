"""Reasons to doubt a robustness figure, after the flags of AutoAttack, as data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.robust.losses import percent

__all__ = ["Flag", "flags_of", "overfitting_guard"]


@dataclass(frozen=True)
class Flag:
    """A reason to doubt the figures: ``name``, the measured ``value``, the ``limit`` it passes, the meaning."""

    name: str
    value: float
    limit: float
    meaning: str

    def __str__(self) -> str:
        return f"{self.name} ({self.value:.3g}, limit {self.limit:.3g}): {self.meaning}"


def overfitting_guard(
    fgsm_accuracy: float, pgd_accuracy: float, *, learnt: float = 40.0, ratio: float = 0.2
) -> bool:
    """Whether a model looks catastrophically overfitted to one-step attacks (Wong et al. 2020, arXiv 2001.03994).

    True if FGSM accuracy is at least ``learnt`` percent and PGD accuracy below ``ratio`` of it. Both in percent.
    """
    fgsm_accuracy = checks.real("fgsm_accuracy", fgsm_accuracy, at_least=0, at_most=100)
    pgd_accuracy = checks.real("pgd_accuracy", pgd_accuracy, at_least=0, at_most=100)
    return fgsm_accuracy >= learnt and pgd_accuracy < ratio * fgsm_accuracy


def flags_of(
    correct: dict[str, Tensor],
    curve: tuple[tuple[int, float], ...],
    zero: float,
    probabilities: bool,
    wavering: float,
) -> tuple[Flag, ...]:
    """The flags that fire. Accuracies are compared in points."""
    score = {name: percent(mask) for name, mask in correct.items()}
    white = torch.stack([correct[n] for n in ("pgd", "pgd restarts", "pgd margin", "apgd-ce", "apgd-t")]).all(0)
    only_black = percent(white & ~correct["square"])
    fall = max([1 - b / a for (_, a), (_, b) in zip(curve, curve[1:], strict=False) if a > 0], default=0.0)
    noise, fgsm = score["clean"] - score["noise"], score["clean"] - score["fgsm"]
    restarts, gap = score["pgd"] - score["pgd restarts"], score["pgd"] - score["autoattack"]
    one_image = 100 / len(correct["clean"])
    masked = "gradients may be masked: do not believe the white-box rows"
    candidates = [
        (
            only_black > max(1.0, one_image),
            Flag("black box beats white box", only_black, 1.0, f"points that only Square fools; {masked}"),
        ),
        (
            fall > 0.02,
            Flag(
                "loss falls with steps",
                100 * fall,
                2.0,
                "percent of the mean loss lost by taking more steps; " + masked,
            ),
        ),
        (
            restarts > 5,
            Flag("restarts help much", restarts, 5.0, "points lost to more starts; one start is not enough here"),
        ),
        (
            noise > 5 and noise >= fgsm / 2,
            Flag(
                "noise nearly as strong as FGSM",
                noise,
                5.0,
                f"points lost to random noise, at least half of FGSM's effect; {masked}",
            ),
        ),
        (
            zero > 0.01,
            Flag(
                "zero gradients",
                100 * zero,
                1.0,
                "percent of images without any cross-entropy gradient; " + masked,
            ),
        ),
        (
            overfitting_guard(score["fgsm"], score["pgd"]),
            Flag(
                "catastrophic overfitting",
                score["fgsm"],
                40.0,
                f"percent right under FGSM, but {score['pgd']:.3g} under PGD",
            ),
        ),
        (
            gap > 5,
            Flag(
                "PGD flatters", gap, 5.0, "points between PGD and the AutoAttack-like ensemble; quote the latter"
            ),
        ),
        (
            probabilities,
            Flag(
                "probabilities",
                1.0,
                0.0,
                "the outputs are non-negative and sum to one; return logits, before softmax",
            ),
        ),
        (
            wavering > 0,
            Flag(
                "random outputs",
                wavering,
                0.0,
                "largest difference between two passes of the same images; attacks need an average over the "
                "randomness",
            ),
        ),
    ]
    return tuple(flag for fires, flag in candidates if fires)
