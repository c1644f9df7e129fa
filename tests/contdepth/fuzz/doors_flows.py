"""Doors of flows."""

from __future__ import annotations

import torch
from fuzz.engine import Table
from torch import Tensor, nn

from contdepth import flows


def points() -> Tensor:
    """The same three points each time, float64."""
    return torch.sin(torch.arange(1.0, 7.0, dtype=torch.float64)).reshape(3, 2)


def bent(t: Tensor, x: Tensor) -> Tensor:
    return torch.sin(x) + t * x.flip(-1)


def transport() -> flows.Transport:
    return flows.Transport(bent, flows.exact_probes(points()), density=True)


def drawing() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class Swirl(nn.Module):
    """A right-hand side with parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(points())

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.w.T) @ self.w * t


def continuous(**more: object) -> flows.ContinuousFlow:
    return flows.ContinuousFlow(Swirl(), 2, **{"steps": 2, **more})


CONTINUOUS: Table = {
    "flows.ContinuousFlow": lambda: {
        "f": Swirl(),
        "dimension": 2,
        "span": (0.0, 2.0),
        "trace": "hutchinson",
        "probes": 2,
        "steps": None,
        "scheme": None,
        "rtol": 1e-4,
        "atol": 1e-5,
        "gradient": "checkpoints",
        "parameters": None,
    },
    "flows.ContinuousFlow.to_base": lambda: {
        "self": continuous(trace="hutchinson", probes=2),
        "x": points(),
        "generator": drawing(),
    },
    "flows.ContinuousFlow.from_base": lambda: {"self": continuous(steps=None, rtol=1e-3), "z": points()},
    "flows.ContinuousFlow.moved": lambda: {"self": continuous(), "z": points()},
    "flows.DensityModel": lambda: {"dimension": 2, "like": points()},
    "flows.DensityModel.log_density": lambda: {"self": continuous(), "x": points()},
    "flows.DensityModel.sample": lambda: {"self": continuous(), "count": 3, "generator": drawing()},
    "flows.DensityModel.draw": lambda: {
        "self": continuous(trace="hutchinson"),
        "count": 3,
        "generator": drawing(),
    },
    "flows.Drawn": lambda: {"x": points(), "log_density": points()[:, 0].clone()},
    "flows.Pushed": lambda: {"x": points(), "log_det": points()[:, 0].clone()},
}

TABLE: Table = {
    **CONTINUOUS,
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
