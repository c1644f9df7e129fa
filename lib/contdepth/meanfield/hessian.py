"""The Hessian of E in the parameters of all blocks, its Gauss-Newton part and its spectra along depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.meanfield.network import MeanFieldNet, check_data
from contdepth.meanfield.particles import Particles

__all__ = ["Curvature", "curvature"]

LARGEST = 4096


@dataclass(frozen=True)
class Curvature:
    """∇²E in θ = (θ_1, …, θ_L), flat: ``hessian`` and ``gauss_newton`` (Lk, Lk), ``jacobian`` (batch, Lk).

    With J the Jacobian of the outputs o and r = o - y, ∇²E = JᵀJ/batch + mean r ∇²o. The first part has rank at
    most batch; at zero loss it is all there is. Every block enters with c_l, so for c_l = 1/L both parts are
    O(1/L) in norm: the largest eigenvalue falls like 1/L and the rate of gradient descent may rise like L.
    """

    hessian: Tensor
    jacobian: Tensor
    blocks: int

    @property
    def gauss_newton(self) -> Tensor:
        """JᵀJ/batch, (Lk, Lk)."""
        return self.jacobian.mT @ self.jacobian / len(self.jacobian)

    @property
    def eigenvalues(self) -> Tensor:
        """Of the Hessian, falling, (Lk,)."""
        return torch.linalg.eigvalsh(self.hessian).flip(0)

    def block_eigenvalues(self) -> Tensor:
        """Of every diagonal block ∂²E/∂θ_l², falling, (L, k)."""
        k = len(self.hessian) // self.blocks
        diagonal = self.hessian.unflatten(0, (self.blocks, k)).unflatten(2, (self.blocks, k))
        each = diagonal.diagonal(dim1=0, dim2=2).movedim(-1, 0)
        return torch.linalg.eigvalsh(each).flip(1)

    def rank(self, tolerance: float = 1e-9) -> int:
        """Eigenvalues of the Hessian larger in modulus than ``tolerance`` times the largest."""
        size = self.eigenvalues.abs()
        return int((size > checks.real("tolerance", tolerance, above=0) * size.max()).sum())


def curvature(net: MeanFieldNet, particles: Particles, x: Tensor, y: Tensor) -> Curvature:
    """Exact ∇²E in all θ at fixed times and masses, by forward-over-reverse differentiation.

    Raises:
        TypeError, ValueError: unsorted particles, wrong shapes, more than 4096 parameters.
    """
    checks.instance("net", net, MeanFieldNet)
    weights = net.factors(particles).detach()
    check_data(x, y)
    if particles.theta.numel() > LARGEST:
        checks.fail("particles", f"at most {LARGEST} parameters", particles.theta.numel(), "the matrix is dense")
    shape, start = particles.theta.shape, net.initial(x)

    def outputs(flat: Tensor) -> Tensor:
        return net.trajectory(flat.view(shape), weights, start)[-1] @ net.w1

    def loss(flat: Tensor) -> Tensor:
        return 0.5 * (outputs(flat) - y).square().mean()

    flat = particles.theta.detach().flatten()
    hessian = torch.func.hessian(loss)(flat)
    return Curvature((hessian + hessian.mT) / 2, torch.func.jacrev(outputs)(flat), len(particles))
