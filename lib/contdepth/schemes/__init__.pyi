from .adaptive.compiled import pair_step, unrolled
from .adaptive.events import Root, first_root
from .adaptive.own.roots import Roots, first_roots
from .adaptive.own.status import Status
from .adaptive.own.times import solve_at
from .adaptive.pairs import DORMAND_PRINCE, TSITOURAS, EmbeddedPair
from .adaptive.record import Record
from .adaptive.rosenbrock import RODAS5P, Rosenbrock
from .adaptive.solution import Solution, Statistics, solve
from .backward_euler import BackwardEuler
from .base import Field, Scheme, integrate
from .euler import ForwardEuler
from .fractal import FractalBlock
from .gradients.given import euler_gradient
from .gradients.marching import march
from .gradients.reversible import AsynchronousLeapfrog, ReversibleHeun
from .implicit_midpoint import ImplicitMidpoint
from .modified import ModifiedEquationGaps, full_field, modified_equation_gaps, reduced_field
from .momentum import BestRate, best_k, best_step_and_k, heavy_ball, spectral_radius, steps_to_tolerance
from .multistep import LinearTwoStep
from .order import OrderMeasurement, local_error_order, measure_order
from .parallel_in_time.layers import Layers
from .parallel_in_time.multigrid import Multigrid
from .parallel_in_time.solving import parallel_adjoints, parallel_states
from .paths.calculus import ito_drift, stratonovich_drift
from .paths.marching import march_sde
from .paths.steps import EulerMaruyama, StratonovichHeun
from .paths.tree import BrownianTree
from .polynet import NestedPolyNet, PolyNet
from .revnet import RevNet
from .runge_kutta import HEUN2, HEUN3, KUTTA3, MIDPOINT, RALSTON2, RK4, THREE_EIGHTHS, RungeKutta, Tableau
from .stability import (
    amplification,
    largest_stable_step,
    root_modulus,
    satisfies_root_condition,
    stability_region,
    two_step_roots,
)
from .stochastic import ShakeShake, StochasticDepth, StochasticTwoStep
from .symplectic import Leapfrog, Yoshida4
from .weak import SampledMoments, sample_moments, variances, weak_order

__all__ = [
    "DORMAND_PRINCE",
    "HEUN2",
    "HEUN3",
    "KUTTA3",
    "MIDPOINT",
    "RALSTON2",
    "RK4",
    "RODAS5P",
    "THREE_EIGHTHS",
    "TSITOURAS",
    "AsynchronousLeapfrog",
    "BackwardEuler",
    "BestRate",
    "BrownianTree",
    "EmbeddedPair",
    "EulerMaruyama",
    "Field",
    "ForwardEuler",
    "FractalBlock",
    "ImplicitMidpoint",
    "Layers",
    "Leapfrog",
    "LinearTwoStep",
    "ModifiedEquationGaps",
    "Multigrid",
    "NestedPolyNet",
    "OrderMeasurement",
    "PolyNet",
    "Record",
    "RevNet",
    "ReversibleHeun",
    "Root",
    "Roots",
    "Rosenbrock",
    "RungeKutta",
    "SampledMoments",
    "Scheme",
    "ShakeShake",
    "Solution",
    "Statistics",
    "Status",
    "StochasticDepth",
    "StochasticTwoStep",
    "StratonovichHeun",
    "Tableau",
    "Yoshida4",
    "amplification",
    "best_k",
    "best_step_and_k",
    "euler_gradient",
    "first_root",
    "first_roots",
    "full_field",
    "heavy_ball",
    "integrate",
    "ito_drift",
    "largest_stable_step",
    "local_error_order",
    "march",
    "march_sde",
    "measure_order",
    "modified_equation_gaps",
    "pair_step",
    "parallel_adjoints",
    "parallel_states",
    "reduced_field",
    "root_modulus",
    "sample_moments",
    "satisfies_root_condition",
    "solve",
    "solve_at",
    "spectral_radius",
    "stability_region",
    "steps_to_tolerance",
    "stratonovich_drift",
    "two_step_roots",
    "unrolled",
    "variances",
    "weak_order",
]
