"""Explicit Runge–Kutta pairs: a scheme, the estimate of its local error, and the states inside a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from contdepth import checks
from contdepth.schemes.runge_kutta import Tableau

__all__ = ["DORMAND_PRINCE", "TSITOURAS", "EmbeddedPair"]

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class EmbeddedPair:
    """An explicit scheme whose last stage is the new state, so that its slope is the first one of the next step.

    Args:
        name: as tables and errors show it.
        order: order of the new state; the conditions up to 4 are checked.
        a: s rows; row i holds its i entries below the diagonal, and the last row is the weights of the new state.
        c: s nodes, the sums of the rows.
        error: s weights; h times their sum with the slopes estimates the local error, of order ``order`` in h.
        dense: s rows of coefficients of theta, theta², …: weights of the slopes in the state at t + theta h.

    Raises:
        ValueError: shapes that do not fit, an order the coefficients do not have, an error that is not one of a
            scheme of order 1, or a state at theta = 1 that is not the new one.
    """

    name: str
    order: int
    a: Rows
    c: tuple[float, ...]
    error: tuple[float, ...]
    dense: Rows

    implicit: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks.integer("order", self.order, at_least=2, at_most=20)
        rows = checks.several("a", self.a, "rows of coefficients")
        if not rows:
            checks.fail("a", "at least one row", "none")
        weights = (*checks.several("a", rows[-1], "rows of coefficients"), 0.0)
        Tableau(self.name, min(self.order, 4), self.a, weights, self.c)
        table = _table("dense", self.dense, len(weights))
        error = _table("error", (self.error,), 1)[0]
        if len(error) != len(weights) or abs(error.sum()) > 1e-12 or abs(error @ np.array(self.c)) > 1e-12:
            checks.fail("error", f"{len(weights)} weights that give 0 for slopes 1 and t", list(self.error))
        if abs(table.sum(1) - np.array(weights)).max() > 1e-9:
            checks.fail("dense", f"rows with the sums {list(weights)}, the last row of a", table.sum(1).tolist())

    @property
    def stages(self) -> int:
        """Evaluations of f in a step: the first slope is known from the step before."""
        return len(self.a) - 1


def _table(argument: str, rows: object, count: int) -> np.ndarray:
    """Return ``rows`` as ``(count, columns)`` numbers."""
    try:
        table = np.array(rows, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{argument}: expected rows of numbers, found {type(rows).__name__}") from None
    if table.ndim != 2 or len(table) != count or not table.size or not np.isfinite(table).all():
        checks.fail(argument, f"{count} rows of finite numbers", f"shape {table.shape}")
    return table


DORMAND_PRINCE = EmbeddedPair(
    "Dormand–Prince 5(4)",
    5,
    (
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    (71 / 86400, 0.0, -142 / 50085, 71 / 2880, -17253 / 508800, 44 / 1575, -1 / 60),
    (
        (1.0, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
        (0.0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (0.0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
        (0.0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0.0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
)
"""Dormand and Prince 1980; the error estimate, two thirds of theirs, and the states inside after Shampine 1986.

torchdiffeq's ``dopri5`` has the same estimate; SciPy's ``RK45`` has Dormand and Prince's. Inside a step: order 4.
"""

TSITOURAS = EmbeddedPair(
    "Tsitouras 5(4)",
    5,
    (
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
        (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
    ),
    (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    (
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ),
    (
        (1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216),
        (0.0, 0.1317, -0.2234, 0.1017),
        (0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651253),
        (0.0, -12.411077166933676, 30.33818863028232, -16.548102889244902),
        (0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928),
        (0.0, -27.896526289197286, 65.09189467479366, -34.87065786149661),
        (0.0, 1.5, -4.0, 2.5),
    ),
)
"""Tsitouras 2011, with his states inside a step, of order 4."""
