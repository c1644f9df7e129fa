"""Doors of flows."""

from __future__ import annotations

import torch
from fuzz.engine import Table
from torch import Tensor

from contdepth import flows


def points() -> Tensor:
    """The same three points each time, float64."""
    return torch.sin(torch.arange(1.0, 7.0, dtype=torch.float64)).reshape(3, 2)


def bent(t: Tensor, x: Tensor) -> Tensor:
    return torch.sin(x) + t * x.flip(-1)


def transport() -> flows.Transport:
    return flows.Transport(bent, flows.exact_probes(points()), density=True)


TABLE: Table = {
    "flows.Carried": lambda: {
        "x": points(),
        "kinetic": points()[:, 0],
        "jacobian": points()[:, 1],
        "density": None,
    },
    "flows.Transport": lambda: {"f": bent, "probes": flows.exact_probes(points()), "density": True},
    "flows.Transport.__call__": lambda: {
        "self": transport(),
        "t": torch.tensor(0.5, dtype=torch.float64),
        "u": transport().start(points()),
    },
    "flows.Transport.carried": lambda: {"self": transport(), "u": transport().start(points())},
    "flows.Transport.start": lambda: {"self": transport(), "x": points()},
    "flows.draw_probes": lambda: {"x": points(), "generator": torch.Generator().manual_seed(0), "count": 2},
    "flows.exact_probes": lambda: {"x": points()},
}
