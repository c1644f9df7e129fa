"""Training as optimal control: co-states, Hamiltonians and the maximum principle for networks."""

from contdepth.control.msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from contdepth.control.system import ControlledSystem, Trajectory, control_view

__all__ = [
    "Approximations",
    "ControlledSystem",
    "ResidualControl",
    "ResidualStep",
    "Trajectory",
    "control_view",
    "successive_approximations",
]
