"""Doors with one argument spoiled in one way, and the sentence that names it: a row for each check behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


def marred(x: Tensor) -> Tensor:
    """``x`` with a NaN in the last place."""
    x = x.clone()
    x.view(-1)[-1] = torch.nan
    return x


def first(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change the first of several."""
    return lambda many: type(many)([change(many[0]), *many[1:]])


WAYS: dict[str, Callable[[Any], Any]] = {
    "None": lambda _: None,
    "a text": lambda _: "no",
    "a tensor": lambda _: torch.zeros(2),
    "-1": lambda _: -1,
    "0": lambda _: 0,
    "1.5": lambda _: 1.5,
    "3": lambda _: 3,
    "nan": lambda _: float("nan"),
    "1e-60": lambda _: 1e-60,
    "1e60": lambda _: 1e60,
    "10**7": lambda _: 10**7,
    "10**12": lambda _: 10**12,
    # of a tensor
    "float16": lambda x: x.half(),
    "float32": lambda x: x.float(),
    "int64": lambda x: x.long(),
    "complex": lambda x: x.to(torch.complex128),
    "nan inside": marred,
    "none": lambda x: x[:0],
    "one row": lambda x: x[0],
    "one number": lambda x: x.flatten()[0],
    "no pixels": lambda x: x[..., :0, :0],
    "one pixel": lambda x: x[..., :1, :1],
    "one column less": lambda x: x[..., :-1],
    "one axis more": lambda x: x[None],
    # of several values
    "[]": lambda many: type(many)(),
    "one less": lambda many: type(many)(many[:-1]),
    "the other way round": lambda many: type(many)(many[::-1]),
    "None first": first(lambda _: None),
    "-1 first": first(lambda _: -1),
    "1.5 first": first(lambda _: 1.5),
    "10**12 first": first(lambda _: 10**12),
    "float16 first": first(lambda x: x.half()),
    "no rows first": first(lambda x: x[:0]),
    "complex first": first(lambda x: x.to(torch.complex128)),
    "two channels first": first(lambda x: torch.cat([x, x], 1)),
    # of a function
    "gives None": lambda _: lambda *_: None,
    "gives a tensor": lambda _: lambda *_: torch.tensor(1.0),
    "gives seven": lambda _: lambda *_: torch.zeros(7, dtype=torch.float64),
}

