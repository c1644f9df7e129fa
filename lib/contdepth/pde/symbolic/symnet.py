"""SymNet: a network of products whose function can be read out as a polynomial (PDE-Net 2.0, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from contdepth import checks, seeds

__all__ = ["SymNet", "evaluate"]


class FusedProducts(torch.autograd.Function):
    """All hidden layers of all outputs at once, with the backward pass written by hand.

    The affine part that reads the inputs is one matrix product for every layer and output; what is left of layer
    l is one rank-one update of the rows after it. Only inputs and pre-products are kept for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, product: Tensor) -> Tensor:
        """x (B, n, P), weight (G, R, n), bias (G, R), product (G, R, k) with R = 2k + 1; returns (B, G, P)."""
        parts = [preproducts(part, weight, bias, product) for part in x.split(chunk(x, weight))]
        ctx.save_for_backward(x, weight, product, *parts)
        return torch.cat([z[:, :, -1] for z in parts])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Reverse sweep over the layers; gradients of x, weight, bias and product."""
        x, weight, product, *parts = ctx.saved_tensors
        groups, rows, n = weight.shape
        matrix = weight.reshape(groups * rows, n).t()
        gx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        gweight, gbias, gproduct = weight.new_zeros(groups * rows, n), 0.0, torch.zeros_like(product)
        start = 0
        for z in parts:
            here = slice(start, start + len(z))
            gz, part = sweep(grad[here], product, z)
            gz = gz.view(len(z), groups * rows, -1)
            gproduct += part  # type: ignore[arg-type]
            gweight += torch.matmul(gz, x[here].transpose(1, 2)).sum(0)
            gbias = gbias + gz.sum((0, 2))  # type: ignore[assignment]
            if gx is not None:
                torch.matmul(matrix, gz, out=gx[here])
            start += len(z)
        return gx, gweight.view(groups, rows, n), gbias.view(groups, rows), gproduct  # type: ignore[attr-defined]


def chunk(x: Tensor, weight: Tensor) -> int:
    """Samples at a time, so that their pre-products (about 2^17 numbers) stay in the cache."""
    return max(1, 2**17 // (weight.shape[0] * weight.shape[1] * x.shape[2]))


def preproducts(x: Tensor, weight: Tensor, bias: Tensor, product: Tensor) -> Tensor:
    """All affine combinations (B, G, R, P): rows 2l, 2l + 1 are the factors of product l, the last the output."""
    groups, rows, n = weight.shape
    z = torch.matmul(weight.reshape(groups * rows, n), x).view(x.shape[0], groups, rows, x.shape[2])
    z += bias[None, :, :, None]
    for layer in range(rows // 2):
        p = z[:, :, 2 * layer] * z[:, :, 2 * layer + 1]
        z[:, :, 2 * layer + 2 :].addcmul_(product[None, :, 2 * layer + 2 :, layer, None], p.unsqueeze(2))
    return z


def sweep(grad: Tensor, product: Tensor, z: Tensor, parameters: bool = True) -> tuple[Tensor, Tensor | None]:
    """Gradients of the pre-products z (B, G, R, P) and of ``product`` from that of the output, ``grad`` (B, G, P).

    Rows that a product does not reach have zero weight, so each step is one product with the whole array.
    """
    gz = torch.zeros_like(z)
    gz[:, :, -1] = grad
    for layer in reversed(range(z.shape[2] // 2)):
        gp = torch.matmul(product[:, None, :, layer], gz).squeeze(2)
        torch.mul(gp, z[:, :, 2 * layer + 1], out=gz[:, :, 2 * layer])
        torch.mul(gp, z[:, :, 2 * layer], out=gz[:, :, 2 * layer + 1])
    if not parameters or z.shape[2] == 1:
        return gz, torch.zeros_like(product) if parameters else None
    products = z[:, :, 0:-1:2] * z[:, :, 1:-1:2]
    return gz, torch.matmul(gz, products.transpose(2, 3)).sum(0)


class SymNet(nn.Module):
    r"""``outputs`` networks that share their inputs; each is a polynomial of degree at most 2^hidden.

    With x the n inputs and p_1 … p_{l-1} the products so far, hidden layer l forms
    :math:`(\eta_l, \xi_l)^T = W_l (x, p_1, …, p_{l-1})^T + b_l` and appends :math:`p_l = \eta_l \xi_l`;
    the output is affine in x and all products (PDE-Net 2.0, section 2.2).

    Args:
        inputs: number n of inputs.
        outputs: number of networks G, one for each component of the equation.
        hidden: number k of products; 0 gives an affine map.
        seed: start of the weights.
        scale: standard deviation of the starting weights.

    The buffers ``input_scale`` (n,) and ``output_scale`` (G,), ones at first, make the network read x /
    input_scale and multiply its outputs by output_scale; the read-out is in the unscaled variables.

    Input ``(B, n, P)`` or ``(P, n)``, output ``(B, G, P)`` or ``(P, G)``; float64 parameters.

    Departure from the official code: the networks are evaluated together (one matrix product for the inputs of
    every layer), which changes no value beyond rounding.

    Raises:
        TypeError, ValueError: a size is not a positive integer, or the input has another number of variables.
    """

    reach: Tensor
    input_scale: Tensor
    output_scale: Tensor

    def __init__(
        self, inputs: int, outputs: int = 1, hidden: int = 5, *, seed: int = 0, scale: float = 0.1
    ) -> None:
        super().__init__()
        self.inputs = checks.integer("inputs", inputs, at_least=1)
        self.outputs = checks.integer("outputs", outputs, at_least=1)
        self.hidden = checks.integer("hidden", hidden, at_least=0)
        scale = checks.real("scale", scale, at_least=0)
        checks.affordable("hidden", outputs, 2 * hidden + 1, inputs + hidden, hint="take fewer products")
        rows = 2 * hidden + 1
        source = seeds.generator(seed, "symnet")

        def start(*shape: int) -> Tensor:
            return scale * torch.randn(*shape, generator=source, dtype=torch.float64)

        row = torch.arange(rows)[:, None]
        self.register_buffer("reach", (torch.arange(hidden)[None] < row // 2).to(torch.float64))
        self.register_buffer("input_scale", torch.ones(inputs, dtype=torch.float64))
        self.register_buffer("output_scale", torch.ones(outputs, dtype=torch.float64))
        self.weight = nn.Parameter(start(outputs, rows, inputs))
        self.bias = nn.Parameter(start(outputs, rows))
        self.product = nn.Parameter(start(outputs, rows, hidden) * self.reach)

    def forward(self, x: Tensor) -> Tensor:
        """Values of the networks, shapes as in the class docstring."""
        flat = checks.reals("x", x, like=self.weight).ndim == 2
        if x.numel() == 0:
            raise ValueError(f"x: expected at least one point, found shape {tuple(x.shape)}")
        if flat:
            x = x.t().unsqueeze(0)
        if x.ndim != 3 or x.shape[1] != self.inputs:
            checks.fail("x", f"shape (B, {self.inputs}, P) or (P, {self.inputs})", f"shape {tuple(x.shape)}")
        out = FusedProducts.apply(x, *self.effective())
        return out[0].t() if flat else out

    def effective(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (G, R, n), biases (G, R) and product weights (G, R, k) with both scales taken in."""
        rows = torch.ones_like(self.bias)
        rows[:, -1] = self.output_scale
        return (
            self.weight * rows[..., None] / self.input_scale,
            self.bias * rows,
            self.product * self.reach * rows[..., None],
        )

    @torch.no_grad()
    def sensitivity(self, x: Tensor, columns: Sequence[Sequence[int]] | Tensor) -> Tensor:
        """∂F_g/∂x_c at every point for the m columns c in ``columns[g]``: x (B, n, P); returns (B, G, m, P)."""
        weight, bias, product = self.effective()
        rows = [c if isinstance(c, Tensor) else list(c) for c in columns]
        picked = torch.stack([weight[g][:, c] for g, c in enumerate(rows)])
        out = []
        for part in x.split(chunk(x, weight)):
            z = preproducts(part, weight, bias, product)
            gz, _ = sweep(torch.ones_like(z[:, :, -1]), product, z, parameters=False)
            out.append(torch.einsum("grc,bgrp->bgcp", picked, gz))
        return torch.cat(out)

    def penalty(self, threshold: float = 1e-3) -> Tensor:
        """Huber-type ℓ1 norm of all weights: |w| - s/2 beyond s = ``threshold``, w²/(2s) below."""
        return sum(huber(w, threshold) for w in (self.weight, self.bias, self.product * self.reach))  # type: ignore[return-value]

    def expressions(self, names: Sequence[str], *, degree: int | None = None) -> list[sympy.Expr]:
        """The networks as SymPy expressions in the symbols ``names`` (n of them).

        Without ``degree`` the result is the whole function, written as nested products: a network with k products
        has degree up to 2^k, and expanded it can have more monomials than fit in memory. With ``degree`` d it is
        expanded, and the coefficient of every monomial up to degree d is exact; higher ones are left out.

        Raises:
            TypeError, ValueError: not one name for each variable; a negative degree.
        """
        names = [str(name) for name in names]
        if len(names) != self.inputs or len(set(names)) != len(names):
            checks.fail("names", f"{self.inputs} different names, one for each variable", names)
        if degree is not None:
            checks.integer("degree", degree, at_least=0)
        symbols = [sympy.Symbol(name) for name in names]
        none, unit = (0,) * self.inputs, torch.eye(self.inputs, dtype=torch.int64).tolist()
        variables = [
            Nested(x) if degree is None else Truncated({tuple(e): 1.0}, degree)
            for x, e in zip(symbols, unit, strict=True)
        ]
        result = []
        for weight, bias, product in zip(*(part.tolist() for part in self.effective()), strict=True):
            rows: list[Nested | Truncated] = []
            made: list[Nested | Truncated] = []
            for r in range(2 * self.hidden + 1):
                row = Nested(bias[r]) if degree is None else Truncated({none: bias[r]}, degree)
                for factor, x in zip([*weight[r], *product[r][: len(made)]], variables + made, strict=True):
                    row = row + x * factor
                rows.append(row)
                if r % 2 == 1:
                    made.append(rows[r - 1] * row)  # type: ignore[operator]
            result.append(rows[-1].expression(symbols))
        return result


