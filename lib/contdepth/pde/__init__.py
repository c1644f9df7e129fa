"""Discovering partial differential equations: constrained filters, PDE-Net, PDE-Net 2.0 and their peers."""

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

__all__ = [
    "MomentFilters",
    "accuracy_order",
    "best_accuracy",
    "correlate",
    "derivatives",
    "filter_from_moments",
    "finite_difference",
    "fixed_moments",
    "moment_matrix",
    "pad",
    "sum_rules",
]
