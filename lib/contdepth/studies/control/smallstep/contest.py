"""Which nets train: steps and depths, remedies for step 1, noisy images; every arm has as many rates."""

from __future__ import annotations

from collections.abc import Sequence

from contdepth.studies.control.smallstep.training import Arm, Parts, Plan, Trained, train

__all__ = ["LOWER", "RATES", "REMEDIES", "REMEDY_RATES", "by_depth", "by_step", "noisy", "remedies"]

RATES = (1e-3, 1e-2, 1e-1)
REMEDY_RATES = (1e-2, 3e-2, 1e-1)
LOWER = (1e-6, 1e-5, 1e-4)
REMEDIES: dict[str, tuple[Arm, tuple[float, ...]]] = {
    "lower rates": (Arm(0, 1.0), LOWER),
    "clipped gradients": (Arm(0, 1.0, clip=1.0), REMEDY_RATES),
    "PyTorch's start": (Arm(0, 1.0, start="torch"), REMEDY_RATES),
    "zero start": (Arm(0, 1.0, start="zero"), REMEDY_RATES),
    "Fixup's start": (Arm(0, 1.0, start="fixup"), REMEDY_RATES),
    "batch norm": (Arm(0, 1.0, norm=True), REMEDY_RATES),
    "batch norm, h = 0.1": (Arm(0, 0.1, norm=True), REMEDY_RATES),
}
"""Remedy → arm of a depth that is yet to be set, and its rates."""


def by_depth(
    data: Parts, plan: Plan, depths: Sequence[int], steps: Sequence[float], seeds: Sequence[int]
) -> dict[tuple[int, float], Trained]:
    """Un-normalised nets of every depth and step."""
    return {(depth, h): train(Arm(depth, h), data, plan, RATES, seeds) for depth in depths for h in steps}


def by_step(data: Parts, plan: Plan, depth: int, steps: Sequence[float], seeds: Sequence[int]) -> list[Trained]:
    """Un-normalised nets of one depth over the step."""
    return [train(Arm(depth, h), data, plan, RATES, seeds) for h in steps]


def remedies(data: Parts, plan: Plan, depth: int, seeds: Sequence[int]) -> dict[str, Trained]:
    """What step 1 is given so that it trains, and a small step beside batch norm."""
    found = {}
    for name, (arm, rates) in REMEDIES.items():
        told = Arm(depth, arm.h, arm.norm, arm.start, arm.clip)
        found[name] = train(told, data, plan, rates, seeds)
    return found


def noisy(data: Parts, plan: Plan, depth: int, spread: float, seeds: Sequence[int]) -> dict[str, Trained]:
    """Nets that learn from, and are chosen by, images with noise on their pixels."""
    arms = {
        "h = 0.1": Arm(depth, 0.1, noise=spread),
        "h = 1": Arm(depth, 1.0, noise=spread),
        "Fixup's start": Arm(depth, 1.0, start="fixup", noise=spread),
        "batch norm, h = 0.1": Arm(depth, 0.1, norm=True, noise=spread),
        "batch norm": Arm(depth, 1.0, norm=True, noise=spread),
        "batch norm, one block": Arm(1, 1.0, norm=True, noise=spread),
    }
    return {name: train(arm, data, plan, RATES, seeds) for name, arm in arms.items()}
