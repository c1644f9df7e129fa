"""Quality of restored grey images: PSNR and SSIM."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["grey", "psnr", "ssim", "unit_range"]

WINDOW = 11


def grey(argument: str, value: object, *, ndim: int | None = 4) -> Tensor:
    """Return ``value`` if it is a floating-point batch of grey images ``(…, 1, h, w)`` that is not empty.

    Raises:
        TypeError, ValueError: not a tensor, integer or complex, not of ``ndim`` dimensions (None: at least 3), not
            one channel, or without pixels.
    """
    hint = "grey images are (n, 1, h, w) with values in [0, 1]"
    value = checks.floating(argument, value, ndim=ndim, hint=hint)
    if value.is_complex():
        checks.fail(argument, "real numbers", f"dtype {value.dtype}", hint, error=TypeError)
    if value.ndim < 3 or value.shape[-3] != 1:
        checks.fail(argument, "one channel, (…, 1, h, w)", f"shape {tuple(value.shape)}", hint)
    if value.numel() == 0:
        checks.fail(argument, "at least one image with pixels", f"shape {tuple(value.shape)}")
    return value


def unit_range(argument: str, value: Tensor) -> Tensor:
    """Return ``value`` if all its entries lie in [0, 1]; raise ``ValueError`` with the range found otherwise."""
    low, high = (float(v) for v in value.aminmax())
    if not (low >= 0 and high <= 1):
        found = f"values from {low:.6g} to {high:.6g}"
        checks.fail(argument, "values in [0, 1]", found, "divide 8-bit pixels by 255; clamp what overshoots")
    return value


def psnr(restored: Tensor, clean: Tensor, *, clip: bool = True) -> Tensor:
    """Peak signal-to-noise ratio in dB with peak 1: -10 log10 of the mean squared error of every image.

    ``restored`` and ``clean``: ``(…, 1, h, w)``; the mean is over the last three axes, the leading ones broadcast,
    so that a trajectory ``(k, n, 1, h, w)`` against ``(n, 1, h, w)`` gives ``(k, n)``, float64. ``clip`` clamps
    ``restored`` to [0, 1] first: the protocol everywhere but for noisy input, whose clipping would raise the
    figure above 20 log10(255/sigma). Equal images give inf, an iterate with NaN gives NaN.

    Raises:
        TypeError, ValueError: not grey images, unequal heights or widths, ``clean`` outside [0, 1].
    """
    restored, clean = comparable(restored, clean)
    if clip:
        restored = restored.clamp(0, 1)
    difference = restored.to(torch.promote_types(restored.dtype, torch.float32)) - clean
    square = torch.linalg.vector_norm(difference, dim=(-3, -2, -1), dtype=torch.float64).square()
    return -10 * torch.log10(square / clean.shape[-2:].numel())


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Structural similarity of every image, ``(n,)`` float64; ``restored`` is clamped to [0, 1] first.

    Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian weights of width 1.5 in an 11 × 11 window, population
    covariances, K1 = 0.01, K2 = 0.03, range 1; computed by scikit-image in double precision.

    Raises:
        TypeError, ValueError: not grey images ``(n, 1, h, w)`` of one shape, a side below 11, ``clean`` outside
            [0, 1].
    """
    from skimage.metrics import structural_similarity

    restored, clean = comparable(restored, clean)
    checks.same_shape("restored", restored, tuple(grey("clean", clean).shape))
    if min(clean.shape[-2:]) < WINDOW:
        checks.fail("clean", f"sides of at least {WINDOW} pixels", f"shape {tuple(clean.shape)}")
    where = devices.common(restored=restored, clean=clean)
    pairs = zip(restored.clamp(0, 1)[:, 0].double().cpu(), clean[:, 0].double().cpu(), strict=True)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    values = [float(structural_similarity(r.numpy(), c.numpy(), **options)) for r, c in pairs]
    return torch.tensor(values, dtype=torch.float64, device=where)


def comparable(restored: object, clean: object) -> tuple[Tensor, Tensor]:
    """Both without gradients, after the checks of every measure."""
    restored, clean = grey("restored", restored, ndim=None), grey("clean", clean, ndim=None)
    if restored.shape[-2:] != clean.shape[-2:]:
        checks.fail("restored", f"height and width {tuple(clean.shape[-2:])} of clean", tuple(restored.shape[-2:]))
    try:
        torch.broadcast_shapes(restored.shape, clean.shape)
    except RuntimeError:
        checks.fail("restored", f"leading axes that broadcast with {tuple(clean.shape)}", tuple(restored.shape))
    return restored.detach(), unit_range("clean", clean.detach())
