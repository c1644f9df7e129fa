"""Results of pieces are sorted by seed, and arms that are not matched are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contdepth.studies.common.arms import by_arm


def piece(arm: str, seed: int, *, same: float = 1.0, **changes: Any) -> dict[str, Any]:
    result = {"error": seed + 0.5 * (arm == "new"), "curve": [seed, 2 * seed], "same": [same, 7.0 * (seed + 1)]}
    return {"arguments": {"arm": arm, "seed": seed, "depth": 20, **changes}, "result": result, "weights": None}


def test_results_stand_in_the_order_of_the_seeds() -> None:
    found = by_arm([piece("new", 2), piece("old", 0), piece("new", 0), piece("old", 2)])
    assert found.seeds == (0, 2)
    assert found.of("new", "error").tolist() == [0.5, 2.5] and found.of("old", "curve").tolist() == [
        [0, 0],
        [2, 4],
    ]
    assert found.of("old", "curve", -1).tolist() == [0, 4]
    paired = found.paired("new", "old", "error")
    assert np.array_equal(paired["value"] - paired["baseline"], [0.5, 0.5]) and paired["seeds"] == (0, 2)
    assert set(found.alone("new", "error")) == {"value", "seeds"}
    with pytest.raises(ValueError, match="arm: expected one of"):
        found.of("newer", "error")


def test_what_differs_by_rounding_is_the_same() -> None:
    assert by_arm([piece("new", 0), piece("old", 0, same=1 + 1e-9)]).seeds == (0,)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([], "pieces: expected at least one, found none"),
        ([piece("new", 0), piece("new", 0)], "one of arm new with seed 0, found two"),
        ([piece("new", 0), piece("old", 1)], r"the seeds \[0\] of arm new in arm old, found \[1\]"),
        ([piece("new", 0), piece("old", 0, same=1.001)], "matched arms new and old at seed 0"),
        ([piece("new", 0), piece("old", 0, depth=56)], "one comparison, with the arguments"),
    ],
)
def test_pieces_that_are_no_comparison_are_refused(pieces: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        by_arm(pieces)
