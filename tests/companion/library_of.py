"""A library made of texts, and the digests of what it defines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from companion.freshness.code.symbols import Library
from companion.freshness.code.tokens import Symbol


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` (paths below ``lib/contdepth``) into ``folder`` and return ``folder/lib``."""
    for name, text in files.items():
        path = folder / "lib" / "contdepth" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "lib"


def digest(lib: Path, name: str) -> str:
    """Return the digest of ``module:name``; the module is named below ``contdepth``."""
    module, _, symbol = name.partition(":")
    full = f"contdepth.{module}" if module else "contdepth"
    found = Library(lib)
    assert found.modules.get(full) is not None, name
    assert symbol in found.modules.get(full).definitions, name
    return found.digest(Symbol("def", full, symbol))
