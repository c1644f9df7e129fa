"""What a page put in the place of the library is found in the process that ran it."""

import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from companion.rerun import untouched

LIB = Path(__file__).parents[3] / "lib"
FILES = {
    "__init__.py": '"""A library."""\nfrom toylib.schemes import Euler, order\n',
    "face/__init__.py": '''"""Names on demand."""
import importlib


def __getattr__(name):
    if name not in ("first", "second"):
        raise AttributeError(name)
    found = getattr(importlib.import_module("toylib.face." + name + "s"), name)
    globals()[name] = found
    return found
''',
    "face/__init__.pyi": "from .firsts import first\nfrom .seconds import second\n",
    "face/firsts.py": "def first():\n    return 1\n",
    "face/seconds.py": "def second():\n    return 2\n",
    "helpers.py": '''"""Helpers."""
import functools


def named(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper


def unnamed(function):
    def inner(*arguments):
        return function(*arguments)
    return inner
''',
    "schemes.py": '''"""Schemes."""
from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property, partial

from toylib.helpers import named, unnamed

TOLERANCE = 1e-3
NAMES: tuple[str, ...] = ("euler", "heun")
A, B = 1, 2
SIZES = {"small": [1, 2]}
_found = {}
_state = None
Pair = namedtuple("Pair", "a b")


class Kind(Enum):
    """A kind."""

    ONE = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A step."""

    h: float = 0.5

    def half(self):
        return self.h / 2


class Euler:
    """A scheme."""

    ORDER = 1
    __hidden = 3

    def __init__(self, h=0.1, *, name="x"):
        self.h = h

    def step(self, u):
        return u + self.h * u

    @property
    def size(self):
        return self.h

    @size.setter
    def size(self, value):
        self.h = value

    @cached_property
    def cost(self):
        return 1

    @staticmethod
    def static(u):
        return u

    @classmethod
    def made(cls, h=2):
        return cls(h)

    @cache
    def kept(self):
        return 4

    class Inner:
        """Inside."""

        def deep(self):
            return [x for x in range(3)]


def order(n=1):
    return 1.0


@cache
def cached(n):
    return math.sqrt(n)


@named
def wrapped(n):
    return n


@unnamed
def hidden(n):
    return n


twice = partial(order, 2)
try:
    import nowhere_at_all
except ImportError:
    def fallback():
        return 0


def remember(value):
    global _state
    _state = value
    _found[value] = value
''',
}


@pytest.fixture
def toylib(tmp_path, monkeypatch):
    """A small library, loaded afresh."""
    for name, text in FILES.items():
        path = tmp_path / "lib/toylib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(untouched, "PACKAGES", ("toylib",))
    monkeypatch.syspath_prepend(tmp_path / "lib")
    importlib.invalidate_caches()
    import toylib.schemes

    yield toylib
    for name in [name for name in sys.modules if name.partition(".")[0] == "toylib"]:
        del sys.modules[name]


def altered(library) -> list[str]:
    return untouched.altered(Path(library.__file__).parents[1])


def other(*_, **__):
    return 2.0


def test_a_library_that_ran_is_as_its_files_say(toylib):
    schemes = toylib.schemes
    net = schemes.Euler()
    net.h, net.size = 3, 4
    assert (net.cost, net.kept(), schemes.cached(4), schemes.hidden(1), schemes.twice()) == (1, 4, 2, 1, 1)
    schemes.remember("a")
    assert importlib.import_module("toylib.face").first() == 1
    assert altered(toylib) == []


def replaced_on_demand(name):
    face = importlib.import_module("toylib.face")
    assert getattr(face, name)() != other()
    setattr(face, name, other)


