"""Pseudo-spectral right-hand sides: derivatives in Fourier space, products on a finer grid, without aliasing."""

from __future__ import annotations

import math
from typing import Any

import sympy
import torch

from contdepth import checks, devices
from contdepth.pde.simulate.equations import AXES, FUNCTIONS, Equation

__all__ = ["SpectralRHS"]


class SpectralRHS:
    """The right-hand side of ``equation`` on ``shape`` points, split as L w + N(w) in Fourier space.

    w are the Fourier coefficients (..., F, *half), half as in ``torch.fft.rfftn`` with the sum divided by the
    number of points. ``linear`` (F, *half), complex: the terms with constant coefficients that each field has
    in its own derivatives. ``nonlinear(w)`` is the rest: fields and derivatives are evaluated on a grid of at
    least (degree + 1) / 2 times the points, multiplied there and cut back, so that products of polynomial
    equations have no aliasing error (the 3/2 rule for quadratic terms, 2 for cubic ones; for other functions 2
    is a choice, as it is for variable coefficients). ``dealias=False`` multiplies on the given grid.
    The highest mode of an even grid has no well-defined odd derivative and is kept at zero. Its tables are made on
    the CPU and kept on ``device``, that of the fields that it is given.
    """

    def __init__(
        self,
        equation: Equation,
        shape: tuple[int, ...],
        *,
        dealias: bool = True,
        device: str | torch.device = "cpu",
    ) -> None:
        where = devices.named("device", device)
        checks.instance("equation", equation, Equation)
        if len(shape) != equation.dim:
            checks.fail("u0", f"{equation.dim} space axes for {equation.name}", f"space shape {tuple(shape)}")
        for size in shape:
            checks.integer("points of an axis", size, at_least=4)
        checks.affordable("shape", *shape, len(equation.fields))
        self.equation, self.shape, self.axes = equation, tuple(shape), tuple(range(-equation.dim, 0))
        self.cache: dict[object, Any] = {}  # an integrator's coefficients, used again for the next sample
        linear, rest = _split(equation)
        factor = max(3, equation.degree + 1) / 2 if dealias and any(rest) else 1.0
        self.fine = tuple(_fast(math.ceil(factor * n)) for n in shape)
        self._wave = [2j * math.pi / equation.length * k for k in _modes(self.shape)]
        self._keep = torch.ones(self._half(self.shape), dtype=torch.float64)
        for axis, n in enumerate(self.shape):
            if n % 2 == 0:
                self._keep.narrow(axis, n // 2, 1).zero_()
        self.linear = torch.zeros(len(equation.fields), *self._keep.shape, dtype=torch.complex128)
        for index, terms in enumerate(linear):
            for symbol, coefficient in terms.items():
                self.linear[index] += coefficient * self._multiplier(equation.derivative(symbol)[1])
        self.linear *= self._keep
        self._compile(rest, where)
        self._keep, self.linear = self._keep.to(where), self.linear.to(where)
        self._wave = [wave.to(where) for wave in self._wave]

    def to_modes(self, u: torch.Tensor) -> torch.Tensor:
        """Fourier coefficients of grid values (..., *shape)."""
        return torch.fft.rfftn(u, dim=self.axes, norm="forward") * self._keep

    def to_values(self, w: torch.Tensor) -> torch.Tensor:
        """Grid values (..., *shape) of Fourier coefficients."""
        return torch.fft.irfftn(w, s=self.shape, dim=self.axes, norm="forward")

    def nonlinear(self, w: torch.Tensor) -> torch.Tensor:
        """N(w), same shape as w (..., F, *half)."""
        if self._function is None:
            return torch.zeros_like(w)
        fields = torch.stack([w.select(-1 - len(self.axes), f) * m for f, m in self._inputs], 0)
        if self.fine != self.shape:
            fields = self._resize(fields, self.shape, self.fine)
        values = torch.fft.irfftn(fields, s=self.fine, dim=self.axes, norm="forward")
        results = self._function(*self._points, *values)
        out = torch.stack(
            [
                r
                if isinstance(r, torch.Tensor) and r.shape == values.shape[1:]
                else torch.zeros_like(values[0]) + r
                for r in results
            ],
            -1 - len(self.axes),
        )
        modes = torch.fft.rfftn(out, dim=self.axes, norm="forward")
        return (modes if self.fine == self.shape else self._resize(modes, self.fine, self.shape)) * self._keep

    def __call__(self, u: torch.Tensor) -> torch.Tensor:
        """du/dt on the grid, (..., F, *shape)."""
        checks.reals("u", u)
        wanted = (len(self.equation.fields), *self.shape)
        checks.same_shape("u", u, (*u.shape[: -len(wanted)], *wanted))
        if u.numel() == 0:
            return torch.zeros_like(u)
        w = self.to_modes(u)
        return self.to_values(self.linear * w + self.nonlinear(w))

    def _compile(self, rest: list[sympy.Expr], where: torch.device) -> None:
        equation = self.equation
        unknowns = sorted({s for e in rest for s in e.free_symbols if str(s) not in AXES}, key=str)
        coordinates = sympy.symbols(list(AXES[: equation.dim]))
        self._inputs = []
        for symbol in unknowns:
            field, alpha = equation.derivative(symbol)
            self._inputs.append((equation.fields.index(field), self._multiplier(alpha).to(where)))
        self._points = [
            (equation.length / n * torch.arange(n, dtype=torch.float64))
            .reshape([-1 if i == axis else 1 for i in range(equation.dim)])
            .to(where)
            for axis, n in enumerate(self.fine)
        ]
        self._function = (
            sympy.lambdify(
                [*coordinates, *unknowns], [sympy.N(e) for e in rest], modules=[FUNCTIONS, "math"], cse=True
            )
            if any(rest)
            else None
        )

    def _multiplier(self, alpha: tuple[int, ...]) -> torch.Tensor:
        out = self._keep.to(torch.complex128)
        for wave, power in zip(self._wave, alpha, strict=True):
            out = out * wave**power
        return out

    @staticmethod
    def _half(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:-1], shape[-1] // 2 + 1)

    def _resize(self, w: torch.Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> torch.Tensor:
        """Pad with zero modes or drop modes, axis by axis; only modes below the half of both grids are kept."""
        for axis, a, b in zip(self.axes, old, new, strict=True):
            m = min(a, b)
            positive, negative = (m + 1) // 2, (m - 1) // 2
            shape = list(w.shape)
            shape[axis] = b // 2 + 1 if axis == -1 else b
            out = w.new_zeros(shape)
            out.narrow(axis, 0, positive).copy_(w.narrow(axis, 0, positive))
            if axis != -1 and negative:
                out.narrow(axis, b - negative, negative).copy_(w.narrow(axis, a - negative, negative))
            w = out
        return w


def _modes(shape: tuple[int, ...]) -> list[torch.Tensor]:
    """Integer wave numbers of each axis, shaped to broadcast over the half spectrum."""
    out = []
    for axis, n in enumerate(shape):
        last = axis == len(shape) - 1
        k = torch.arange(n // 2 + 1).double() if last else torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
        out.append(k.reshape([-1 if i == axis else 1 for i in range(len(shape))]))
    return out


def _fast(n: int) -> int:
    """The smallest even size >= n without prime factors above 5."""
    n += n % 2
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1:
            return n
        n += 2


def _split(equation: Equation) -> tuple[list[dict[sympy.Symbol, float]], list[sympy.Expr]]:
    """Per field: the linear terms in its own derivatives with constant coefficients, and all the others."""
    linear, rest = [], []
    for field, expression in equation.truth().items():
        own: dict[sympy.Symbol, float] = {}
        others = sympy.Integer(0)
        for term in sympy.Add.make_args(expression):
            symbol = next(iter(term.free_symbols), None)
            factor = term / symbol if symbol is not None else term
            if (
                symbol is not None
                and factor.is_number
                and str(symbol) not in AXES
                and equation.derivative(symbol)[0] == field
            ):
                own[symbol] = own.get(symbol, 0.0) + float(factor)
            else:
                others += term
        linear.append(own)
        rest.append(others)
    return linear, rest
