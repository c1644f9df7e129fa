"""The cell at its equilibrium, exactly: Newton's method, and a net that reads series there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks
from contdepth.recurrent import EquilibriumCell, Series

__all__ = ["Settled", "equilibrium"]


@torch.no_grad()
def equilibrium(cell: EquilibriumCell, x: Tensor, before: Tensor | None = None, *, steps: int = 30) -> Tensor:
    """Return the point of rest F = g + h of each row, ``(n, hidden)`` in float64, by Newton's method.

    F solves tanh(U F + W x + b) = α F. Where ‖U‖ < α there is one solution, and the state before the row does not
    occur in it. Else the equation of the cell is followed first, from ``before`` on by 400 steps of 1/4.

    Args:
        cell: U, W, b and α.
        x: rows ``(n, inputs)``.
        before: states before the rows ``(n, hidden)``; None: Newton's method starts at 0.
        steps: at most so many.

    Returns:
        The points; NaN in rows whose residual is not below 1e-10 after these steps.
    """
    checks.reals("x", x, ndim=2)
    u, w, b = (one.detach().double() for one in (cell.u, cell.w, cell.b))
    driven = functional.linear(x.double(), w, b)

    def residual(point: Tensor) -> Tensor:
        return torch.tanh(functional.linear(point, u) + driven) - cell.decay * point

    found = torch.zeros_like(driven) if before is None else before.double()
    for _ in range(0 if before is None else 400):
        found = found + 0.25 * residual(found)
    eye = torch.eye(cell.hidden, dtype=u.dtype, device=u.device)
    for _ in range(steps):
        if float(residual(found).abs().max()) < 1e-12:
            break
        slope = (1 - torch.tanh(functional.linear(found, u) + driven).square())[..., None] * u - cell.decay * eye
        found = found - torch.linalg.solve(slope, residual(found))
    resting = residual(found).abs().amax(1, keepdim=True) < 1e-10
    return torch.where(resting, found, torch.nan)


class Settled(nn.Module):
    """The limit K → ∞: h_k = F(x_k) - h_{k-1}, hence h_T = Σ (-1)^(T-k) F(x_k), all rows at once.

    F is iterated to rest, and its derivative is that of the implicit function: (I - DU/α)⁻¹ times what one more
    evaluation passes on, with D the slopes of tanh. Where ‖U‖ is above 0.9 α, U is divided by so much that it is
    not: there is one point of rest, and the iteration ends there. Rows that are missing at the end are left out.

    Args:
        cell: gives U, W, b and α; its sizes are not used.
        tolerance: largest change at which the iteration ends.
        most: iterations, at most, there and back; each leaves 0.9 of the way at most.
    """

    def __init__(self, cell: EquilibriumCell, *, tolerance: float = 1e-6, most: int = 100) -> None:
        super().__init__()
        cell.sizes.requires_grad_(False)
        self.cell, self.hidden = cell, cell.hidden
        self.tolerance, self.most = tolerance, most

    def matrix(self) -> Tensor:
        """Return U, of norm 0.9 α at most, ``(hidden, hidden)``."""
        excess = torch.linalg.matrix_norm(self.cell.u, 2) / (0.9 * self.cell.decay)
        return self.cell.u / excess.clamp_min(1.0)

    def rest(self, x: Tensor) -> Tensor:
        """Return F(x) ``(..., hidden)`` of rows ``(..., inputs)``, with derivatives."""
        cell, u = self.cell, self.matrix()
        driven = functional.linear(x, cell.w, cell.b)
        with torch.no_grad():
            found = torch.zeros_like(driven)
            for _ in range(self.most):
                before, found = found, torch.tanh(functional.linear(found, u) + driven) / cell.decay
                if float((found - before).abs().max()) < self.tolerance:
                    break
        risen = torch.tanh(functional.linear(found, u) + driven)
        if risen.requires_grad:
            slopes, fixed = (1 - risen.detach().square()) / cell.decay, u.detach()
            risen.register_hook(lambda v: self._back(v, slopes, fixed))
        return risen / cell.decay

    def forward(self, series: Series) -> Tensor:
        """Return the state after the last row of each series, ``(n, hidden)``."""
        rows = torch.arange(series.values.shape[1], device=series.values.device)
        sign = 1.0 - 2 * ((series.lengths[:, None] - 1 - rows) % 2)
        weight = torch.where(rows < series.lengths[:, None], sign, 0.0)
        return (weight[..., None] * self.rest(series.values)).sum(1)

    def _back(self, v: Tensor, slopes: Tensor, u: Tensor) -> Tensor:
        """Solve z = v + Uᵀ(D z)/α for each row."""
        z = v
        scale = float(v.abs().max())
        for _ in range(self.most):
            before, z = z, v + (slopes * z) @ u
            if float((z - before).abs().max()) <= self.tolerance * scale:
                break
        return z
