"""Solutions in time, and pairs of snapshots at points of their own with the paper's kind of noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from contdepth.data import pde
from contdepth.pde.simulate import burgers1d, kdv, solve
from contdepth.seeds import generator

__all__ = ["Film", "Pair", "burgers_film", "kdv_film", "pair"]


@dataclass(frozen=True)
class Film:
    """Frames ``u`` ``(nt, nx)`` at ``t`` and ``x``, periodic; u_t is the sum of ``terms`` times ``truth``.

    ``counts`` are the points of the earlier and the later snapshot in the authors' example, ``orders`` the
    derivative in each term, whose factors are u times it, or it alone.
    """

    x: np.ndarray
    t: np.ndarray
    u: np.ndarray
    terms: tuple[str, str]
    truth: tuple[float, float]
    counts: tuple[int, int]
    orders: tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """Points and values of two snapshots ``dt`` apart, and the whole frames with the same noise."""

    x0: np.ndarray
    u0: np.ndarray
    x1: np.ndarray
    u1: np.ndarray
    dt: float
    frames: np.ndarray


def burgers_film(*, simulated: bool = False) -> Film:
    """Burgers' equation, viscosity 0.1, from the file of PDE-FIND; or from our solver, coarser and shorter."""
    terms, orders = ("u*u_x", "u_xx"), (1, 2)
    if not simulated:
        raw = pde("burgers")
        return Film(raw["x"], raw["t"], raw["u"], terms, (-1.0, 0.1), (71, 69), orders)
    x, t = np.linspace(-8, 8, 64, endpoint=False), np.linspace(0, 2, 21)
    start = torch.from_numpy(np.exp(-((x + 2) ** 2)))[None, None]
    u = solve(burgers1d(), start, t)[0, :, 0].numpy()
    return Film(x, t, u, terms, (-1.0, 0.1), (31, 29), orders)


def kdv_film(*, simulated: bool = False) -> Film:
    """The Korteweg-de Vries equation with two solitons, file of PDE-FIND; or one soliton from our solver."""
    terms, orders = ("u*u_x", "u_xxx"), (1, 3)
    if not simulated:
        raw = pde("kdv")
        return Film(raw["x"], raw["t"], raw["u"], terms, (-6.0, -1.0), (111, 109), orders)
    x, t = np.linspace(-30, 30, 128, endpoint=False), np.linspace(0, 0.3, 4)
    start = torch.from_numpy(0.5 / np.cosh(0.5 * x) ** 2)[None, None]
    u = solve(kdv(), start, t)[0, :, 0].numpy()
    return Film(x, t, u, terms, (-6.0, -1.0), (41, 39), orders)


def pair(film: Film, first: int, gap: int, noise: float, *, share: float = 1.0, seed: int = 0) -> Pair:
    """Draw points of frames ``first`` and ``first + gap`` without replacement.

    Args:
        film: the solution.
        first: number of the earlier frame.
        gap: frames between the two.
        noise: deviation of normal noise, in deviations of each frame.
        share: of the numbers of points.
        seed: of points and noise; every ``first`` has its own.
    """
    source = generator(seed, f"hpm/{first}")
    frames = []
    for which in (first, first + gap):
        drawn = torch.randn(len(film.x), generator=source, dtype=torch.float64).numpy()
        frames.append(film.u[which] + noise * film.u[which].std() * drawn)
    picked = [
        np.sort(torch.randperm(len(film.x), generator=source)[: round(share * count)].numpy())
        for count in film.counts
    ]
    (a, b), (early, late) = picked, frames
    dt = float(film.t[first + gap] - film.t[first])
    return Pair(film.x[a], early[a], film.x[b], late[b], dt, np.stack(frames))
