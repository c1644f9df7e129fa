"""Deep ResNets as particles (θ, t) of a distribution over weights and depth: the mean-field ODE and its landscape.

Convolutional nets with trained times are in ``contdepth.meanfield.convnet``, what is measured on them in
``contdepth.meanfield.conv_probes``.
"""

from contdepth.meanfield.block import Block
from contdepth.meanfield.bounds import adjoint_bounds
from contdepth.meanfield.density import GaussianDensity
from contdepth.meanfield.ensemble import Ensemble, outputs
from contdepth.meanfield.hessian import curvature
from contdepth.meanfield.landscape import descend, descent_direction, escape
from contdepth.meanfield.lazy import movement, tangent_kernel, train_linearised
from contdepth.meanfield.limit import MeanFieldODE
from contdepth.meanfield.network import MeanFieldNet, lift
from contdepth.meanfield.particles import Particles, reflect
from contdepth.meanfield.paths import barrier, bezier_path, linear_path, measure_path, path_losses
from contdepth.meanfield.training import train

__all__ = [
    "Block",
    "Ensemble",
    "GaussianDensity",
    "MeanFieldNet",
    "MeanFieldODE",
    "Particles",
    "adjoint_bounds",
    "barrier",
    "bezier_path",
    "curvature",
    "descend",
    "descent_direction",
    "escape",
    "lift",
    "linear_path",
    "measure_path",
    "movement",
    "outputs",
    "path_losses",
    "reflect",
    "tangent_kernel",
    "train",
    "train_linearised",
]
