from .bsde.exact import hjb_solution, hjb_value
from .bsde.problem import BSDE, allen_cahn, hamilton_jacobi_bellman
from .bsde.solve import SolvedBSDE, solve_bsde
from .discrete import DiscreteWeights, binary_update, ternary_update
from .langevin import LangevinDescent, langevin_step
from .msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from .quantised import QuantisedDescent, quantise, quantised_update, resolution, transient_step
from .system import ControlledSystem, Trajectory, control_view

__all__ = [
    "BSDE",
    "Approximations",
    "ControlledSystem",
    "DiscreteWeights",
    "LangevinDescent",
    "QuantisedDescent",
    "ResidualControl",
    "ResidualStep",
    "SolvedBSDE",
    "Trajectory",
    "allen_cahn",
    "binary_update",
    "control_view",
    "hamilton_jacobi_bellman",
    "hjb_solution",
    "hjb_value",
    "langevin_step",
    "quantise",
    "quantised_update",
    "resolution",
    "solve_bsde",
    "successive_approximations",
    "ternary_update",
    "transient_step",
]
