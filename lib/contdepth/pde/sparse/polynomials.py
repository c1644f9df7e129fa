"""The library of terms: all monomials of the states up to a degree."""

from __future__ import annotations

import itertools
import math

import sympy
import torch
from torch import Tensor

from contdepth import checks

__all__ = ["Polynomials"]

MOST = 5000
"""More terms are refused: the number of samples and the time of a fit grow with them."""


class Polynomials:
    """Monomials x^a y^b … of total degree up to ``degree``: 1, x, y, …, x², x y, … in PySINDy's order.

    Args:
        states: d, number of state variables, at least 1.
        degree: highest total degree, at least 1.
        constant: whether 1 is among the terms.

    Raises:
        TypeError, ValueError: no positive integers; more than 5000 terms.
    """

    def __init__(self, states: int, degree: int, *, constant: bool = True) -> None:
        self.states = checks.integer("states", states, at_least=1)
        self.degree = checks.integer("degree", degree, at_least=1)
        self.constant = checks.instance("constant", constant, bool)
        count = math.comb(states + degree, degree) - (not constant)
        if count > MOST:
            checks.fail("degree", f"at most {MOST} terms", f"{count} of {states} states", "take a lower degree")
        start = 0 if constant else 1
        self.factors: tuple[tuple[int, ...], ...] = tuple(
            choice
            for total in range(start, degree + 1)
            for choice in itertools.combinations_with_replacement(range(states), total)
        )
        """The variables that each term is a product of, by number."""

    def __len__(self) -> int:
        return len(self.factors)

    def __repr__(self) -> str:
        return f"Polynomials({self.states}, {self.degree}, constant={self.constant})"

    def __call__(self, x: Tensor) -> Tensor:
        """Return Θ ``(..., m)`` at states ``(..., d)``: each product is that of its first factors times one more.

        Raises:
            TypeError, ValueError: no floating tensor, or another last axis than d.
        """
        checks.floating("x", x)
        if x.ndim < 1 or x.shape[-1] != self.states:
            checks.fail("x", f"a last axis of {self.states} states", f"shape {tuple(x.shape)}")
        known: dict[tuple[int, ...], Tensor] = {(): torch.ones_like(x[..., 0])}
        for choice in self.factors:
            if choice:
                before = known[choice[:-1]] if choice[:-1] in known else x[..., choice[0]]
                known[choice] = before * x[..., choice[-1]]
        return torch.stack([known[choice] for choice in self.factors], -1)

    def terms(self, names: tuple[str, ...]) -> list[sympy.Expr]:
        """Return the terms as SymPy expressions of ``names``, one for each state."""
        if len(names) != self.states:
            checks.fail("names", f"{self.states} names", names)
        letters = sympy.symbols(list(names))
        return [sympy.Mul(*(letters[k] for k in choice)) for choice in self.factors]
