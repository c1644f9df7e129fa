"""Pictures: accuracies in rows of dots, eigenvalues in the region of Euler's step, reach over the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from contdepth.schemes import ForwardEuler, stability_region
from contdepth.studies.common.plots import COLOURS, MARKERS, region

__all__ = ["accuracy_rows", "reach_curves", "step_region"]

GREY = "#7a7a7a"


def accuracy_rows(ax: Axes, found: Mapping[str, np.ndarray], chance: float) -> None:
    """Accuracy of each seed as a dot in the row of its kind, their mean as a stroke, chance as a dashed line."""
    for k, values in enumerate(found.values()):
        ax.plot(values, np.full(len(values), -k), MARKERS[k], color=COLOURS[k], alpha=0.75)
        ax.plot([values.mean()] * 2, [-k - 0.3, -k + 0.3], color=COLOURS[k])
    ax.axvline(chance, color=GREY, linestyle="--", linewidth=1)
    ax.set_yticks([-k for k in range(len(found))], list(found))
    ax.set(xlabel="accuracy (%)", xlim=(0, 102))


def step_region(ax: Axes, clouds: Mapping[str, Tensor], reach: float = 1.4) -> None:
    """The border of Euler's stability region and εγ, εω of each cloud of eigenvalues times steps, complex."""
    real = torch.linspace(-2 * reach, reach / 2, 161)
    imag = torch.linspace(-reach, reach, 161)
    region(ax, 6, real, imag, stability_region(ForwardEuler(), real, imag), "|1 + z| = 1")
    for k, (name, z) in enumerate(clouds.items()):
        ax.plot(z.real, z.imag, MARKERS[k], color=COLOURS[k], markersize=3.5, label=name)
    ax.set(xlabel="real part of $z$", ylabel="imaginary part of $z$")
    ax.set_aspect("equal")
    ax.legend(loc="upper left")


def reach_curves(ax: Axes, rows: Sequence[int], found: Mapping[str, np.ndarray]) -> None:
    """The mean over seeds of log ‖∂s_T/∂s_0‖ for each kind, values ``(seeds, rows)``, and 1 as a dashed line."""
    for k, (name, values) in enumerate(found.items()):
        middle = np.exp(np.log(np.maximum(values, 1e-30)).mean(0))
        ax.plot(rows, middle, color=COLOURS[k], marker=MARKERS[k], label=name)
    ax.axhline(1, color=GREY, linestyle="--", linewidth=1)
    ax.set(yscale="log", xlabel="rows $T$")
