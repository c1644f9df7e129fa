from .block import Block
from .bounds import adjoint_bounds, attaining
from .convnet import TIME_RATE, ordered_pair, ordered_resnet, rate_arms
from .density import GaussianDensity
from .ensemble import Ensemble, outputs
from .hessian import curvature
from .landscape import descend, descent_direction, escape
from .lazy import movement, tangent_kernel, train_linearised
from .limit import MeanFieldODE, time_derivative
from .network import MeanFieldNet, lift
from .particles import Particles, reflect
from .paths import barrier, bezier_path, linear_path, measure_path, path_losses
from .shallow import removal, scale_branches, shallow_states, shallow_variation, state_bounds, variation_bounds
from .task import small_net, waves
from .training import train

__all__ = [
    "TIME_RATE",
    "Block",
    "Ensemble",
    "GaussianDensity",
    "MeanFieldNet",
    "MeanFieldODE",
    "Particles",
    "adjoint_bounds",
    "attaining",
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
    "ordered_pair",
    "ordered_resnet",
    "outputs",
    "path_losses",
    "rate_arms",
    "reflect",
    "removal",
    "scale_branches",
    "shallow_states",
    "shallow_variation",
    "small_net",
    "state_bounds",
    "tangent_kernel",
    "time_derivative",
    "train",
    "train_linearised",
    "variation_bounds",
    "waves",
]
