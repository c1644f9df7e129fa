"""Stacks of layers whose weights are smooth in depth or drawn anew for each, and how fast sweeps solve them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from contdepth import seeds
from contdepth.schemes.parallel_in_time.layers import Layers
from contdepth.schemes.parallel_in_time.multigrid import Multigrid
from contdepth.schemes.parallel_in_time.solving import parallel_states

__all__ = ["drawn", "falls", "smooth_relu", "sweep_errors", "tanh_branch"]


def tanh_branch(u: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """tanh(u K_n + b_n): u (k, batch, d), K (k, d, d), b (k, d) or (k, 1)."""
    return torch.tanh(torch.baddbmm(b[:, None], u, K))


def smooth_relu(x: Tensor, eta: float = 0.1) -> Tensor:
    """ReLU with a parabola for |x| < eta, as the authors' code has it: x²/(4 eta) + x/2 + eta/4."""
    rounded = huber_loss(x, x.new_zeros(()).expand_as(x), reduction="none", delta=eta)  # eta |x|, less eta²/2
    return torch.add(x, rounded, alpha=1 / eta).mul(0.5).add(eta / 4)


def smooth_relu_branch(u: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """Smoothed ReLU of u K_n + b_n; shapes as in ``tanh_branch``."""
    return smooth_relu(torch.baddbmm(b[:, None], u, K))


def drawn(layers: int, width: int, seed: int, *, smooth: bool, modes: int = 3) -> Layers:
    """N layers of the tanh branch on T = 1, their weights normal with the same variance on average in depth.

    Smooth: three cosines in depth, 1, cos(pi t), cos(2 pi t), with normal matrices; else a matrix of its own for
    each layer. float64; the time of layer n is (n + 1/2) / N.
    """
    rng = seeds.generator(seed, "parallel weights")
    t = (torch.arange(layers, dtype=torch.float64) + 0.5) / layers
    waves = torch.cos(math.pi * t[:, None] * torch.arange(modes, dtype=torch.float64))
    if not smooth:  # the mean of cos² is 1 for the constant and 1/2 for the others
        waves = torch.eye(layers, dtype=torch.float64) * math.sqrt((modes + 1) / 2)
    K = torch.randn(waves.shape[1], width, width, generator=rng, dtype=torch.float64) / math.sqrt(width)
    b = torch.randn(waves.shape[1], width, generator=rng, dtype=torch.float64) / 2
    return Layers(tanh_branch, (torch.einsum("nk,kij->nij", waves, K), waves @ b), 1 / layers)


def sweep_errors(layers: Layers, plan: Multigrid, sweeps: int, seed: int, batch: int = 32) -> list[float]:
    """Relative error of all states, in the Euclidean norm, after 0 … ``sweeps`` sweeps, beside a serial solve."""
    width = layers.weights[0].shape[1]
    rng = seeds.generator(seed, "parallel inputs")
    u0 = torch.randn(batch, width, generator=rng, dtype=layers.weights[0].dtype)
    exact = layers.states(u0)
    away = (parallel_states(layers, u0, plan, k) - exact for k in range(sweeps + 1))
    return [float(one.norm() / exact.norm()) for one in away]


def falls(errors: Sequence[float], floor: float = 1e-12) -> list[float]:
    """By what factor each sweep lowers the error, for those that begin with one above ``floor``."""
    pairs = zip(errors, errors[1:], strict=False)
    return [before / max(after, 1e-300) for before, after in pairs if before > floor]
