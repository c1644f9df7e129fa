"""What the two ways of learning when to stop share: the rate of Adam, the precision, and a finite objective."""

from __future__ import annotations

import math

from contdepth import checks
from contdepth.errors import DivergenceError
from contdepth.restoration.stopping.policy import PRECISIONS

__all__ = ["LinearRate", "check_objective"]


class LinearRate:
    """A plan of ``updates`` by Adam, its rate going linearly from ``learning_rate`` to ``learning_rate_end``."""

    updates: int
    learning_rate: float
    learning_rate_end: float
    precision: str
    seed: int

    def check_rate(self) -> None:
        """Raise ``TypeError`` or ``ValueError`` where one of the settings above is out of its range."""
        checks.integer("updates", self.updates, at_least=1)
        checks.integer("seed", self.seed, at_least=0)
        checks.real("learning_rate", self.learning_rate, above=0)
        checks.real("learning_rate_end", self.learning_rate_end, at_least=0)
        checks.one_of("precision", self.precision, PRECISIONS)

    def rate(self, update: int) -> float:
        """Learning rate at update ``update``, counted from 0."""
        share = update / max(1, self.updates - 1)
        return self.learning_rate + share * (self.learning_rate_end - self.learning_rate)


def check_objective(name: str, value: float, update: int) -> None:
    """Raise ``DivergenceError`` unless ``value`` is finite."""
    if not math.isfinite(value):
        found = f"{name}: expected a finite value, found {value} at update {update}"
        raise DivergenceError(f"{found}; lower learning_rate, or scale for large rewards")
