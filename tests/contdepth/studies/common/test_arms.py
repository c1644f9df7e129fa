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
    found = by_arm([piece("new", 1), piece("old", 0), piece("new", 0), piece("old", 1)])
    assert found.seeds == (0, 1) and list(found.results) == ["new", "old"]
    assert [one["error"] for one in found.runs("new")] == found.of("new", "error").tolist() == [0.5, 1.5]
    assert found.of("old", "curve").tolist() == [[0, 0], [1, 2]]
    assert found.of("old", "curve", -1).tolist() == [0, 2]
    paired = found.paired("new", "old", "error")
    assert np.array_equal(paired["value"] - paired["baseline"], [0.5, 0.5]) and paired["seeds"] == (0, 1)
    assert set(found.alone("new", "error")) == {"value", "seeds"}
    for asked in (found.of, found.alone):
        with pytest.raises(ValueError, match="arm: expected one of"):
            asked("newer", "error")


def test_what_differs_by_rounding_is_the_same() -> None:
    assert by_arm([piece("new", 0), piece("old", 0, same=1 + 1e-9)]).seeds == (0,)


def test_arms_may_have_another_name_and_list_nothing_in_common() -> None:
    pieces = [{"arguments": {"task": task, "seed": 0}, "result": {"n": place}} for place, task in enumerate("ab")]
    found = by_arm(pieces, key="task", matched=False)
    assert found.of("b", "n").tolist() == [1]
    with pytest.raises(ValueError, match="the entry same in every result, found none in that of a at seed 0"):
        by_arm(pieces, key="task")
    with pytest.raises(ValueError, match="one of task a with seed 0, found two"):
        by_arm([*pieces, pieces[0]], key="task", matched=False)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([], "pieces: expected at least one, found none"),
        ([piece("new", 0), piece("new", 0)], "one of arm new with seed 0, found two"),
        ([piece("new", 0), piece("old", 1)], r"the seeds \[0\] of every arm, found \[1\] of old"),
        ([piece("new", 1), piece("new", 2)], r"the seeds \[0, 1\] of every arm, found \[1, 2\] of new"),
        ([piece("new", 0), piece("new", 1), piece("old", 0)], r"\[0, 1\] of every arm, found \[0\] of old"),
        ([piece("new", 0), piece("old", 0, same=1.001)], "matched arms new and old at seed 0"),
        ([piece("new", 0), piece("old", 0, depth=56)], "one comparison, with the arguments"),
    ],
)
def test_pieces_that_are_no_comparison_are_refused(pieces: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        by_arm(pieces)
