"""The engine sees each kind of fault, and only faults."""

from __future__ import annotations

import pytest
import torch
from fuzz import engine
from fuzz.engine import Arguments, attempt
from torch import Tensor

from contdepth import checks
from contdepth.errors import DivergenceError


def raises(error: BaseException) -> object:
    def call(**arguments: object) -> None:
        raise error

    return call


@pytest.mark.parametrize("error", [KeyError("a"), RuntimeError("raw"), AttributeError("a"), ZeroDivisionError()])
def test_a_raw_error_is_a_fault(error: Exception) -> None:
    with pytest.raises(AssertionError, match=type(error).__name__):
        attempt(raises(error), {"x": 1})


@pytest.mark.parametrize("error", [TypeError("a"), ValueError("a"), DivergenceError("a")])
def test_a_named_error_is_none(error: Exception) -> None:
    assert attempt(raises(error), {"x": 1}) is error


def changes_list(x: list[int]) -> None:
    x.append(1)


def changes_inside(x: dict[str, Tensor]) -> None:
    x["a"].add_(1)


def changes_and_raises(x: Tensor) -> None:
    x[0] = 5
    raise ValueError


@pytest.mark.parametrize(
    ("call", "value"),
    [(changes_list, []), (changes_inside, {"a": torch.zeros(2)}), (changes_and_raises, torch.zeros(2))],
)
def test_a_changed_argument_is_a_fault(call: object, value: object) -> None:
    with pytest.raises(AssertionError, match="changed"):
        attempt(call, {"x": value})


def test_an_argument_with_nan_is_not_a_changed_one() -> None:
    assert attempt(lambda x: None, {"x": torch.full((2,), torch.nan)}) is None


def test_a_call_without_end_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.05)

    def call(x: int) -> None:
        while True:
            x += 1

    with pytest.raises(AssertionError, match="of computing"):
        attempt(call, {"x": 0})


def test_what_would_fill_the_memory_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="allocate"):
        attempt(lambda x: torch.zeros(x, dtype=torch.float64), {"x": 10**12})


def test_odd_values_come_to_every_argument() -> None:
    seen: set[tuple[str, str]] = set()

    def door(name: str, arguments: Arguments) -> object:
        def call(x: object, y: object) -> None:
            seen.update((("x", type(x).__name__), ("y", type(y).__name__)))

        return call

    engine.fuzz("any", door, lambda: {"x": 1, "y": torch.zeros(2)})
    assert {key for key, kind in seen if kind not in ("int", "Tensor")} == {"x", "y"} or engine.FEW < 4


def test_a_fault_behind_a_door_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its check a function lets an odd argument through to PyTorch, and the engine finds it."""
    monkeypatch.setattr(engine, "FEW", 60)

    def mean(x: Tensor, checked: bool) -> Tensor:
        return (checks.reals("x", x) if checked else x).mean()

    def door(name: str, arguments: Arguments) -> object:
        return lambda x: mean(x, name == "checked")

    engine.fuzz("checked", door, lambda: {"x": torch.zeros(2)})
    with pytest.raises(AssertionError):
        engine.fuzz("not checked", door, lambda: {"x": torch.zeros(2)})