# Argument, way, beginning of the sentence: doors, each with a check of its own that says so.
SENTENCES: dict[tuple[str, str, str], str] = {
    ("base", "3", "base: expected a number <= 0"): "flows.TrajectoryFlow",
    ("decay", "-1", "decay: expected a number >= 0"): "flows.fit_trajectory",
    ("end", "3", "end: expected a number <= 0.5"): "flows.TrajectoryFlow.energy flows.TrajectoryFlow.push",
    ("energy", "-1", "energy: expected a number >= 0"): "flows.TrajectoryFlow.loss flows.fit_trajectory",
    ("every", "0", "every: expected a number >= 1"): "flows.fit_trajectory",
    ("flow", "None", "flow: expected a TrajectoryFlow"): "flows.fit_trajectory",
    ("jacobian", "-1", "jacobian: expected a number >= 0"): "flows.TrajectoryFlow.loss flows.fit_trajectory",
    ("last_rate", "-1", "last_rate: expected a number > 0"): "flows.fit_trajectory",
    ("noise", "-1", "noise: expected a number >= 0"): "flows.fit_trajectory",
    ("snapshots", "one less", "snapshots: expected 2, one for each time"): (
        "flows.TrajectoryFlow.loss flows.fit_trajectory"
    ),
    ("snapshots", "no rows first", "snapshots: expected points (..., 2)"): "flows.TrajectoryFlow.loss",
    ("snapshots", "float16 first", "snapshots: expected dtype torch.float64"): "flows.TrajectoryFlow.loss",
    ("start", "3", "start: expected a number <= 0.5"): "flows.TrajectoryFlow.energy flows.TrajectoryFlow.push",
    ("T", "-1", "T: expected a number > 0"): "schemes.sample_moments",
    ("a", "a text", "a: expected a real number"): "pde.simulate.convection_diffusion2d schemes.Tableau",
    ("adjoints", "float32", "adjoints: expected dtype torch.float64"): "schemes.Layers.gradients",
    ("adjoints", "one row", "adjoints: expected shape (5, 3, 2)"): "schemes.Layers.gradients",
    ("along", "-1", "along: expected an Along"): (
        "meanfield.MeanFieldNet.first_variation meanfield.MeanFieldNet.gradients "
        "meanfield.MeanFieldNet.mass_gradient meanfield.time_derivative meanfield.variation_bounds"
    ),
    ("along", "-1", "along: expected a Trajectory"): "control.ResidualControl.maximiser",
    ("atol", "0", "atol: expected a number > 0"): (
        "flows.ContinuousFlow flows.MongeAmpereFlow schemes.first_root schemes.first_roots schemes.solve"
    ),
    ("axis", "-1", "axis: expected a number >= 0"): "pde.PiecewisePolynomial.basis",
    ("axis", "3", "axis: expected a number <= 0"): "pde.PiecewisePolynomial.basis",
    ("batch", "-1", "batch: expected a number >= 1"): (
        "flows.fit_trajectory meanfield.bezier_path training.evaluate"
    ),
    ("batch", "10**12", "batch: expected an array of at most 2**28 numbers"): "meanfield.bezier_path",
    ("block", "-1", "block: expected a Block"): "meanfield.GaussianDensity meanfield.MeanFieldNet",
    ("block", "-1", "block: expected one of 'basic', 'bottleneck'"): "nets.unused_parameter_count",
    ("blocks", "-1", "blocks: expected a number >= 1"): "nets.RevNet",
    ("blocks", "10**7", "blocks: expected a number <= 100000"): "nets.RevNet",
    ("blocks", "-1", "blocks: expected a sequence"): "nets.stepped_resnet",
    ("blocks", "-1 first", "blocks: expected a number >= 1"): "nets.stepped_resnet",
    ("blocks", "10**12 first", "blocks: expected a number <= 100000"): "nets.stepped_resnet",
    ("blocks", "[]", "blocks: expected at least one stage"): "nets.stepped_resnet",
    ("blocks", "[]", "blocks: expected at least one block"): "flows.ResidualFlow",
    ("by_time", "-1", "by_time: expected a bool"): "training.fit_levels",
    ("cardinality", "-1", "cardinality: expected a number >= 1"): "nets.lm_resnext",
    ("cardinality", "10**7", "cardinality: expected a number <= 100000"): "nets.lm_resnext",
    ("cell", "-1", "cell: expected a Cell"): "recurrent.Recurrence",
    ("cells", "10**7", "cells: expected an array of at most 2**28 numbers"): "pde.PiecewisePolynomial",
    ("channels", "-1", "channels: expected a number >= 1"): "pde.PiecewisePolynomial",
    ("channels", "-1", "channels: expected a number >= 2"): "nets.ReversibleBlock",
    ("channels", "-1 first", "channels: expected a number >= 1"): "nets.SmallCNN",
    ("channels", "1.5", "channels: expected an integer"): "nets.ReversibleBlock pde.PiecewisePolynomial",
    ("channels", "10**12", "channels: expected an array of at most 2**28 numbers"): "pde.PiecewisePolynomial",
    ("channels", "10**12 first", "channels: expected a number <= 100000"): "nets.SmallCNN",
    ("channels", "10**7", "channels: expected a number <= 100000"): "nets.ReversibleBlock",
    ("coarsening", "-1 first", "coarsening: expected a number >= 2"): "schemes.Multigrid",
    ("coarsening", "3", "coarsening: expected a sequence"): "schemes.Multigrid",
    ("coarsening", "[]", "coarsening: expected at least one integer >= 2"): "schemes.Multigrid",
    ("coefficient", "-1", "coefficient: expected a number > 0"): "flows.LipschitzConv2d flows.LipschitzLinear",
    ("content", "-1", "content: expected a dict"): "training.save_checkpoint",
    ("convection", "None", "convection: expected a real number"): "pde.simulate.kdv",
    ("count", "-1", "count: expected a number >= 1"): "flows.draw_probes meanfield.waves",
    ("cycles", "-1", "cycles: expected a sequence"): "training.fit_levels",
    ("cycles", "-1 first", "cycles: expected a Recipe"): "training.fit_levels",
    ("cycles", "[]", "cycles: expected at least one recipe"): "training.fit_levels",
    ("data", "-1", "data: expected a Trajectories"): "pde.windows",
    ("data", "-1", "data: expected a pair (images, labels)"): "training.evaluate",
    ("data", "complex first", "images: expected real numbers"): "data.shrink",
    ("data", "no rows first", "images: expected real numbers"): "data.shrink",
    ("data", "one less", "data: expected a pair (images, labels)"): "training.evaluate",
    ("decay", "0", "decay: expected a number > 0"): "recurrent.EquilibriumCell",
    ("delta", "one column less", "delta: expected shape (4, 1, 4, 4)"): "robust.inner_steps_plain",
    ("density", "-1", "density: expected a law such as GaussianDensity"): "meanfield.MeanFieldODE",
    ("density", "a text", "density: expected True or False"): "flows.Transport",
    ("depth", "-1", "depth: expected a number >= 10"): "nets.WideResNet",
    ("depth", "-1", "depth: expected a number >= 2"): "restoration.DnCNNShape",
    ("depth", "-1", "depth: expected a number >= 8"): "meanfield.ordered_pair",
    ("diffusion", "-1", "diffusion: expected a number >= 0"): "recurrent.AntisymmetricCell",
    ("diffusion", "None", "diffusion: expected a function of (t, u)"): (
        "schemes.ito_drift schemes.march_sde schemes.stratonovich_drift"
    ),
    ("dimension", "3", "dimension: expected 2, that of the potential"): "flows.MongeAmpereFlow",
    ("drift", "None", "drift: expected a function of (t, u)"): (
        "schemes.ito_drift schemes.march_sde schemes.stratonovich_drift"
    ),
    ("drift", "gives seven", "drift(t, u): expected shape"): "schemes.march_sde",
    ("diffusion", "gives None", "diffusion(t, u): expected a torch.Tensor"): "schemes.march_sde",
    ("features", "-1", "features: expected a number >= 1"): "recurrent.GRUJump recurrent.GRUODEBayes",
    ("g", "None", "g: expected a Module"): "flows.ResidualBlock",
    ("g", "gives seven", "g(x): expected shape (3, 2)"): (
        "flows.ExactLogDet.__call__ flows.RouletteLogDet.__call__ flows.SeriesLogDet.__call__"
    ),
    ("g", "one column less", "g: expected shape (2, 3)"): "recurrent.EquilibriumCell.rate",
    ("gaps", "-1", "gaps: expected a torch.Tensor"): "recurrent.GRUODE.forward",
    ("gaps", "nan inside", "gaps: expected finite values"): "recurrent.GRUODE.forward",
    ("gated", "3", "gated: expected a bool"): "recurrent.AntisymmetricCell",
    ("generator", "None", "generator: expected a Generator"): (
        "flows.ContinuousFlow.to_base flows.DensityModel.sample flows.RouletteLogDet.__call__"
    ),
    ("gradient", "a text", "gradient: expected one of"): (
        "flows.ContinuousFlow flows.MongeAmpereFlow flows.RouletteLogDet"
    ),
    ("h", "float32", "h: expected dtype torch.float64"): (
        "recurrent.AntisymmetricCell.forward recurrent.GRUODE.rate recurrent.GRUODEBayes.forward"
    ),
    ("h", "one column less", "h: expected shape (2, 3)"): (
        "recurrent.EquilibriumCell.forward recurrent.GRUODE.forward recurrent.GRUODEBayes.predicted"
    ),
    ("hidden", "10**12", "hidden: expected an array of at most 2**28 numbers"): "flows.Potential",
    ("inner", "0", "inner: expected a number >= 1"): "recurrent.EquilibriumCell",
    ("kernel", "-1", "kernel: expected a number >= 1"): "flows.LipschitzConv2d",
    ("law", "None", "law: expected a NumberOfTerms"): "flows.RouletteLogDet",
    ("law", "a text", "law: expected one of 'geometric', 'poisson'"): "flows.NumberOfTerms",
    ("levels", "-1", "levels: expected a number >= 1"): "schemes.BrownianTree",
    ("levels", "10**7", "levels: expected a number <= 40"): "schemes.BrownianTree",
    ("lipschitz", "1.5", "lipschitz: expected a number < 1"): "flows.ResidualBlock flows.series_error",
    ("log_variance", "one column less", "log_variance: expected shape (2, 2)"): "recurrent.GRUJump.forward",
    ("margin", "-1", "margin: expected a number >= 1e-06"): "flows.DualIsing",
    ("mask", "int64", "mask: expected a tensor of bool"): "recurrent.GRUJump.forward recurrent.Series",
    ("mask", "one column less", "mask: expected shape (2, 3, 2)"): "recurrent.Series",
    ("mean", "one column less", "mean: expected shape (2, 2)"): "recurrent.GRUJump.forward",
    ("most", "0", "most: expected a number >= 1"): "flows.ResidualBlock.inverse flows.ResidualFlow flows.settle",
    ("path", "-1", "path: expected a function of t"): "schemes.march_sde",
    ("path", "gives seven", "path(t): expected shape"): "schemes.march_sde",
    ("potential", "None", "potential: expected a Potential or a function"): "flows.MongeAmpereFlow",
    ("probes", "10**12", "probes: expected an array of at most 2**28 numbers"): "flows.ContinuousFlow",
    ("rate", "-1", "rate: expected a number > 0"): "flows.NumberOfTerms flows.fit_trajectory",
    ("scheme", "-1", "scheme: expected EulerMaruyama()"): "schemes.march_sde",
    ("series", "-1", "series: expected a Series"): "recurrent.GRUODEBayes.forward recurrent.Recurrence.forward",
    ("side", "-1", "side: expected a number >= 3"): "flows.DualIsing flows.ising_log_partition",
    ("side", "10**7", "side: expected an array of at most 2**28 numbers"): "flows.translations",
    ("sides", "one less", "sides: expected height and width"): "flows.LipschitzConv2d",
    ("size", "-1", "size: expected a sequence"): "schemes.BrownianTree",
    ("size", "-1 first", "size: expected a number >= 0"): "schemes.BrownianTree",
    ("size", "0", "size: expected a number > 0"): "recurrent.EquilibriumCell",
    ("size", "10**12 first", "size: expected an array of at most 2**28 numbers"): "schemes.BrownianTree",
    ("span", "one less", "span: expected two times (t0, t1)"): "flows.ContinuousFlow",
    ("spread", "-1", "spread: expected a number >= 0"): "recurrent.AntisymmetricCell recurrent.EquilibriumCell",
    ("step", "0", "step: expected a number > 0"): "recurrent.AntisymmetricCell recurrent.GRUODE",
    ("step", "3", "step: expected a number <= 1"): "recurrent.GRUODE recurrent.GRUODEBayes",
    ("symmetries", "float32", "symmetries: expected permutations in int64"): "flows.Potential",
    ("symmetries", "one column less", "symmetries: expected shape (at least 1, 2)"): "flows.Potential",
    ("t1", "-1", "t1: expected a number > 0.0"): "schemes.BrownianTree",
    ("temperature", "0", "temperature: expected a number >= 0.01"): "flows.DualIsing flows.ising_log_partition",
    ("time", "3", "time: expected a number <= 0.5"): "flows.TrajectoryFlow.log_density_at",
    ("times", "float32", "times: expected dtype torch.float64"): "recurrent.Series recurrent.from_nan",
    ("times", "nan inside", "times: expected finite values"): "recurrent.Series recurrent.from_nan",
    ("times", "one less", "times: expected 2 tensors, one for each series"): "recurrent.padded",
    ("trace", "a text", "trace: expected one of"): "flows.ContinuousFlow flows.MongeAmpereFlow",
    ("u0", "complex", "u0: expected dtype"): "schemes.march_sde",
    ("depth", "1.5", "depth: expected an integer"): (
        "meanfield.ordered_pair nets.WideResNet restoration.DnCNNShape"
    ),
    ("depth", "10**7", "depth: expected a number <= 10000"): "restoration.DnCNNShape",
    ("depth", "10**7", "depth: expected a number <= 100000"): "meanfield.ordered_pair nets.WideResNet",
    ("depths", "-1 first", "depths: expected a number >= 1"): "meanfield.Ensemble",
    ("depths", "10**12 first", "depths: expected an array of at most 2**28 numbers"): "meanfield.Ensemble.draw",
    ("deviation", "None", "deviation: expected a torch.Tensor"): "meanfield.GaussianDensity",
    ("deviation", "a tensor", "deviation: expected dtype torch.float64"): "meanfield.GaussianDensity",
    ("device", "a text", "device: expected a device such as 'cpu' or 'cuda'"): "restoration.train training.fit",
    ("diffusion", "None", "diffusion: expected a real number"): (
        "pde.simulate.cdr_data pde.simulate.diffusion_source2d pde.simulate.heat2d"
    ),
    ("dimension", "-1", "dimension: expected a number >= 1"): "meanfield.lift",
    ("dimension", "10**7", "dimension: expected a number <= 100000"): "meanfield.Block",
    ("dt", "0", "dt: expected a number > 0"): "pde.simulate.burgers_data pde.simulate.convection_diffusion_data",
    ("dt", "1e60", "dt: expected a number <= 1000"): "pde.simulate.convection_diffusion_data",
    ("dt", "1e60", "max_step: expected at most a million substeps of dt"): "pde.simulate.burgers2d_upwind",
    ("dtype", "-1", "dtype: expected a dtype"): "pde.MomentFilters pde.finite_difference",
    ("dx", "1e60", "dx: expected a number <= 1e+50"): "pde.MomentFilters",
    ("eigenvalues", "-1", "eigenvalues: expected a torch.Tensor"): "schemes.spectral_radius",
    ("eigenvalues", "none", "eigenvalues: expected at least one"): "schemes.spectral_radius",
    ("end", "-1", "end: expected an Ensemble"): "meanfield.movement",
    ("end", "-1", "end: expected a Particles"): "meanfield.bezier_path meanfield.measure_path",
    ("ensemble", "-1", "ensemble: expected an Ensemble"): "meanfield.outputs meanfield.train",
    ("equation", "-1", "equation: expected an Equation"): "pde.simulate.SpectralRHS pde.simulate.solve",
    ("event", "None", "event: expected a function of (t, u)"): "schemes.first_root schemes.first_roots",
    ("exponent", "None", "exponent: expected a real number"): "meanfield.Ensemble",
    ("expression", "-1", "expression: expected an Expr"): "pde.evaluate",
    ("f", "a text", "f: expected a function of (t, x)"): "flows.Transport",
    ("f", "gives seven", "f(t, u): expected shape (2,)"): "problems.reference",
    (
        "f",
        "-1",
        "f: expected a function of (t, u)",
    ): "schemes.first_root schemes.first_roots schemes.pair_step schemes.solve",
    ("f", "a text", "f: expected a function of (u, *weights)"): "schemes.Layers",
    ("factor", "-1", "factor: expected a number > 0"): "training.Recipe",
    ("factor", "1.5", "factor: expected a number <= 1"): "training.Recipe",
    ("final", "complex", "loss: expected real numbers"): "control.ControlledSystem.losses",
    ("folder", "0", "folder: expected a path"): (
        "restoration.load_model restoration.load_policy restoration.load_training"
    ),
    ("frames", "float32", "frames: expected dtype torch.float64"): "pde.prediction_error",
    ("frames", "one column less", "frames: expected shape (2, 3, 1, 8)"): "pde.prediction_error",
    ("g", "None", "g: expected a real number"): "schemes.StochasticTwoStep.from_g",
    ("generator", "a text", "generator: expected a Generator"): "flows.draw_probes",
    ("gradient", "gives None", "gradient(u): expected a torch.Tensor"): "schemes.heavy_ball",
    ("group_width", "-1", "group_width: expected a number >= 1"): "nets.lm_resnext",
    ("group_width", "10**7", "group_width: expected a number <= 100000"): "nets.lm_resnext",
    ("grow", "-1", "grow: expected a bool"): "training.fit_levels",
    ("growth", "float32", "growth: expected dtype torch.float64"): "meanfield.attaining",
    ("growth", "one axis more", "growth: expected a tensor with 1 dimensions"): "meanfield.attaining",
    ("h", "None", "h: expected a real number"): "control.ResidualStep schemes.best_k schemes.reduced_field",
    ("h", "0", "h: expected a number > 0"): "schemes.Layers",
    ("hidden", "-1", "hidden: expected a number >= 1"): "nets.SmallCNN",
    ("hidden", "10**7", "hidden: expected a number <= 100000"): "nets.SmallCNN",
    ("history", "-1", "history: expected a number >= 1"): "pde.minimise",
    ("history", "10**7", "history: expected a number <= 10000"): "pde.minimise",
    ("identity", "-1", "identity: expected a dict"): "training.load_checkpoint training.save_checkpoint",
    ("images", "no pixels", "pad: expected a number <= 0"): "training.crop_flip",
    ("in_channels", "-1", "in_channels: expected a number >= 1"): (
        "meanfield.ordered_pair nets.FractalNet nets.PreActResNet18 nets.RevNet nets.SmallCNN nets.WideResNet"
    ),
    ("in_channels", "10**7", "in_channels: expected a number <= 100000"): (
        "meanfield.ordered_pair nets.FractalNet nets.PreActResNet18 nets.RevNet nets.SmallCNN nets.WideResNet"
    ),
    ("inputs", "-1", "inputs: expected a number >= 1"): "meanfield.lift",
    ("k", "None", "k: expected a real number"): "schemes.root_modulus",
    ("keep", "-1 first", "keep: expected a number >= 0"): "meanfield.train",
    ("kernels", "none", "kernels: expected at least one kernel and field"): "pde.correlate",
    ("last", "float32", "last: expected dtype torch.float64"): "schemes.Layers.adjoints schemes.parallel_adjoints",
    ("last", "one row", "last: expected shape (3, 2)"): "schemes.Layers.adjoints schemes.parallel_adjoints",
    ("layers", "0", "layers: expected a number >= 1"): "schemes.Multigrid.sequential_steps",
    ("layers", "3", "plan: expected coarsening whose product divides 3"): "schemes.Multigrid.sequential_steps",
    ("layers", "a text", "layers: expected a Layers"): "schemes.parallel_adjoints schemes.parallel_states",
    ("least", "-1", "least: expected a number >= 1"): "pde.Trajectories.segments",
    ("length", "1e-60", "length: expected a number >= 1e-50"): "pde.simulate.burgers2d_upwind",
    ("length", "1e60", "length: expected a number <= 1e+50"): "pde.simulate.burgers2d_upwind",
    ("level_index", "-1", "level_index: expected a torch.Tensor"): "restoration.LoopSchedule.draw",
    ("level_index", "float32", "level_index: expected dtype torch.int64"): "restoration.LoopSchedule.draw",
    ("level_index", "one axis more", "level_index: expected whole numbers (n,)"): "restoration.LoopSchedule.draw",
    ("levels", "complex", "levels: expected real numbers"): "restoration.mean_steps",
    ("levels", "nan inside", "levels: expected finite values"): "restoration.mean_steps",
    ("line", "-1", "line: expected a Line"): "restoration.by_noise_level",
    ("loops", "-1", "loops: expected a tuple"): "restoration.LoopSchedule",
    ("loss", "gives a tensor", "loss(): expected a value that depends on the parameters"): "pde.minimise",
    ("loss", "gives seven", "loss(): expected a tensor with 0 dimensions"): "pde.minimise",
    ("losses", "int64", "losses: expected a floating-point tensor"): "meanfield.barrier restoration.best_fixed",
    ("losses", "none", "losses: expected at least one episode and step"): "restoration.best_fixed",
    ("losses", "none", "losses: expected at least one loss"): "meanfield.barrier",
    ("losses", "one axis more", "losses: expected a tensor with 1 dimensions"): "meanfield.barrier",
    ("losses", "one axis more", "losses: expected a tensor with 2 dimensions"): "restoration.best_fixed",
    ("mass", "one axis more", "mass: expected a tensor with 1 dimensions"): "meanfield.Particles",
    ("mean", "None", "mean: expected a real number"): "meanfield.Block.draw",
    ("mean", "float32", "mean: expected dtype torch.float64"): "meanfield.GaussianDensity",
    ("mean", "nan inside", "mean: expected finite values"): "meanfield.GaussianDensity",
    ("milestones", "-1 first", "milestones: expected a number >= 0"): "training.Recipe",
    ("model", "-1", "model: expected a Module"): "nets.parameter_count robust.Cut training.evaluate training.fit",
    ("model", "-1", "model: expected a SteppedNet"): "nets.prolong training.fit_levels",
    ("model", "-1", "model: expected a fitted estimator"): "pde.rollout_error",
    ("momentum", "None", "momentum: expected a real number"): "schemes.heavy_ball",
    ("most", "-1", "most: expected a number >= 1"): "schemes.steps_to_tolerance",
    ("n", "10**12", "n: expected an array of at most 2**28 numbers"): "pde.simulate.random_fourier",
    ("net", "-1", "net: expected a MeanFieldNet"): (
        "meanfield.Ensemble.draw meanfield.adjoint_bounds meanfield.attaining meanfield.bezier_path "
        "meanfield.descend meanfield.descent_direction meanfield.movement meanfield.outputs meanfield.path_losses "
        "meanfield.removal meanfield.scale_branches meanfield.shallow_states meanfield.state_bounds "
        "meanfield.tangent_kernel meanfield.time_derivative meanfield.train meanfield.variation_bounds"
    ),
    ("nodes", "-1", "nodes: expected a number >= 1"): (
        "meanfield.GaussianDensity.windowed meanfield.MeanFieldODE.fluctuation"
    ),
    ("nodes", "-1", "nodes: expected a number >= 8"): "meanfield.GaussianDensity",
    ("nodes", "1.5", "nodes: expected an integer"): (
        "meanfield.GaussianDensity meanfield.GaussianDensity.windowed meanfield.MeanFieldODE.fluctuation"
    ),
    ("nodes", "10**7", "nodes: expected a number <= 1000"): (
        "meanfield.GaussianDensity.windowed meanfield.MeanFieldODE.fluctuation"
    ),
    ("nodes", "10**7", "nodes: expected a number <= 100000"): "meanfield.GaussianDensity",
    ("num_classes", "-1", "num_classes: expected a number >= 2"): (
        "meanfield.ordered_pair nets.FractalNet nets.PreActResNet18 nets.RevNet nets.SmallCNN nets.WideResNet "
        "nets.reported_parameter_count"
    ),
    ("num_classes", "10**7", "num_classes: expected a number <= 100000"): (
        "meanfield.ordered_pair nets.FractalNet nets.PreActResNet18 nets.RevNet nets.SmallCNN nets.WideResNet"
    ),
    ("order", "-1", "order: expected a number >= 0"): "pde.derivatives",
    ("order", "1.5 first", "order: expected whole numbers (n,)"): "meanfield.Particles.permute",
    ("order", "None first", "order: expected whole numbers"): "meanfield.Particles.permute",
    ("other", "-1", "other: expected a Particles"): "meanfield.Particles.mixed",
    ("p_next", "complex", "p_next: expected dtype torch.float64, that of the state"): (
        "control.ControlledSystem.gradient"
    ),
    ("pad", "-1", "pad: expected a number >= 0"): "training.crop_flip",
    ("pair", "-1", "pair: expected an EmbeddedPair"): "schemes.pair_step",
    ("parameters", "-1 first", "parameters: expected a torch.Tensor"): "pde.minimise",
    ("particles", "-1", "particles: expected a Particles"): "meanfield.MeanFieldNet.__call__",
    ("particles", "a text", "particles: expected a Particles"): "meanfield.Ensemble.of meanfield.scale_branches",
    ("particles", "the other way round", "particles: expected the deepest first"): "meanfield.Ensemble.of",
    ("plan", "-1", "plan: expected a Plan"): "nets.PolyNet",
    ("plan", "-1", "plan: expected a TrainingPlan"): "restoration.train",
    ("plan", "-1", "plan: expected a Multigrid"): "schemes.parallel_adjoints schemes.parallel_states",
    ("points", "float16", "points: expected dtype torch.float32 or torch.float64"): (
        "pde.PiecewisePolynomial.basis pde.PiecewisePolynomial.forward"
    ),
    ("points", "one axis more", "points: expected a tensor with 1 dimensions"): "pde.PiecewisePolynomial.basis",
    ("power", "-1", "power: expected a number >= 1"): (
        "schemes.ShakeShake.limit_moment schemes.ShakeShake.linear_moment schemes.StochasticDepth.linear_moment "
        "schemes.StochasticTwoStep.linear_moment"
    ),
    ("power", "10**7", "power: expected a number <= 100"): (
        "schemes.ShakeShake.limit_moment schemes.ShakeShake.linear_moment schemes.StochasticDepth.linear_moment "
        "schemes.StochasticTwoStep.linear_moment"
    ),
    ("precision", "-1", "precision: expected one of 'fp32', 'fp64', 'bf16'"): "training.evaluate",
    ("probes", "int64", "probes: expected a floating-point tensor"): "flows.Transport",
    ("probes", "none", "probes: expected real probes (m, ..., d)"): "flows.Transport",
    ("problem", "-1", "problem: expected a Quadratic"): "schemes.best_k schemes.steps_to_tolerance",
    ("problem", "-1", "problem: expected a ResidualControl"): "control.successive_approximations",
    ("problem", "-1", "problem: expected a problem such as Pendulum()"): (
        "schemes.local_error_order schemes.modified_equation_gaps"
    ),
    ("rate", "a tensor", "rate: expected a real number"): "schemes.sample_moments",
    ("rate", "a tensor", "rate, x0 and T: expected a real number"): "schemes.ShakeShake.limit_moment",
    ("rates", "-1 first", "rates: expected a number > 0"): "meanfield.rate_arms",
    ("recipe", "-1", "recipe: expected a Recipe"): "training.fit",
    ("relaxation", "a text", "relaxation: expected one of 'F', 'FCF'"): "schemes.Multigrid",
    ("rhs", "-1", "rhs: expected a Mapping"): "pde.simulate.Equation",
    ("rollouts", "-1", "rollouts: expected a Rollouts"): "restoration.regret",
    ("row", "1.5", "row: expected an integer"): "meanfield.Ensemble.particles",
    ("row", "10**7", "row: expected a number <= 3"): "meanfield.Ensemble.particles",
    ("scale", "None", "scale: expected a real number"): "meanfield.Block.draw",
    ("scheme", "-1", "scheme: expected a random scheme such as StochasticDepth()"): (
        "schemes.sample_moments schemes.variances schemes.weak_order"
    ),
    ("scheme", "-1", "scheme: expected a scheme such as ForwardEuler()"): "schemes.amplification",
    ("shape", "-1", "shape: expected a DnCNNShape"): "restoration.make_dncnn",
    ("shape", "-1 first", "shape: expected a number >= 0"): "meanfield.Block.draw",
    ("shape", "-1 first", "shape: expected a number >= 1"): "meanfield.GaussianDensity.times",
    ("shape", "1.5 first", "shape: expected an integer"): "meanfield.Block.draw meanfield.GaussianDensity.times",
    ("shape", "10**12 first", "shape: expected an array of at most 2**28 numbers"): (
        "meanfield.Block.draw pde.simulate.SpectralRHS"
    ),
    ("shape", "[]", "shape: expected at least one number"): "meanfield.GaussianDensity.times",
    ("size", "-1", "size: expected a number >= 3"): "pde.MomentFilters",
    ("size", "10**7", "size: expected a number <= 99"): "pde.MomentFilters",
    ("source", "-1", "source: expected a Generator"): (
        "meanfield.Block.draw meanfield.GaussianDensity.draw meanfield.GaussianDensity.sample "
        "meanfield.bezier_path meanfield.descent_direction meanfield.lift restoration.LoopSchedule.draw "
        "training.crop_flip"
    ),
    ("stages", "-1", "stages: expected a number >= 0"): "nets.unused_parameter_count",
    ("start", "-1", "start: expected an Ensemble"): "meanfield.movement",
    ("start", "-1", "start: expected a Particles"): "meanfield.bezier_path meanfield.measure_path",
    ("start", "float32", "start: expected dtype torch"): "schemes.parallel_adjoints schemes.parallel_states",
    ("start", "one row", "start: expected shape (5, 3"): "schemes.parallel_adjoints schemes.parallel_states",
    ("states", "-1 first", "states: expected a torch.Tensor"): "control.ControlledSystem.costates",
    ("states", "float32", "states: expected dtype torch.float64"): (
        "schemes.Layers.adjoints schemes.Layers.gradients schemes.parallel_adjoints"
    ),
    ("states", "one row", "states: expected shape (5, ...)"): (
        "schemes.Layers.adjoints schemes.Layers.gradients schemes.parallel_adjoints"
    ),
    ("stem", "-1", "stem: expected a number >= 1"): "nets.unused_parameter_count",
    ("step", "-1", "step: expected a number >= 0"): "training.Recipe.rate",
    ("step", "None", "step: expected a real number"): "schemes.heavy_ball",
    ("steps", "-1", "steps: expected a number >= 1"): "meanfield.MeanFieldODE",
    ("steps_per_epoch", "-1", "steps_per_epoch: expected a number >= 1"): "training.Recipe.rate",
    ("sweeps", "-1", "sweeps: expected a number >= 0"): (
        "schemes.Multigrid.sequential_steps schemes.parallel_adjoints schemes.parallel_states"
    ),
    ("t", "-1", "t: expected a number >= 0"): (
        "control.ControlledSystem.running_cost control.ControlledSystem.step"
    ),
    ("t", "-1", "t: expected a torch.Tensor"): "meanfield.MeanFieldODE.first_variation",
    ("t", "1.5", "t: expected an integer"): (
        "control.ControlledSystem.gradient control.ControlledSystem.hamiltonian "
        "control.ControlledSystem.running_cost"
    ),
    ("t", "3", "t: expected a number <= 1"): "control.ControlledSystem.running_cost control.ControlledSystem.step",
    ("t", "float32", "t: expected dtype torch.float64"): (
        "meanfield.GaussianDensity.drift meanfield.MeanFieldNet.first_variation meanfield.variation_bounds"
    ),
    ("t", "int64", "t: expected a floating-point tensor"): (
        "meanfield.Ensemble meanfield.GaussianDensity.draw meanfield.GaussianDensity.drift "
        "meanfield.MeanFieldNet.first_variation meanfield.MeanFieldODE.costates meanfield.Particles "
        "meanfield.reflect meanfield.variation_bounds"
    ),
    ("t", "nan inside", "t: expected times, one or (n,), of at most 1e6"): "problems.reference",
    ("t", "none", "t: expected times, one or (n,), of at most 1e6"): "problems.Pendulum.solution",
    ("t", "one axis more", "t: expected a tensor with 1 dimensions"): (
        "meanfield.MeanFieldNet.first_variation meanfield.MeanFieldODE.costates "
        "meanfield.MeanFieldODE.first_variation meanfield.Particles meanfield.variation_bounds"
    ),
    ("t", "one axis more", "t: expected times, one or (n,), of at most 1e6"): "problems.reference",
    ("target", "-1", "target: expected a problem such as Pendulum()"): "schemes.measure_order",
    ("tasks", "-1", "tasks: expected a Mapping"): "timing.cpu_seconds",
    ("test", "two channels first", "test images: expected shape (8, 1, 4, 4)"): "data.standardise",
    ("theta", "-1", "theta: expected a torch.Tensor"): (
        "control.ResidualControl.system control.ResidualStep control.successive_approximations "
        "meanfield.Block.parts meanfield.Ensemble meanfield.Particles.on_grid"
    ),
    ("theta", "float32", "theta: expected dtype torch.float64"): "control.successive_approximations",
    ("theta", "one axis more", "theta: expected a tensor with 2 dimensions"): (
        "meanfield.MeanFieldODE.first_variation"
    ),
    ("theta", "one axis more", "theta: expected a tensor with 3 dimensions"): (
        "control.successive_approximations meanfield.Ensemble"
    ),
    ("theta", "one column less", "theta: expected shape (2, 5)"): (
        "meanfield.MeanFieldNet.first_variation meanfield.MeanFieldODE.first_variation meanfield.variation_bounds"
    ),
    ("theta", "one number", "theta: expected 5 numbers a particle"): "meanfield.Block.__call__",
    ("theta", "one number", "theta: expected a tensor with 2 dimensions"): (
        "control.ResidualStep meanfield.Particles.on_grid"
    ),
    ("threshold", "None", "threshold: expected a real number"): "meanfield.descend",
    ("time", "0", "time: expected a number > 0"): "nets.SteppedNet nets.stepped_resnet",
    ("times", "the other way round", "times: expected at least two, each after"): "flows.TrajectoryFlow",
    ("times", "one less", "times: expected at least two, each after"): "flows.TrajectoryFlow",
    ("times", "[]", "times: expected at least one"): "flows.TrajectoryFlow.paths",
    ("times", "10**7", "times: expected an array of at most 2**28 numbers"): "meanfield.Ensemble.repeated",
    ("times", "float16 first", "times[0]: expected dtype torch.float32 or torch.float64"): (
        "meanfield.ordered_resnet.set_times"
    ),
    ("tolerance", "-1", "tolerance: expected a number > 0"): (
        "pde.accuracy_order pde.sum_rules problems.reference schemes.largest_stable_step "
        "schemes.steps_to_tolerance"
    ),
    ("tolerance", "-1", "tolerance: expected a number >= 1e-14"): "meanfield.MeanFieldODE",
    ("tolerance", "nan", "tolerance: expected a finite number"): (
        "meanfield.MeanFieldODE pde.accuracy_order pde.sum_rules problems.reference schemes.largest_stable_step "
        "schemes.steps_to_tolerance"
    ),
    ("train", "complex first", "train images: expected real numbers"): "data.standardise",
    ("train_times", "-1", "train_times: expected a bool, or one for each run"): "meanfield.train",
    ("truth", "int64", "truth: expected a floating-point tensor"): "pde.prediction_error pde.rollout_error",
    ("truth", "one row", "truth: expected frames (B, T, F, *space)"): "pde.rollout_error",
    ("u", "float32", "u: expected torch.float64, that of the probes"): "flows.Transport.__call__",
    ("u", "int64", "u: expected a floating-point tensor"): (
        "pde.simulate.SpectralRHS.__call__ problems.Pendulum.energy"
    ),
    ("u", "none", "kernels: expected at least one kernel and field"): "pde.MomentFilters.forward",
    ("u", "none", "u: expected at least one value"): "pde.simulate.add_noise",
    ("u", "none", "u: expected shape (3, 2)"): "flows.Transport.__call__",
    ("u", "one axis more", "x: expected a tensor with 4 dimensions"): (
        "nets.ReversibleBlock.forward nets.ReversibleBlock.inverse"
    ),
    ("u", "one column less", "u: expected shape (2, 1, 8)"): "pde.simulate.SpectralRHS.__call__",
    ("u", "one column less", "u: expected states (..., 5)"): "flows.Transport.__call__ flows.Transport.carried",
    ("u", "one number", "u: expected states (..., 2)"): "problems.Pendulum.energy",
    ("u0", "int64", "u0: expected a floating-point tensor"): "problems.reference schemes.heavy_ball",
    ("u0", "one axis more", "u0: expected a tensor with 1 dimensions"): "problems.reference",
    ("u0", "float32", "u0: expected dtype torch.float64"): "schemes.Layers.states schemes.parallel_states",
    ("unit", "-1", "unit: expected a RestorationUnit"): "restoration.roll_out",
    ("update", "-1", "update: expected a number >= 0"): "restoration.DQNPlan.epsilon",
    ("upwind", "-1", "upwind: expected True or False"): "pde.PDENet2Block",
    ("v", "float32", "v: expected dtype torch.float64"): "meanfield.GaussianDensity.second_moment",
    ("v", "one column less", "v: expected shape (4, 2)"): "meanfield.GaussianDensity.second_moment",
    ("values", "[]", "values: expected at least one series, each with a row"): "recurrent.padded",
    ("values", "float16 first", "values: expected dtype torch.float32 or torch.float64"): "recurrent.padded",
    ("values", "nan inside", "values: expected finite values"): "recurrent.Series",
    ("values", "no rows first", "values: expected at least one series, each with a row"): "recurrent.padded",
    ("viscosity", "None", "viscosity: expected a real number"): "pde.simulate.burgers1d pde.simulate.burgers2d",
    ("w1", "one axis more", "w1: expected a tensor with 1 dimensions"): "meanfield.MeanFieldNet",
    ("w2", "a tensor", "w2: expected a tensor with 2 dimensions"): "meanfield.MeanFieldODE",
    ("w2", "float32", "w2: expected dtype torch.float64"): "meanfield.MeanFieldODE",
    ("w2", "one axis more", "w2: expected a tensor with 2 dimensions"): "meanfield.MeanFieldNet",
    ("weights", "float16 first", "weights: expected dtype torch.float32 or torch.float64"): "schemes.Layers",
    ("weights", "no rows first", "weights: expected tensors (N, ...) of one number"): "schemes.Layers",
    ("weights", "[]", "weights: expected at least one tensor"): "schemes.Layers",
    ("where", "-1", "where: expected a StoppingMap"): "restoration.compose",
    ("which", "-1 first", "which: expected numbers 0 … 2"): "meanfield.Particles.pick",
    ("widen", "-1", "widen: expected a number >= 1"): "nets.WideResNet",
    ("widen", "10**7", "widen: expected a number <= 100000"): "nets.WideResNet",
    ("width", "-1", "width: expected a number >= 1"): (
        "meanfield.ordered_pair nets.FractalNet nets.PreActResNet18 restoration.DnCNNShape restoration.UnitShape "
        "restoration.make_policy"
    ),
    ("width", "-1", "width: expected a number >= 2"): "nets.RevNet",
    ("width", "1.5", "width: expected an integer"): (
        "nets.PreActResNet18 nets.RevNet restoration.DnCNNShape restoration.UnitShape restoration.make_policy"
    ),
    ("width", "10**7", "width: expected a number <= 10000"): (
        "restoration.DnCNNShape restoration.UnitShape restoration.make_policy"
    ),
    (
        "width",
        "10**7",
        "width: expected a number <= 100000",
    ): "meanfield.Block nets.PreActResNet18 nets.RevNet nets.stepped_resnet",
    ("widths", "[]", "widths: expected at least two"): "flows.lipschitz_net",
    ("window", "10**7", "window: expected a number <= 100000"): "meanfield.time_derivative",
    ("windows", "-1", "windows: expected a number >= 1"): "meanfield.GaussianDensity.windowed",
    ("windows", "10**7", "windows: expected a number <= 10000"): "meanfield.GaussianDensity.windowed",
    ("x", "-1", "x: expected an Expr"): "pde.simulate.variable_a pde.simulate.variable_b",
    ("x", "-1", "x: expected a torch.Tensor"): (
        "control.ControlledSystem.adversary_gradient control.successive_approximations meanfield.Block.__call__ "
        "meanfield.GaussianDensity.drift meanfield.GaussianDensity.second_moment meanfield.attaining "
        "pde.SymNet.forward pde.evaluate robust.first_layer_share"
    ),
    ("x", "float16", "x: expected dtype torch.float64"): (
        "meanfield.Block.__call__ meanfield.GaussianDensity.drift meanfield.attaining meanfield.train "
        "pde.SymNet.forward"
    ),
    ("x", "int64", "x: expected a floating-point tensor"): (
        "flows.Transport.start flows.draw_probes flows.exact_probes"
    ),
    ("x", "nan inside", "x: expected finite values"): (
        "flows.wasserstein1 flows.wasserstein2 meanfield.MeanFieldODE.__call__"
    ),
    ("x", "none", "x: expected at least one point"): "pde.SymNet.forward",
    ("x", "none", "x: expected points (..., d)"): "flows.exact_probes",
    ("x", "one column less", "names: expected one different name for each column of x"): "pde.evaluate",
    ("x", "one column less", "x: expected shape (batch, 2)"): "meanfield.GaussianDensity.drift",
    ("x", "one column less", "x: expected states (..., batch, 2)"): "meanfield.Block.__call__",
    ("x", "one column less", "x: expected shape (2, 2)"): (
        "recurrent.AntisymmetricCell.rate recurrent.GRUJump.forward"
    ),
    ("x", "one number", "x: expected states (..., batch, 2)"): "meanfield.Block.__call__",
    ("x", "one pixel", "x: expected sides of at least 4 pixels"): "nets.FractalNet.forward",
    ("x", "one row", "x: expected a tensor with 2 dimensions"): (
        "control.successive_approximations meanfield.attaining meanfield.train meanfield.train_linearised "
        "pde.evaluate"
    ),
    ("x", "one row", "x: expected shape (batch, 2)"): "meanfield.GaussianDensity.drift",
    ("x", "one row", "x: expected shape (3, 2)"): "flows.Transport.start",
    ("x", "float32", "x: expected dtype torch.float64"): (
        "flows.ContinuousFlow.to_base flows.LipschitzLinear.forward flows.Potential.slopes"
    ),
    ("x", "one column less", "x: expected fields (..., 9)"): "flows.DualIsing.energy",
    ("x", "one column less", "x: expected points (..., 2)"): (
        "flows.ContinuousFlow.to_base flows.Potential.slopes flows.ResidualFlow.to_base"
    ),
    ("x0", "None", "x0: expected a real number"): "schemes.sample_moments",
    ("x_t", "-1", "x_t: expected a torch.Tensor"): (
        "control.ControlledSystem.gradient control.ControlledSystem.hamiltonian "
        "control.ControlledSystem.pull_back control.ControlledSystem.running_cost"
    ),
    ("x_test", "nan inside", "x_test: expected finite values"): "meanfield.train_linearised",
    ("x_test", "one axis more", "x_test: expected a tensor with 2 dimensions"): "meanfield.train_linearised",
    ("y", "-1", "y: expected an Expr"): "pde.simulate.variable_a pde.simulate.variable_b",
    ("y", "float32", "y: expected dtype torch.float64"): "control.successive_approximations",
    ("y", "none", "y: expected shape (3, 2)"): "flows.wasserstein1 flows.wasserstein2",
    ("y", "nan inside", "y: expected finite values"): "flows.wasserstein1 flows.wasserstein2",
    ("y", "int64", "y: expected a floating-point tensor"): (
        "control.successive_approximations meanfield.MeanFieldNet.along meanfield.MeanFieldNet.loss "
        "meanfield.MeanFieldODE.costates meanfield.MeanFieldODE.loss meanfield.train_linearised "
        "restoration.trajectory"
    ),
    ("y", "one column less", "y: expected shape (4,)"): "meanfield.MeanFieldODE.costates",
    ("z", "None", "z: expected numbers"): "schemes.amplification",
    ("z", "int64", "z: expected a floating-point tensor"): "schemes.amplification",
}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Door, argument, way and sentence."""
    for (argument, way, sentence), doors in SENTENCES.items():
        for name in doors.split():
            yield name, argument, way, sentence
