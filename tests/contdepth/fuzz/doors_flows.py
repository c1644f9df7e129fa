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


def branch() -> nn.Sequential:
    torch.manual_seed(0)
    return flows.lipschitz_net((2, 4, 2)).double().eval()


def tilted(x: Tensor) -> Tensor:
    return 0.5 * torch.sin(x.flip(1))


def chain(**more: object) -> flows.ResidualFlow:
    return flows.ResidualFlow([flows.ResidualBlock(branch())], 2, **more)


def pictures() -> Tensor:
    return torch.cat([points(), points()]).reshape(1, 1, 3, 4)


RESIDUAL: Table = {
    "flows.ExactLogDet": dict,
    "flows.ExactLogDet.__call__": lambda: {"self": flows.ExactLogDet(), "g": tilted, "x": points()},
    "flows.Inverse": lambda: {"x": points(), "iterations": 3, "residual": 0.1},
    "flows.LipschitzConv2d": lambda: {
        "inputs": 1,
        "outputs": 2,
        "kernel": 3,
        "sides": (3, 4),
        "coefficient": 0.9,
        "iterations": 2,
    },
    "flows.LipschitzConv2d.forward": lambda: {
        "self": flows.LipschitzConv2d(1, 2, 3, (3, 4)).double(),
        "x": pictures(),
    },
    "flows.LipschitzLinear": lambda: {
        "inputs": 2,
        "outputs": 3,
        "coefficient": 0.9,
        "iterations": 2,
        "exact": True,
    },
    "flows.LipschitzLinear.forward": lambda: {"self": branch()[0], "x": points()},
    "flows.LipschitzLinear.refine": lambda: {"self": branch()[0], "iterations": 2},
    "flows.NumberOfTerms": lambda: {"law": "geometric", "rate": 0.5, "certain": 2},
    "flows.NumberOfTerms.draw": lambda: {"self": flows.NumberOfTerms("poisson"), "generator": drawing()},
    "flows.NumberOfTerms.survival": lambda: {"self": flows.NumberOfTerms(), "k": 3},
    "flows.ResidualBlock": lambda: {"g": branch(), "lipschitz": 0.9},
    "flows.ResidualBlock.forward": lambda: {"self": flows.ResidualBlock(branch()), "x": points()},
    "flows.ResidualBlock.inverse": lambda: {
        "self": flows.ResidualBlock(branch()),
        "y": points(),
        "tolerance": 1e-4,
        "most": 50,
    },
    "flows.ResidualFlow": lambda: {
        "blocks": [flows.ResidualBlock(branch())],
        "dimension": 2,
        "log_det": flows.SeriesLogDet(3),
        "tolerance": 1e-4,
        "most": 50,
        "scaled": True,
    },
    "flows.ResidualFlow.to_base": lambda: {
        "self": chain(log_det=flows.RouletteLogDet()),
        "x": points(),
        "generator": drawing(),
    },
    "flows.ResidualFlow.from_base": lambda: {"self": chain(), "z": points()},
    "flows.ResidualFlow.moved": lambda: {"self": chain(), "z": points()},
    "flows.RouletteLogDet": lambda: {"law": flows.NumberOfTerms(), "probes": 1, "gradient": "backprop"},
    "flows.RouletteLogDet.__call__": lambda: {
        "self": flows.RouletteLogDet(),
        "g": tilted,
        "x": points(),
        "generator": drawing(),
    },
    "flows.SeriesLogDet": lambda: {"terms": 3, "probes": 2},
    "flows.SeriesLogDet.__call__": lambda: {
        "self": flows.SeriesLogDet(3),
        "g": tilted,
        "x": points(),
        "generator": drawing(),
    },
    "flows.lipschitz_net": lambda: {
        "widths": (2, 4, 2),
        "coefficient": 0.9,
        "activation": nn.ELU,
        "iterations": 2,
        "exact": False,
    },
    "flows.series_error": lambda: {"dimension": 2, "lipschitz": 0.9, "terms": 3},
    "flows.settle": lambda: {"module": branch(), "tolerance": 1e-4, "most": 20},
}


def potential() -> flows.Potential:
    return flows.Potential(2, 4, generator=drawing()).double()


def valley(x: Tensor) -> Tensor:
    return torch.cos(x).sum(-1)


def downhill(**more: object) -> flows.MongeAmpereFlow:
    return flows.MongeAmpereFlow(potential(), 2, **{"time": 1.0, "steps": 2, **more})


def fields() -> Tensor:
    return torch.cat([points(), points(), points()]).reshape(2, 9)


