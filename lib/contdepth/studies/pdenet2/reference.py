"""PDE-Net 2.0's loss written down the plain way: one convolution a derivative, one small operation a time.

It does the work in the order the official code does it and serves as the oracle of the fused block and as
the other side of the benchmark. Nothing here is fast on purpose or slow on purpose.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth.pde.pdenet2.block import PDENet2Block
from contdepth.pde.symbolic.symnet import SymNet

__all__ = ["plain_objective", "plain_rhs", "plain_symnet"]


def plain_symnet(net: SymNet, inputs: Tensor, output: int) -> Tensor:
    """Output number ``output`` at ``inputs`` (…, n), layer by layer with concatenation; returns (…)."""
    values = inputs / net.input_scale
    weight, bias, product = net.weight[output], net.bias[output], net.product[output]

    def affine(row: int) -> Tensor:
        return values @ torch.cat([weight[row], product[row, : row // 2]]) + bias[row]

    for layer in range(net.hidden):
        values = torch.cat([values, (affine(2 * layer) * affine(2 * layer + 1)).unsqueeze(-1)], -1)
    return affine(2 * net.hidden) * net.output_scale[output]


def plain_rhs(block: PDENet2Block, u: Tensor) -> Tensor:
    """F(u, u_x, …), shape of ``u`` (B, F, *space); periodic boundary."""
    dim = u.ndim - 2
    kernels = block.filters.kernels()
    width = kernels.shape[-1] // 2
    convolve = getattr(nn.functional, f"conv{dim}d")

    def apply(kernel: Tensor, field: int) -> Tensor:
        padded = nn.functional.pad(u[:, field : field + 1], (width,) * (2 * dim), mode="circular")
        return convolve(padded, kernel[None, None])[:, 0]

    def inputs(first: dict[tuple[int, int], Tensor]) -> Tensor:
        return torch.stack(
            [
                first[f, k] if (f, k) in first else apply(kernels[k], f)
                for f in range(block.fields)
                for k in range(len(block.alphas))
            ],
            -1,
        )

    first: dict[tuple[int, int], Tensor] = {}
    if block.upwind:
        pairs = {
            (f, k): (apply(kernels[k], f), apply(-kernels[k].flip(tuple(range(dim))), f))
            for f in range(block.fields)
            for k in block.first
        }
        central = {key: ((a + b) / 2).detach().requires_grad_() for key, (a, b) in pairs.items()}
        with torch.enable_grad():
            x = inputs(central)
            for f in range(block.fields):
                own = [(f, k) for k in block.first]
                slopes = torch.autograd.grad(
                    plain_symnet(block.symnet, x, f).sum(), [central[key] for key in own], retain_graph=True
                )
                for key, slope in zip(own, slopes, strict=True):
                    a, b = pairs[key]
                    first[key] = torch.where(slope > 0, a, torch.where(slope < 0, b, (a + b) / 2))
    x = inputs(first)
    return torch.stack([plain_symnet(block.symnet, x, f) for f in range(block.fields)], 1)


def plain_objective(
    block: PDENet2Block,
    start: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    sparsity: float = 0.0,
    moments: float = 0.0,
) -> Tensor:
    """The loss of ``contdepth.pde.pdenet2.pdenet2.objective`` for data without gaps; same arguments."""

    def huber(values: Tensor, threshold: float) -> Tensor:
        size = values.abs()
        small = (size < threshold).to(size.dtype)
        return (small * size**2 / (2 * threshold) + (1 - small) * (size - threshold / 2)).sum()

    blocks, total, u = target.shape[1], start.new_zeros(()), start
    for n in range(blocks):
        for _ in range(block.substeps):
            h = block.dt / block.substeps
            at = u if block.scheme == "euler" else u + h / 2 * plain_rhs(block, u)
            u = u + h * plain_rhs(block, at)
        for f in range(block.fields):
            total = total + weight[f] * (u[:, f] - target[:, n, f]).square().mean() / block.fields
    if sparsity:
        net = block.symnet
        weights = (net.weight, net.bias, net.product * net.reach)
        total = total + blocks * sparsity * sum(huber(p, 1e-3) for p in weights)
    if moments:
        total = total + blocks * moments * huber(block.filters.free, 1e-2)
    return total
