"""What a hand can tune: Perona–Malik and total variation at the best of a grid, chosen on the judged pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.reaction import diffused
from contdepth.studies.adaptive.tnrd.pictures import Pictures

__all__ = ["PeronaMalik", "best_perona_malik", "best_tv", "perona_malik_states"]

RATE = 0.2


@dataclass(frozen=True)
class PeronaMalik:
    """The best setting: ``quality`` in dB, ``contrast`` K, ``reaction`` λ and ``steps``.

    ``at``: quality of the best K and λ for each number of steps 0 … N, which may be others for each.
    """

    quality: float
    contrast: float
    reaction: float
    steps: int
    at: np.ndarray


@torch.no_grad()
def best_perona_malik(
    data: Pictures, contrasts: Sequence[float], reactions: Sequence[float], steps: int
) -> PeronaMalik:
    """The best mean PSNR over contrasts K, reactions λ and 0 … ``steps`` steps with τ = 0.2.

    Chosen on the pictures that it is judged on: more than a hand could do, and a bound for those who tune.
    """
    table = np.array(
        [
            [
                [float(psnr(u, data.clean).mean()) for u in perona_malik_states(data.noisy, k, r, steps)]
                for r in reactions
            ]
            for k in contrasts
        ]
    )
    i, j, n = (int(place) for place in np.unravel_index(table.argmax(), table.shape))
    return PeronaMalik(float(table.max()), contrasts[i], reactions[j], n, table.max(axis=(0, 1)))


def perona_malik_states(f: Tensor, contrast: float, reaction: float, steps: int) -> list[Tensor]:
    """u_0 … u_N of :func:`contdepth.restoration.perona_malik`."""
    states = [f]
    for _ in range(steps):
        u = states[-1]
        states.append(u + RATE * diffused(u, contrast) - reaction * (u - f))
    return states


def best_tv(data: Pictures, weights: Sequence[float]) -> tuple[float, float]:
    """Mean PSNR in dB of Chambolle's total variation at the best of ``weights``, and that weight.

    Weights are those of scikit-image times σ; one for all pictures, chosen on the judged ones.
    """
    from skimage.restoration import denoise_tv_chambolle

    found = []
    for weight in weights:
        restored = [
            denoise_tv_chambolle(one.numpy(), weight=weight * data.level / 255)
            for one in data.noisy[:, 0].double()
        ]
        out = torch.from_numpy(np.stack(restored))[:, None]
        found.append(float(psnr(out, data.clean.double()).mean()))
    best = int(np.argmax(found))
    return found[best], weights[best]
