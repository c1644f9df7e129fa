"""A partial differential equation as data: fields, periodic domain and a symbolic right-hand side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy
import torch

from contdepth import checks

__all__ = ["AXES", "FUNCTIONS", "Equation"]

AXES = "xyz"

FUNCTIONS = {"sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "exp": torch.exp, "sqrt": torch.sqrt}
"""Functions that a right-hand side may have, as operations on tensors."""


@dataclass(frozen=True)
class Equation:
    """u_t = F(x, u, u_x, ...) on the periodic box [0, length)^dim: what the solver solves and pages compare with.

    name, fields   a title and the names of the unknowns, in the order of the field axis.
    dim, length    number of space dimensions (1 to 3) and side of the box.
    rhs            field -> SymPy expression in Symbols such as u, u_x, u_xx, u_xy and, for variable
                   coefficients, the coordinates x, y, z.
    stiff          solve it with the exponential integrator unless told otherwise.
    source         where the equation stands.
    """

    name: str
    fields: tuple[str, ...]
    dim: int
    length: float
    rhs: Mapping[str, sympy.Expr]
    stiff: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        checks.integer("dim", self.dim, at_least=1, at_most=3)
        checks.real("length", self.length, above=0)
        checks.instance("rhs", self.rhs, Mapping)  # type: ignore[type-abstract]
        if set(self.rhs) != set(self.fields):
            checks.fail("rhs", f"one expression for each of {self.fields}", sorted(self.rhs))
        object.__setattr__(self, "rhs", MappingProxyType({f: sympy.sympify(self.rhs[f]) for f in self.fields}))
        for expression in self.rhs.values():
            checks.instance("rhs", expression, sympy.Expr)
            for symbol in expression.free_symbols:
                if str(symbol) not in AXES[: self.dim]:
                    self.derivative(symbol)

    def __reduce__(self) -> tuple[type[Equation], tuple[object, ...]]:
        """Pickle the arguments: the read-only view of ``rhs`` cannot be."""
        return type(self), (*(dict(v) if f == "rhs" else v for f, v in vars(self).items()),)

    def derivative(self, symbol: sympy.Symbol) -> tuple[str, tuple[int, ...]]:
        """Field and multi-index of a symbol: u_xxy -> ("u", (2, 1)); ``ValueError`` for an unknown symbol."""
        field, _, letters = str(symbol).partition("_")
        if field not in self.fields or set(letters) - set(AXES[: self.dim]):
            checks.fail("rhs", f"derivatives of {self.fields} in {AXES[: self.dim]}", f"the symbol {symbol}")
        return field, tuple(letters.count(axis) for axis in AXES[: self.dim])

    def truth(self) -> dict[str, sympy.Expr]:
        """Field -> expanded right-hand side."""
        return {field: sympy.expand(expression) for field, expression in self.rhs.items()}

    @property
    def terms(self) -> dict[str, dict[str, sympy.Expr | float]]:
        """Field -> {term: coefficient}, e.g. {"u": {"u*u_x": -1.0, "u_xx": 0.05}}.

        A coefficient that depends on x, y or z stays a SymPy expression in these symbols.
        """
        table: dict[str, dict[str, sympy.Expr | float]] = {}
        axes = set(sympy.symbols(list(AXES)))
        for field, expression in self.truth().items():
            sums: dict[str, sympy.Expr] = {}
            for term in sympy.Add.make_args(expression):
                unknowns = sorted(term.free_symbols - axes, key=str)
                coefficient, monomial = term.as_independent(*unknowns, as_Add=False) if unknowns else (term, 1)
                sums[str(monomial)] = sums.get(str(monomial), sympy.Integer(0)) + coefficient
            table[field] = {key: float(c) if c.is_number else c for key, c in sums.items()}
        return table

    @property
    def degree(self) -> int:
        """Polynomial degree in the unknowns; 3 stands in for a right-hand side that is not polynomial."""
        degree = 1
        for expression in self.truth().values():
            unknowns = [s for s in expression.free_symbols if str(s) not in AXES]
            if unknowns:
                polynomial = expression.as_poly(*unknowns)
                degree = max(degree, 3 if polynomial is None else polynomial.total_degree())
        return degree
