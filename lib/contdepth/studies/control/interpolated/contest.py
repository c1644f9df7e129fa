"""What the arms reach under noise and attacks, seed by seed, by a common recipe or one chosen for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from contdepth.nets import ResidualNet
from contdepth.robust import PGD, Audit, NoAttack, Threat, accuracy, audit
from contdepth.seeds import generator
from contdepth.studies.control.interpolated.nets import Images, Plan, build, images, trained

__all__ = ["BARE", "DECAYS", "Arm", "audits", "chosen", "contest", "depths", "difference"]

DECAYS: tuple[dict[str, Any], ...] = tuple({"decay": decay} for decay in (5e-4, 3e-3, 1e-2, 3e-2))
BARE: tuple[dict[str, Any], ...] = tuple(
    {"rate": rate, "branch": branch} for rate in (0.02, 0.1) for branch in (0.3, 1.0)
)
"""Settings from which held-out images choose, as many for every arm: with batch norms, and without."""

NOISES, RADII = (0.3, 0.4), (0.1, 0.15)


@dataclass(frozen=True)
class Arm:
    """``models``, one a seed, and per cent right in rows like "noise 0.3" and "pgd 0.1", each (seeds,)."""

    models: list[ResidualNet]
    rows: dict[str, np.ndarray]


def noisy(model: ResidualNet, data: Images, size: float, seed: int, draws: int = 3) -> float:
    """Per cent right with Gaussian noise of deviation ``size``, clipped to [0, 1]; mean over ``draws``."""
    source, right = generator(seed, f"noise/{size}"), []
    with torch.no_grad():
        for _ in range(draws):
            moved = data.test_x + size * torch.randn(data.test_x.shape, generator=source)
            right.append((model(moved.clamp(0, 1)).argmax(1) == data.test_y).double().mean())
    return 100 * float(torch.stack(right).mean())


def under(model: ResidualNet, data: Images, radius: float, seed: int, steps: int, restarts: int) -> float:
    """Per cent right under PGD in the ball of ``radius`` (maximum norm), worst of its starts."""
    attack = PGD(Threat(radius), steps=steps, restarts=restarts, early_stop=True)
    return 100 * float(
        accuracy(model, data.test_x, data.test_y, attack, source=generator(seed, "pgd")).double().mean()
    )


def judged(model: ResidualNet, data: Images, seed: int, radii: Sequence[float]) -> dict[str, float]:
    """All rows of one net; noise and starts are those of the seed, the same for every arm."""
    right = accuracy(model, data.test_x, data.test_y, NoAttack(), source=generator(seed, "clean"))
    found = {"clean": 100 * float(right.double().mean())}
    found |= {f"noise {size}": noisy(model, data, size, seed) for size in NOISES}
    return found | {f"pgd {radius}": under(model, data, radius, seed, 20, 3) for radius in radii}


def contest(plans: Mapping[str, Plan], seeds: Sequence[int], radii: Sequence[float] = RADII) -> dict[str, Arm]:
    """Every arm by its plan, judged on the test part of the digits; equal seeds start from equal weights."""
    found = {}
    for arm, plan in plans.items():
        data = images(plan.learn, plan.tests)
        models = [trained(build(arm, plan, seed), data, plan, seed) for seed in seeds]
        rows = [judged(model, data, seed, radii) for model, seed in zip(models, seeds, strict=True)]
        found[arm] = Arm(models, {name: np.array([row[name] for row in rows]) for name in rows[0]})
    return found


def chosen(
    arms: Sequence[str], plan: Plan, settings: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> dict[str, Plan]:
    """Of ``settings`` the one with the best mean of clean accuracy and accuracy under PGD, on held-out images.

    PGD takes 10 steps in the ball of 0.1 from one start. The first of equals.
    """
    data, found = images(plan.learn, held_out=True), {}
    for arm in arms:
        scores = []
        for setting in settings:
            tried = replace(plan, **setting)
            models = [trained(build(arm, tried, seed), data, tried, seed) for seed in seeds]
            both = [
                judged(model, data, seed, ())["clean"] + under(model, data, RADII[0], seed, 10, 1)
                for model, seed in zip(models, seeds, strict=True)
            ]
            scores.append(np.mean(both))
        found[arm] = replace(plan, **settings[int(np.argmax(scores))])
    return found


def difference(arms: Mapping[str, Arm], one: str, other: str, row: str) -> np.ndarray:
    """Points by which ``one`` is ahead of ``other``, seed by seed."""
    return arms[one].rows[row] - arms[other].rows[row]


def audits(arm: Arm, seeds: Sequence[int], count: int = 150) -> list[Audit]:
    """The quick audit of every net on the first ``count`` test images, maximum norm, radius 0.1."""
    data = images()
    x, y = data.test_x[:count], data.test_y[:count]
    return [
        audit(model, x, y, Threat(RADII[0]), source=generator(seed, "audit"))
        for model, seed in zip(arm.models, seeds, strict=True)
    ]


def depths(rates: Sequence[float], plan: Plan, seeds: Sequence[int]) -> np.ndarray:
    """Clean accuracy in per cent of In-ResNets with one λ in all damped blocks, (rates, seeds)."""
    data = images(plan.learn, plan.tests)
    return np.array(
        [
            [
                judged(trained(build("fixed", plan, seed, rate), data, plan, seed), data, seed, ())["clean"]
                for seed in seeds
            ]
            for rate in rates
        ]
    )