class Nested:
    """A SymPy expression that is never expanded."""

    def __init__(self, value: sympy.Expr | float) -> None:
        self.value = sympy.sympify(value)

    def __add__(self, other: Nested) -> Nested:
        return Nested(self.value + other.value)

    def __mul__(self, other: Nested | float) -> Nested:
        return Nested(self.value * (other.value if isinstance(other, Nested) else other))

    def expression(self, symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
        """The expression itself."""
        return self.value


class Truncated:
    """A polynomial as exponents → coefficient, whose monomials above ``degree`` are dropped after each product.

    A monomial of degree d of a product comes from factors of degree at most d: what is kept is exact.
    """

    def __init__(self, terms: dict[tuple[int, ...], float], degree: int) -> None:
        self.terms = {e: c for e, c in terms.items() if c != 0 and sum(e) <= degree}
        self.degree = degree

    def __add__(self, other: Truncated) -> Truncated:
        terms = dict(self.terms)
        for e, c in other.terms.items():
            terms[e] = terms.get(e, 0.0) + c
        return Truncated(terms, self.degree)

    def __mul__(self, other: Truncated | float) -> Truncated:
        if not isinstance(other, Truncated):
            return Truncated({e: c * other for e, c in self.terms.items()}, self.degree)
        terms: dict[tuple[int, ...], float] = {}
        right = sorted(((sum(e), e, c) for e, c in other.terms.items()), key=lambda term: term[0])
        for e, c in self.terms.items():
            room = self.degree - sum(e)
            for size, f, d in right:
                if size > room:
                    break
                key = tuple(map(int.__add__, e, f))
                terms[key] = terms.get(key, 0.0) + c * d
        return Truncated(terms, self.degree)

    def expression(self, symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
        """The polynomial as a SymPy sum."""
        return sympy.Add(
            *(c * sympy.Mul(*(x**n for x, n in zip(symbols, e, strict=True))) for e, c in self.terms.items())
        )


def evaluate(expression: sympy.Expr, names: Sequence[str], x: Tensor) -> Tensor:
    """Values of a SymPy expression at the points x (P, n), float64, computed by NumPy and put where x is."""
    checks.instance("expression", expression, sympy.Expr)
    if len(set(names)) != len(names) or checks.reals("x", x, ndim=2).shape[1] != len(names):
        raise ValueError(f"names: expected one different name for each column of x, found {names!r}")
    function = sympy.lambdify(sympy.symbols([str(name) for name in names]), expression, modules="numpy", cse=True)
    values = function(*x.detach().cpu().numpy().T)
    return torch.as_tensor(values, dtype=torch.float64, device=x.device).expand(len(x)).clone()


def huber(values: Tensor, threshold: float) -> Tensor:
    """Σ of |v| - s/2 where |v| > s = ``threshold`` and v²/(2s) elsewhere: smooth at zero, ℓ1 far away."""
    size = values.abs()
    return torch.where(size > threshold, size - threshold / 2, values.square() / (2 * threshold)).sum()
