"""The faces of the rooms: names imported when they are first asked for, and old names that say where to look.

A room's ``__init__.pyi`` lists its public names and where they stand; type checkers read the same file.
Where a package that a room needs is not installed, one sentence names the extra that brings it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import lazy_loader

from contdepth.moved import GOES_WITH, MODULES, NAMES, SPLIT

__all__ = ["PACKAGES", "face", "find_moved", "former"]

PACKAGES: dict[str, tuple[str, str]] = {
    "PIL": ("Pillow", "data"),
    "platformdirs": ("platformdirs", "data"),
    "safetensors": ("safetensors", "restoration"),
    "sklearn": ("scikit-learn", "data"),
    "sympy": ("SymPy", "pde"),
    "torchdiffeq": ("torchdiffeq", "meanfield"),
}
"""Module of another package that public names need → its name, and the extra of contdepth that brings it."""

ROOMS = ("data", "meanfield", "pde", "restoration", "robust")
"""Rooms with an extra of their own name: it brings all that the room needs."""


def face(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of the package whose ``__init__.py`` is ``file``.

    A name that moved out of the package still works, with a ``FutureWarning`` that names the new place. A name
    that needs a package that is not installed raises ``ModuleNotFoundError`` with the extra that brings it.
    """
    get, listing, public = lazy_loader.attach_stub(package, file)
    _guarded(package)

    def getattr_(name: str) -> Any:
        if f"{package}.{name}" in NAMES:
            return _moved(package, name, NAMES[f"{package}.{name}"])
        try:
            return get(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in PACKAGES:
                raise
            raise ModuleNotFoundError(_missing(package, name, missing), name=error.name) from error

    return getattr_, listing, public


class Face(ModuleType):
    """A package whose names stay what they are: importing a module of the same name does not replace them.

    Such are old modules beside a public name, and a new one that has an old name of its folder.
    """

    def __setattr__(self, name: str, value: object) -> None:
        path = f"{self.__name__}.{name}"
        old_module = path in MODULES and (path in NAMES or name in self.__all__)
        old_name = path == SPLIT.get(self.__name__) and hasattr(value, name)
        if not (isinstance(value, ModuleType) and (old_module or old_name)):
            super().__setattr__(name, value)


def former(old: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module called ``old`` that has moved, or is a folder now.

    A name that it had still works, with a ``FutureWarning`` that names the new place.
    """
    new = SPLIT.get(old) or MODULES[old]
    if old in SPLIT:
        _guarded(old)

    def getattr_(name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        return _moved(old, name, NAMES.get(f"{old}.{name}", f"{new}.{name}"))

    return getattr_


class Moved(MetaPathFinder, Loader):
    """Finds modules that have moved by their old names."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return a spec for an old name; None for every other one."""
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Let the module find its names where they are now."""
        module.__getattr__ = former(module.__name__)  # type: ignore[method-assign]


def find_moved() -> None:
    """Let old names be found; a second call changes nothing."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())


def _missing(package: str, name: str, module: str) -> str:
    """Return the sentence about a package that ``package.name`` needs and that is not installed."""
    called, extra = PACKAGES[module]
    room = f"{package}.{name}".split(".")[1]
    extra = room if room in ROOMS else extra
    return f'{package}.{name}: expected {called}, found that it is not installed; pip install "contdepth[{extra}]"'


def _moved(package: str, name: str, new: str) -> Any:
    """Return what ``package.name`` is now and say so in one sentence."""
    place, _, attribute = new.rpartition(".")
    try:
        found = getattr(import_module(place), attribute)
    except AttributeError:
        raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
    if name != "__all__":
        said = f"{package}.{name} has moved and goes with {GOES_WITH}: write from {place} import {attribute}"
        warnings.warn(said, FutureWarning, stacklevel=3)
    return found


def _guarded(package: str) -> None:
    """Make a package that is being loaded a ``Face``."""
    if type(sys.modules[package]) is ModuleType:
        sys.modules[package].__class__ = Face
