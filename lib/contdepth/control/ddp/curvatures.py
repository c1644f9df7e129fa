"""What stands for Q_uu of a layer: a multiple of the identity, a diagonal, or a product of two small matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["CURVATURES", "Diagonal", "Identity", "Kronecker"]


class Identity:
    """Q_uu = I: gradient descent, where there is no feedback."""

    def __init__(self, average: float, damping: float) -> None:
        pass

    def see(self, slope: Tensor, x: Tensor, v: Tensor) -> None:
        """Take in the mean slope Q_u (…, out, in), states (…, batch, in) and V_h (…, batch, out) of a batch."""

    def solve(self, slope: Tensor) -> Tensor:
        """Q_uu⁻¹ applied to a matrix of the layer's shape (…, out, in)."""
        return slope

    def squares(self, z: Tensor, x: Tensor) -> Tensor:
        """qᵀ Q_uu⁻¹ q for q = z xᵀ of every sample, (…, batch)."""
        return z.square().sum(-1) * x.square().sum(-1)


class Diagonal(Identity):
    """Q_uu = √E[Q_u²] + ε, entry by entry, with the running mean of RMSprop from 0."""

    def __init__(self, average: float, damping: float) -> None:
        self.average, self.damping = average, damping
        self.mean: Tensor | None = None
        self.size: Tensor | float = 1.0

    def see(self, slope: Tensor, x: Tensor, v: Tensor) -> None:
        self.mean = torch.zeros_like(slope) if self.mean is None else self.mean
        self.mean = self.average * self.mean + (1 - self.average) * slope.square()
        self.size = self.mean.sqrt() + self.damping

    def solve(self, slope: Tensor) -> Tensor:
        return slope / self.size

    def squares(self, z: Tensor, x: Tensor) -> Tensor:
        return ((z.square() @ (1 / self.size)) * x.square()).sum(-1)


class Kronecker(Identity):
    """Q_uu = (E[V_h V_hᵀ] + √λ I) ⊗ (E[x xᵀ] + √λ I), running means divided by the sum of their weights."""

    def __init__(self, average: float, damping: float) -> None:
        self.average, self.root = average, damping**0.5
        self.means: list[Tensor] = []
        self.total = 0.0
        self.inverses: list[Tensor] = []

    def see(self, slope: Tensor, x: Tensor, v: Tensor) -> None:
        new = [part.mT @ part / part.shape[-2] for part in (v, x)]
        old = self.means or [torch.zeros_like(part) for part in new]
        self.means = [self.average * a + (1 - self.average) * b for a, b in zip(old, new, strict=True)]
        self.total = self.average * self.total + 1 - self.average
        self.inverses = []
        for part in self.means:
            eye = torch.eye(part.shape[-1], dtype=part.dtype, device=part.device)
            self.inverses.append(torch.linalg.inv_ex(part / self.total + self.root * eye)[0])

    def solve(self, slope: Tensor) -> Tensor:
        outer, inner = self.inverses
        return outer @ slope @ inner

    def squares(self, z: Tensor, x: Tensor) -> Tensor:
        outer, inner = self.inverses
        return ((z @ outer) * z).sum(-1) * ((x @ inner) * x).sum(-1)


CURVATURES: dict[str, Callable[[float, float], Identity]] = {
    "identity": Identity,
    "diagonal": Diagonal,
    "kronecker": Kronecker,
}
