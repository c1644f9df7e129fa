"""Heat flow with a free end: the linear case of the moving endpoint, with its risk in closed form."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dctn, idctn
from scipy.optimize import minimize_scalar
from torch import Tensor

from contdepth import checks
from contdepth.restoration.degrade import gaussian, noise_levels
from contdepth.restoration.metrics import grey

__all__ = ["best_time", "cross_derivative", "eigenvalues", "flow", "measured_risk", "risk"]


def eigenvalues(height: int, width: int) -> Tensor:
    """Eigenvalues 4 - 2 cos(pi i/h) - 2 cos(pi j/w) of the 5-point Laplacian, ``(height, width)`` float64.

    Its ends reflect (no flux) and its grid spacing is one pixel; the eigenvectors are those of the DCT-II, the
    sign makes the operator positive semidefinite.
    """
    angles = (torch.arange(n, dtype=torch.float64) * (torch.pi / n) for n in (height, width))
    rows, columns = (2 - 2 * torch.cos(a) for a in angles)
    return rows[:, None] + columns[None, :]


def flow(y: Tensor, tau: float | Tensor) -> Tensor:
    """exp(-tau Lap) y: heat flow from ``y`` ``(n, 1, h, w)`` for the time ``tau``, a number or ``(n,)``.

    The unit of time is a squared pixel: white noise of variance s^2 is left with about s^2/(8 pi tau) while the
    width sqrt(2 tau) of the kernel is large against a pixel and small against the image.

    Raises:
        TypeError, ValueError: not grey images; a time that is negative or not finite.
    """
    grey("y", y)
    tau = times("tau", tau)
    if tau.ndim:
        checks.same_shape("tau", tau, (len(y),), hint="one time for all images, or one for each")
    decay = torch.exp(-tau.view(-1, 1, 1, 1) * eigenvalues(*y.shape[-2:]))
    spectrum = coefficients(y) * decay.numpy()
    return torch.from_numpy(idctn(spectrum, axes=(-2, -1), norm="ortho")).to(y.device, y.dtype)


def risk(clean: Tensor, level: float | Tensor, tau: float | Tensor) -> Tensor:
    """Expected mean squared error of ``flow(clean + noise, tau)`` in squared grey levels, ``(n, k)`` float64.

    R(tau) = mean(|c|^2 (1 - e^{-tau lam})^2) + sigma^2 mean(e^{-2 tau lam}) over the DCT coefficients c of the
    clean image: squared bias and variance. ``level``: sigma in grey levels of 255, a number or ``(n,)``; ``tau``:
    a number or ``(k,)``. 20 log10(255) - 10 log10 R is the PSNR without clipping.

    Raises:
        TypeError, ValueError: not grey images; a bad level; a time that is negative or not finite.
    """
    grey("clean", clean)
    variance = noise_levels("level", level, len(clean)).double().square()
    energy = torch.from_numpy(255 * coefficients(clean)[:, 0]).square()
    lam = eigenvalues(*clean.shape[-2:])
    found = [error(energy, variance, lam, t) for t in times("tau", tau).reshape(-1)]
    return torch.stack(found, dim=1).to(clean.device)


def best_time(clean: Tensor, level: float | Tensor) -> Tensor:
    """The time of least ``risk`` of every image, ``(n,)`` float64; 0 where ``level`` is 0.

    The best of 80 times, spaced evenly in the logarithm up to 10/lam_min, is refined between its neighbours. An
    image whose risk still falls there, such as a constant one, gets the last of these times. The minimiser does
    not decrease with the level, since ``cross_derivative`` is negative.

    Raises:
        TypeError, ValueError: as ``risk``.
    """
    grey("clean", clean)
    variances = noise_levels("level", level, len(clean)).double().square()
    energies = torch.from_numpy(255 * coefficients(clean)[:, 0]).square()
    lam = eigenvalues(*clean.shape[-2:])
    positive = lam[lam > 1e-12]
    last = 10 / float(positive.min()) if len(positive) else 1.0
    grid = [0.0, *np.geomspace(1e-3, last, 80).tolist()]
    pairs = zip(energies[:, None], variances[:, None], strict=True)
    found = [least(energy, variance, lam, grid) for energy, variance in pairs]
    return torch.tensor(found, dtype=torch.float64, device=clean.device)


def cross_derivative(height: int, width: int, tau: float | Tensor) -> Tensor:
    """d^2 R/(d tau d sigma^2) = -2 mean(lam e^{-2 tau lam}), ``(k,)``: R in squared and sigma in grey levels.

    Negative at every finite time and free of the image; hence the best time is non-decreasing in sigma (monotone
    comparative statics).

    Raises:
        TypeError, ValueError: a time that is negative or not finite.
    """
    lam = eigenvalues(height, width)
    return torch.stack([-2 * (lam * torch.exp(-2 * t * lam)).mean() for t in times("tau", tau).reshape(-1)])


def measured_risk(
    clean: Tensor, level: float | Tensor, tau: float | Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """``risk`` estimated by the mean over ``draws`` noisy images, ``(n, k)``: its independent oracle.

    The same noise serves all times. Raises as ``risk`` and ``gaussian``.
    """
    checks.integer("draws", draws, at_least=1)
    ends = times("tau", tau).reshape(-1)
    total = torch.zeros(len(clean), len(ends), dtype=torch.float64)
    for _ in range(draws):
        noisy = gaussian(clean, level, generator)
        errors = [(flow(noisy, t) - clean).double().square().mean(dim=(1, 2, 3)) for t in ends]
        total += 255**2 * torch.stack(errors, dim=1).cpu()
    return (total / draws).to(clean.device)


def times(argument: str, value: float | Tensor) -> Tensor:
    """``value`` as a float64 tensor of no or one dimension with finite entries >= 0."""
    if not isinstance(value, Tensor):
        value = torch.tensor(checks.real(argument, value, at_least=0), dtype=torch.float64)
    if value.is_complex() or value.dtype == torch.bool:
        checks.fail(argument, "real numbers", f"dtype {value.dtype}", error=TypeError)
    if value.ndim > 1 or value.numel() == 0:
        checks.fail(argument, "a number or a vector of times", f"shape {tuple(value.shape)}")
    value = checks.finite(argument, value.detach().cpu().double())
    if (value < 0).any():
        checks.fail(argument, "times >= 0", float(value.min()), "heat flow has no way back")
    return value


def coefficients(images: Tensor) -> np.ndarray:
    """Orthonormal DCT-II of the last two axes, float64."""
    return dctn(images.detach().double().cpu().numpy(), axes=(-2, -1), norm="ortho")


def error(energy: Tensor, variance: Tensor, lam: Tensor, tau: float | Tensor) -> Tensor:
    """Squared bias plus variance at one time, ``(n,)``, from squared coefficients ``(n, h, w)``."""
    decay = torch.exp(-tau * lam)
    return (energy * (1 - decay).square()).mean(dim=(1, 2)) + variance * decay.square().mean()


def least(energy: Tensor, variance: Tensor, lam: Tensor, grid: list[float]) -> float:
    """The minimiser of ``error`` for one image: the best of ``grid``, refined between its neighbours."""

    def value(tau: float) -> float:
        return float(error(energy, variance, lam, tau))

    values = [value(tau) for tau in grid]
    at = int(np.argmin(values))
    if at == len(grid) - 1 or (at == 0 and float(variance) == 0):
        return grid[at]
    bounds = (grid[max(at - 1, 0)], grid[at + 1])
    found = minimize_scalar(value, bounds=bounds, method="bounded", options={"xatol": 1e-6 * bounds[1]})
    return float(found.x) if found.fun < values[at] else grid[at]
