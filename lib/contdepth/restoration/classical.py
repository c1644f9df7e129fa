"""Classical denoisers as baselines (BM3D, non-local means, total variation, wavelets) and noise estimation."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.degrade import noise_levels
from contdepth.restoration.metrics import grey

__all__ = ["bm3d", "nlm", "noise_level", "tv", "wavelet"]


def bm3d(noisy: Tensor, level: float | Tensor) -> Tensor:
    """BM3D, both stages, default profile (Dabov, Foi, Katkovnik, Egiazarian 2007) by its authors' package.

    The licence of the package ``bm3d`` is for non-commercial use only; it is in the extra ``peers``.

    Raises:
        ImportError: the package is not installed.
        TypeError, ValueError: as ``nlm``; a side below 32 pixels, four blocks: on pictures of about one block the
            package does not raise, it may end the interpreter.
    """
    try:
        from bm3d import bm3d as restore
    except ImportError as missing:
        raise ImportError("bm3d: expected the package, found none; install contdepth[peers]") from missing
    return each(restore, long_enough(grey("noisy", noisy), 32), level)


def nlm(noisy: Tensor, level: float | Tensor) -> Tensor:
    """Non-local means (Buades, Coll, Morel 2005): patches of 5, search distance 6, h = 0.8 sigma.

    The expected noise of a patch difference is subtracted, the sums are those of the fast mode; scikit-image.
    ``noisy``: ``(n, 1, h, w)``, not clipped on the way in or out; ``level``: sigma in grey levels of 255, a number
    or ``(n,)``; at 0 the image comes back as it is. Returns float32 of the same shape.

    Raises:
        TypeError, ValueError: not finite grey images; a side below 2 pixels; a bad level.
    """
    from skimage.restoration import denoise_nl_means

    def restore(image: np.ndarray, sigma: float) -> np.ndarray:
        return denoise_nl_means(image, 5, 6, 0.8 * sigma, fast_mode=True, sigma=sigma, preserve_range=True)

    return each(restore, noisy, level)


def tv(noisy: Tensor, level: float | Tensor) -> Tensor:
    """Total variation (Rudin, Osher, Fatemi 1992) with weight 0.9 sigma, by Chambolle's algorithm; scikit-image.

    Arguments, result and errors as ``nlm``.
    """
    from skimage.restoration import denoise_tv_chambolle

    return each(lambda image, sigma: denoise_tv_chambolle(image, weight=0.9 * sigma), noisy, level)


def wavelet(noisy: Tensor, level: float | Tensor) -> Tensor:
    """Soft shrinkage of Haar coefficients with BayesShrink thresholds (Chang, Yu, Vetterli 2000); scikit-image.

    Arguments, result and errors as ``nlm``.
    """
    from skimage.restoration import denoise_wavelet

    return each(lambda image, sigma: denoise_wavelet(image, sigma=sigma), noisy, level)


def noise_level(noisy: Tensor) -> Tensor:
    """Estimated level of white Gaussian noise, ``(n,)`` float32 in grey levels of 255, where ``noisy`` is.

    The median absolute deviation of the finest diagonal wavelet coefficients (Donoho and Johnstone 1994);
    scikit-image. Coefficients that are exactly zero are left out; where all are, the level is 0. Clipped or
    coloured noise is underestimated.

    Raises:
        TypeError, ValueError: not finite grey images; a side below 8 pixels.
    """
    from skimage.restoration import estimate_sigma

    long_enough(checks.finite("noisy", grey("noisy", noisy)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        estimates = np.array([estimate_sigma(image) for image in arrays(noisy)])
    return torch.from_numpy(255 * np.nan_to_num(estimates)).float().to(noisy.device)


def long_enough(noisy: Tensor, side: int = 8) -> Tensor:
    """``noisy`` if both sides have at least ``side`` pixels."""
    if min(noisy.shape[-2:]) < side:
        checks.fail("noisy", f"sides of at least {side} pixels", f"shape {tuple(noisy.shape)}")
    return noisy


def each(restore: Callable[[np.ndarray, float], np.ndarray], noisy: Tensor, level: float | Tensor) -> Tensor:
    """``restore(image, sigma)`` of every image in double precision, sigma in [0, 1] units."""
    long_enough(checks.finite("noisy", grey("noisy", noisy)), 2)
    sigmas = noise_levels("level", level, len(noisy)).double() / 255
    pairs = zip(arrays(noisy), sigmas.tolist(), strict=True)
    out = np.stack([restore(image, sigma) if sigma > 0 else image for image, sigma in pairs])
    return torch.from_numpy(out.astype(np.float32))[:, None].to(noisy.device)


def arrays(images: Tensor) -> np.ndarray:
    """``(n, 1, h, w)`` as float64 ``(n, h, w)``."""
    return images.detach().double().cpu().numpy()[:, 0]
