"""The contest: as many decays for every way, chosen on held-out pictures with other seeds, then judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contdepth.studies.control.implicit.judging import Judged, judged
from contdepth.studies.control.implicit.nets import Net, Ways
from contdepth.studies.control.implicit.training import Plan, Split, split, train

__all__ = ["ARMS", "DECAYS", "Arm", "chosen", "contest", "every_decay", "over_steps", "run_arm"]

DECAYS = (0.0, 1.0, 3.0, 10.0)
RATES = (0.1, 0.3)
"""Of the gradient steps of the relaxed way."""
ARMS: dict[str, Ways] = {
    "implicit": Ways("implicit"),
    "explicit": Ways("explicit"),
    "short steps": Ways("short steps"),
    "bounded": Ways("bounded"),
    "usual blocks": Ways("usual blocks"),
    "relaxed": Ways("relaxed"),
}
"""Name → way; all have step 0.5 but "bounded", which has its own."""


@dataclass(frozen=True)
class Arm:
    """A ``way`` with its ``decay``, the trained ``net`` and how it was ``judged``."""

    ways: Ways
    decay: float
    net: Net
    judged: Judged


def chosen(
    plan: Plan,
    seeds: Sequence[int],
    *,
    names: Sequence[str] = tuple(ARMS),
    decays: Sequence[float] = DECAYS,
    limit: int | None = None,
) -> dict[str, tuple[Ways, float]]:
    """Of each way's settings the one with the best mean accuracy under PGD on held-out pictures, one start.

    Every way has all ``decays``, trained side by side; the relaxed one has them with each of two rates of its
    gradient steps. The first of equals is taken.
    """
    data, found = split(held_out=True, limit=limit), {}
    for name in names:
        rates = RATES if name == "relaxed" else (ARMS[name].rate,)
        best = -1.0
        for rate in rates:
            ways, members = replace(ARMS[name], rate=rate), [seed for _ in decays for seed in seeds]
            net = train(ways, data, plan, members, [decay for decay in decays for _ in seeds])
            right = judged(net, data, members, steps=10, restarts=1).pgd.reshape(len(decays), -1).mean(1)
            if right.max() > best:
                best = float(right.max())
                found[name] = ways, decays[int(np.argmax(right))]
    return found


def every_decay(
    names: Sequence[str], plan: Plan, seeds: Sequence[int], limit: int | None = None
) -> dict[str, np.ndarray]:
    """Mean accuracies under attack on the test part with each of ``DECAYS``: a choice in hindsight."""
    data, found = split(limit=limit), {}
    for name in names:
        members = [seed for _ in DECAYS for seed in seeds]
        net = train(ARMS[name], data, plan, members, [decay for decay in DECAYS for _ in seeds])
        found[name] = judged(net, data, members).pgd.reshape(len(DECAYS), -1).mean(1)
    return found


def run_arm(ways: Ways, decay: float, data: Split, plan: Plan, seeds: Sequence[int]) -> Arm:
    """One way trained and judged."""
    net = train(ways, data, plan, seeds, [decay] * len(seeds))
    return Arm(ways, decay, net, judged(net, data, seeds))


def contest(
    settings: Mapping[str, tuple[Ways, float]], plan: Plan, seeds: Sequence[int], limit: int | None = None
) -> dict[str, Arm]:
    """Every way with its setting on the digits, judged on their test part."""
    data = split(limit=limit)
    return {name: run_arm(ways, decay, data, plan, seeds) for name, (ways, decay) in settings.items()}


def over_steps(
    steps: Sequence[float], plan: Plan, seeds: Sequence[int], limit: int | None = None
) -> dict[str, list[Arm]]:
    """Implicit and explicit nets with the same blocks and no decay, for each step h."""
    data = split(limit=limit)
    return {
        name: [run_arm(replace(ARMS[name], h=h), 0.0, data, plan, seeds) for h in steps]
        for name in ("implicit", "explicit")
    }
