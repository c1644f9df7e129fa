"""Linear layers whose operator norm is bounded, by power iteration on the operator itself.

Behrmann et al. 2019 (arXiv 1811.00995): A is replaced by A·c/σ where its norm σ exceeds c, and left elsewhere.
Of a convolution A is the map of whole pictures (Gouk et al. 2018): the norm of its kernel as a matrix is another
number, below σ on a large picture and perhaps above it on a small one. Letters: ``v`` the unit picture that power
iteration has found, σ̂ = |Av| ≤ σ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contdepth import checks, seeds

__all__ = ["LipschitzConv2d", "LipschitzLayer", "LipschitzLinear", "held", "settle"]


class LipschitzLayer(nn.Module):
    """A layer A x + b whose A is scaled down to the norm ``coefficient`` where it exceeds it; no units.

    σ̂ comes from below, so the bound holds to what power iteration leaves: a call in training mode takes
    ``iterations`` of them from where the last one stopped, and :func:`settle` goes on until nothing changes.
    The derivative goes through σ̂ with v fixed, which at the singular vector is that of σ.

    Args:
        coefficient: c.
        iterations: of each call in training mode; 0 leaves v to ``settle``.
        inner: shape of the points that A takes.
    """

    def __init__(self, coefficient: float, iterations: int, inner: tuple[int, ...]) -> None:
        super().__init__()
        self.coefficient = checks.real("coefficient", coefficient, above=0)
        self.iterations = checks.integer("iterations", iterations, at_least=0)
        checks.affordable("shape of the input", *inner)
        drawn = torch.randn(inner, generator=seeds.generator(0, "power iteration"))
        self.register_buffer("v", drawn / drawn.norm())
        self.held = False

    v: Tensor
    bias: nn.Parameter

    def applied(self, x: Tensor) -> Tensor:
        """Return A x for points ``(n, *inner)``, unscaled."""
        raise NotImplementedError

    def returned(self, y: Tensor) -> Tensor:
        """Return Aᵀ y for values ``(n, *outer)``, unscaled."""
        raise NotImplementedError

    def norm(self) -> Tensor:
        """Return σ̂ ``()``, a lower bound of σ that can be differentiated in the weights."""
        return self.applied(self.v.clone()[None]).norm()  # v changes in place before the way back

    def scale(self) -> Tensor:
        """Return min(1, c/σ̂) ``()``."""
        return self.coefficient / self.norm().clamp(min=self.coefficient)

    @torch.no_grad()
    def refine(self, iterations: int) -> float:
        """Take power iterations; return the relative change of σ̂ in the last one."""
        before = after = self.norm()
        for _ in range(checks.integer("iterations", iterations, at_least=0)):
            new = self.returned(self.applied(self.v[None]))[0]
            size = new.norm()
            if not bool(size > 0):
                break
            self.v.copy_(new / size)
            before, after = after, self.norm()
        return float((after - before).abs() / after.clamp(min=1e-30))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled A x + b."""
        checks.reals("x", x, like=self.v)
        if tuple(x.shape[1:]) != tuple(self.v.shape):
            checks.fail("x", f"shape (n, {', '.join(map(str, self.v.shape))})", f"shape {tuple(x.shape)}")
        if self.training and not self.held:
            self.refine(self.iterations)
        y = self.applied(x) * self.scale()
        return y + self.bias.reshape(-1, *([1] * (y.ndim - 2)))


class LipschitzLinear(LipschitzLayer):
    """A dense layer for points ``(n, inputs)``, begun as PyTorch begins one; ``exact`` takes σ by SVD."""

    def __init__(
        self, inputs: int, outputs: int, coefficient: float = 0.9, *, iterations: int = 5, exact: bool = False
    ) -> None:
        checks.integer("inputs", inputs, at_least=1)
        checks.affordable("outputs", inputs, checks.integer("outputs", outputs, at_least=1))
        super().__init__(coefficient, iterations, (inputs,))
        self.exact = checks.instance("exact", exact, bool)
        self.weight, self.bias = nn.Linear(inputs, outputs).parameters()

    def applied(self, x: Tensor) -> Tensor:
        """Return W x."""
        return x @ self.weight.T

    def returned(self, y: Tensor) -> Tensor:
        """Return Wᵀ y."""
        return y @ self.weight

    def norm(self) -> Tensor:
        """Return σ̂, or σ where ``exact``."""
        return torch.linalg.matrix_norm(self.weight, 2) if self.exact else super().norm()

    def refine(self, iterations: int) -> float:
        """As of any layer; nothing where ``exact``."""
        return 0.0 if self.exact else super().refine(iterations)


class LipschitzConv2d(LipschitzLayer):
    """A convolution of pictures ``(n, inputs, *sides)`` with zeros around them, so that they keep their sides.

    Args:
        inputs: channels of the pictures.
        outputs: channels of the result.
        kernel: odd side of the kernels.
        sides: height and width of the pictures: σ depends on them.
        coefficient: c.
        iterations: of each call in training mode.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        sides: Sequence[int],
        coefficient: float = 0.9,
        *,
        iterations: int = 5,
    ) -> None:
        for name, value in (("inputs", inputs), ("outputs", outputs), ("kernel", kernel)):
            checks.integer(name, value, at_least=1)
        if kernel % 2 == 0:
            checks.fail("kernel", "an odd side", kernel, "only those keep the sides of pictures")
        shape = tuple(checks.integer("sides", one, at_least=1) for one in checks.several("sides", sides, "two"))
        if len(shape) != 2:
            checks.fail("sides", "height and width", shape)
        checks.affordable("outputs", inputs, outputs, kernel, kernel)
        super().__init__(coefficient, iterations, (inputs, *shape))
        self.weight, self.bias = nn.Conv2d(inputs, outputs, kernel).parameters()

    def applied(self, x: Tensor) -> Tensor:
        """Return the convolution of ``x`` (n, inputs, *sides)."""
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)

    def returned(self, y: Tensor) -> Tensor:
        """Return its transpose, of values (n, outputs, *sides)."""
        return F.conv_transpose2d(y, self.weight, padding=self.weight.shape[-1] // 2)


def layers_of(module: nn.Module) -> list[LipschitzLayer]:
    """Return the layers of bounded norm in ``module``."""
    checks.instance("module", module, nn.Module)
    return [one for one in module.modules() if isinstance(one, LipschitzLayer)]


def settle(module: nn.Module, tolerance: float = 1e-6, most: int = 10_000) -> int:
    """Refine every bounded layer in ``module`` until σ̂ changes by a share of ``tolerance``; return iterations.

    To be called after training: where singular values lie close, few iterations leave σ̂ below σ, and the inverse
    need not exist. Never more than ``most`` iterations a layer; the change of σ̂ then says nothing.
    """
    checks.real("tolerance", tolerance, above=0)
    checks.integer("most", most, at_least=1)
    taken = 0
    for layer in layers_of(module):
        for _ in range(most):
            taken += 1
            if layer.refine(1) <= tolerance:
                break
    return taken


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """Inside, no layer of ``module`` takes iterations, so that it is one function."""
    before = [(one, one.held) for one in layers_of(module)]
    for one, _ in before:
        one.held = True
    try:
        yield
    finally:
        for one, was in before:
            one.held = was
