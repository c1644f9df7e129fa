"""The same estimator with several seeds: mean coefficients, their intervals, median prediction."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import numpy as np
import sympy
import torch
from scipy import stats

from contdepth import checks
from contdepth.errors import EquationWarning
from contdepth.parallel import run_all
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.trajectories import Trajectories

__all__ = ["Ensemble"]


class Ensemble(Estimator):
    """Copies of ``estimator`` that differ in ``seed`` alone, trained on the same data.

    Args:
        estimator: an estimator with a hyper-parameter ``seed``; it is not changed.
        seeds: one member per seed.
        workers: members trained at once, each in its own process with one thread. A script then needs its
            ``if __name__ == "__main__"`` guard, and the class of ``estimator`` must be importable.

    Attributes:
        members: fitted estimators, in the order of ``seeds``.
    """

    def __init__(self, estimator: Estimator, *, seeds: Sequence[int] = (0, 1, 2), workers: int = 1) -> None:
        if not isinstance(estimator, Estimator):
            checks.fail("estimator", "an Estimator", type(estimator).__name__, error=TypeError)
        if "seed" not in estimator.parameters():
            checks.fail(
                "estimator",
                "one with a parameter seed",
                type(estimator).__name__,
                "without it all members would be equal",
            )
        self.estimator = estimator
        self.seeds = checks.several("seeds", seeds, "one for each member, such as range(3)")
        for seed in self.seeds:
            checks.integer("seeds", seed, at_least=0)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            checks.fail("seeds", "at least one seed, none twice", self.seeds)
        self.workers = checks.integer("workers", workers, at_least=1)

    @classmethod
    def of(cls, members: Sequence[Estimator]) -> Ensemble:
        """An ensemble of estimators fitted already, perhaps each on data of its own with the same grid.

        Raises:
            TypeError, ValueError: no members; one is no estimator or not fitted; they differ in
                fields, time step, spacing or grid.
        """
        members = list(members)
        if not members:
            checks.fail("members", "at least one fitted estimator", "none")
        for index, member in enumerate(members):
            if not isinstance(member, Estimator):
                checks.fail(f"members[{index}]", "an Estimator", type(member).__name__, error=TypeError)
            member._require_fit()
        seeds = [member.parameters().get("seed", 0) for member in members]
        made = cls(members[0], seeds=seeds if len(set(seeds)) == len(seeds) else range(len(members)))
        first = members[0]
        for member in members:
            if _setting(member) != _setting(first):
                checks.fail(
                    "members",
                    f"the same fields, time step, spacing and grid, {_setting(first)}",
                    _setting(member),
                    "compare them one by one instead",
                )
        made.names_, made.dt_, made.dx_, made.grid_ = first.names_, first.dt_, first.dx_, first.grid_
        made.members, made._fitted, made._sizes = members, True, first._sizes
        return made

    _kept: dict[str, dict[sympy.Expr, np.ndarray]] | None = None

    @property
    def _where(self) -> torch.device:
        return self.members[0]._where if self.__sklearn_is_fitted__() else self.estimator._where

    @property
    def _wraps(self) -> bool:
        return any(member._wraps for member in self.members)

    @property
    def _fit_wraps(self) -> bool:
        return self.estimator._fit_wraps

    def _fit(self, data: Trajectories) -> None:
        self._kept = None
        makers = [self.estimator.with_parameters(seed=seed) for seed in self.seeds]
        self.members = run_all(_train, [{"estimator": maker, "data": data} for maker in makers], self.workers)

    def _table(self) -> dict[str, dict[sympy.Expr, np.ndarray]]:
        """Field → term → coefficients of all members, 0 where a member lacks the term.

        They are the members' ``terms()``: of a coefficient field, what that method makes of it.
        """
        if self._kept is not None:
            return self._kept
        found = [member.terms() for member in self.members]
        table = {}
        for name in found[0]:
            terms = dict.fromkeys(term for member in found for term in member[name])
            table[name] = {t: np.array([member[name].get(t, 0.0) for member in found]) for t in terms}
        self._kept = table
        return table

    def _expressions(self) -> dict[str, sympy.Expr]:
        return {
            name: sympy.Add(*(sympy.Float(values.mean()) * term for term, values in terms.items()))
            for name, terms in self._table().items()
        }

    def intervals(self, level: float = 0.95) -> dict[str, dict[str, tuple[float, float]]]:
        """Student t interval of the mean over seeds: field → term → (low, high).

        It speaks of the spread by seeds only, not of the bias that all members share. One member gives
        infinite intervals.
        """
        self._require_fit()
        checks.real("level", level, above=0, below=1)
        count = len(self.members)
        factor = stats.t.ppf(0.5 + level / 2, count - 1) / np.sqrt(count) if count > 1 else np.inf
        return {
            name: {str(term): _interval(values, factor) for term, values in terms.items()}
            for name, terms in self._table().items()
        }

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return _median(torch.stack([member._rhs(u) for member in self.members]))

    def _step(self, u: torch.Tensor) -> torch.Tensor:
        return _median(torch.stack([member._step(u) for member in self.members]))

    def _rollout(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        """Point-wise median of the members' trajectories, the lower middle one for an even count.

        A member that has blown up, to NaN or infinity, counts as +inf there: the median stays finite while at
        most half of the members have blown up (fewer than half for an odd count) and is inf beyond.
        """
        return _median(self.rollouts(u, steps))

    def _scored(self, values: torch.Tensor) -> torch.Tensor:
        return self.members[0]._scored(values)

    def _scorer(self, data: Trajectories) -> Estimator:
        other = copy.copy(self)
        other.members = [member._scorer(data) for member in self.members]
        return other

    def rollouts(self, u0: torch.Tensor, steps: int) -> torch.Tensor:
        """Trajectories of every member: ``(B, F, *space)`` to ``(members, B, steps + 1, F, *space)``."""
        self._require_fit()
        return torch.stack([member.rollout(u0, steps) for member in self.members])


def _median(values: torch.Tensor) -> torch.Tensor:
    """Median over the first axis, the lower middle one for an even count; NaN and -inf count as +inf."""
    return torch.where(values.isfinite(), values, torch.inf).median(0).values


def _setting(member: Estimator) -> tuple:
    return member.names_, member.dt_, member.dx_, member.grid_


def _interval(values: np.ndarray, factor: float) -> tuple[float, float]:
    mean = float(values.mean())
    half = float(factor * values.std(ddof=1)) if len(values) > 1 else np.inf
    return mean - half, mean + half


def _train(estimator: Estimator, data: Trajectories) -> Estimator:
    """Fit one member; a function of the module, so that another process can import it.

    What is to be said of the data, ``Ensemble.fit`` has said.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="u: expected fields that are periodic", category=EquationWarning)
        return estimator.fit(data)
