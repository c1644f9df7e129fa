"""The contest on digits: as many settings for each rule, chosen on held-out images; arms; what ablates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from contdepth.studies.control.discrete.members import Members, accuracies
from contdepth.studies.control.discrete.rules import BinaryConnect, Discrete, FullPrecision, Rule
from contdepth.studies.control.discrete.training import Images, Plan, Trained, images, train

__all__ = ["GRIDS", "Arm", "ablations", "chosen", "contest", "rounded", "sparsities"]

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
SPARSITY = 1e-5
PAIRS = ((1.0, 0.999), (1.0, 0.99), (0.5, 0.999), (0.5, 0.99))
"""Damping, in units of the authors', and average."""
GRIDS: dict[str, tuple[Rule, ...]] = {
    "full precision": tuple(FullPrecision(rate) for rate in RATES),
    "signs of it": tuple(FullPrecision(rate) for rate in RATES),
    "BinaryConnect": tuple(BinaryConnect(rate) for rate in (3e-3, 1e-2, 3e-2, 1e-1)),
    "binary": tuple(Discrete("binary", 0.5 * damping, average) for damping, average in PAIRS),
    "ternary": tuple(
        Discrete("ternary", 0.25 * damping, average, SPARSITY, corrected=True) for damping, average in PAIRS
    ),
}
"""Arm → its four settings."""


@dataclass(frozen=True)
class Arm:
    """``rule`` that was taken; ``accuracy`` and ``non_zero`` (S,) in per cent; what was ``trained``."""

    rule: Rule
    accuracy: np.ndarray
    non_zero: np.ndarray
    trained: Trained


def rounded(done: Trained, data: Images) -> np.ndarray:
    """Accuracy (S,) if every weight is replaced by its sign; the norms keep scales and take their moments anew."""
    signs = [torch.where(weight < 0, -1.0, 1.0) for weight in done.nets.weights]
    nets = Members(signs, done.nets.scales, done.nets.offsets)
    return accuracies(nets, data.x, data.test_x, data.test_y).numpy()


def arm(name: str, rule: Rule, data: Images, plan: Plan, seeds: Sequence[int]) -> Arm:
    """One arm trained and judged."""
    done = train(rule, data, plan, seeds)
    signs = name == "signs of it"
    right = rounded(done, data) if signs else done.accuracy
    return Arm(rule, 100 * right, 100 * (np.ones(len(seeds)) if signs else done.non_zero), done)


def chosen(plan: Plan, seeds: Sequence[int]) -> dict[str, Rule]:
    """Of each grid the setting with the best mean accuracy on held-out images, the first of equals."""
    data = images("digits", held_out=True)
    found = {}
    for name, rules in GRIDS.items():
        means = [arm(name, rule, data, plan, seeds).accuracy.mean() for rule in rules]
        found[name] = rules[int(np.argmax(means))]
    return found


def contest(rules: Mapping[str, Rule], plan: Plan, seeds: Sequence[int]) -> dict[str, Arm]:
    """Every arm on the digits, judged on their test part."""
    data = images("digits")
    return {name: arm(name, rule, data, plan, seeds) for name, rule in rules.items()}


def ablations(rule: Discrete, plan: Plan, seeds: Sequence[int]) -> dict[str, Arm]:
    """The binary ``rule`` without its damping, its average, both, and both with norms that are not trained."""
    rules = {
        "no damping": replace(rule, damping=0.0),
        "no average": replace(rule, average=0.0),
        "neither": replace(rule, damping=0.0, average=0.0),
    }
    found = contest(rules, plan, seeds)
    still = replace(plan, norm_rate=0.0)
    both = {"norms at rest": rule, "neither, norms at rest": rules["neither"]}
    return found | contest(both, still, seeds)


def sparsities(levels: Sequence[float], plan: Plan, seeds: Sequence[int]) -> dict[str, list[Arm]]:
    """Ternary nets over λ with the authors' settings: the mean as theirs starts, and corrected."""
    theirs = Discrete("ternary", 0.25, 0.999, noise=1e-6)
    ways = {"as theirs": theirs, "corrected": replace(theirs, corrected=True, noise=0.0)}
    data = images("digits")
    return {
        way: [arm(way, replace(rule, sparsity=level), data, plan, seeds) for level in levels]
        for way, rule in ways.items()
    }
