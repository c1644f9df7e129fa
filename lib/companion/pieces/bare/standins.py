"""What stands in for packages that a bare machine lacks: what the library uses of safetensors, what it inherits
from scikit-learn, and names that it imports at the top of modules and that raise where they are used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["ABSENT", "install"]

ABSENT = {"matplotlib": "Matplotlib", "sklearn": "scikit-learn"}
"""Packages whose names the library imports at the top of modules that pieces load → what they are called."""
OWN = {
    "safetensors": ("tensors", ("SafetensorError",)),
    "safetensors.torch": ("tensors", ("load", "load_file", "save", "save_file")),
    "sklearn.base": ("estimators", ("BaseEstimator",)),
    "sklearn.exceptions": ("estimators", ("NotFittedError",)),
}
"""Modules → the module beside this one that has names of theirs, and these."""


class Absent(type):
    """The type of stand-ins: whatever is asked of one is another one; to call it is an error."""

    def __getattr__(cls, name: str) -> Any:
        return _attribute(f"{cls.__module__}.{cls.__name__}", name)

    def __call__(cls, *arguments: object, **options: object) -> NoReturn:
        packages = [part.__module__.partition(".")[0] for part in cls.__mro__]
        package = next(name for name in packages if name in ABSENT)
        raise ModuleNotFoundError(
            f"{cls.__name__}: expected {ABSENT[package]}, found that this machine lacks it; do this piece where "
            "the book is installed",
            name=package,
        )


class Finder(MetaPathFinder, Loader):
    """Finds stand-ins for packages, after every other finder has found nothing."""

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = frozenset(packages)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return a spec for a package that has a stand-in, or a module in it."""
        package = fullname.partition(".")[0]
        known = package in self.packages and (package in ABSENT or fullname in OWN)
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names."""
        name = module.__name__
        if name in OWN:
            place, public = OWN[name]
            own = importlib.import_module(f"companion.pieces.bare.{place}")
            for one in public:
                setattr(module, one, getattr(own, one))
        if name.partition(".")[0] in ABSENT:
            module.__getattr__ = lambda attribute: _attribute(name, attribute)  # type: ignore[method-assign]


def install() -> None:
    """Let stand-ins be found for what is not installed; a second call changes nothing."""
    missing = [name for name in (*ABSENT, "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        sys.meta_path.append(Finder(missing))


def _attribute(owner: str, name: str) -> Any:
    """Return a class that can be named and inherited from, not called."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Absent(name, (), {"__module__": owner})
