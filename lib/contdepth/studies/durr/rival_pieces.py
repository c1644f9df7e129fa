"""Methods that need no unit, on a whole test set: pieces for a CPU, minutes to hours each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.classical import bm3d, nlm, noise_level, tv
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.published import published_dncnn
from contdepth.studies.common.full_set import damaged, one_by_one, test_pictures

__all__ = ["RIVALS", "rival"]

RIVALS: Mapping[str, Callable[[Tensor, float], Tensor]] = {"BM3D": bm3d, "NLM": nlm, "TV": tv}
"""Denoisers that are told the noise level."""


def rival(
    *,
    method: str,
    level: float,
    dataset: str = "bsd68",
    limit: int | None = None,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """``method`` of ``RIVALS``, or ``"DnCNN-B"`` with the weights of its authors, on a set at one noise level.

    ``dataset``, ``limit``: see ``test_pictures``; the noise is that of the pieces of unit and policy. Returns, by
    picture, ``psnr`` of the clipped result in dB, and the estimated noise level ``estimates``.
    """
    checks.one_of("method", method, (*RIVALS, "DnCNN-B"))
    network = published_dncnn() if method == "DnCNN-B" else None

    def entry(number: int, clean: Tensor) -> dict[str, Any]:
        noisy = damaged("gaussian", clean, [level], number)
        with torch.inference_mode():
            restored = RIVALS[method](noisy, level) if network is None else network(noisy)
        return {"psnr": float(psnr(restored, clean)), "estimate": float(noise_level(noisy))}

    kept = None if checkpoint is None else Path(checkpoint) / "pictures.json"
    rows = one_by_one(test_pictures(dataset, limit), entry, kept)
    return {"psnr": [row["psnr"] for row in rows], "estimates": [row["estimate"] for row in rows]}
