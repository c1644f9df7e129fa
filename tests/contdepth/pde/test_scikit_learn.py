"""The estimators are scikit-learn's: parameters, copies, the state before ``fit``, a search over parameters."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn.exceptions
import sympy
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

import contdepth.errors
from contdepth.pde import Ensemble, Estimator, NotFittedError, PDENet, PDENet2, Trajectories
from contdepth.pde.peers import PDEFIND, KnownEquation, PlainCNN, WeakSINDy

ESTIMATORS = [
    PDENet(coefficients="constant", source={"cells": 3}, blocks=[1, 2]),
    PDENet2(blocks=[2], iterations=[3, 4], rate=1, normalise=False),
    PDEFIND(order=3, derivatives=4, boundary="replicate"),
    WeakSINDy(size=(0.5, 1), seed=3),
    PlainCNN(budget=900),
    KnownEquation(equation={"u": {"u_xx": 0.1}}),
    Ensemble(PDENet2(blocks=[1], hidden=2), seeds=[4, 7]),
]
NAMES = [type(estimator).__name__ for estimator in ESTIMATORS]


class Decay(Estimator):
    """u_t = -rate u; ``fit`` fails where the data are zero."""

    def __init__(self, *, rate: float = 1.0) -> None:
        if rate < 0:
            raise ValueError("rate: expected a number >= 0")
        self.rate = rate

    def _fit(self, data: Trajectories) -> None:
        if not data.values.any():
            raise ArithmeticError("nothing there")

    def _expressions(self) -> dict[str, sympy.Expr]:
        return {name: -self.rate * sympy.Symbol(name) for name in self.names_}

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return -self.rate * u


def decaying(rate: float, seed: int = 0) -> np.ndarray:
    """Six points, nine frames of explicit Euler steps of 0.1."""
    start = np.random.default_rng(seed).normal(size=(6, 1))
    return start * (1 - 0.1 * rate) ** np.arange(9)


def plain(parameters: dict[str, object]) -> dict[str, object]:
    """Parameters with estimators among them by their own parameters."""
    return {k: plain(v.get_params(deep=False)) if isinstance(v, Estimator) else v for k, v in parameters.items()}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_copies_have_the_parameters_and_nothing_learned(estimator: Estimator) -> None:
    found = clone(estimator)
    assert found is not estimator and type(found) is type(estimator)
    assert plain(found.get_params(deep=False)) == plain(estimator.get_params(deep=False))
    assert found.get_params(deep=False).keys() == estimator.parameters().keys()
    read = pickle.loads(pickle.dumps(estimator))
    assert plain(read.get_params(deep=False)) == plain(estimator.get_params(deep=False))
    learned = Decay(rate=2.0).fit(decaying(2.0), dt=0.1, dx=1.0)
    assert learned.get_params() == {"rate": 2.0} and not hasattr(clone(learned), "names_")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_every_parameter_is_shown_and_can_be_set_to_what_it_is(estimator: Estimator) -> None:
    model = clone(estimator)
    before, shown = plain(model.get_params(deep=False)), repr(model)
    assert model.set_params(**model.get_params(deep=False)) is model
    assert plain(model.get_params(deep=False)) == before and repr(model) == shown
    assert all(f"{name}=" in shown for name in before)
    assert all(name in model._repr_html_() for name in before)  # what a notebook shows


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)
def test_unknown_parameters_are_one_sentence(estimator: Estimator) -> None:
    known = ", ".join(estimator.parameters())
    with pytest.raises(TypeError) as error:
        clone(estimator).set_params(sped=1)
    name = type(estimator).__name__
    assert str(error.value) == f"sped: expected a parameter of {name}: {known}, found an unknown one"


def test_parameters_are_set_with_the_checks_of_the_constructor_or_not_at_all() -> None:
    model = PDENet2(blocks=(1, 2))
    assert model.set_params(blocks=[3], iterations=7).blocks == (3,) and model.iterations == (7, 7)
    with pytest.raises(ValueError, match="history: expected a number >= 1, found 0"):
        model.set_params(hidden=3, history=0)
    assert model.hidden == 5 and model.history == 200
    model.degree = 0  # which training does not read
    with pytest.raises(ValueError, match="degree: expected a number >= 1, found 0"):
        model.fit(decaying(1.0), dt=0.1, dx=1.0)


def test_parameters_called_like_methods() -> None:
    model = PDENet(source=None)
    model.set_params(coefficients="constant", source={"cells": 4})
    assert model.get_params()["coefficients"] == "constant" and model.get_params()["source"] == {"cells": 4}
    assert callable(model.coefficients) and callable(model.source)


def test_parameters_of_an_estimator_inside_another() -> None:
    model = Ensemble(PDENet2(blocks=(1,), hidden=2), seeds=(0, 1))
    assert model.get_params()["estimator__hidden"] == 2 and "estimator__hidden" not in model.get_params(deep=False)
    assert model.set_params(workers=2, estimator__hidden=4).estimator.hidden == 4 and model.workers == 2
    with pytest.raises(TypeError, match="^hiden: expected a parameter of PDENet2: "):
        model.set_params(estimator__hiden=4)


def test_before_fit_and_after_a_fit_that_failed() -> None:
    model = Decay()
    for _ in range(2):
        with pytest.raises(sklearn.exceptions.NotFittedError):
            check_is_fitted(model)
        with pytest.raises(NotFittedError, match="^Decay: expected a fitted estimator") as error:
            model.coefficients()
        assert isinstance(error.value, sklearn.exceptions.NotFittedError)
        assert isinstance(error.value, RuntimeError)
        check_is_fitted(model.fit(decaying(1.0), dt=0.1, dx=1.0))
        assert model.coefficients() == {"u": {"u": -1.0}}
        with pytest.raises(ArithmeticError):
            model.fit(0 * decaying(1.0), dt=0.1, dx=1.0)


def test_one_error_class_that_loads_no_library_before_it_is_asked_for() -> None:
    assert contdepth.errors.NotFittedError is NotFittedError and issubclass(NotFittedError, RuntimeError)
    assert issubclass(NotFittedError, sklearn.exceptions.NotFittedError)
    with pytest.raises(AttributeError, match="no attribute 'NotFited'"):
        _ = contdepth.errors.NotFited
    loaded = "import contdepth.errors, sys; print({'sklearn', 'torch', 'sympy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_search_over_parameters_with_a_list_of_trajectories() -> None:
    data = [decaying(2.0, seed) for seed in range(4)]
    search = GridSearchCV(Decay(), {"rate": [1.0, 2.0, 4.0]}, cv=2).fit(data, dt=0.1, dx=1.0)
    assert search.best_params_ == {"rate": 2.0} and search.best_score_ == pytest.approx(1.0)
    assert search.best_estimator_.coefficients() == {"u": {"u": -2.0}}
