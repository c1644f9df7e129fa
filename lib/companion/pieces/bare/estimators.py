"""What the library inherits from scikit-learn: hyper-parameters by name, and an exception."""

from __future__ import annotations

import inspect
from typing import Any, Self

__all__ = ["BaseEstimator", "NotFittedError"]


class NotFittedError(ValueError, AttributeError):
    """A method that needs a fitted estimator was called before it was fitted."""


class BaseEstimator:
    """A class whose hyper-parameters are the arguments of its constructor, each an attribute of the same name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return hyper-parameters by name; with ``deep`` those of an estimator among them too, ``name__inner``."""
        found = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        inner = {
            f"{name}__{key}": value
            for name, one in found.items()
            if deep and isinstance(one, BaseEstimator)
            for key, value in one.get_params().items()
        }
        return {**found, **inner}

    def set_params(self, **params: Any) -> Self:
        """Change hyper-parameters in place and return the estimator; raise ``ValueError`` for an unknown one."""
        for name, value in params.items():
            own, _, inner = name.partition("__")
            if own not in self.get_params(deep=False):
                raise ValueError(f"{own}: expected a parameter of {type(self).__name__}, found none of that name")
            if inner:
                getattr(self, own).set_params(**{inner: value})
            else:
                setattr(self, own, value)
        return self
