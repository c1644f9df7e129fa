"""Numba kernel of the fused inner loop: all steps of one image before the next, so that its arrays stay in cache.

Every image channel is split into stride x stride planes, each stored as one flat row-major array with padding, so
that a tap of the kernel is a constant shift and every loop runs over one long contiguous range. Taps come in
blocks of three strips of three neighbours (one 3 x 3 kernel at stride 1); missing taps have weight zero. Positions
are unsigned: Numba would test signed ones for negative values, and the loops would not be vectorised. Inner
functions have no annotations: the types are those of ``ascend``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["ascend"]

ZERO, ONE = np.float32(0), np.float32(1)
U1, U2, U9 = np.uint64(1), np.uint64(2), np.uint64(9)


def compiled(function):  # type: ignore[no-untyped-def]
    """``function`` as machine code, kept on disk where there is a writable place for it.

    Multiplications and additions may be fused; nothing else is reordered. The lock of the interpreter is released.
    """
    options = {"nogil": True, "fastmath": {"contract"}, "boundscheck": False, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)


@compiled
def taps(weight, k):  # type: ignore[no-untyped-def]
    """The nine taps of one block and one output channel."""
    return (
        weight[k, 0],
        weight[k, 1],
        weight[k, 2],
        weight[k, 3],
        weight[k, 4],
        weight[k, 5],
        weight[k, 6],
        weight[k, 7],
        weight[k, 8],
    )


@compiled
def add(v, z, weight, k, n, v0, v1, z0, z1, z2):  # type: ignore[no-untyped-def]
    """Add one block of taps to n outputs of two channels, at v0, v1 in ``v``; strips at z0, z1, z2 in ``z``."""
    a, b, c, d, e, f, g, h, i = taps(weight, k)
    A, B, C, D, E, F, G, H, I = taps(weight, k + U1)
    for q in range(n):
        r, s, t, u = z[z0 + q], z[z0 + q + U1], z[z0 + q + U2], z[z1 + q]
        w, x, y, j, o = z[z1 + q + U1], z[z1 + q + U2], z[z2 + q], z[z2 + q + U1], z[z2 + q + U2]
        v[v0 + q] += a * r + b * s + c * t + d * u + e * w + f * x + g * y + h * j + i * o
        v[v1 + q] += A * r + B * s + C * t + D * u + E * w + F * x + G * y + H * j + I * o


@compiled
def gate(v, z, p, weight, k, n, v0, v1, p0, p1, z0, z1, z2):  # type: ignore[no-untyped-def]
    """As ``add``, then replace the outputs by the slack in ``p`` where they are positive and by zero elsewhere."""
    a, b, c, d, e, f, g, h, i = taps(weight, k)
    A, B, C, D, E, F, G, H, I = taps(weight, k + U1)
    for q in range(n):
        r, s, t, u = z[z0 + q], z[z0 + q + U1], z[z0 + q + U2], z[z1 + q]
        w, x, y, j, o = z[z1 + q + U1], z[z1 + q + U2], z[z2 + q], z[z2 + q + U1], z[z2 + q + U2]
        first = v[v0 + q] + a * r + b * s + c * t + d * u + e * w + f * x + g * y + h * j + i * o
        second = v[v1 + q] + A * r + B * s + C * t + D * u + E * w + F * x + G * y + H * j + I * o
        v[v0 + q] = p[p0 + q] if first > ZERO else ZERO
        v[v1 + q] = p[p1 + q] if second > ZERO else ZERO


@compiled
def pull(gradient, v, weight, k, n, start, v0, v1, v2):  # type: ignore[no-untyped-def]
    """Add one block of taps of the transposed convolution of one channel to n places of the gradient."""
    a, b, c, d, e, f, g, h, i = taps(weight, k)
    for q in range(n):
        gradient[start + q] += (
            a * v[v0 + q + U2]
            + b * v[v0 + q + U1]
            + c * v[v0 + q]
            + d * v[v1 + q + U2]
            + e * v[v1 + q + U1]
            + f * v[v1 + q]
            + g * v[v2 + q + U2]
            + h * v[v2 + q + U1]
            + i * v[v2 + q]
        )


@compiled
def move(z, x, delta, gradient, sigma, epsilon):  # type: ignore[no-untyped-def]
    """One step of δ along the sign of the gradient, both clips, and z = x + δ; ``sigma`` is zero on padding."""
    for q in range(z.size):
        g, e, s = gradient[q], delta[q], sigma[q]
        e += s if g > ZERO else (-s if g < ZERO else ZERO)
        e = min(max(e, -epsilon), epsilon)
        e = min(max(x[q] + e, ZERO), ONE) - x[q]
        delta[q] = e
        z[q] = x[q] + e


@compiled
def ascend(
    x: np.ndarray,
    delta: np.ndarray,
    slack: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    plane: np.ndarray,
    shift: np.ndarray,
    cell: np.ndarray,
    sigma: np.ndarray,
    epsilon: np.float32,
    relu: bool,
    steps: np.uint64,
    sizes: tuple[np.uint64, ...],
    work: np.ndarray,
    v: np.ndarray,
    p: np.ndarray,
) -> None:
    """``steps`` steps on every image of ``delta`` (batch, pixels), in place.

    Shapes: ``slack`` (batch, O, rows, columns); ``weight`` (blocks · O even, 9); ``plane`` (blocks,) the start of
    the plane of each block; ``shift`` (blocks, 3) its strips; ``cell`` (pixels,) the place of each pixel in the
    planes; ``sigma`` (planes,) the step at each place; ``sizes`` as in ``fused.layout``. Zeros to
    work in: ``work`` (4, planes), ``v`` for two output channels with margins, ``p`` for the slack of one image.
    """
    length, row, margin, used, wide, channels = sizes
    image, shifted, z, gradient = work[0], work[1], work[2], work[3]
    zero = np.uint64(0)
    outputs, rows, columns = np.uint64(slack.shape[1]), np.uint64(slack.shape[2]), np.uint64(slack.shape[3])
    blocks, pixels = np.uint64(plane.size), np.uint64(cell.size)
    v0, v1 = margin, margin + wide
    for n in range(np.uint64(x.shape[0])):
        for k in range(pixels):
            image[cell[k]] = x[n, k]
            shifted[cell[k]] = delta[n, k]
            z[cell[k]] = x[n, k] + delta[n, k]
        for o in range(outputs):
            for r in range(rows):
                for c in range(columns):
                    p[o * length + r * row + c] = slack[n, o, r, c]
        for step in range(steps):
            if relu or step == zero:
                for q in range(np.uint64(gradient.size)):
                    gradient[q] = ZERO
                for o in range(zero, channels, U2):
                    p0, p1 = o * length, (o + U1) * length
                    for q in range(length):
                        v[v0 + q] = bias[o] if relu else p[p0 + q]
                        v[v1 + q] = bias[o + U1] if relu else p[p1 + q]
                    if relu:
                        for b in range(blocks):
                            k, z0, z1, z2 = b * channels + o, shift[b, 0], shift[b, 1], shift[b, 2]  # type: ignore[assignment]
                            z0, z1, z2 = plane[b] + z0, plane[b] + z1, plane[b] + z2
                            if b + U1 < blocks:
                                add(v, z, weight, k, length, v0, v1, z0, z1, z2)
                            else:
                                gate(v, z, p, weight, k, length, v0, v1, p0, p1, z0, z1, z2)
                    for b in range(blocks):
                        for j in range(U2):
                            m = margin + j * wide - U2
                            pull(
                                gradient,
                                v,
                                weight,
                                b * channels + o + j,
                                used,
                                plane[b],
                                m - shift[b, 0],
                                m - shift[b, 1],
                                m - shift[b, 2],
                            )
            move(z, image, shifted, gradient, sigma, epsilon)
        for k in range(pixels):
            delta[n, k] = shifted[cell[k]]
