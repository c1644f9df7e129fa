from .discrete import DiscreteWeights, binary_update, ternary_update
from .msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from .system import ControlledSystem, Trajectory, control_view

__all__ = [
    "Approximations",
    "ControlledSystem",
    "DiscreteWeights",
    "ResidualControl",
    "ResidualStep",
    "Trajectory",
    "binary_update",
    "control_view",
    "successive_approximations",
    "ternary_update",
]
