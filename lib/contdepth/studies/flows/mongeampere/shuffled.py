"""Symmetry by chance: a permutation drawn for every point and evaluation of ∇φ, as the authors' code has it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from contdepth.flows import Drawn, Potential, Pushed
from contdepth.flows.base import standard_normal

__all__ = ["ShuffledFlow"]


class ShuffledFlow(nn.Module):
    """RK4 for x' = ∇φ(Px), (ln p)' = -Δφ(Px), with P drawn anew for each point and stage.

    Args:
        potential: φ on R^d.
        symmetries: permutations ``(|G|, d)`` to draw from.
        time: length of the paths.
        steps: equal ones.
    """

    def __init__(self, potential: Potential, symmetries: Tensor, time: float, steps: int) -> None:
        super().__init__()
        self.potential, self.symmetries, self.time, self.steps = potential, symmetries, time, steps

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """Draw ``count`` points, with the density that ∫Δφ says."""
        z = self.base(count, generator)
        x, log_det = self.carried(z, self.order(count, generator))
        return Drawn(x, standard_normal(z) - log_det)

    def base(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` points of the base, of the potential's dtype."""
        weight = self.potential.weight
        return torch.randn(count, weight.shape[1], generator=generator, dtype=weight.dtype)

    def order(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw which permutation each point meets, ``(count, 4 steps)``."""
        return torch.randint(len(self.symmetries), (count, 4 * self.steps), generator=generator)

    def carried(self, z: Tensor, order: Tensor, sign: float = 1.0) -> Pushed:
        """Return what RK4 makes of ``z`` ``(..., d)`` and of ∫Δφ; ``sign`` -1 integrates backwards."""
        h, total = sign * self.time / self.steps, z.new_zeros(z.shape[:-1])
        x = z
        for step in range(self.steps):
            k, rates, sums = torch.zeros_like(x), [], []
            for stage, length in enumerate((0.0, 0.5, 0.5, 1.0)):
                k, trace = self._slopes(x + length * h * k, order[..., 4 * step + stage])
                rates.append(k)
                sums.append(trace)
            weights = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
            x = x + h * sum(w * one for w, one in zip(weights, rates, strict=True))
            total = total + h * sum(w * one for w, one in zip(weights, sums, strict=True))
        return Pushed(x, total)

    def determinant(self, z: Tensor, order: Tensor) -> Tensor:
        """Return ln|det| of the map of :meth:`carried` at ``z`` ``(n, d)``, from its Jacobian."""
        full = vmap(jacrev(lambda one, row: self.carried(one, row).x))(z, order)
        return torch.linalg.slogdet(full).logabsdet

    def _slopes(self, x: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        there = self.symmetries.index_select(0, which.reshape(-1)).reshape(*which.shape, -1)
        gradient, laplacian = self.potential.slopes(x.gather(-1, there))
        return gradient.gather(-1, there.argsort(-1)), laplacian
