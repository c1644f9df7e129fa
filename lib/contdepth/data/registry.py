"""The registry of data sets: canonical addresses, checksums, terms and citations, from ``registry.json``."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from contdepth import checks

__all__ = ["about", "entry", "names"]


@cache
def registry() -> dict[str, dict[str, Any]]:
    """The whole registry, read once."""
    return json.loads(files("contdepth.data").joinpath("registry.json").read_text(encoding="utf-8"))


def names() -> list[str]:
    """Names of all registered data sets."""
    return list(registry())


def entry(name: str) -> dict[str, Any]:
    """One set's entry; unknown names are errors that list the valid ones."""
    checks.one_of("data set", name, names())
    return registry()[name]


def about(name: str) -> str:
    """Title, source, terms and citation of a set, one line each."""
    e = entry(name)
    return "\n".join(f"{key}: {e[key]}" for key in ("title", "source", "terms", "citation"))
