"""A block of a deep net split into two with its mass between them: the same measure, not quite the same net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from contdepth import meanfield
from contdepth.seeds import generator

__all__ = ["changes"]


def changes(depths: Sequence[int], seed: int) -> np.ndarray:
    """Largest change of the outputs for every depth, (len(depths),), where the middle block is split.

    The blocks θ(t) lie on one smooth curve.
    """
    net = meanfield.small_net()
    x = meanfield.waves(30)[0]
    curve = torch.randn(3, net.block.size, generator=generator(seed, "curve"), dtype=torch.float64)
    found = []
    for depth in depths:
        t = (torch.arange(depth, dtype=torch.float64) + 0.5) / depth
        theta = curve[0] + torch.outer(t, curve[1]) + torch.outer(torch.sin(3 * t), curve[2])
        whole = meanfield.Particles(theta, t)
        middle = depth // 2
        copies = torch.ones(depth, dtype=torch.int64)
        copies[middle] = 2
        mass = (whole.masses / copies).repeat_interleave(copies)
        twice = meanfield.Particles(theta.repeat_interleave(copies, 0), t.repeat_interleave(copies), mass)
        found.append(float((net(twice, x) - net(whole, x)).abs().max()))
    return np.array(found)
