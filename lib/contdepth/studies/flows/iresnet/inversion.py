"""Inverses of chains of residual blocks, iteration by iteration, against Banach's bound."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from contdepth.flows.residual.layers import LipschitzLayer, layers_of

__all__ = ["banach_share", "block_bounds", "chain_errors", "scaled_norms"]


@torch.no_grad()
def chain_errors(branches: Iterable[nn.Module], x: Tensor, counts: Sequence[int]) -> np.ndarray:
    """Largest error of a coordinate after each number of iterations a block, float64, (counts,).

    ``x`` (n, ...) go through x + g(x) of all branches and are sought again from the last one's output.
    """
    gs = _double(branches)
    x = z = x.double()
    for g in gs:
        z = z + g(z)
    errors = []
    for count in counts:
        found = z
        for g in reversed(gs):
            y = found
            for _ in range(count):
                found = y - g(found)
        error = (found - x).abs().amax()
        errors.append(float(error) if error.isfinite() else np.inf)
    return np.array(errors)


@torch.no_grad()
def banach_share(branches: Iterable[nn.Module], x: Tensor, lipschitz: float, count: int) -> float:
    """The largest share of L^k |x₁ - x₀| / (1 - L) that an error takes, of any block and point and any k ≤ count.

    L = ``lipschitz``; x₀ = y. Points of a block are those that the blocks before it make of ``x`` (n, ...). Errors
    below 1e-12 are rounding and left out.
    """
    worst, x = 0.0, x.double()
    for g in _double(branches):
        y = guess = x + g(x)
        first = g(y).flatten(1).norm(dim=1)
        for k in range(1, count + 1):
            guess = y - g(guess)
            error = (guess - x).flatten(1).norm(dim=1)
            share = error / (lipschitz**k * first / (1 - lipschitz))
            worst = max([worst, *share[error > 1e-12].tolist()])
        x = y
    return worst


@torch.no_grad()
def scaled_norms(module: nn.Module) -> np.ndarray:
    """The norms of the maps that the bounded layers of ``module`` apply, by Lanczos' iteration, (layers,).

    A layer divides its map by what it takes for the norm; what remains is c only if it took the right number.
    Nought where weights are not finite.
    """
    found = []
    for one in layers_of(module):
        layer = copy.deepcopy(one).double()
        if not all(bool(value.isfinite().all()) for value in layer.parameters()):
            found.append(0.0)
            continue
        count = layer.v.numel()

        def normal(v: np.ndarray, layer: LipschitzLayer = layer) -> np.ndarray:
            there = layer.applied(torch.from_numpy(v).reshape(1, *layer.v.shape))
            return layer.returned(there).flatten().numpy()

        square = LinearOperator((count, count), matvec=normal, dtype=np.float64)
        start = np.random.default_rng(0).normal(size=count)
        largest = eigsh(square, k=1, v0=start, tol=1e-9, return_eigenvectors=False)[0]
        found.append(float(np.sqrt(largest) * layer.scale()))
    return np.array(found)


def block_bounds(branches: Iterable[nn.Module]) -> np.ndarray:
    """For each branch the product of the norms of the maps that it applies: a bound of its Lipschitz constant."""
    return np.array([scaled_norms(g).prod() for g in branches])


def _double(branches: Iterable[nn.Module]) -> list[nn.Module]:
    return [copy.deepcopy(g).double().eval() for g in branches]
