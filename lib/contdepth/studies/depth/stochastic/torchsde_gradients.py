"""What torchsde 0.2.6 (Li, Kidger and others, Apache 2.0) finds along the paths of our tree, computed beforehand.

``tests/contdepth/schemes/torchsde_reference.py`` wrote the file, with the package installed; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from contdepth.schemes import BrownianTree
from contdepth.studies.depth.stochastic.gradients import gradient
from contdepth.studies.depth.stochastic.problems import Equation

__all__ = ["distance"]


def distance(equation: Equation, method: str, scheme: object, how: str) -> float:
    """Return the mean |difference| of our gradients from torchsde's: the largest of those in x0, a and b."""
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    stored = json.loads(text)
    tree = BrownianTree((stored["paths"], 1))
    ours = gradient(equation, tree, stored["steps"], scheme, how)[1]
    theirs = torch.tensor(stored["gradients"][equation.name][method], dtype=torch.float64)
    return max((x.flatten() - y).abs().mean().item() for x, y in zip(ours, theirs, strict=True))
