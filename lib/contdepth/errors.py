"""The exceptions of the library; input errors are ``TypeError`` and ``ValueError`` and come from ``checks``."""

__all__ = ["CheckpointError", "DataError", "DivergenceError", "NotFittedError", "StoredModelError"]


class DataError(RuntimeError):
    """A data file that is missing, damaged or cannot be downloaded."""


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or belongs to another run."""


class DivergenceError(RuntimeError):
    """Training met a training or test loss that is not finite."""


class NotFittedError(RuntimeError):
    """A method that needs a fitted estimator was called before ``fit``."""


class StoredModelError(RuntimeError):
    """A file of weights that is missing, damaged or not the one that was stored."""
