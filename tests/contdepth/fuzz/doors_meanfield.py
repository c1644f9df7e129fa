"""Doors of the mean field."""

from __future__ import annotations

from typing import Any

import torch
from fuzz.doors_light import doubles, singles
from fuzz.engine import Arguments, Table
from torch import Tensor

from contdepth import meanfield
from contdepth.seeds import generator


def block(width: int = 1) -> meanfield.Block:
    return meanfield.Block(2, width)


def net(weighting: str = "equal") -> meanfield.MeanFieldNet:
    return meanfield.MeanFieldNet(block(), doubles(2, 2), doubles(2), weighting)


def particles(count: int = 3) -> meanfield.Particles:
    return meanfield.Particles.on_grid(doubles(count, 5))


def density() -> meanfield.GaussianDensity:
    return meanfield.GaussianDensity(block(), 0.1 * doubles(5), 0.5, nodes=16)


def ode() -> meanfield.MeanFieldODE:
    return meanfield.MeanFieldODE(density(), doubles(2, 2), doubles(2), tolerance=1e-3)


def ensemble() -> meanfield.Ensemble:
    return meanfield.Ensemble.draw(net(), (2, 3), (0, 1))


def source() -> torch.Generator:
    return generator(0, "fuzz")


def x() -> Tensor:
    return doubles(4, 2)


def y() -> Tensor:
    return doubles(4)


def seen() -> Any:
    return net().along(particles(), x(), y())


def run(**more: object) -> Arguments:
    return {"net": net(), "particles": particles(), "x": x(), "y": y(), **more}


def small(**more: object) -> Arguments:
    return {"width": 2, "in_channels": 1, "num_classes": 2, **more}


