"""A Hamiltonian network that is given speeds for momenta, or the true momenta of a relativistic body."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contdepth.mechanics import HamiltonianNet
from contdepth.schemes.symplectic import halves

__all__ = ["PhaseNet"]

Sample = tuple[Tensor, Tensor, Tensor]


class PhaseNet(nn.Module):
    """(q', v') ``(..., 2)`` of a learned H: of (q, v) as if v were the momentum, or of (q, p) with p = γ v.

    Mass and light are 1, as of ``RelativisticOscillator()``, so that v' = p'/γ³. H(q, v) as it is would have
    ∂q'/∂q + ∂v'/∂v = 0, which the spring at high speed has not.

    Args:
        hidden: widths of the hidden layers.
        momenta: whether H is one of true momenta.
        generator: draws the weights.
    """

    def __init__(self, hidden: Sequence[int], *, momenta: bool, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.momenta = momenta
        self.net = HamiltonianNet(1, hidden, separable=False, activation="softplus", generator=generator)

    def field(self, t: Tensor, u: Tensor) -> Tensor:
        """Return (q', v') ``(..., 2)`` for u = (q, v); t is not looked at."""
        if not self.momenta:
            return self.net.field(t, u)
        q, v = halves(u)
        gamma = (1 - v.square()).rsqrt()
        speed, force = halves(self.net.field(t, torch.cat((q, gamma * v), -1)))
        return torch.cat((speed, force / gamma.pow(3)), -1)

    def energy(self, u: Tensor) -> Tensor:
        """Return H ``(...)`` at u = (q, v): what the learned motion keeps, in true momenta."""
        q, v = halves(u)
        return self.net(torch.cat((q, (1 - v.square()).rsqrt() * v), -1) if self.momenta else u)

    def samples(self, q: Tensor, v: Tensor, a: Tensor) -> Sample:
        """Return what ``fit_accelerations`` takes: states in place of q, and both of their rates for q''."""
        u = torch.cat((q, v), -1)
        return u, torch.zeros_like(u), torch.cat((v, a), -1)

    def acceleration(self, u: Tensor, unused: Tensor) -> Tensor:
        """Return the rates ``(..., 2)`` at states ``u``, as ``samples`` has them."""
        return self.field(u.new_zeros(()), u)
