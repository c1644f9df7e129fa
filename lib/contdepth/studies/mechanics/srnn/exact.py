"""A chain of springs solved by a matrix, its modes, and the energies for which coarse leapfrog is exact.

Letters: M masses, K stiffness, M^{-1/2} K M^{-1/2} = Q Ω² Qᵀ; x = Ωh is the angle of a mode in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.mechanics import SpringChain
from contdepth.schemes.base import Field

__all__ = ["Coarse", "curvatures", "distance", "modes", "shares", "solved", "stiffness"]


def stiffness(chain: SpringChain) -> Tensor:
    """K ``(n, n)`` float64: V(q) = qᵀKq/2."""
    k = torch.tensor(chain.stiffness, dtype=torch.float64)
    return torch.diag(k[:-1] + k[1:]) - torch.diag(k[1:-1], 1) - torch.diag(k[1:-1], -1)


def modes(chain: SpringChain) -> tuple[Tensor, Tensor, Tensor]:
    """Return Ω ``(n,)``, slowest first, Q ``(n, n)`` with a mode in each column, and √m ``(n,)``, float64."""
    root = torch.tensor(chain.masses, dtype=torch.float64).sqrt()
    square, q = torch.linalg.eigh(stiffness(chain) / (root[:, None] * root))
    return square.sqrt(), q, root


def solved(chain: SpringChain, starts: Tensor, times: Tensor) -> Tensor:
    """Return the exact states ``(N + 1, B, 2n)`` float64 at equally spaced ``times`` from ``starts`` ``(B, 2n)``.

    By the exponential of h (0, M⁻¹; -K, 0), the flow of one step.
    """
    n = chain.degrees
    a = torch.zeros(2 * n, 2 * n, dtype=torch.float64)
    a[:n, n:] = torch.diag(1 / torch.tensor(chain.masses, dtype=torch.float64))
    a[n:, :n] = -stiffness(chain)
    step = torch.linalg.matrix_exp(a * float(times[1] - times[0])).T
    states = [starts.double()]
    for _ in times[1:]:
        states.append(states[-1] @ step)
    return torch.stack(states)


def shares(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return sin x / x and tan(x/2) / (x/2): what T and V of a mode are to be multiplied by, for 0 < x < π.

    A leapfrog step with T = a p²/2 and V = b q²/2 has the trace 2 - h² a b and the upper right entry h a. With
    a = sin x / x and b = Ω² tan(x/2)/(x/2) these are 2 cos x and sin x / Ω, those of the exact rotation.
    """
    return x.sin() / x, (x / 2).tan() / (x / 2)


@dataclass(frozen=True)
class Coarse:
    """The separable quadratic energy with which leapfrog of step h is the exact motion of a chain.

    Attributes:
        kinetic: G ``(n, n)``: T(p) = pᵀGp/2.
        potential: W ``(n, n)``: V(q) = qᵀWq/2.
    """

    kinetic: Tensor
    potential: Tensor

    @classmethod
    def of(cls, chain: SpringChain, h: float) -> Coarse:
        """Return it for step ``h``, which must leave every mode below π a step."""
        omega, q, root = modes(chain)
        a, b = shares(omega * h)
        left = q.T / root  # Qᵀ M^{-1/2}
        right = q.T * root
        return cls(left.T @ (a[:, None] * left), right.T @ ((omega**2 * b)[:, None] * right))

    @property
    def parts(self) -> tuple[Field, Field]:
        """The pair (Gp, -Wq) for ``Leapfrog``."""
        return (lambda t, p: p @ self.kinetic), (lambda t, q: -(q @ self.potential))


def distance(chain: SpringChain, h: float) -> float:
    """Return the norm of the difference of the matrices of ``Coarse.of(chain, h)`` from those of the chain."""
    found, masses = Coarse.of(chain, h), torch.tensor(chain.masses, dtype=torch.float64)
    kinetic, potential = found.kinetic - torch.diag(1 / masses), found.potential - stiffness(chain)
    return float((kinetic.square().sum() + potential.square().sum()).sqrt())


def curvatures(chain: SpringChain, parts: tuple[Field, Field], states: Tensor) -> tuple[Tensor, Tensor]:
    """Return of each mode the curvatures of T and V of ``parts``, as shares of the true ones, ``(n,)`` each.

    The matrices are those of the linear maps closest to ∂T/∂p and ∂V/∂q at ``states`` ``(B, 2n)``.
    """
    omega, mode, root = modes(chain)
    q, p = states.chunk(2, -1)
    zero = torch.zeros((), dtype=states.dtype)
    with torch.no_grad():
        velocity, force = parts[0](zero, p).double(), parts[1](zero, q).double()
    g = _linear(p.double(), velocity)
    w = -_linear(q.double(), force)
    kinetic = ((mode.T * root) @ g @ (root[:, None] * mode)).diagonal()
    potential = ((mode.T / root) @ w @ (mode / root[:, None])).diagonal() / omega**2
    return kinetic, potential


def _linear(x: Tensor, y: Tensor) -> Tensor:
    """The matrix A of the least squares y ≈ c + A x."""
    x = x - x.mean(0)
    # by the normal equations: lstsq is not the same to the bit twice
    return torch.linalg.solve(x.T @ x, x.T @ (y - y.mean(0))).T