MONGE_AMPERE: Table = {
    "flows.DualIsing": lambda: {"side": 4, "temperature": 2.0, "margin": 0.1},
    "flows.DualIsing.energy": lambda: {"self": flows.DualIsing(3), "x": fields()},
    "flows.DualIsing.free_energy": lambda: {"self": flows.DualIsing(4)},
    "flows.DualIsing.spectrum": lambda: {"self": flows.DualIsing(4)},
    "flows.MongeAmpereFlow": lambda: {
        "potential": potential(),
        "dimension": 2,
        "time": 1.0,
        "steps": 3,
        "trace": "exact",
        "probes": 1,
        "scheme": None,
        "rtol": 1e-4,
        "atol": 1e-5,
        "gradient": "adjoint",
        "parameters": None,
    },
    "flows.MongeAmpereFlow.to_base": lambda: {"self": downhill(), "x": points()},
    "flows.MongeAmpereFlow.from_base": lambda: {
        "self": flows.MongeAmpereFlow(valley, 2, steps=2, trace="hutchinson", parameters=[points()]),
        "z": points(),
        "generator": drawing(),
    },
    "flows.MongeAmpereFlow.moved": lambda: {"self": downhill(), "z": points()},
    "flows.Potential": lambda: {
        "dimension": 2,
        "hidden": 3,
        "activation": "log cosh",
        "bias": True,
        "even": True,
        "symmetries": torch.tensor([[0, 1], [1, 0]]),
        "generator": drawing(),
    },
    "flows.Potential.forward": lambda: {"self": potential(), "x": points()},
    "flows.Potential.gradient": lambda: {"self": potential(), "x": points()},
    "flows.Potential.slopes": lambda: {"self": potential(), "x": points()},
    "flows.Slopes": lambda: {"gradient": points(), "laplacian": points()[:, 0].clone()},
    "flows.ising_log_partition": lambda: {"side": 4, "temperature": 2.0},
    "flows.translations": lambda: {"side": 3},
}


def through(**more: object) -> flows.TrajectoryFlow:
    return flows.TrajectoryFlow(Swirl(), 2, (0.0, 0.5), **{"steps": 1, **more})


def snapshots() -> list[Tensor]:
    return [points(), points()[:2] + 1]


TRAJECTORY: Table = {
    "flows.TrajectoryFit": lambda: {
        "losses": [1.0],
        "log_densities": [[1.0]],
        "energies": [0.5],
        "jacobians": [0.5],
    },
    "flows.TrajectoryFlow": lambda: {
        "f": Swirl(),
        "dimension": 2,
        "times": (0.0, 0.5),
        "base": -1.0,
        "trace": "hutchinson",
        "probes": 2,
        "steps": None,
        "scheme": None,
        "rtol": 1e-4,
        "atol": 1e-5,
        "gradient": "checkpoints",
        "parameters": None,
    },
    "flows.TrajectoryFlow.energy": lambda: {"self": through(), "x": points(), "start": 0.5, "end": -0.5},
    "flows.TrajectoryFlow.log_density_at": lambda: {
        "self": through(trace="hutchinson"),
        "x": points(),
        "time": 0.25,
        "generator": drawing(),
    },
    "flows.TrajectoryFlow.loss": lambda: {
        "self": through(trace="hutchinson", gradient="adjoint"),
        "snapshots": snapshots(),
        "energy": 0.1,
        "generator": drawing(),
        "jacobian": 0.1,
    },
    "flows.TrajectoryFlow.paths": lambda: {
        "self": through(),
        "x": points(),
        "start": 0.0,
        "times": [0.5, 0.25],
    },
    "flows.TrajectoryFlow.push": lambda: {
        "self": through(steps=None, rtol=1e-3),
        "x": points(),
        "start": 0.5,
        "end": 0.0,
    },
    "flows.TrajectoryLoss": lambda: {
        "total": points()[0, 0],
        "log_density": points()[0],
        "energy": points()[1, 1],
        "jacobian": points()[1, 0],
    },
    "flows.fit_trajectory": lambda: {
        "flow": through(),
        "snapshots": snapshots(),
        "steps": 2,
        "seed": 0,
        "energy": 0.1,
        "jacobian": 0.1,
        "batch": 2,
        "rate": 0.01,
        "last_rate": 0.001,
        "decay": 0.0,
        "noise": 0.1,
        "checkpoint": None,
        "every": 1,
    },
    "flows.wasserstein1": lambda: {"x": points(), "y": points().flip(-1)},
    "flows.wasserstein2": lambda: {"x": points(), "y": points().flip(-1)},
}

TABLE: Table = {
    **CONTINUOUS,
    **MONGE_AMPERE,
    **RESIDUAL,
    **TRAJECTORY,
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
