from .bsde.exact import hjb_solution, hjb_value
from .bsde.problem import BSDE, allen_cahn, default_risk, hamilton_jacobi_bellman
from .bsde.solve import SolvedBSDE, solve_bsde
from .ddp.layerwise import DDPNOpt
from .ddp.solve import SolvedDDP, solve_ddp
from .ddp.sweep import ControlProblem
from .discrete import DiscreteWeights, binary_update, ternary_update
from .langevin import LangevinDescent, langevin_step
from .msa import Approximations, ResidualControl, ResidualStep, successive_approximations
from .policy_gradient import leave_one_out, policy_gradient_loss, rewards_to_go
from .quantised import QuantisedDescent, quantise, quantised_update, resolution, transient_step
from .system import ControlledSystem, Trajectory, control_view

__all__ = [
    "Approximations",
    "BSDE",
    "ControlProblem",
    "ControlledSystem",
    "DDPNOpt",
    "DiscreteWeights",
    "LangevinDescent",
    "QuantisedDescent",
    "ResidualControl",
    "ResidualStep",
    "SolvedBSDE",
    "SolvedDDP",
    "Trajectory",
    "allen_cahn",
    "binary_update",
    "control_view",
    "default_risk",
    "hamilton_jacobi_bellman",
    "hjb_solution",
    "hjb_value",
    "langevin_step",
    "leave_one_out",
    "policy_gradient_loss",
    "quantise",
    "quantised_update",
    "resolution",
    "rewards_to_go",
    "solve_bsde",
    "solve_ddp",
    "successive_approximations",
    "ternary_update",
    "transient_step",
]
