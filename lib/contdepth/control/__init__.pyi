from .msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from .system import ControlledSystem, Trajectory, control_view

__all__ = [
    "Approximations",
    "ControlledSystem",
    "ResidualControl",
    "ResidualStep",
    "Trajectory",
    "control_view",
    "successive_approximations",
]
