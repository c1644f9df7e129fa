"""Six systems with polynomial right-hand sides: their terms, the settings of the paper's examples, exact paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from contdepth.pde import Polynomials

__all__ = ["CUBIC", "HOPF", "LINEAR2", "LINEAR3", "LORENZ", "System", "mean_field"]


@dataclass(frozen=True)
class System:
    """x' = Θ(x) Ξ with the ``terms`` of each equation by words such as ``"xz"``, ``"1"`` for the constant.

    ``starts`` are those of its trajectories, each followed for ``span`` in steps of ``step``; ``degree`` and
    ``threshold`` are those of the authors' example, or ours for systems that theirs do not hold.
    """

    name: str
    letters: str
    terms: tuple[dict[str, float], ...]
    starts: tuple[tuple[float, ...], ...]
    span: float
    step: float
    degree: int
    threshold: float

    def library(self) -> Polynomials:
        """The monomials up to ``degree``."""
        return Polynomials(len(self.letters), self.degree)

    def truth(self) -> Tensor:
        """Ξ ``(m, d)`` on the library."""
        factors = self.library().factors
        found = torch.zeros(len(factors), len(self.letters), dtype=torch.float64)
        for column, row in enumerate(self.terms):
            for word, value in row.items():
                which = tuple(sorted(self.letters.index(letter) for letter in word if letter != "1"))
                found[factors.index(which), column] = value
        return found

    def rate(self, t: float, u: np.ndarray) -> list[float]:
        """The right-hand side at one state ``(d,)``."""
        known = dict(zip(self.letters, u, strict=True)) | {"1": 1.0}
        return [
            sum(value * float(np.prod([known[letter] for letter in word])) for word, value in row.items())
            for row in self.terms
        ]

    def paths(self, samples: int | None = None) -> list[Tensor]:
        """States ``(n, d)`` of each trajectory by LSODA, relative tolerance 1e-10; the first ``samples`` only."""
        count = round(self.span / self.step)
        count = count if samples is None else min(count, samples)
        times = self.step * np.arange(count)
        found = [
            solve_ivp(self.rate, (0, times[-1]), start, "LSODA", times, rtol=1e-10, atol=1e-12).y
            for start in self.starts
        ]
        return [torch.from_numpy(np.ascontiguousarray(y.T)) for y in found]


LINEAR2 = System(
    "linear, 2 states", "xy", ({"x": -0.1, "y": 2.0}, {"x": -2.0, "y": -0.1}), ((2.0, 0.0),), 25, 0.01, 5, 0.05
)
CUBIC = System(
    "cubic, 2 states",
    "xy",
    ({"xxx": -0.1, "yyy": 2.0}, {"xxx": -2.0, "yyy": -0.1}),
    ((2.0, 0.0),),
    25,
    0.01,
    5,
    0.05,
)
LINEAR3 = System(
    "linear, 3 states",
    "xyz",
    ({"x": -0.1, "y": -2.0}, {"x": 2.0, "y": -0.1}, {"z": -0.3}),
    ((2.0, 0.0, 1.0),),
    50,
    0.01,
    2,
    0.01,
)
LORENZ = System(
    "Lorenz",
    "xyz",
    ({"x": -10.0, "y": 10.0}, {"x": 28.0, "xz": -1.0, "y": -1.0}, {"xy": 1.0, "z": -8 / 3}),
    ((-8.0, 8.0, 27.0),),
    100,
    0.001,
    5,
    0.05,
)
HOPF = System(
    "Hopf, with its parameter",
    "xyp",
    (
        {"px": 1.0, "y": -1.0, "xxx": -1.0, "xyy": -1.0},
        {"x": 1.0, "py": 1.0, "xxy": -1.0, "yyy": -1.0},
        {},
    ),
    tuple((radius, 0.0, p) for p in (-0.15, -0.05, 0.05, 0.15, 0.35, 0.55) for radius in (1.2, 0.1)),
    40,
    0.05,
    3,
    0.85,
)


def mean_field(*, slow: bool) -> System:
    """Three modes of a wake: (x, y) oscillate, the shift z of the mean flow follows ten times faster.

    With ``slow`` all trajectories start where z = x² + y², else two units beside it.
    """
    flat = ((0.1, 0.0), (0.0, -0.3), (2.0, 0.0), (0.0, 1.6))
    lifts = (0.0,) * 4 if slow else (2.0, -1.0, 2.0, -2.0)
    return System(
        "mean field",
        "xyz",
        (
            {"x": 0.1, "y": -1.0, "xz": -0.1},
            {"x": 1.0, "y": 0.1, "yz": -0.1},
            {"z": -10.0, "xx": 10.0, "yy": 10.0},
        ),
        tuple((x, y, x * x + y * y + lift) for (x, y), lift in zip(flat, lifts, strict=True)),
        50,
        0.02,
        3,
        0.05,
    )