TABLE: Table = {
    "meanfield.Block": lambda: {"dimension": 2, "width": 2, "activation": "relu"},
    "meanfield.Block.__call__": lambda: {"self": block(), "theta": doubles(5), "x": x()},
    "meanfield.Block.parts": lambda: {"self": block(), "theta": doubles(3, 5)},
    "meanfield.Block.lipschitz": lambda: {"self": block(), "theta": doubles(3, 5)},
    "meanfield.Block.bound": lambda: {"self": block(), "theta": doubles(3, 5)},
    "meanfield.Block.draw": lambda: {
        "self": block(),
        "shape": (2, 3),
        "source": source(),
        "scale": 1.0,
        "mean": 0.0,
    },
    "meanfield.Ensemble": lambda: {
        "theta": doubles(2, 3, 5),
        "t": doubles(2, 3).abs(),
        "depths": (3, 2),
        "seeds": (0, 0),
        "exponent": 1.0,
    },
    "meanfield.Ensemble.draw": lambda: {
        "self": ensemble(),
        "net": net(),
        "depths": (2, 3),
        "seeds": (0, 1),
        "scale": 1.0,
        "mean": 0.0,
        "random_times": True,
        "exponent": 0.5,
    },
    "meanfield.Ensemble.of": lambda: {
        "self": ensemble(),
        "particles": [particles(3), particles(2)],
        "seeds": (0, 0),
        "exponent": 1.0,
    },
    "meanfield.Ensemble.rows": lambda: {"self": ensemble(), "depth": 2},
    "meanfield.Ensemble.particles": lambda: {"self": ensemble(), "row": 1},
    "meanfield.Ensemble.repeated": lambda: {"self": ensemble(), "times": 2},
    "meanfield.Ensemble.moved": lambda: {"self": ensemble(), "theta": doubles(4, 3, 5), "t": doubles(4, 3).abs()},
    "meanfield.GaussianDensity": lambda: {
        "block": block(),
        "mean": doubles(5),
        "deviation": 0.5,
        "nodes": 16,
        "device": "cpu",
    },
    "meanfield.GaussianDensity.drift": lambda: {"self": density(), "x": x(), "t": torch.tensor(0.5).double()},
    "meanfield.GaussianDensity.draw": lambda: {"self": density(), "t": doubles(3).abs(), "source": source()},
    "meanfield.GaussianDensity.sample": lambda: {
        "self": density(),
        "count": 3,
        "source": source(),
        "times": "stratified",
    },
    "meanfield.GaussianDensity.times": lambda: {
        "self": density(),
        "shape": (2, 3),
        "source": source(),
        "kind": "uniform",
    },
    "meanfield.GaussianDensity.second_moment": lambda: {
        "self": density(),
        "x": x(),
        "v": x(),
        "t": torch.tensor(0.5).double(),
    },
    "meanfield.GaussianDensity.windowed": lambda: {"self": density(), "windows": 2, "nodes": 4},
    "meanfield.MeanFieldNet": lambda: {
        "block": block(),
        "w2": doubles(2, 2),
        "w1": doubles(2),
        "weighting": "gaps",
    },
    "meanfield.MeanFieldNet.initial": lambda: {"self": net(), "x": x()},
    "meanfield.MeanFieldNet.states": lambda: {"self": net(), "particles": particles(), "x": x()},
    "meanfield.MeanFieldNet.__call__": lambda: {"self": net(), "particles": particles(), "x": x()},
    "meanfield.MeanFieldNet.loss": lambda: {"self": net(), "particles": particles(), "x": x(), "y": y()},
    "meanfield.MeanFieldNet.along": lambda: {"self": net(), "particles": particles(), "x": x(), "y": y()},
    "meanfield.MeanFieldNet.first_variation": lambda: {
        "self": net(),
        "along": seen(),
        "theta": doubles(2, 5),
        "t": doubles(2).abs(),
    },
    "meanfield.MeanFieldNet.mass_gradient": lambda: {"self": net(), "along": seen()},
    "meanfield.MeanFieldNet.gradients": lambda: {"self": net("gaps"), "along": seen()},
    "meanfield.MeanFieldODE": lambda: {
        "density": density(),
        "w2": doubles(2, 2),
        "w1": doubles(2),
        "method": "rk4",
        "tolerance": 1e-3,
        "steps": 4,
    },
    "meanfield.MeanFieldODE.__call__": lambda: {"self": ode(), "x": x()},
    "meanfield.MeanFieldODE.states": lambda: {"self": ode(), "x": x(), "t": doubles(2).abs()},
    "meanfield.MeanFieldODE.loss": lambda: {"self": ode(), "x": x(), "y": y()},
    "meanfield.MeanFieldODE.sensitivities": lambda: {"self": ode(), "x": x(), "t": doubles(2).abs()},
    "meanfield.MeanFieldODE.costates": lambda: {"self": ode(), "x": x(), "y": y(), "t": doubles(2).abs()},
    "meanfield.MeanFieldODE.first_variation": lambda: {
        "self": ode(),
        "x": x(),
        "y": y(),
        "theta": doubles(2, 5),
        "t": doubles(2).abs(),
    },
    "meanfield.MeanFieldODE.time_derivative": lambda: {
        "self": ode(),
        "x": x(),
        "y": y(),
        "theta": doubles(2, 5),
        "t": doubles(2).abs(),
    },
    "meanfield.MeanFieldODE.fluctuation": lambda: {"self": ode(), "x": x(), "nodes": 3},
    "meanfield.Particles": lambda: {"theta": doubles(3, 5), "t": doubles(3).abs(), "mass": doubles(3)},
    "meanfield.Particles.on_grid": lambda: {"self": particles(), "theta": doubles(3, 5)},
    "meanfield.Particles.pick": lambda: {"self": particles(), "which": [0, 2]},
    "meanfield.Particles.sorted": lambda: {"self": particles()},
    "meanfield.Particles.weights": lambda: {"self": particles(), "weighting": "gaps"},
    "meanfield.Particles.permute": lambda: {"self": particles(), "order": [2, 0, 1]},
    "meanfield.Particles.swap": lambda: {"self": particles(), "i": 0, "j": 2},
    "meanfield.Particles.drop": lambda: {"self": particles(), "i": 1},
    "meanfield.Particles.mixed": lambda: {"self": particles(), "other": particles(2), "share": 0.25},
    "meanfield.adjoint_bounds": lambda: {"net": net(), "particles": particles()},
    "meanfield.attaining": lambda: {
        "net": net(),
        "x": doubles(1, 2),
        "growth": doubles(3).abs(),
        "sign": -1,
    },
    "meanfield.barrier": lambda: {"losses": doubles(4)},
    "meanfield.bezier_path": lambda: {
        "net": net(),
        "start": particles(),
        "end": particles(),
        "x": x(),
        "y": y(),
        "source": source(),
        "steps": 2,
        "rate": 0.02,
        "batch": 2,
    },
    "meanfield.curvature": run,
    "meanfield.descend": lambda: run(steps=2, rate=0.02, threshold=0.0),
    "meanfield.descent_direction": lambda: run(source=source(), candidates=8, steps=2, radii=(1.0, 3.0, 1.0)),
    "meanfield.escape": lambda: run(
        source=source(), threshold=1e-4, rounds=1, steps=2, rate=0.02, radii=(1.0, 3.0, 1.0), candidates=8
    ),
    "meanfield.lift": lambda: {"inputs": 2, "dimension": 3, "source": source()},
    "meanfield.linear_path": lambda: {"start": particles(), "end": particles()},
    "meanfield.measure_path": lambda: {"start": particles(), "end": particles()},
    "meanfield.movement": lambda: {"net": net(), "start": ensemble(), "end": ensemble(), "x": x()},
    "meanfield.ordered_pair": lambda: small(depth=14, block="basic", seed=0, time_rate=0.3),
    "meanfield.ordered_resnet": lambda: small(
        depth=14, block="basic", seed=0, times="trained", weighting="gaps", time_rate=0.3, survival=0.9
    ),
    "meanfield.ordered_resnet.set_times": lambda: {
        "self": meanfield.ordered_resnet(14, width=2),
        "times": [torch.tensor([0.5, 0.1]), torch.tensor([0.5]), torch.tensor([0.5])],
    },
    "meanfield.ordered_resnet.forward": lambda: {
        "self": meanfield.ordered_resnet(14, width=2).eval(),
        "x": singles(2, 3, 8, 8),
    },
    "meanfield.outputs": lambda: {"net": net(), "ensemble": ensemble(), "x": x()},
    "meanfield.path_losses": lambda: {
        "net": net(),
        "path": meanfield.linear_path(particles(), particles()),
        "x": x(),
        "y": y(),
        "count": 3,
    },
    "meanfield.rate_arms": lambda: small(rates=(0.1, 0.3), seed=0, depth=14),
    "meanfield.reflect": lambda: {"t": doubles(4) * 3},
    "meanfield.removal": lambda: {"net": net(), "particles": particles(), "x": x()},
    "meanfield.scale_branches": lambda: {"net": net(), "particles": particles(), "factor": 2.0},
    "meanfield.shallow_states": lambda: {"net": net(), "particles": particles(), "x": x()},
    "meanfield.shallow_variation": lambda: run(theta=doubles(2, 5)),
    "meanfield.small_net": lambda: {
        "width": 1,
        "weighting": "equal",
        "dimension": 3,
        "activation": "tanh",
        "seed": 0,
        "device": "cpu",
    },
    "meanfield.state_bounds": lambda: {"net": net(), "particles": particles()},
    "meanfield.tangent_kernel": lambda: {
        "net": net(),
        "particles": particles(),
        "x": x(),
        "other": x(),
        "scale": 1.0,
    },
    "meanfield.time_derivative": lambda: {"net": net(), "along": seen(), "window": 1},
    "meanfield.train": lambda: {
        "net": net(),
        "ensemble": ensemble(),
        "x": x(),
        "y": y(),
        "steps": 2,
        "rate": 0.01,
        "optimiser": "gd",
        "depth_scaled": True,
        "train_times": False,
        "time_rate": 0.1,
        "keep": (0, 1),
        "progress": False,
    },
    "meanfield.train_linearised": lambda: run(x_test=x(), steps=2, rate=1e-3, scale=1.0),
    "meanfield.variation_bounds": lambda: {
        "net": net(),
        "along": seen(),
        "theta": doubles(2, 5),
        "t": doubles(2).abs(),
    },
    "meanfield.waves": lambda: {"count": 4, "seed": 0, "purpose": "train", "device": "cpu"},
}
