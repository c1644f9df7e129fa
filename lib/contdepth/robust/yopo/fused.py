"""YOPO's inner loop for a first layer conv (+ ReLU), fused: one image after the other, all steps in cache."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.robust.threat import Threat, check_threat

__all__ = ["fused_available", "inner_steps_fused"]

INSTEAD = "use contdepth.robust.inner.inner_steps_plain"
WIDTH, PAGE = 16, 1024
"""Floats in a cache line, to whose multiples all lengths are rounded up, and in a memory page."""


def fused_available(layers: nn.Module | Iterable[nn.Module]) -> str | None:
    """None where ``inner_steps_fused`` can stand for these first layers, else one sentence that says why not.

    It can for an ``nn.Conv2d`` (float32, CPU, one group, dilation 1, zero padding, no hooks) alone or followed by
    one ``nn.ReLU``, with Numba installed. ``layers``: a module, an ``nn.Sequential`` or the modules in order.
    """
    if isinstance(layers, nn.Module):
        layers = [layers]
    parts = [part for layer in layers for part in (layer if type(layer) is nn.Sequential else [layer])]
    kinds = [type(part) for part in parts]
    if kinds not in ([nn.Conv2d], [nn.Conv2d, nn.ReLU]):
        found = ", ".join(kind.__name__ for kind in kinds) or "nothing"
        return f"The fused inner loop needs Conv2d or Conv2d, ReLU as first layer, found {found}."
    conv = parts[0]
    if conv.groups != 1 or conv.dilation != (1, 1) or conv.padding_mode != "zeros":
        return (
            f"The fused inner loop needs one group, dilation 1 and zero padding, found groups {conv.groups}, "
            f"dilation {conv.dilation} and padding mode {conv.padding_mode!r}."
        )
    if conv.weight.device.type != "cpu" or conv.weight.dtype != torch.float32:
        return (
            f"The fused inner loop runs in float32 on the CPU, found {conv.weight.dtype} on {conv.weight.device}."
        )
    if any(part._forward_hooks or part._forward_pre_hooks for part in parts):
        return "The fused inner loop does not call forward hooks, and the first layer has some."
    try:
        importlib.import_module("numba")
    except ImportError as error:
        return f"The fused inner loop needs Numba, which cannot be imported ({error}); pip install numba."
    return None


def inner_steps_fused(
    conv: nn.Conv2d,
    relu: bool,
    x: Tensor,
    delta: Tensor,
    slack: Tensor,
    threat: Threat,
    step_size: float,
    steps: int,
    threads: int | None = None,
) -> Tensor:
    """``inner_steps_plain`` for f₀ = ``conv``, then ReLU if ``relu``, ℓ∞ only; a new tensor like ``delta``.

    Equal up to rounding: where an output of the convolution or a gradient is zero but for rounding, its sign can
    differ, and with it the pixel's later path. The kernel is compiled at its first call (some seconds) and kept on
    disk where Numba finds a writable place.

    Args:
        conv: a convolution for which ``fused_available`` gives None.
        relu: whether a ReLU follows. Without one H is linear in δ and its gradient is formed once.
        x: images (batch, C, H, W) in [0, 1], float32 on the CPU.
        delta: start, same shape, inside the threat.
        slack: p = ∂ℓ/∂f₀ (batch, O, H', W'), finite.
        threat: an ℓ∞ threat.
        step_size: σ, in units of the pixel range.
        steps: n, 0 returns a copy of ``delta``.
        threads: images are shared among so many threads; None for ``torch.get_num_threads()``. One starts no pool.

    Raises:
        TypeError, ValueError: a layer, norm, shape, dtype or device out of the above; a count out of range.
    """
    reason = fused_available(conv)
    if reason is not None:
        checks.fail("conv", "a layer for the fused inner loop", reason, INSTEAD)
    checks.one_of("threat.norm", check_threat(threat).norm, ("linf",), INSTEAD)
    checks.integer("steps", steps, at_least=0)
    checks.real("step_size", step_size, above=0)
    threads = checks.integer("threads", torch.get_num_threads() if threads is None else threads, at_least=1)
    for name, value in (("x", x), ("delta", delta), ("slack", slack)):
        checks.tensor(name, value, ndim=4)
        if value.dtype != torch.float32 or value.device.type != "cpu":
            checks.fail(name, "float32 on the CPU", f"{value.dtype} on {value.device}", INSTEAD, error=TypeError)
    batch, channels, height, width = x.shape
    if channels != conv.in_channels:
        checks.fail("x", f"{conv.in_channels} channels", channels)
    checks.same_shape("delta", delta, tuple(x.shape))
    top, left, rows, columns = outputs(conv, height, width)
    if min(rows, columns) < 1:
        checks.fail("x", f"images not smaller than the kernel {conv.kernel_size}", f"{height} x {width}")
    checks.same_shape(
        "slack", slack, (batch, conv.out_channels, rows, columns), "take it at the output of this layer"
    )
    result = delta.detach().clone(memory_format=torch.contiguous_format)
    if batch == 0 or steps == 0:
        return result
    tables = layout(conv, height, width, top, left, rows, columns, step_size)
    images, slack = x.detach().contiguous().numpy().reshape(batch, -1), slack.detach().contiguous().numpy()  # type: ignore[assignment]
    moved = result.numpy().reshape(batch, -1)
    ascend = importlib.import_module("contdepth.robust.fused_kernel").ascend

    def part(some: slice) -> None:
        length, _, _, _, wide, even = (int(size) for size in tables[-1])
        work = [zeros(4, tables[-2].size), zeros(2 * wide), zeros(even * length)]
        ascend(
            images[some],
            moved[some],
            slack[some],
            *tables[:-1],
            np.float32(threat.radius),
            bool(relu),
            np.uint64(steps),
            tables[-1],
            *work,
        )

    threads = min(threads, batch)
    if threads == 1:
        part(slice(0, batch))
    else:
        cuts = [batch * k // threads for k in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, map(slice, cuts[:-1], cuts[1:])))
    return result


def outputs(conv: nn.Conv2d, height: int, width: int) -> tuple[int, int, int, int]:
    """Padding above and to the left, and rows and columns of the output, of a convolution with dilation 1."""
    sizes = []
    for axis, extent in enumerate((height, width)):
        kernel, stride = conv.kernel_size[axis], conv.stride[axis]
        if conv.padding == "same":
            before, both = (kernel - 1) // 2, kernel - 1
        else:
            before = 0 if conv.padding == "valid" else conv.padding[axis]  # type: ignore[assignment]
            both = 2 * before
        sizes.append((before, (extent + both - kernel) // stride + 1))
    return sizes[0][0], sizes[1][0], sizes[0][1], sizes[1][1]


def layout(
    conv: nn.Conv2d, height: int, width: int, top: int, left: int, rows: int, columns: int, step_size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.uint64, ...]]:
    """Planes and blocks of taps for the kernel: weight, bias, plane, shift, cell, sigma and sizes.

    Padded pixel (c, i, j) lies in plane (c, i mod s, j mod s) at row i // s and column j // s, so that the taps of
    one plane are shifts by whole rows and columns. ``sizes``: length of an output channel (its rows as far
    apart as in a plane), row and margin around an output channel, used part of a plane, size of an output channel
    with its margins, and the number of output channels made even.
    """
    (kh, kw), (sy, sx) = conv.kernel_size, conv.stride
    high = -(-max(height + top, (rows - 1) * sy + kh) // sy)
    row = -(-max(width + left, (columns - 1) * sx + kw) // sx)
    used = -(-high * row // WIDTH) * WIDTH
    length = -(-((rows - 1) * row + columns) // WIDTH) * WIDTH
    taps = conv.weight.detach().numpy()
    even = conv.out_channels + conv.out_channels % 2
    blocks: list[tuple[int, list[int], np.ndarray]] = []
    for c in range(conv.in_channels):
        for phase in range(sy * sx):
            a, b = divmod(phase, sx)
            part = taps[:, c, a::sy, b::sx]
            strips = [(i, j) for i in range(part.shape[1]) for j in range(0, part.shape[2], 3)]
            for first in range(0, len(strips), 3):
                shifts, values = [0, 0, 0], np.zeros((even, 9), np.float32)
                for k, (i, j) in enumerate(strips[first : first + 3]):
                    strip = part[:, i, j : j + 3]
                    shifts[k] = i * row + j
                    values[: conv.out_channels, 3 * k : 3 * k + strip.shape[1]] = strip
                blocks.append((c * sy * sx + phase, shifts, values))
    reach = max(max(shifts) for _, shifts, _ in blocks)
    size = -(-max(used, length + reach + 2) // WIDTH) * WIDTH
    c, i, j = np.ogrid[: conv.in_channels, top : top + height, left : left + width]  # type: ignore[assignment]
    cell = (((c * sy + i % sy) * sx + j % sx) * size + i // sy * row + j // sx).ravel()  # type: ignore[attr-defined]
    sigma = np.zeros(conv.in_channels * sy * sx * size, np.float32)
    sigma[cell] = step_size
    bias = np.zeros(even, np.float32)
    if conv.bias is not None:
        bias[: conv.out_channels] = conv.bias.detach().numpy()
    margin = -(-(reach + 2) // WIDTH) * WIDTH
    sizes = (length, row, margin, used, margin + max(length, used) + margin, even)
    return (
        np.concatenate([values for _, _, values in blocks]),
        bias,
        np.array([plane * size for plane, _, _ in blocks], np.uint64),
        np.array([shifts for _, shifts, _ in blocks], np.uint64),
        cell.astype(np.uint64),
        sigma,
        tuple(np.uint64(size) for size in sizes),
    )


def zeros(*shape: int) -> np.ndarray:
    """Float32 zeros that begin on a memory page: a vector that crosses cache lines costs two accesses."""
    count = int(np.prod(shape))
    memory = np.zeros(count + PAGE, np.float32)
    first = -memory.ctypes.data % (4 * PAGE) // 4
    return memory[first : first + count].reshape(shape)
