"""What every piece of a plan must do: the same again, also where it was stopped on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from tiny_pieces import TINY

Function = Callable[..., dict[str, Any]]
MOST_BYTES = 200_000


def plain(result: dict[str, Any]) -> str:
    """``result`` as JSON; anything but plain numbers, texts, lists, dicts and arrays of NumPy is an error."""
    return json.dumps(result, default=lambda value: value.tolist(), sort_keys=True)


def stopped_on_the_way(function: Function, saver: str, folder: Path, arguments: dict[str, Any]) -> int:
    """Stop a piece before its second state is kept, do it again, and compare; how many states were kept."""
    module, name = saver.rsplit(".", 1)
    save = getattr(__import__(module, fromlist=[name]), name)
    kept: list[Any] = []

    def interrupted(*given: Any) -> None:
        if len(kept) == 1:
            raise KeyboardInterrupt
        kept.append(given)
        save(*given)

    def counted(*given: Any) -> None:
        kept.append(given)
        save(*given)

    whole = function(**TINY[function], **arguments)
    assert len(plain(whole)) <= MOST_BYTES
    with mock.patch(saver, interrupted), pytest.raises(KeyboardInterrupt):
        function(**TINY[function], **arguments, checkpoint=folder)
    assert len(list(folder.iterdir())) == 1
    with mock.patch(saver, counted):
        again = function(**TINY[function], **arguments, checkpoint=folder)
    assert plain(again) == plain(whole), "a piece that was stopped has another result"
    return len(kept)


def matched(function: Function, arms: tuple[str, str]) -> list[dict[str, Any]]:
    """Results of two arms with one seed, which share what matched arms share, and another seed does not."""
    results = [function(**TINY[function], arm=arm, seed=3) for arm in arms]
    other = function(**TINY[function], arm=arms[0], seed=4)
    first, second = (np.array(one["same"]) for one in results)
    assert np.array_equal(first, second) and len(first) > 1
    assert not np.allclose(first, other["same"], rtol=1e-6, atol=0)
    return results
