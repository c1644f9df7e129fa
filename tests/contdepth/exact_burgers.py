"""The exact solution of Burgers' equation on the unit interval, periodic, for tests of solvers and maps."""

from __future__ import annotations

import numpy as np


def cole_hopf(a: np.ndarray, viscosity: float, time: float, points: int = 2048) -> np.ndarray:
    """u = c - 2 nu p_x / p (x - c t), p = exp(-1/(2 nu) integral of a - c) after the heat equation, c the mean."""
    n = a.shape[-1]
    waves = np.fft.rfft(a, norm="forward")
    k = 2j * np.pi * np.arange(points // 2 + 1)
    full = np.zeros((len(a), points // 2 + 1), dtype=complex)
    full[:, 1 : n // 2] = waves[:, 1 : n // 2] / k[1 : n // 2]
    p = np.fft.rfft(np.exp(-np.fft.irfft(full, n=points, norm="forward") / (2 * viscosity)), norm="forward")
    p = p * np.exp(viscosity * k**2 * time) * np.exp(-k * time * waves[:, :1])
    value, slope = (np.fft.irfft(part, n=points, norm="forward") for part in (p, k * p))
    return waves[:, :1].real - 2 * viscosity * slope / value
