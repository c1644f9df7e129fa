"""The results of a contest as a table: what each method found on each data set, the best in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from contdepth.studies.common.tables import table
from contdepth.studies.pdenet2.contest import Result

__all__ = ["contest_table"]

Setting = tuple[str, float, int, int]
"""Source of the data, noise, strides in time and in space."""
Key = tuple[str, Setting, int]
"""Method, setting, seed."""

COLUMNS = (
    "method",
    "coefficient error (%)",
    "worst true term (%)",
    "largest wrong coefficient",
    "wrong above 0.01",
    "error after one step (%)",
    "CPU seconds",
)


def contest_table(
    results: Mapping[Key, Result], settings: Sequence[Setting], names: Sequence[str], truth: Mapping[str, object]
) -> str:
    """HTML of means over the seeds, a group of rows for each of ``settings``, a row for each method in ``names``.

    The smallest printed figure of each column and group is bold, but for the CPU seconds: a clock gives others
    each time. A method that was not run in a setting has no row there; one without equations has none at all.
    """
    groups = {}
    for where in settings:
        runs = {name: [r for key, r in results.items() if key[:2] == (name, where)] for name in names}
        groups[_title(where)] = {
            name: _cells(own, truth) for name, own in runs.items() if own and own[0].coefficients is not None
        }
    caption = "Means over the seeds; bold is the smallest figure of a column on the same data, clocks aside."
    return table(caption, COLUMNS, groups, smallest=range(1, 6))


def _title(where: Setting) -> str:
    source, noise, in_time, in_space = where
    parts = [f"data {source}", f"noise {100 * noise:g} %"]
    parts += [f"every {_nth(in_time)} frame"] * (in_time > 1) + [f"every {_nth(in_space)} point"] * (in_space > 1)
    return ", ".join(parts)


def _nth(stride: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(stride, f"{stride}th")


def _cells(runs: Sequence[Result], truth: Mapping[str, object]) -> list[str]:
    found = [run.terms(truth) for run in runs]
    return [
        f"{100 * np.mean([terms.relative for terms in found]):.1f}",
        f"{100 * np.mean([terms.worst for terms in found]):.1f}",
        f"{np.mean([terms.largest_spurious for terms in found]):.3f}",
        f"{np.mean([terms.count_spurious(0.01) for terms in found]):.1f}",
        f"{100 * np.mean([run.error_after(1) for run in runs]):.2f}",
        f"{np.mean([run.seconds for run in runs]):.1f}",
    ]
