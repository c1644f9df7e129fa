"""Every public callable with odd arguments: a result or a sentence, soon, and the arguments as they were.

``CONTDEPTH_FUZZ=2000`` takes that many examples for each door.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from fuzz.doors import DOORS, FACES, MISSING, called, door
from fuzz.engine import attempt, fuzz
from fuzz.sentences import WAYS, rows

ELSEWHERE: dict[str, str] = {
    "data.pde": "needs a download",
    "data.series": "needs a download",
    "data.pictures": "needs a download",
    "timing.gpu_seconds": "needs a GPU",
    "problems.Problem": "a protocol",
    "schemes.Field": "a type",
    "pde.Estimator": "abstract: its calls are those of PDENet2 and the peers",
    "robust.Method": "abstract: its calls are those of the methods",
    "schemes.Scheme": "a protocol",
    "robust.Ascent": "a result, made by compare_ascents",
    "robust.Audit": "a result, made by audit",
    "robust.audit": "seconds a call; its parts are doors of their own",
    "robust.compare_ascents": "its parts, inner_steps_plain and Threat, are doors of their own",
    "robust.inner_steps_fused": "compiles for seconds; takes what inner_steps_plain takes",
    "restoration.bm3d": "calls software that may not raise; the guard has a test of its own",
    "restoration.make_bank": "needs training pictures",
    "restoration.published_dncnn": "needs a download",
}
"""Public callables that are not tried here, each with the reason."""


def public() -> set[str]:
    """Every callable that a face or a small module offers, but exceptions."""
    found = set()
    for face in FACES:
        module = import_module(f"contdepth.{face}")
        for name in module.__all__:
            one = getattr(module, name)
            if callable(one) and not (isinstance(one, type) and issubclass(one, Exception)):
                found.add(f"{face}.{name}")
    return found


# Counts and times that make a call long, not large: a billion steps are what was asked for.
LONG = frozenset(
    "steps rounds epochs iterations updates trajectories restarts replays queries most episodes max_iter "
    "inner_steps sweeps paths targets blocks substeps domains candidates start dt late_time".split()
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd names of files stay there."""
    monkeypatch.chdir(tmp_path)


def test_every_public_callable_is_a_door_or_says_why_not() -> None:
    assert not MISSING
    doors = {name for name in DOORS if not called(name)[1]}
    assert public() - doors == set(ELSEWHERE)
    assert doors <= public()


@pytest.mark.parametrize("name", DOORS)
def test_arguments_that_fit_are_taken(name: str) -> None:
    arguments = DOORS[name]()
    assert attempt(door(name, arguments), arguments, models=False) is None


@pytest.mark.parametrize("name", DOORS)
def test_odd_arguments_end_in_a_result_or_a_sentence(name: str) -> None:
    fuzz(name, door, DOORS[name], long=LONG, models=False)


@pytest.mark.parametrize(("name", "argument", "way", "sentence"), rows())
def test_an_argument_that_does_not_fit_is_named(name: str, argument: str, way: str, sentence: str) -> None:
    """Each row fails without one of the checks behind its door."""
    arguments = DOORS[name]()
    arguments[argument] = WAYS[way](arguments[argument])
    error = attempt(door(name, arguments), arguments, models=False)
    assert str(error).startswith(sentence)
