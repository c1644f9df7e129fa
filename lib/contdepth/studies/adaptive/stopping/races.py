"""The races of the page: on signals from random weights, on pictures from DURR's stored units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from contdepth.restoration.models.trainings import load_training
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.two_stages import PredictorPlan
from contdepth.seeds import generator
from contdepth.studies.adaptive.stopping.contest import (
    Learner,
    by_level,
    depth_by_level,
    rolled,
    rules,
    stops_of,
    train_policy,
    train_unit,
)
from contdepth.studies.adaptive.stopping.signals import (
    GREY,
    Noisy,
    SignalUnit,
    crops,
    degraded,
    judged,
    signals,
)

__all__ = ["OBJECTIVES", "UNTOUCHED", "Race", "Sets", "gain", "picture_race", "race", "signal_race"]

OBJECTIVES = {"stage 1": "marginal", "fixed depth": "last", "DURR": "given", "all steps": "mean"}
"""Unit → what it is trained on; ``"softmin"`` beside them is what the authors' code descends."""

UNTOUCHED = "as stored"
"""The arm whose unit is not trained at all."""

Arms = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Sets:
    """Pictures for units, for policies, for rules that are fitted, and for judging."""

    units: Noisy
    policies: Noisy
    rules: Noisy
    test: Noisy


@dataclass
class Race:
    """What one seed gave: PSNR and depth ``(levels,)`` by unit and rule; policies and test banks by name."""

    levels: list[float]
    quality: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    depth: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    stops: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    policies: dict[tuple[str, str], Policy] = field(default_factory=dict)
    tests: dict[str, Rollouts] = field(default_factory=dict)

    def add(self, unit: str, rule: str, stops: Tensor) -> None:
        """Judge ``stops`` on the test bank of ``unit``."""
        self.stops[unit, rule] = stops
        self.quality[unit, rule] = by_level(self.tests[unit], stops)
        self.depth[unit, rule] = depth_by_level(self.tests[unit], stops)

    def at(self, unit: str, rule: str, levels: Sequence[float]) -> Tensor:
        """PSNR at some of the levels, ``(k,)``."""
        return self.quality[unit, rule][[self.levels.index(level) for level in levels]]


def race(
    make: Callable[[], RestorationUnit],
    sets: Sets,
    arms: Arms,
    plan: PredictorPlan,
    learner: Learner,
    loops: tuple[int, int],
) -> Race:
    """Train a unit for every arm with its own objective, its policies by ``learner``, and judge all."""
    found = Race(sets.test.levels.unique().tolist())
    for name, kinds in arms.items():
        unit = make()
        if name != UNTOUCHED:
            objective = OBJECTIVES.get(name, "softmin")
            train_unit(unit, sets.units, replace(plan, objective=objective), loops)
        found.tests[name] = rolled(unit, sets.test, plan.steps)
        for rule, stops in rules(rolled(unit, sets.rules, plan.steps), found.tests[name]).items():
            found.add(name, rule, stops)
        bank = rolled(unit, sets.policies, plan.steps) if kinds else None
        for kind in kinds:
            policy = train_policy(kind, bank, learner, plan.seed)  # type: ignore[arg-type]
            found.policies[name, kind] = policy
            found.add(name, kind, stops_of(kind, policy, found.tests[name]))
    return found


def signal_race(
    seed: int,
    arms: Arms,
    plan: PredictorPlan,
    learner: Learner,
    noise: tuple[Sequence[float], Sequence[float]],
    counts: tuple[int, int, int, int] = (1000, 400, 200, 40),
) -> Race:
    """A race on signals of 128 places; ``noise``: of training and of tests, in units of the amplitude."""

    def made(part: int, between: bool) -> Noisy:
        clean = signals(counts[part], 128, generator(seed, f"stopping/signals/{part}"))
        levels = [GREY * level for level in noise[0 if between else 1]]
        return degraded(clean, levels, 10 * seed + part, between=between)

    sets = Sets(made(0, True), made(1, True), made(2, True), made(3, False))
    found = race(lambda: SignalUnit(16, seed), sets, arms, replace(plan, seed=seed), learner, (2, 8))
    found.levels = list(noise[1])
    return found


def picture_race(
    seed: int,
    stored: str,
    arms: Arms,
    plan: PredictorPlan,
    learner: Learner,
    noise: tuple[Sequence[float], Sequence[float]],
    data: tuple[str, str],
    counts: tuple[int, int, int] = (600, 128, 64),
    sizes: tuple[int, int, int] = (32, 64, 96),
    every: int = 8,
) -> Race:
    """A race on grey pictures, every unit tuned from the stored one; ``noise`` in grey levels of 255.

    ``data``: names of the training and the test set; ``sizes``: crops for units, for policies and rules, and for
    judging.
    """
    parts = [(counts[0], sizes[0]), (counts[1], sizes[1]), (counts[2], sizes[1])]
    first, second, third = (
        degraded(crops(data[0], count, side, 10 * seed + part), noise[0], 10 * seed + part, between=True)
        for part, (count, side) in enumerate(parts)
    )
    test = degraded(judged(data[1], sizes[2], every), noise[1], 10 * seed + 3)

    def make() -> RestorationUnit:
        return load_training(stored).model  # type: ignore[return-value]

    return race(make, Sets(first, second, third, test), arms, replace(plan, seed=seed), learner, (2, 5))


def gain(
    races: Sequence[Race],
    one: tuple[str, str],
    other: tuple[str, str],
    levels: Sequence[float],
    worst: bool = False,
) -> Tensor:
    """PSNR of ``one`` (unit, rule) less that of the ``other``, mean over ``levels`` or the ``worst``, per race."""
    pairs = [r.at(*one, levels) - r.at(*other, levels) for r in races]
    return torch.stack([pair.min() if worst else pair.mean() for pair in pairs])
