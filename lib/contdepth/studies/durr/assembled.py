"""What the pieces of the paper's restorer say: arguments of each claim's check, and numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from contdepth import checks
from contdepth.restoration.stopping.rules import by_noise_level
from contdepth.studies.common.arms import Assembled, Piece, by_arm

__all__ = ["of_deblocking", "of_denoising", "of_rivals"]

Pieces = Sequence[Piece]
INSIDE, UNSEEN = (25, 35, 45, 55), (65, 75)
"""Noise levels of the training, and those above."""
AR_CNN = {10: 28.96, 20: 31.29, 30: 32.67, 40: 33.63}
DNCNN_3 = {10: 29.19, 20: 31.59, 30: 32.98, 40: 33.96}
"""PSNR on LIVE1 by quality, as published by the authors of DnCNN (table T-jpeg)."""


def of_denoising(pieces: Pieces) -> Assembled:
    """Unit and policy on BSD68: PSNR at each level, and the policy beside the best fixed number of steps."""
    runs = by_task(pieces, "gaussian")
    stopped = [stopped_means(run) for run in runs]
    found = {f"paper-{level}": {"value": [one[level] for one in stopped]} for level in (*INSIDE, *UNSEEN)}
    found["full-fixed"] = {"value": [over_fixed(run) for run in runs]}
    notes = {f"full_stops_{level}": mean_stop(runs, level) for level in (*INSIDE, *UNSEEN)}
    return Assembled(by_seed("stopping", found, runs), notes)


def of_deblocking(pieces: Pieces) -> Assembled:
    """Unit and policy on LIVE1: PSNR minus that of published networks, at seen qualities and at 40."""
    runs = by_task(pieces, "jpeg")
    stopped = [stopped_means(run) for run in runs]
    found: dict[str, dict[str, Any]] = {
        f"full-{quality}": {"value": [one[quality] - AR_CNN[quality] for one in stopped]} for quality in AR_CNN
    }
    ahead = [[one[quality] - DNCNN_3[quality] for quality in (10, 20, 30)] for one in stopped]
    found["full-dncnn"] = {"value": [float(np.mean(gaps)) for gaps in ahead]}
    notes = {f"full_stops_{quality}": mean_stop(runs, quality) for quality in AR_CNN}
    return Assembled(by_seed("deblocking", found, runs), notes)


def of_rivals(pieces: Pieces, rivals: Pieces) -> Assembled:
    """Unit and policy on BSD68 beside ``rivals`` with the same noise, by method and level.

    The rivals' estimates of the noise stop the unit too, in the place of its policy.

    Raises:
        ValueError: a rival that was judged on other pictures, or not at a level.
    """
    runs = by_task(pieces, "gaussian")
    table: dict[str, dict[float, list[float]]] = {}
    estimates: dict[float, list[float]] = {}
    for piece in rivals:
        asked, result = piece["arguments"], piece["result"]
        table.setdefault(asked["method"], {})[asked["level"]] = result["psnr"]
        estimates[asked["level"]] = result["estimates"]
    found = {}
    for claim, method, levels in (
        ("full-bm3d", "BM3D", INSIDE),
        ("full-bm3d-unseen", "BM3D", UNSEEN),
        ("full-dncnn", "DnCNN-B", INSIDE),
        ("full-dncnn-unseen", "DnCNN-B", UNSEEN),
    ):
        checks.one_of("rivals", method, tuple(table))
        found[claim] = {"value": [ahead_of(run, table[method], levels) for run in runs]}
    for level in (*INSIDE[1:], *UNSEEN):
        found[f"paper-{level}"] = {"value": [by_estimate(run, level, estimates[level]) for run in runs]}
    notes = {
        f"full_{method.lower().replace('-', '_')}_{level:g}": float(np.mean(values))
        for method, row in table.items()
        for level, values in row.items()
    }
    return Assembled(by_seed("rivals", found, runs), notes)


def by_task(pieces: Pieces, task: str) -> Sequence[Mapping[str, Any]]:
    """The results of one task by seed."""
    return by_arm(pieces, key="task", matched=False).runs(task)


def stopped(run: Mapping[str, Any]) -> np.ndarray:
    """PSNR where the policy stops, ``(L, m)``."""
    curves, stops = np.asarray(run["psnr"]), np.asarray(run["stops"])
    return np.take_along_axis(curves, stops[:, None], axis=1)[:, 0]


def stopped_means(run: Mapping[str, Any]) -> dict[float, float]:
    """Level → mean over pictures of PSNR where the policy stops."""
    return dict(zip(run["levels"], stopped(run).mean(axis=1).tolist(), strict=True))


def over_fixed(run: Mapping[str, Any]) -> float:
    """The policy minus the best single number of steps in hindsight, both on the levels of the training."""
    rows = [place for place, level in enumerate(run["levels"]) if level in INSIDE]
    fixed = np.asarray(run["psnr"])[rows].mean(axis=(0, 2)).max()
    return float(stopped(run)[rows].mean() - fixed)


def ahead_of(run: Mapping[str, Any], rival: Mapping[float, Sequence[float]], levels: Sequence[float]) -> float:
    """The run minus a rival, mean over levels and pictures."""
    gaps = []
    for level in levels:
        if level not in rival or level not in run["levels"]:
            checks.fail("rivals", f"results at level {level}", f"those at {sorted(rival)}")
        own = stopped(run)[run["levels"].index(level)]
        if len(own) != len(rival[level]):
            checks.fail("rivals", f"{len(own)} pictures, as the unit has", len(rival[level]))
        gaps.append(own - np.asarray(rival[level]))
    return float(np.mean(gaps))


def by_estimate(run: Mapping[str, Any], level: float, estimates: Sequence[float]) -> float:
    """Mean PSNR where the estimated noise level of each picture stops the unit."""
    curves = np.asarray(run["psnr"])[run["levels"].index(level)]
    stops = by_noise_level(torch.tensor(estimates), len(curves) - 1).numpy()
    return float(curves[stops, np.arange(len(stops))].mean())


def mean_stop(runs: Sequence[Mapping[str, Any]], level: float) -> float:
    """Mean stop at a level over pictures and seeds."""
    return float(np.mean([np.asarray(run["stops"])[run["levels"].index(level)] for run in runs]))


def by_seed(
    page: str, found: Mapping[str, Mapping[str, Any]], runs: Sequence[object]
) -> dict[str, dict[str, Any]]:
    """The arguments of every check with the seeds, under the claims' full names."""
    return {f"durr.{page}.{claim}": {**given, "seeds": tuple(range(len(runs)))} for claim, given in found.items()}
