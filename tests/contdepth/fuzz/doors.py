"""All doors: public callables with arguments that work, and what is called with them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzz.engine import Arguments, Table

import contdepth

DOORS: Table = {}
MISSING: dict[str, str] = {}
"""Rooms whose packages are not installed, each with what is missing; there are none but on a bare machine."""

for room in ("light", "flows", "recurrent", "mechanics", "meanfield", "robust", "pde", "restoration"):
    try:
        DOORS |= import_module(f"fuzz.doors_{room}").TABLE
    except ImportError as missing:
        MISSING[room] = str(missing)

HOME = Path(contdepth.__file__).parent
ROOMS = [".".join(stub.parent.relative_to(HOME).parts) for stub in sorted(HOME.rglob("__init__.pyi"))]
FACES = [room for room in ROOMS if room and room != "studies"] + ["problems", "seeds", "timing", "parallel"]


def called(name: str) -> tuple[Any, str]:
    """The callable of a door; of a method the class or the function that makes its object, and its name."""
    face = max((face for face in FACES if name.startswith(f"{face}.")), key=len)
    one, _, method = name.removeprefix(f"{face}.").partition(".")
    return getattr(import_module(f"contdepth.{face}"), one), method


def door(name: str, arguments: Arguments) -> Callable[..., Any]:
    """What is called with ``arguments``, from which the object of a method is taken out."""
    found, method = called(name)
    return getattr(arguments.pop("self"), method) if method else found
