"""Discovering partial differential equations: moment-constrained filters, PDE-Net, PDE-Net 2.0 and their peers."""

from contdepth.pde.comparison import compare, draw_terms
from contdepth.pde.ensembles import Ensemble
from contdepth.pde.estimator import Estimator, NotFittedError
from contdepth.pde.fields import Trajectories, trajectories, windows
from contdepth.pde.filters import MomentFilters, correlate, pad
from contdepth.pde.moments import (
    accuracy_order,
    best_accuracy,
    derivatives,
    filter_from_moments,
    finite_difference,
    fixed_moments,
    moment_matrix,
    sum_rules,
)
from contdepth.pde.parallel import run_all
from contdepth.pde.pdenet import PDENet
from contdepth.pde.pdenet2 import PDENet2
from contdepth.pde.symnet import SymNet
from contdepth.pde.terms import collect, format_equation

__all__ = [
    "Ensemble",
    "Estimator",
    "MomentFilters",
    "NotFittedError",
    "PDENet",
    "PDENet2",
    "SymNet",
    "Trajectories",
    "accuracy_order",
    "best_accuracy",
    "collect",
    "compare",
    "correlate",
    "derivatives",
    "draw_terms",
    "filter_from_moments",
    "finite_difference",
    "fixed_moments",
    "format_equation",
    "moment_matrix",
    "pad",
    "run_all",
    "sum_rules",
    "trajectories",
    "windows",
]
