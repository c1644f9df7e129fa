"""The contest on digits: five settings for every arm, chosen on held-out images with other seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from contdepth.studies.control.discrete.training import images
from contdepth.studies.control.quantised.rules import ADAMW, LANGEVIN, SGD, Rule
from contdepth.studies.control.quantised.training import Plan, Trained, train

__all__ = ["GRIDS", "at_rate", "chosen", "contest", "without_quantum"]

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
ADAM_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
NOISES = ((0.1, 1e-5), (0.1, 1e-4), (0.3, 1e-6), (0.3, 1e-5), (0.3, 1e-4))
"""Rate and temperature, the latter in units of the mean loss."""
MOMENTUM_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
UNIT = replace(SGD, unit=True)
GRIDS: dict[str, tuple[Rule, ...]] = {
    "rule on SGD": tuple(replace(UNIT, rate=rate, rounding="down") for rate in RATES),
    "SGD + unit step": tuple(replace(UNIT, rate=rate) for rate in RATES),
    "SGD": tuple(replace(SGD, rate=rate) for rate in RATES),
    "SGLD": tuple(replace(LANGEVIN, rate=rate, temperature=heat) for rate, heat in NOISES),
    "SGD, scheduled": tuple(replace(SGD, rate=rate, momentum=0.9, cosine=True) for rate in MOMENTUM_RATES),
    "rule on AdamW": tuple(replace(ADAMW, rate=rate, unit=True, rounding="down") for rate in ADAM_RATES),
    "AdamW + unit step": tuple(replace(ADAMW, rate=rate, unit=True) for rate in ADAM_RATES),
    "AdamW": tuple(replace(ADAMW, rate=rate) for rate in ADAM_RATES),
    "AdamW, scheduled": tuple(replace(ADAMW, rate=rate, cosine=True) for rate in ADAM_RATES),
}
"""Arm → its five settings."""


def chosen(plan: Plan, seeds: Sequence[int]) -> dict[str, Rule]:
    """Of each grid the setting with the best mean accuracy on held-out images, the first of equals."""
    data = images("digits", held_out=True)
    found = {}
    for name, rules in GRIDS.items():
        means = [train(rule, data, plan, seeds).accuracy.mean() for rule in rules]
        found[name] = rules[int(np.argmax(means))]
    return found


def contest(
    rules: Mapping[str, Rule],
    plan: Plan,
    seeds: Sequence[int],
    *,
    watch: Collection[str] = (),
    dtype: torch.dtype = torch.float32,
) -> dict[str, Trained]:
    """Every arm on the digits, judged on their test part; those named in ``watch`` tell of their roundings."""
    data = images("digits")
    return {name: train(rule, data, plan, seeds, watch=name in watch, dtype=dtype) for name, rule in rules.items()}


def at_rate(rate: float, plan: Plan, seeds: Sequence[int]) -> dict[str, Trained]:
    """The three arms of SGD at one rate."""
    names = ("rule on SGD", "SGD + unit step", "SGD")
    return contest({name: replace(GRIDS[name][0], rate=rate) for name in names}, plan, seeds)


def without_quantum(rule: Rule) -> Rule:
    """The same setting without rounding."""
    return replace(rule, rounding="none")
