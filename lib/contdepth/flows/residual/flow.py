"""The law of a chain of residual blocks as a density model."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.flows.base import DensityModel, Pushed, like_of
from contdepth.flows.residual.block import ResidualBlock
from contdepth.flows.residual.log_det import ExactLogDet, RouletteLogDet, SeriesLogDet

__all__ = ["ResidualFlow"]


class ResidualFlow(DensityModel):
    """z = B_m ∘ … ∘ B_1(x) with residual blocks B, the base standard normal (Behrmann et al. 2019).

    The volume at ``x`` is the sum of those of the blocks. Sampling inverts block by block to ``tolerance``,
    without a graph: samples have no gradient.

    Args:
        blocks: at least one; the first is nearest to the points.
        dimension: d; points are ``(..., d)``.
        log_det: how volumes are found: ``ExactLogDet()``, ``SeriesLogDet(…)`` or ``RouletteLogDet(…)``. It may be
            set anew, as for training by roulette and evaluation by a long series.
        tolerance: largest residual of an inverse.
        most: iterations of an inverse.
        scaled: whether every block is preceded by x ↦ x·exp(s) + b with s and b learned, d numbers each, nought
            at first: the ActNorm of the authors' code, which begins with the first batch's own.

    Raises:
        InversionError: see ``ResidualBlock.inverse``.
        TypeError, ValueError: a wrong argument.
    """

    def __init__(
        self,
        blocks: Iterable[ResidualBlock],
        dimension: int,
        *,
        log_det: ExactLogDet | SeriesLogDet | RouletteLogDet | None = None,
        tolerance: float = 1e-6,
        most: int = 200,
        scaled: bool = False,
    ) -> None:
        chain = checks.several("blocks", blocks, "such as [ResidualBlock(…), …]")
        if not chain:
            checks.fail("blocks", "at least one block", "none")
        for one in chain:
            checks.instance("blocks", one, ResidualBlock)
        super().__init__(dimension, like_of(nn.ModuleList(chain)))
        self.blocks = nn.ModuleList(chain)
        self.log_det = ExactLogDet() if log_det is None else log_det
        if not isinstance(self.log_det, ExactLogDet | SeriesLogDet | RouletteLogDet):
            wanted = "ExactLogDet(), SeriesLogDet(…) or RouletteLogDet(…)"
            checks.fail("log_det", wanted, type(log_det).__name__, error=TypeError)
        self.tolerance = checks.real("tolerance", tolerance, above=0)
        self.most = checks.integer("most", most, at_least=1)
        self.scaled = checks.instance("scaled", scaled, bool)
        if scaled:
            self.log_scales = nn.Parameter(self.origin.new_zeros(len(chain), dimension))
            self.shifts = nn.Parameter(self.origin.new_zeros(len(chain), dimension))

    @property
    def chance(self) -> bool:
        """Whether volumes are estimated."""
        return self.log_det.chance

    def to_base(self, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return the images of ``x`` and ln|det dz/dx|."""
        z = self._points("x", x, generator).reshape(-1, self.dimension)
        total = z.new_zeros(len(z))
        for k, block in enumerate(self.blocks):
            if self.scaled:
                z, total = z * self.log_scales[k].exp() + self.shifts[k], total + self.log_scales[k].sum()
            z, log_det = self.log_det(block.g, z, generator)  # type: ignore[arg-type]
            total = total + log_det
        return Pushed(z.reshape(x.shape), total.reshape(x.shape[:-1]))

    def from_base(self, z: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return the points whose images are ``z``, without a graph behind them, and ln|det dx/dz|."""
        self._points("z", z, generator)
        x = self.moved(z)
        return Pushed(x, -self.to_base(x, generator).log_det)

    def moved(self, z: Tensor) -> Tensor:
        """Return the points whose images are ``z``, without a graph."""
        x = self._placed("z", z).reshape(-1, self.dimension)
        for k, block in reversed(list(enumerate(self.blocks))):
            x = block.inverse(x, tolerance=self.tolerance, most=self.most).x  # type: ignore[operator]
            if self.scaled:
                x = (x - self.shifts[k]) * (-self.log_scales[k]).exp()
        return x.detach().reshape(z.shape)
