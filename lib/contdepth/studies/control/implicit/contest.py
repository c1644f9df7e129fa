"""The contest: four settings for every way, chosen on held-out pictures with other seeds, then judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contdepth.studies.control.implicit.judging import Judged, judged
from contdepth.studies.control.implicit.nets import Net, Ways
from contdepth.studies.control.implicit.training import Plan, Split, split, train

__all__ = ["ARMS", "DECAYS", "Arm", "chosen", "contest", "run_arm"]

DECAYS = (0.0, 0.3, 1.0, 3.0)
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


def settings(ways: Ways) -> list[tuple[Ways, float]]:
    """Four for every way: decays, or two decays with two rates where gradient steps have a rate."""
    if ways.kind != "relaxed":
        return [(ways, decay) for decay in DECAYS]
    return [(replace(ways, rate=rate), decay) for rate in (0.1, 0.3) for decay in (0.0, 1.0)]


def chosen(
    plan: Plan, seeds: Sequence[int], *, arms: Mapping[str, Ways] = ARMS, steps: int = 10
) -> dict[str, tuple[Ways, float]]:
    """Of each way's settings the one with the best mean accuracy under PGD on held-out pictures, one start.

    Settings of one way are trained side by side; the first of equals is taken.
    """
    data, found = split(held_out=True), {}
    for name, ways in arms.items():
        best = -1.0
        for way in dict.fromkeys(way for way, _ in settings(ways)):
            decays = [decay for one, decay in settings(ways) if one == way]
            members = [seed for _ in decays for seed in seeds]
            net = train(way, data, plan, members, [decay for decay in decays for _ in seeds])
            right = judged(net, data, members, steps=steps, restarts=1).pgd.reshape(len(decays), -1).mean(1)
            if right.max() > best:
                best = float(right.max())
                found[name] = way, decays[int(np.argmax(right))]
    return found


def run_arm(ways: Ways, decay: float, data: Split, plan: Plan, seeds: Sequence[int]) -> Arm:
    """One way trained and judged."""
    net = train(ways, data, plan, seeds, [decay] * len(seeds))
    return Arm(ways, decay, net, judged(net, data, seeds))


def contest(settings: Mapping[str, tuple[Ways, float]], plan: Plan, seeds: Sequence[int]) -> dict[str, Arm]:
    """Every way with its setting on the digits, judged on their test part."""
    data = split()
    return {name: run_arm(ways, decay, data, plan, seeds) for name, (ways, decay) in settings.items()}