PLANTS = {
    "a function": (lambda s: setattr(s, "order", other), "order is not the function of its file"),
    "the name of a function in the package": (
        lambda s: setattr(sys.modules["toylib"], "order", other),
        "order is not what its file imports",
    ),
    "a function by its code": (lambda s: setattr(s.order, "__code__", other.__code__), "order is not"),
    "a default": (lambda s: setattr(s.order, "__defaults__", (2,)), "order has not the defaults"),
    "a default of a method": (
        lambda s: s.Euler.__init__.__kwdefaults__.update(name="y"),
        "Euler.__init__ has not the defaults",
    ),
    "a deleted function": (lambda s: delattr(s, "order"), "order is not the function"),
    "a method": (lambda s: setattr(s.Euler, "step", other), "Euler.step is not the function of its"),
    "a method of an inner class": (lambda s: setattr(s.Euler.Inner, "deep", other), "Euler.Inner.deep"),
    "a method added": (lambda s: setattr(s.Euler, "__add__", other), "Euler.__add__ is not in its file"),
    "a method that wraps the true one": (
        lambda s: setattr(s.Euler, "step", functools.wraps(s.Euler.step)(lambda self, u: u)),
        "Euler.step is not the function",
    ),
    "a method of a dataclass": (lambda s: setattr(s.Step, "half", other), "Step.half is not the function"),
    "a generated method": (lambda s: setattr(s.Step, "__init__", other), "Step.__init__ is not in its"),
    "a property": (lambda s: setattr(s.Euler, "size", property(other)), "Euler.size is not the function"),
    "a setter": (lambda s: setattr(s.Euler, "size", s.Euler.size.setter(other)), "Euler.size is not"),
    "a cached property": (lambda s: setattr(s.Euler, "cost", 2), "Euler.cost is not the function"),
    "a static method": (lambda s: setattr(s.Euler, "static", staticmethod(other)), "Euler.static is not"),
    "a class method": (lambda s: setattr(s.Euler, "made", classmethod(other)), "Euler.made is not"),
    "a cached method": (lambda s: setattr(s.Euler, "kept", functools.cache(other)), "Euler.kept is not"),
    "a cached function": (lambda s: setattr(s, "cached", functools.cache(other)), "cached is not the"),
    "a wrapped function": (lambda s: setattr(s, "wrapped", other), "wrapped is not the function"),
    "another function wrapped": (lambda s: setattr(s, "wrapped", s.named(other)), "wrapped is not the"),
    "a function wrapped once more": (
        lambda s: setattr(s, "wrapped", functools.wraps(s.wrapped)(lambda n: 0)),
        "wrapped is not the",
    ),
    "a function in a closure": (
        lambda s: setattr(s.hidden.__closure__[0], "cell_contents", other),
        "hidden is not the function",
    ),
    "a class": (lambda s: setattr(s, "Euler", type("Euler", (), {})), "Euler is not the class"),
    "a subclass of the name": (
        lambda s: setattr(s, "Euler", type("Euler", (s.Euler,), {})),
        "Euler is not the class",
    ),
    "a constant": (lambda s: setattr(s, "TOLERANCE", 1.0), "TOLERANCE has not the value of its file"),
    "a constant of another type": (lambda s: setattr(s.Euler, "ORDER", True), "Euler.ORDER has not"),
    "an item of a tuple": (lambda s: setattr(s, "NAMES", ("heun", "heun")), "NAMES has not the value"),
    "an item inside a constant": (lambda s: s.SIZES["small"].append(3), "SIZES has not the value"),
    "a private constant of a class": (
        lambda s: setattr(s.Euler, "_Euler__hidden", 4),
        "Euler.__hidden has not the value",
    ),
    "a module that is imported": (lambda s: setattr(s, "math", untouched), "math is not what its file"),
    "a decorator": (lambda s: setattr(sys.modules["toylib.helpers"], "named", other), "helpers.named is not the"),
    "a name on demand": (lambda s: replaced_on_demand("first"), "face.first is not what its file imports"),
    "a name on demand that nothing asked for": (
        lambda s: setattr(importlib.import_module("toylib.face"), "second", other),
        "face.second is not what its file imports",
    ),
    "a name added to a face": (
        lambda s: setattr(importlib.import_module("toylib.face"), "third", other),
        "face.third is not in its file",
    ),
    "a name added": (lambda s: setattr(s, "extra", 1), "extra is not in its file"),
    "a branch that ran": (lambda s: setattr(s, "fallback", other), "fallback is not the function"),
}


@pytest.mark.parametrize(("plant", "sentence"), PLANTS.values(), ids=PLANTS)
def test_what_was_replaced_is_named(toylib, plant, sentence):
    plant(toylib.schemes)
    found = altered(toylib)
    assert found and all(line.startswith("toylib") for line in found)
    assert any(line.removeprefix("toylib.").removeprefix("schemes.").startswith(sentence) for line in found), found


EVERYTHING = """
import importlib, pkgutil, sys
from companion.rerun.untouched import altered
import contdepth
import companion.book.ledger, companion.book.pages, companion.evidence.judging, companion.evidence.verdict_line
for found in pkgutil.walk_packages(contdepth.__path__, "contdepth."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
assert sum(name.partition(".")[0] == "contdepth" for name in sys.modules) > 100
assert altered() == [], altered()
contdepth.schemes.ForwardEuler.order = 2
assert len(altered()) == 1, altered()
contdepth.schemes.RungeKutta = contdepth.schemes.ForwardEuler
print(*altered())
"""


def test_all_of_this_library_is_as_its_files_say():
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING],
        env={**os.environ, "PYTHONPATH": str(LIB)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "ForwardEuler.order has not the value of its file" in done.stdout
    assert "contdepth.schemes.RungeKutta is not what its file imports" in done.stdout
