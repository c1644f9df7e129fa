"""PSNR against the number of steps, for several noise levels at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.degrade import gaussian
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.trainings import load_training
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.schemes.base import Scheme
from contdepth.seeds import generator

__all__ = ["best_step", "best_stop_gain", "noisy_copies", "step_curves", "stored_curves", "trained_curves"]


def noisy_copies(clean: Tensor, levels: Sequence[float], seed: int) -> Tensor:
    """``clean`` (m, 1, h, w) at every level, ``(levels, m, 1, h, w)``; all levels share one draw of the noise.

    Sharing the draw makes differences between levels and between models paired. Not clipped.
    """
    return torch.stack([gaussian(clean, float(level), generator(seed, "test noise")) for level in levels])


def step_curves(
    unit: RestorationUnit, clean: Tensor, noisy: Tensor, steps: int, scheme: Scheme | None = None, h: float = 1.0
) -> Tensor:
    """PSNR of the clipped iterates X_0 … X_steps in dB, ``(levels, steps + 1, m)``.

    ``clean``: ``(m, 1, h, w)``; ``noisy``: ``(levels, m, 1, h, w)``. ``scheme``: a one-step scheme that integrates
    the unit's vector field with step ``h`` instead of the recurrence (which is forward Euler with h = 1). One
    image at a time, so that memory does not grow with their number.

    Raises:
        TypeError, ValueError: shapes that do not fit, a negative number of steps, a step size that is not
        positive.
    """
    checks.integer("steps", steps, at_least=0)
    checks.real("h", h, above=0)
    checks.same_shape("noisy", noisy, (len(noisy), *clean.shape))
    out = torch.empty(len(noisy), steps + 1, len(clean), device=noisy.device)
    with torch.inference_mode():
        for image in range(len(clean)):
            x = y = noisy[:, image]
            for n in range(steps + 1):
                out[:, n, image] = psnr(x, clean[image])
                if n == steps:
                    break
                if scheme is None:
                    x = unit.step(x, y)
                else:
                    x = scheme.step(unit.field(y), torch.tensor(n * h), x, h)  # type: ignore[attr-defined]
    return out


def stored_curves(name: str, clean: Tensor, noisy: Tensor, steps: int) -> Tensor:
    """``step_curves`` of the stored unit ``name``: a job for ``contdepth.parallel.run_all``."""
    return step_curves(load_model(name).model, clean, noisy, steps)  # type: ignore[arg-type]


def trained_curves(name: str, clean: Tensor, noisy: Tensor, steps: int) -> Tensor:
    """``stored_curves`` of ``name``, which may be a further training: a job for ``run_all`` too."""
    return step_curves(load_training(name).model, clean, noisy, steps)  # type: ignore[arg-type]


def best_step(curves: Tensor) -> Tensor:
    """The step with the highest mean PSNR over images, for each level: ``(levels,)`` of ``step_curves``."""
    return curves.mean(dim=-1).argmax(dim=-1)


def best_stop_gain(curves: Tensor, fixed: int | None = None) -> tuple[float, int]:
    """How much stopping at each level's best step gains over one number of steps, in dB, and that number.

    The mean over levels and images of ``curves`` ``(levels, steps + 1, m)``; ``fixed``: the number (the best
    single one if None).
    """
    mean = curves.mean(dim=-1)
    single = int(mean.mean(dim=0).argmax()) if fixed is None else checks.integer("fixed", fixed, at_least=0)
    return float((mean.max(dim=1).values - mean[:, single]).mean()), single
