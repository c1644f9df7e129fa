"""What a piece may return: plain numbers, texts and lists of them, small enough to be kept in a repository."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from companion.errors import RunError
from companion.pieces.receipts import FINITE

__all__ = ["MOST_BYTES", "plain_result"]

MOST_BYTES = 200_000
"""Bytes of a result as JSON."""


def plain_result(id: str, returned: object) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Return the result of the piece ``id`` as JSON holds it, and its ``weights``.

    NumPy's numbers and arrays become numbers and lists. Raises :class:`RunError` for anything else that is not
    plain, and for a result that is too large.
    """
    if not isinstance(returned, dict):
        raise RunError(f"piece {id}: expected a dict as its result, found {type(returned).__name__}")
    rest = dict(returned)
    weights = rest.pop("weights", None)
    if weights is not None and not isinstance(weights, Mapping):
        raise RunError(f"piece {id}: expected a dict of tensors as weights, found {type(weights).__name__}")
    result = _plain(rest, id, "result")
    size = len(json.dumps(result))
    if size > MOST_BYTES:
        raise RunError(f"piece {id}: expected a result of at most {MOST_BYTES} bytes, found {size}; keep less")
    return result, weights


def _plain(value: Any, id: str, where: str) -> Any:
    if type(value).__module__ == "numpy" and getattr(value, "dtype", None) is not None:
        if value.dtype.kind in "biufU":
            value = value.tolist()
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise RunError(f"piece {id}, {where}: expected names that are text, found {name!r:.60}")
        return {name: _plain(item, id, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, id, where) for item in value]
    if isinstance(value, str) and value in FINITE:
        raise RunError(f"piece {id}, {where}: expected another text or a number, found {value!r}")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    found = type(value).__name__
    raise RunError(f"piece {id}, {where}: expected plain numbers, texts, lists or dicts, found {found}")
