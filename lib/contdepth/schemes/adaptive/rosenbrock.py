"""Rosenbrock schemes for stiff equations: stages that are linear systems with one matrix a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from contdepth import checks
from contdepth.schemes.adaptive.pairs import Rows, _table

__all__ = ["RODAS5P", "Rosenbrock"]


@dataclass(frozen=True)
class Rosenbrock:
    """Stages (I - gamma h J) k_i = gamma (h f(t + c_i h, u + sum_j a_ij k_j) + sum_j m_ij k_j + h² d_i f_t).

    J = df/du and f_t = df/dt at the step's start. The last stage k_s estimates the local error, and is added to
    the state of that stage, u + sum_j a_sj k_j. No equation is solved by iteration.

    Args:
        name: as tables and errors show it.
        order: order of the new state.
        gamma: the same in all stages.
        a, m: s rows; row i holds its i entries below the diagonal.
        c: s nodes.
        d: s weights of f_t.
        dense: three rows p of s weights: the state at t + theta h is
            (1 - theta) u + theta (u_1 + (1 - theta) (p_1 + theta p_2 + theta² p_3) k).
        caution: how many times the estimate counts. An estimate of the scheme's own order follows the error
            closely, where that of SciPy's Radau, of lower order, is far above it: 2^5 halves the steps, and the
            error that a tolerance leads to is of the size of Radau's.

    Raises:
        ValueError, TypeError: shapes that do not fit, or what is no number.
    """

    name: str
    order: int
    gamma: float
    a: Rows
    m: Rows
    c: tuple[float, ...]
    d: tuple[float, ...]
    dense: Rows
    caution: float = 32.0

    implicit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.integer("order", self.order, at_least=2, at_most=20)
        checks.real("gamma", self.gamma, above=0.0)
        checks.real("caution", self.caution, at_least=1.0)
        stages = len(checks.several("c", self.c, "one node a stage"))
        for name, rows in (("a", self.a), ("m", self.m)):
            lengths = [len(checks.several(name, row, "rows")) for row in checks.several(name, rows, "rows")]
            if lengths != list(range(stages)):
                checks.fail(name, f"rows of 0 to {stages - 1} entries, as c has {stages}", f"rows of {lengths}")
            _table(name, [(*row, *([0.0] * (stages - len(row)))) for row in rows], stages)
        for name, row in (("c", self.c), ("d", self.d)):
            if _table(name, (row,), 1).shape != (1, stages):
                checks.fail(name, f"{stages} numbers", list(row))
        if _table("dense", self.dense, 3).shape != (3, stages):
            checks.fail("dense", f"3 rows of {stages} numbers", np.shape(self.dense))

    @property
    def stages(self) -> int:
        """Evaluations of f in a step, beside one Jacobian."""
        return len(self.c)


LAST = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)

RODAS5P = Rosenbrock(
    "RODAS5P",
    5,
    0.21193756319429014,
    (
        (),
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        LAST,
        (*LAST, 1.0),
        (*LAST, 1.0, 1.0),
    ),
    (
        (),
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (
            30.91273214028599,
            -3.1208243349937974,
            77.79954646070892,
            34.28646028294783,
            -19.097331116725623,
            -28.087943162872662,
        ),
        (
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ),
    ),
    (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0),
    (
        0.21193756319429014,
        -0.42387512638858027,
        -0.3384627126235924,
        1.8046452872882734,
        2.325825639765069,
        0.0,
        0.0,
        0.0,
    ),
    (
        (
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ),
        (
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ),
        (
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ),
    ),
)
"""Steinebach 2023: L-stable, order 5, and its order stays where the equation is stiff.

The states inside a step are of order 4, of 3 where it is stiff: they serve to find events; steps end at outputs.
"""
