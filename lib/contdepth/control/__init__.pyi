from .bsde.exact import hjb_solution, hjb_value
from .bsde.problem import BSDE, allen_cahn, default_risk, hamilton_jacobi_bellman
from .bsde.solve import SolvedBSDE, solve_bsde
from .discrete import DiscreteWeights, binary_update, ternary_update
from .msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from .system import ControlledSystem, Trajectory, control_view

__all__ = [
    "BSDE",
    "Approximations",
    "ControlledSystem",
    "DiscreteWeights",
    "ResidualControl",
    "ResidualStep",
    "SolvedBSDE",
    "Trajectory",
    "allen_cahn",
    "binary_update",
    "control_view",
    "default_risk",
    "hamilton_jacobi_bellman",
    "hjb_solution",
    "hjb_value",
    "solve_bsde",
    "successive_approximations",
    "ternary_update",
]
