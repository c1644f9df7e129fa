"""How far a function that is being learned has come, frequency by frequency or smooth part by rough part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["filtered_errors", "mode_errors"]

ABSENT = 1e-10
"""Below this share of its largest coefficient the target does not have a mode."""


def mode_errors(output: Tensor, target: Tensor, modes: Sequence[int]) -> Tensor:
    """|ĥ(k) - f̂(k)| / |f̂(k)| for every k of ``modes``, with ^ the discrete Fourier transform.

    Xu et al. 2020 (arXiv 1901.06523): the relative error of frequency k. ``output`` h (..., n) and ``target`` f
    (n,) are values on n equally spaced points of a period, its second end left out; (..., len(modes)).

    Raises:
        TypeError, ValueError: values that are not real or of another length, a mode outside 0 … n/2 or one that
            the target does not have.
    """
    checks.reals("target", target, ndim=1)
    checks.reals("output", output, like=target)
    count = len(target)
    if output.ndim == 0 or output.shape[-1] != count or count == 0:
        checks.fail("output", f"values at the {count} points of the target", f"shape {tuple(output.shape)}")
    devices.common(output=output, target=target)
    chosen = list(checks.several("modes", modes, "frequencies such as (1, 3, 5)"))
    for k in chosen:
        checks.integer("modes", k, at_least=0, at_most=count // 2)
    wanted = torch.fft.rfft(target)
    sizes = wanted[chosen].abs()
    if chosen and bool((sizes <= ABSENT * wanted.abs().max()).any()):
        checks.fail("modes", "frequencies that the target has", chosen, "its error would have no scale")
    return (torch.fft.rfft(output)[..., chosen] - wanted[chosen]).abs() / sizes


def filtered_errors(output: Tensor, target: Tensor, points: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """(e_low, e_high): relative errors of what a Gaussian filter lets through and of the rest; (...) each.

    Xu et al. 2020 (arXiv 1901.06523), the filtering method for inputs of many dimensions: the low part of y at a
    point is the mean of y over all points with weights exp(-|x - x'|² / 2δ), δ = ``variance``, divided by their
    sum; the high part is the rest. ``output`` (..., n, c), ``target`` (n, c), ``points`` (n, d).

    An error that is independent from point to point has a small low part too: e_low < e_high says that the error
    is rougher than the target. If the mean of the targets is not zero, subtract it from both first, or the low
    part is mostly that mean.

    Raises:
        TypeError, ValueError: shapes that do not fit, a variance that is not positive, a target without a low
            or without a high part.
    """
    checks.reals("target", target, ndim=2)
    checks.reals("output", output, like=target)
    checks.reals("points", points, ndim=2, like=target)
    variance = checks.real("variance", variance, above=0)
    if output.ndim < 2 or output.shape[-2:] != target.shape:
        checks.fail("output", f"(..., {', '.join(map(str, target.shape))})", f"shape {tuple(output.shape)}")
    if len(points) != len(target) or target.numel() == 0:
        checks.fail("points", f"one point for each of the {len(target)} targets, one at least", len(points))
    devices.common(output=output, target=target, points=points)
    checks.affordable("points", len(points), len(points))
    weights = torch.exp(torch.cdist(points, points).square() / (-2 * variance))
    weights = weights / weights.sum(1, keepdim=True)
    low = weights @ target
    parts = (low, target - low)
    sizes = [part.norm() for part in parts]
    if any(float(size) <= ABSENT * float(target.norm()) for size in sizes):
        checks.fail("variance", "one that splits the target in two parts", variance, "take another one")
    error = output - target
    smooth = weights @ error
    flat = [part.flatten(-2).norm(dim=-1) for part in (smooth, error - smooth)]
    return flat[0] / sizes[0], flat[1] / sizes[1]
