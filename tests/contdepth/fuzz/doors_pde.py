"""Doors of equations from data."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import sympy
import torch
from fuzz.doors_light import doubles
from fuzz.engine import Arguments, Table
from torch import Tensor, nn

from contdepth import pde
from contdepth.pde import peers, simulate


def waves(points: int = 16, frames: int = 8) -> np.ndarray:
    """A decaying wave, (x, time)."""
    x, t = np.linspace(0, 2 * np.pi, points, endpoint=False)[:, None], 0.01 * np.arange(frames)
    return np.exp(-0.1 * t) * np.sin(x) + 0.5 * np.exp(-0.4 * t) * np.sin(2 * x + 1)


SPACING = 2 * np.pi / 16


def data() -> Arguments:
    return {"u": waves(), "dt": 0.01, "dx": SPACING}


def tracks() -> pde.Trajectories:
    return pde.trajectories(**data())


def quick() -> pde.PDENet2:
    return pde.PDENet2(hidden=1, blocks=(1,), iterations=1)


@cache
def fitted() -> pde.PDENet2:
    return quick().fit(**data())


@cache
def known() -> peers.KnownEquation:
    return peers.KnownEquation(equation="0.1*u_xx").fit(**data())


@cache
def members() -> list[pde.PDENet2]:
    return [pde.PDENet2(hidden=1, blocks=(1,), iterations=1, seed=seed).fit(**data()) for seed in (0, 1)]


@cache
def hidden() -> pde.HiddenPhysics:
    x = np.linspace(0, 1, 6)
    with warnings.catch_warnings(action="ignore"):
        return pde.HiddenPhysics(["u_x"], starts=1, iterations=2).fit(x, np.sin(x), x, np.sin(x + 0.1), dt=0.1)


@cache
def circle() -> pde.SINDy:
    t = np.linspace(0, 6, 61)
    return pde.SINDy(degree=1).fit(np.stack([np.cos(t), np.sin(t)], 1), t=t)


def operator() -> pde.FourierNeuralOperator:
    return pde.FourierNeuralOperator(2, width=2, layers=1, hidden=2, generator=drawing()).double()


def drawing() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def filters() -> pde.MomentFilters:
    return pde.MomentFilters([(1,), (2,)], 5)


def frames(*shape: int) -> Tensor:
    return doubles(*shape)


def u0() -> Tensor:
    return doubles(2, 1, 8, 8)


def symnet() -> pde.SymNet:
    return pde.SymNet(2, 1, 1)


def weights() -> tuple[list[nn.Parameter], Any]:
    w = nn.Parameter(doubles(3))
    return [w], lambda: (w - 1).square().sum()


def minimising() -> Arguments:
    parameters, loss = weights()
    return {
        "loss": loss,
        "parameters": parameters,
        "iterations": 2,
        "method": "lbfgs",
        "history": 3,
        "rate": 1e-3,
    }


def sets(**more: object) -> Arguments:
    return {
        "trajectories": 2,
        "steps": 2,
        "dt": 0.01,
        "grid": 8,
        "amplitude": 1.0,
        "mean": 0.5,
        "noise": 0.01,
        "seed": 0,
        "device": "cpu",
    } | more


TABLE: Table = {
    "pde.Ensemble": lambda: {"estimator": quick(), "seeds": (0, 1), "workers": 1},
    "pde.Ensemble.of": lambda: {"self": pde.Ensemble.of(members()), "members": members()},
    "pde.Ensemble.intervals": lambda: {"self": pde.Ensemble.of(members()), "level": 0.9},
    "pde.MomentFilters": lambda: {
        "derivatives": [(1, 0), (0, 2)],
        "size": 5,
        "dim": 2,
        "dx": (0.1, 0.1),
        "accuracy": 1,
        "frozen": False,
        "boundary": "replicate",
        "init": 0.1,
        "seed": 0,
        "frozen_identity": True,
        "dtype": torch.float64,
    },
    "pde.MomentFilters.forward": lambda: {"self": filters(), "u": doubles(2, 1, 8)},
    "pde.MomentFilters.index": lambda: {"self": filters(), "alpha": (1,)},
    "pde.MomentFilters.mirrored": lambda: {"self": filters(), "axes": (0,)},
    "pde.PDENet": lambda: {
        "size": 5,
        "order": 2,
        "filters": "learned",
        "coefficients": "constant",
        "mesh": 4,
        "source": {"cells": 4, "range": 5.0, "degree": 2},
        "blocks": (1, 2),
        "iterations": 2,
        "memory": 5,
        "batch": 8,
        "accuracy": 1,
        "average": "filter",
        "zero_order": True,
        "jitter": 0.01,
        "boundary": "periodic",
        "seed": 0,
        "device": "cpu",
    },
    "pde.PDENet.fit": lambda: {
        "self": pde.PDENet(size=5, order=2, coefficients="constant", blocks=(1,), iterations=1),
        **data(),
    },
    "pde.PDENet2": lambda: {
        "order": 2,
        "size": 5,
        "accuracy": 2,
        "filters": "learned",
        "upwind": True,
        "hidden": 1,
        "sparsity": 1e-4,
        "moment_penalty": 1e-5,
        "relative": True,
        "scheme": "euler",
        "blocks": (1, 2),
        "iterations": (1, 1),
        "optimiser": "lbfgs",
        "history": 5,
        "rate": 1e-3,
        "batch": 4,
        "substeps": 1,
        "boundary": "periodic",
        "start": "central",
        "normalise": True,
        "degree": 2,
        "seed": 0,
        "device": "cpu",
    },
    "pde.PDENet2.fit": lambda: {"self": quick(), **data()},
    "pde.PDENet2.simulate": lambda: {"self": fitted(), "u0": waves()[:, 0], "steps": 2},
    "pde.PDENet2.predict": lambda: {"self": fitted(), "u": waves()},
    "pde.PDENet2.score": lambda: {"self": fitted(), "u": waves(), "dt": 0.01},
    "pde.PDENet2.rollout": lambda: {"self": fitted(), "u0": doubles(1, 1, 16), "steps": 2},
    "pde.PDENet2.print": lambda: {"self": fitted(), "precision": 3, "threshold": 0.01},
    "pde.PDENet2.remainder": lambda: {"self": fitted(), "u": waves()},
    "pde.PDENet2.set_params": lambda: {"self": quick(), "hidden": 2, "blocks": (1,)},
    "pde.PDENet2.with_parameters": lambda: {"self": quick(), "hidden": 2, "blocks": (1,)},
    "pde.PDENet2Block": lambda: {
        "fields": 1,
        "dt": 0.01,
        "dx": (0.1, 0.1),
        "order": 2,
        "size": 5,
        "accuracy": 2,
        "hidden": 1,
        "upwind": True,
        "scheme": "midpoint",
        "substeps": 1,
        "boundary": "periodic",
        "start": "one-sided",
        "seed": 0,
    },
    "pde.PDENet2Block.forward": lambda: {
        "self": pde.PDENet2Block(1, 0.01, (0.1, 0.1), hidden=1),
        "u": u0(),
    },
    "pde.PiecewisePolynomial": lambda: {
        "cells": 3,
        "degree": 2,
        "lower": 0.0,
        "upper": 1.0,
        "dim": 1,
        "periodic": False,
        "channels": 1,
    },
    "pde.PiecewisePolynomial.forward": lambda: {
        "self": pde.PiecewisePolynomial(3, 2, 0.0, 1.0),
        "points": doubles(4),
    },
    "pde.PiecewisePolynomial.basis": lambda: {
        "self": pde.PiecewisePolynomial(3, 2, 0.0, 1.0),
        "points": doubles(4),
        "axis": 0,
    },
    "pde.SymNet": lambda: {"inputs": 2, "outputs": 1, "hidden": 2, "seed": 0, "scale": 0.1},
    "pde.SymNet.forward": lambda: {"self": symnet(), "x": doubles(2, 2, 4)},
    "pde.SymNet.expressions": lambda: {"self": symnet(), "names": ("u", "u_x"), "degree": 2},
    "pde.Trajectories": lambda: {
        "values": doubles(2, 3, 1, 8),
        "dt": 0.01,
        "dx": (0.1,),
        "names": ("u",),
        "present": torch.ones(2, 3, dtype=torch.bool),
    },
    "pde.Trajectories.segments": lambda: {"self": tracks(), "least": 2},
    "pde.accuracy_order": lambda: {"q": pde.finite_difference(5, (1, 0)), "alpha": (1, 0), "tolerance": 1e-10},
    "pde.best_accuracy": lambda: {"size": 5, "alpha": (1, 0)},
    "pde.collect": lambda: {"expression": {"u*u_x": -1.0, "u_xx": 0.1}},
    "pde.compare": lambda: {"found": {"u_xx": 0.1}, "truth": {"u_xx": 0.1}},
    "pde.correlate": lambda: {"u": u0(), "kernels": doubles(3, 5, 5), "boundary": "periodic"},
    "pde.derivatives": lambda: {"order": 2, "dim": 2},
    "pde.evaluate": lambda: {"expression": sympy.sympify("u**2 + v"), "names": ("u", "v"), "x": doubles(4, 2)},
    "pde.filter_from_moments": lambda: {"m": doubles(2, 5, 5), "dim": 2},
    "pde.finite_difference": lambda: {"size": 5, "alpha": (1, 0), "dtype": torch.float64},
    "pde.fixed_moments": lambda: {"size": 5, "alpha": (1, 0), "accuracy": 2},
    "pde.format_equation": lambda: {
        "field": "u",
        "expression": {"u*u_x": -1.0, "u_xx": 0.1},
        "precision": 3,
        "threshold": 0.01,
        "rest": True,
    },
    "pde.minimise": minimising,
    "pde.moment_matrix": lambda: {"q": doubles(2, 5, 5), "dim": 2},
    "pde.pad": lambda: {"u": u0(), "width": 2, "boundary": "replicate"},
    "pde.prediction_error": lambda: {"frames": doubles(2, 3, 1, 8), "truth": doubles(2, 3, 1, 8)},
    "pde.rollout_error": lambda: {"model": known(), "truth": tracks().values[:, :3]},
    "pde.run_all": lambda: {"function": dict, "jobs": [{"a": 1}], "workers": 1},
    "pde.sum_rules": lambda: {
        "q": pde.finite_difference(5, (1, 0)),
        "alpha": (1, 0),
        "accuracy": 2,
        "tolerance": 1e-10,
    },
    "pde.trajectories": lambda: {**data(), "names": ("u",)},
    "pde.windows": lambda: {"data": tracks(), "blocks": 2, "stride": 1, "at_most": 4},
    "pde.simulate.Equation": lambda: {
        "name": "mine",
        "fields": ("u",),
        "dim": 1,
        "length": 1.0,
        "rhs": {"u": sympy.sympify("0.1*u_xx")},
        "stiff": False,
        "source": "",
    },
    "pde.simulate.SpectralRHS": lambda: {
        "equation": simulate.burgers1d(),
        "shape": (8,),
        "dealias": True,
        "device": "cpu",
    },
    "pde.simulate.SpectralRHS.__call__": lambda: {
        "self": simulate.SpectralRHS(simulate.burgers1d(), (8,)),
        "u": doubles(2, 1, 8),
    },
    "pde.simulate.add_noise": lambda: {
        "u": doubles(2, 3, 1, 8),
        "level": 0.1,
        "seed": 0,
        "relative_to": "max",
    },
    "pde.simulate.burgers1d": lambda: {"viscosity": 0.1, "length": 16.0},
    "pde.simulate.burgers2d": lambda: {"viscosity": 0.1, "length": 6.0},
    "pde.simulate.burgers2d_upwind": lambda: {
        "u0": doubles(1, 2, 8, 8),
        "steps": 2,
        "dt": 0.01,
        "viscosity": 0.05,
        "length": 6.0,
        "grid": 4,
        "start": 0,
        "max_step": 0.01,
        "order": 1,
    },
    "pde.simulate.burgers_data": lambda: sets(
        fine=16, generator="spectral", viscosity=0.1, late=0.5, late_time=0.01, max_step=0.005
    ),
    "pde.simulate.cdr_data": lambda: sets(fine=16, diffusion=0.1, beta=1.0, late=0.5, late_time=0.01),
    "pde.simulate.convection_diffusion2d": lambda: {"a": 1.0, "b": 0.5, "c": 0.2, "d": 0.3, "length": 6.0},
    "pde.simulate.convection_diffusion_data": lambda: sets(fine=16),
    "pde.simulate.convection_diffusion_reaction2d": lambda: {"diffusion": 0.1, "beta": 1.0, "length": 6.0},
    "pde.simulate.diffusion_source2d": lambda: {"diffusion": 0.3, "strength": 15.0, "length": 6.0},
    "pde.simulate.heat2d": lambda: {"diffusion": 0.1, "length": 6.0},
    "pde.simulate.heat_data": lambda: sets(diffusion=0.1),
    "pde.simulate.kdv": lambda: {"convection": 6.0, "dispersion": 1.0, "length": 60.0},
    "pde.simulate.kuramoto_sivashinsky": lambda: {"length": 60.0},
    "pde.simulate.random_fourier": lambda: {
        "n": 2,
        "grid": 8,
        "length": 6.0,
        "dim": 1,
        "fields": 1,
        "frequency": 2,
        "amplitude": 1.0,
        "mean": 0.5,
        "seed": 0,
        "device": "cpu",
    },
    "pde.simulate.solve": lambda: {
        "equation": simulate.burgers1d(),
        "u0": doubles(1, 1, 8),
        "times": [0.0, 0.01],
        "method": "dop853",
        "rtol": 1e-4,
        "atol": 1e-6,
        "dealias": True,
        "grid": 4,
    },
    "pde.simulate.source_data": lambda: sets(fine=16),
    "pde.simulate.variable_a": lambda: {"x": sympy.Symbol("x"), "y": sympy.Symbol("y")},
    "pde.simulate.variable_b": lambda: {"x": sympy.Symbol("x"), "y": sympy.Symbol("y")},
    "pde.simulate.burgers_map": lambda: {
        "n": 2,
        "grid": 16,
        "viscosity": 0.1,
        "time": 0.5,
        "constant": False,
        "fine": 16,
        "steps": 2,
        "seed": 0,
        "device": "cpu",
    },
    "pde.simulate.gaussian_field": lambda: {
        "n": 2,
        "grid": 8,
        "scale": 625.0,
        "shift": 25.0,
        "power": 2.0,
        "frequency": 7,
        "constant": True,
        "seed": 0,
        "device": "cpu",
    },
    "pde.FourierNeuralOperator": lambda: {
        "modes": (2, 3),
        "width": 2,
        "inputs": 1,
        "outputs": 1,
        "layers": 1,
        "hidden": 3,
        "activation": "gelu",
        "batch_norm": True,
        "coordinates": True,
        "generator": drawing(),
        "device": "cpu",
    },
    "pde.FourierNeuralOperator.forward": lambda: {"self": operator(), "a": doubles(2, 1, 6)},
    "pde.FourierNeuralOperator.predict": lambda: {"self": operator(), "a": doubles(2, 1, 6), "batch": 1},
    "pde.SpectralConv": lambda: {
        "inputs": 2,
        "outputs": 1,
        "modes": (2, 3),
        "generator": drawing(),
        "device": "cpu",
    },
    "pde.SpectralConv.forward": lambda: {
        "self": pde.SpectralConv(2, 1, (2, 3), generator=drawing()).double(),
        "v": doubles(2, 2, 5, 6),
    },
    "pde.OperatorFit": lambda: {"settings": {"seed": 0}, "steps": 1, "losses": [0.5], "rates": [1e-3]},
    "pde.fit_operator": lambda: {
        "model": operator(),
        "inputs": doubles(3, 1, 6),
        "targets": doubles(3, 1, 6),
        "epochs": 2,
        "batch": 2,
        "rate": 1e-3,
        "halve": 1,
        "decay": 1e-4,
        "seed": 0,
        "checkpoint": "fit.pt",
        "every": 2,
        "progress": False,
    },
    "pde.relative_error": lambda: {"found": doubles(2, 1, 6), "truth": doubles(2, 1, 6)},
    "pde.HiddenPhysics": lambda: {"terms": ["u*u_x"], "starts": 1, "iterations": 1, "seed": 0},
    "pde.HiddenPhysics.fit": lambda: {
        "self": pde.HiddenPhysics(["u_x"], starts=1, iterations=1),
        "x0": np.linspace(0, 1, 6),
        "u0": np.sin(np.linspace(0, 1, 6)),
        "x1": np.linspace(0, 1, 5),
        "u1": np.sin(np.linspace(0, 1, 5)),
        "dt": 0.1,
        "names": ("u",),
    },
    "pde.HiddenPhysics.posterior": lambda: {"self": hidden(), "x": np.linspace(0, 1, 3), "field": "u"},
    "pde.Polynomials": lambda: {"states": 2, "degree": 2, "constant": True},
    "pde.Polynomials.__call__": lambda: {"self": pde.Polynomials(2, 2), "x": doubles(9, 2)},
    "pde.Polynomials.terms": lambda: {"self": pde.Polynomials(2, 2), "names": ("x", "y")},
    "pde.SINDy": lambda: {"degree": 2, "threshold": 0.1, "ridge": 0.1, "constant": True, "window": 5},
    "pde.SINDy.fit": lambda: {
        "self": pde.SINDy(degree=1),
        "x": doubles(20, 2).numpy(),
        "t": 0.1,
        "rates": doubles(20, 2).numpy(),
        "names": ("x", "y"),
    },
    "pde.SINDy.predict": lambda: {"self": circle(), "x": doubles(3, 2).numpy()},
    "pde.SINDy.simulate": lambda: {
        "self": circle(),
        "x0": doubles(3, 2).numpy(),
        "t": np.array([0.0, 0.1, 0.3]),
        "rtol": 1e-3,
    },
    "pde.SINDy.score": lambda: {
        "self": circle(),
        "x": doubles(9, 2).numpy(),
        "t": 0.1,
        "rates": doubles(9, 2).numpy(),
    },
    "pde.stlsq": lambda: {
        "features": doubles(20, 3),
        "rates": doubles(20, 2),
        "threshold": 0.1,
        "ridge": 0.1,
        "rounds": 3,
    },
    "pde.peers.KnownEquation": lambda: {
        "equation": "0.1*u_xx",
        "derivatives": 2,
        "boundary": "replicate",
        "rtol": 1e-4,
    },
    "pde.peers.KnownEquation.fit": lambda: {"self": peers.KnownEquation(equation="0.1*u_xx"), **data()},
    "pde.peers.KnownEquation.simulate": lambda: {"self": known(), "u0": waves()[:, 0], "steps": 2},
    "pde.peers.PDEFIND": lambda: {
        "order": 2,
        "degree": 2,
        "derivatives": 2,
        "threshold": 0.02,
        "alpha": 1e-8,
        "normalise": True,
        "bias": True,
        "time_accuracy": 2,
        "every": 1,
        "boundary": "replicate",
        "max_iter": 5,
    },
    "pde.peers.PDEFIND.fit": lambda: {"self": peers.PDEFIND(), **data()},
    "pde.peers.PlainCNN": lambda: {
        "layers": 2,
        "width": 2,
        "size": 3,
        "budget": 100,
        "blocks": 1,
        "iterations": 1,
        "batch": 2,
        "rate": 1e-3,
        "seed": 0,
        "device": "cpu",
    },
    "pde.peers.PlainCNN.fit": lambda: {
        "self": peers.PlainCNN(layers=2, width=2, size=3, blocks=1, iterations=1),
        **data(),
    },
    "pde.peers.WeakSINDy": lambda: {
        "order": 2,
        "degree": 2,
        "domains": 5,
        "size": (0.5, 0.02),
        "power": 4,
        "threshold": 0.02,
        "alpha": 1e-8,
        "normalise": True,
        "bias": True,
        "derivatives": 2,
        "boundary": "replicate",
        "max_iter": 5,
        "seed": 0,
    },
    "pde.peers.WeakSINDy.fit": lambda: {"self": peers.WeakSINDy(domains=30), **data()},
}
