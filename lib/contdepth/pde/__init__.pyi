from .ensembles import Ensemble
from .estimator import Estimator, NotFittedError
from .fields.errors import prediction_error, rollout_error
from .fields.trajectories import Trajectories, trajectories, windows
from .filters.constrained import MomentFilters, correlate, pad
from .filters.moments import (
    accuracy_order,
    best_accuracy,
    derivatives,
    filter_from_moments,
    finite_difference,
    fixed_moments,
    moment_matrix,
    sum_rules,
)
from .hidden.model import HiddenPhysics
from .operator.network import FourierNeuralOperator
from .operator.spectral import SpectralConv
from .operator.training import OperatorFit, fit_operator, relative_error
from .parallel import run_all
from .pdenet1.interpolation import PiecewisePolynomial
from .pdenet1.pdenet import PDENet
from .pdenet2.block import PDENet2Block
from .pdenet2.optimise import minimise
from .pdenet2.pdenet2 import PDENet2
from .sparse.polynomials import Polynomials
from .sparse.sindy import SINDy
from .sparse.stlsq import stlsq
from .symbolic.comparison import compare
from .symbolic.symnet import SymNet, evaluate
from .symbolic.terms import collect, format_equation

__all__ = [
    "Ensemble",
    "Estimator",
    "FourierNeuralOperator",
    "HiddenPhysics",
    "MomentFilters",
    "NotFittedError",
    "OperatorFit",
    "PDENet",
    "PDENet2",
    "PDENet2Block",
    "PiecewisePolynomial",
    "Polynomials",
    "SINDy",
    "SpectralConv",
    "SymNet",
    "Trajectories",
    "accuracy_order",
    "best_accuracy",
    "collect",
    "compare",
    "correlate",
    "derivatives",
    "evaluate",
    "filter_from_moments",
    "finite_difference",
    "fit_operator",
    "fixed_moments",
    "format_equation",
    "minimise",
    "moment_matrix",
    "pad",
    "prediction_error",
    "relative_error",
    "rollout_error",
    "run_all",
    "stlsq",
    "sum_rules",
    "trajectories",
    "windows",
]
