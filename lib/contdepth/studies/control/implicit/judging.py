"""What is measured of trained members: accuracy on clean, noisy and attacked pictures, amplification, an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.nets.implicit.amplification import amplification
from contdepth.robust import PGD, Audit, NoAttack, Threat, accuracy, audit
from contdepth.robust.attacks.audit import Effort
from contdepth.seeds import generator
from contdepth.studies.control.implicit.nets import Net, advance
from contdepth.studies.control.implicit.training import Split

__all__ = ["Judged", "amplifications", "audits", "judged", "left_over", "only_by_square"]

THREAT = Threat(0.1)
NOISE = 0.3
"""Standard deviation of the noise, in units of the range of pixels; noisy pixels are not cut."""


@dataclass(frozen=True)
class Judged:
    """Accuracies in per cent: ``clean``, with ``noise``, under ``pgd``; ``evaluations`` a block; (members,)."""

    clean: np.ndarray
    noise: np.ndarray
    pgd: np.ndarray
    evaluations: np.ndarray


def judged(net: Net, data: Split, seeds: Sequence[int], *, steps: int = 20, restarts: int = 3) -> Judged:
    """Every member on the part of ``data`` to judge on; attack and noise are drawn by the member's seed.

    PGD climbs through the true solution, from ``restarts`` random starts with cross-entropy and from as many with
    the margin of Carlini and Wagner; an image is lost at its first misclassified point. Cross-entropy alone
    flatters nets of small logits, which decay makes.
    """
    rows = []
    losses = ("ce", "margin")
    attacks = [PGD(THREAT, steps=steps, restarts=restarts, loss=loss, early_stop=True) for loss in losses]
    for k, seed in enumerate(seeds):
        alone = net.member(k)
        x, y = data.test_x, data.test_y
        clean = accuracy(alone, x, y, NoAttack(), source=generator(seed, "clean"))
        noise = NOISE * torch.randn(x.shape, generator=generator(seed, "noise"), dtype=x.dtype)
        with torch.no_grad():
            noisy = alone(x + noise).argmax(1) == y
        robust, source = clean, generator(seed, "attack")
        for attack in attacks:
            robust = accuracy(alone, x, y, attack, source=source, among=robust)
        right = [100 * float(mask.double().mean()) for mask in (clean, noisy, robust)]
        rows.append([*right, alone.evaluations(x)])
    return Judged(*np.array(rows).T)


def amplifications(net: Net, data: Split) -> np.ndarray:
    """Largest amplification by all blocks together over the pictures to judge on, (members,)."""
    found = []
    for k in range(len(net.stem)):
        alone = net.member(k)
        states = alone.states(data.test_x.flatten(1))
        found.append(float(amplification(alone.trunk, states).max()))
    return np.array(found)


@torch.no_grad()
def left_over(net: Net, data: Split) -> np.ndarray:
    """Mean residual ‖y - x - h f(y)‖ behind the first block over that of the explicit step, (members,)."""
    found = []
    for k in range(len(net.stem)):
        alone, h = net.member(k), net.ways.h
        block = alone.blocks[0]
        x = alone.states(data.test_x.flatten(1))
        sizes = [
            torch.linalg.vector_norm(y - x - h * block(y), dim=-1).mean()
            for y in (advance(net.ways, block, x)[0], x + h * block(x))
        ]
        found.append(float(sizes[0] / sizes[1]))
    return np.array(found)


def audits(net: Net, data: Split, seeds: Sequence[int], effort: Effort, limit: int) -> list[Audit]:
    """An audit of each member on the first ``limit`` pictures to judge on."""
    x, y = data.test_x[:limit], data.test_y[:limit]
    return [
        audit(net.member(k), x, y, THREAT, budget=effort, source=generator(seed, "audit"))
        for k, seed in enumerate(seeds)
    ]


def only_by_square(found: Audit) -> float:
    """Points of accuracy that Square takes and no attack by gradients does: a sign of masked gradients."""
    names = ("pgd", "pgd restarts", "pgd margin", "apgd-ce", "apgd-t")
    white = torch.stack([found.correct[name] for name in names]).all(0)
    lost: Tensor = white & ~found.correct["square"]
    return 100 * float(lost.double().mean())
