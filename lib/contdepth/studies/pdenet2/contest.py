"""Several methods on the same data: what each finds, how well it predicts unseen trajectories, what it costs."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from contdepth import checks
from contdepth.parallel import run_all
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.errors import rollout_error
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.symbolic.comparison import Terms, compare

__all__ = ["Entry", "Result", "contest", "prediction_errors", "thinned"]

CEILING = 10.0
"""A prediction error above this, or one that is not finite, counts as this."""


@dataclass(frozen=True)
class Entry:
    """One fit: an unfitted ``estimator``, the data it learns from, the trajectories it has to predict.

    ``unseen`` (N, T, F, *space) has the time step of ``data``; None asks for no prediction.
    """

    estimator: Estimator
    data: Trajectories
    unseen: torch.Tensor | None = None


@dataclass(frozen=True)
class Result:
    """``coefficients``: field → term → value, None for a method without equations or one that failed.

    ``errors``: as ``prediction_errors`` gives for every step of ``unseen``, None without. ``seconds``: CPU time of
    the fit. ``failure``: message of a fit that broke down, empty otherwise.
    """

    coefficients: dict[str, dict[str, float]] | None
    errors: np.ndarray | None
    seconds: float
    failure: str = ""

    def terms(self, truth: Mapping[str, object]) -> Terms:
        """Found against true terms; a failed fit has found nothing."""
        return compare(self.coefficients or {field: {"1": 0.0} for field in truth}, truth)

    def error_after(self, steps: int) -> float:
        """Median over the trajectories of the prediction error after ``steps`` steps."""
        return float(np.median(self.errors[:, steps]))  # type: ignore[index]


def thinned(u: torch.Tensor, dt: float, dx: float, *, in_time: int = 1, in_space: int = 1) -> Trajectories:
    """Every ``in_time``-th frame and ``in_space``-th point per axis of ``u`` (N, T, F, *space)."""
    checks.integer("in_time", in_time, at_least=1)
    checks.integer("in_space", in_space, at_least=1)
    keep = (slice(None), slice(None, None, in_time), slice(None), *[slice(None, None, in_space)] * (u.ndim - 3))
    return Trajectories(u[keep].clone(), dt * in_time, (dx * in_space,) * (u.ndim - 3))


def prediction_errors(model: Estimator, unseen: torch.Tensor) -> np.ndarray:
    """``rollout_error`` (N, T) of predictions from the first frames of ``unseen``, at most ``CEILING``."""
    return np.minimum(rollout_error(model, unseen), CEILING)


def contest(entries: Mapping[Hashable, Entry], *, workers: int = 1) -> dict[Hashable, Result]:
    """Fit and try every entry; with ``workers`` > 1 in that many spawned processes of one thread each.

    A ``RuntimeError`` or ``ArithmeticError`` in a fit, such as a divergence, makes a failed ``Result``; wrong
    input raises.
    """
    results = run_all(_one, [{"entry": entry} for entry in entries.values()], workers)
    return dict(zip(entries, results, strict=True))


def _one(entry: Entry) -> Result:
    begin = time.process_time()
    failed = None if entry.unseen is None else np.full(entry.unseen.shape[:2], CEILING)
    try:
        model = entry.estimator.with_parameters().fit(entry.data)
        seconds = time.process_time() - begin
    except (RuntimeError, ArithmeticError) as failure:
        return Result(None, failed, time.process_time() - begin, str(failure) or type(failure).__name__)
    try:
        coefficients = model.coefficients()
    except NotImplementedError:
        coefficients = None
    errors = None if entry.unseen is None else prediction_errors(model, entry.unseen)
    return Result(coefficients, errors, seconds)
