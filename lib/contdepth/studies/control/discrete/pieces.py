"""The authors' nets on MNIST, 784 – 3 × 2048 – 10, one training a piece."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.studies.control.discrete.rules import BinaryConnect, Discrete, Rule
from contdepth.studies.control.discrete.training import Plan, images, train

__all__ = ["trained_arm"]

ARMS: dict[str, tuple[Rule, str]] = {
    "binary": (Discrete("binary", 0.5, 0.999, noise=1e-6), "squared hinge"),
    "ternary": (Discrete("ternary", 0.25, 0.999, 1e-7, noise=1e-6), "cross-entropy"),
    "BinaryConnect": (BinaryConnect(1e-2), "squared hinge"),
}
"""Arm → rule and loss; of Li & Hao those of their notebooks."""


def trained_arm(
    *,
    arm: str,
    seed: int,
    dataset: str = "mnist",
    hidden: tuple[int, ...] = (2048, 2048, 2048),
    epochs: int = 250,
    batch: int = 100,
    learn: int = 55_000,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train one net of ``ARMS`` and test it after the last epoch; a stopped run goes on from ``checkpoint``.

    The first ``learn`` images of the learning part are learnt from, as in the notebooks. Returns ``accuracy`` and
    ``non_zero``, in per cent, ``losses`` and ``flips``, an entry for each epoch, ``same`` and ``seconds``.
    """
    rule, loss = ARMS[checks.one_of("arm", arm, tuple(ARMS))]
    data = images(dataset)
    cut = checks.integer("learn", learn, at_least=1, at_most=len(data.x))
    data = type(data)(data.x[:cut], data.y[:cut], data.test_x, data.test_y)
    plan = Plan(tuple(hidden), epochs, batch, loss)
    kept = None if checkpoint is None else Path(checkpoint) / "training.pt"
    began = time.perf_counter()
    done = train(rule, data, plan, [seed], device=device, checkpoint=kept)
    return {
        "accuracy": 100 * float(done.accuracy[0]),
        "non_zero": 100 * float(done.non_zero[0]),
        "losses": np.round(done.losses[:, 0], 6),
        "flips": np.round(done.flips[:, 0], 8),
        "same": [float(data.x.double().abs().sum()), float(data.y.sum())],
        "seconds": time.perf_counter() - began,
    }
