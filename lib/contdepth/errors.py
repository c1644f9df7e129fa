"""Exceptions and warnings of the library; input errors are ``TypeError`` and ``ValueError``, from ``checks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from contdepth.pde.estimator import NotFittedError

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergenceError",
    "EquationWarning",
    "IntegrationError",
    "InversionError",
    "NotFittedError",
    "StoredModelError",
]


class DataError(RuntimeError):
    """A data file that is missing, damaged or cannot be downloaded."""


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or belongs to another run."""


class DivergenceError(RuntimeError):
    """Training met a training or test loss that is not finite."""


class EquationWarning(UserWarning):
    """Data, an equation or a simulation that may not be what it seems; the sentence says why and what to do."""


class IntegrationError(RuntimeError):
    """An integration that cannot go on; ``time``, ``state`` and ``step`` are those of the last good state."""

    def __init__(self, message: str, *, time: float, state: Tensor, step: float) -> None:
        super().__init__(message)
        self.time, self.state, self.step = time, state, step


class InversionError(RuntimeError):
    """An inverse that iteration does not find; ``iterations`` taken, and the ``residual`` that is left."""

    def __init__(self, message: str, *, iterations: int, residual: float) -> None:
        super().__init__(message)
        self.iterations, self.residual = iterations, residual


class StoredModelError(RuntimeError):
    """A file of weights that is missing, damaged or not the one that was stored."""


def __getattr__(name: str) -> type[Exception]:
    """Return ``NotFittedError``, which is scikit-learn's too: importing this module loads no other library."""
    if name == "NotFittedError":
        from contdepth.pde.estimator import NotFittedError

        return NotFittedError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
