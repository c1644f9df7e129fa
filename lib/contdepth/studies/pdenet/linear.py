"""PDE-Net 1 on its linear equation with variable coefficients: data as in the official code, one job a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from contdepth import checks
from contdepth.pde.fields.errors import rollout_error
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.pdenet import PDENet
from contdepth.pde.simulate.catalogue import variable_a, variable_b
from contdepth.seeds import derive

__all__ = [
    "LinearFit",
    "by_hand",
    "fit_linear",
    "follow",
    "low_pass_noise",
    "step_coefficients",
    "training_pairs",
    "true_coefficients",
]

SIDE = 2 * math.pi
DIFFUSION = (0.2, 0.3)
_x, _y = sympy.symbols("x y")


@dataclass(frozen=True)
class LinearFit:
    """A trained model and its relative errors (stage, test trajectory, time step), infinite after a blow-up.

    Stage 0 is the warm-up; time step 0 is the start.
    """

    model: PDENet
    errors: np.ndarray


def low_pass_noise(n: int, grid: int, seed: int, cutoffs: Sequence[int] = (4, 7)) -> Tensor:
    """White noise with the waves above a random cut-off removed, (n, 1, grid, grid), standard deviation 1.

    Each sample and axis draws its own cut-off, uniform from ``cutoffs[0]`` to ``cutoffs[1]``, as the official
    code does for PDE-Net 1. One seed is one function on every grid that holds the waves, and the first samples do
    not depend on ``n``. Raises ``ValueError`` for a grid that does not.
    """
    low, high = cutoffs
    checks.integer("grid", grid, at_least=2 * high + 1)
    k = np.arange(-high, high + 1)
    draws = np.random.default_rng(derive(seed, "low-pass noise/waves")).standard_normal((n, 2, k.size, k.size))
    cut = np.random.default_rng(derive(seed, "low-pass noise/cut-offs")).integers(low, high + 1, (n, 2))
    kept = (abs(k) <= cut[:, :1])[:, :, None] & (abs(k) <= cut[:, 1:])[:, None, :]
    spectrum = np.zeros((n, grid, grid), dtype=complex)
    spectrum[np.ix_(range(n), k % grid, k % grid)] = (draws[:, 0] + 1j * draws[:, 1]) * kept  # type: ignore[arg-type]
    u = np.fft.ifft2(spectrum).real
    return torch.from_numpy(u / u.std((1, 2), keepdims=True))[:, None]


def follow(starts: Tensor, steps: int, dt: float = 0.015) -> Tensor:
    """Exact solutions of the spectrally discretised equation: (n, 1, grid, grid) to (n, steps + 1, 1, grid, grid).

    The equation is linear, so a time step is one matrix, exp(dt L), on the Fourier modes up to a third of the
    grid. On 50 points and ``low_pass_noise`` this space discretisation is 3e-5 (relative) off one on 100.
    """
    modes, flow = _flow(starts.shape[-1], dt)
    state = starts.flatten(1) @ modes.T
    frames = [starts]
    for _ in range(steps):
        state = state @ flow
        frames.append((state @ modes).view_as(starts))
    return torch.stack(frames, 1)


def training_pairs(
    seed: int,
    blocks: Sequence[int],
    *,
    batch: int = 24,
    fresh: bool = True,
    grid: int = 50,
    dt: float = 0.015,
    noise: float = 0.015,
    cutoffs: Sequence[int] = (4, 7),
) -> Trajectories:
    """``batch`` fresh pairs of frames for each number of blocks: the start and the state so many steps later.

    A pair is a trajectory whose other frames are missing. ``noise``: standard deviation of the noise of each
    frame, relative to that of the start. As in the official code, except that there the warm-up has a batch of
    its own and here shares that of one block. ``fresh=False`` gives ``batch`` trajectories in all instead, with
    every frame up to max(blocks), from which ``PDENet`` draws its pairs.
    """
    starts = low_pass_noise(batch * len(blocks) if fresh else batch, grid, seed, cutoffs)
    draws = np.random.default_rng(derive(seed, "noise"))
    spacing = (SIDE / grid, SIDE / grid)
    if not fresh:
        values = follow(starts, max(blocks), dt)
        values = values + noise * torch.from_numpy(draws.standard_normal(values.shape))
        return Trajectories(values, dt, spacing, ("u",))
    values = starts.new_zeros(len(starts), max(blocks) + 1, 1, grid, grid)
    present = torch.zeros(values.shape[:2], dtype=torch.bool)
    present[:, 0], values[:, 0] = True, starts
    for i, n in enumerate(blocks):
        rows = slice(i * batch, (i + 1) * batch)
        present[rows, n], values[rows, n] = True, follow(starts[rows], n, dt)[:, n]
    values[present] += noise * torch.from_numpy(draws.standard_normal((2 * len(starts), 1, grid, grid)))
    return Trajectories(values, dt, spacing, ("u",), present)


def fit_linear(
    seed: int,
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    test: int = 24,
    horizon: int = 80,
    test_seed: int = 1000,
) -> LinearFit:
    """Train on ``training_pairs(seed, ...)``; judge each stage on ``test`` unseen trajectories without noise.

    ``options`` are those of ``PDENet``; ``data`` those of ``training_pairs`` except the blocks. The test set is
    the same for all seeds.
    """
    pairs = training_pairs(seed, options["blocks"], **data)
    model = PDENet(seed=seed, **options).fit(pairs)
    truth = follow(low_pass_noise(test, pairs.grid[0], test_seed, data.get("cutoffs", (4, 7))), horizon, pairs.dt)
    errors = [rollout_error(model.at(stage), truth) for stage in range(len(model.states_))]
    return LinearFit(model, np.stack(errors))


def by_hand(
    coefficients: Mapping[tuple[int, ...], np.ndarray], grid: int, mesh: int = 20, size: int = 7, dt: float = 0.015
) -> PDENetBlock:
    """A block with finite differences and given coefficients at the 2 ``mesh`` nodes of each axis."""
    block = PDENetBlock((grid, grid), (SIDE / grid, SIDE / grid), dt, size=size, mesh=mesh)
    with torch.no_grad():
        block.values.copy_(torch.from_numpy(np.stack([coefficients[alpha] for alpha in block.alphas])))
    return block


def true_coefficients(grid: int) -> dict[tuple[int, ...], np.ndarray]:
    """Multi-index -> coefficient (grid, grid) of the equation, zero for the derivatives it does not have."""
    return _on_grid({(1, 0): variable_a(), (0, 1): variable_b(), (2, 0): DIFFUSION[0], (0, 2): DIFFUSION[1]}, grid)


def step_coefficients(grid: int, dt: float = 0.015) -> dict[tuple[int, ...], np.ndarray]:
    """Multi-index -> coefficient of (exp(dt L) - 1) / dt to first order in dt, (grid, grid): L + dt L L / 2.

    An explicit step u + dt sum_a c_a D_a u that is exact over dt has these coefficients, not those of
    L = a d_x + b d_y + c d_xx + d d_yy. The one of u_xx is c + dt (a^2 + 2 c a_x) / 2, for example.
    """
    u = sympy.Function("u")(_x, _y)

    def rate(v: sympy.Expr) -> sympy.Expr:
        first = variable_a() * v.diff(_x) + variable_b() * v.diff(_y)
        return first + DIFFUSION[0] * v.diff(_x, 2) + DIFFUSION[1] * v.diff(_y, 2)

    once = sympy.expand(rate(u))
    twice = sympy.expand(once + dt / 2 * sympy.expand(rate(once).doit()))
    found: dict[tuple[int, ...], sympy.Expr] = {}
    for i in range(5):
        for j in range(5 - i):
            if i + j:
                found[i, j] = twice.coeff(sympy.Derivative(u, *[(s, n) for s, n in ((_x, i), (_y, j)) if n]))
    return _on_grid(found, grid)


def _on_grid(
    expressions: Mapping[tuple[int, ...], sympy.Expr | float], grid: int
) -> dict[tuple[int, ...], np.ndarray]:
    x, y = np.meshgrid(*[SIDE / grid * np.arange(grid)] * 2, indexing="ij")
    found: dict[tuple[int, ...], np.ndarray] = {
        (i, j): np.zeros((grid, grid)) for i in range(5) for j in range(5 - i) if i + j
    }
    for alpha, expression in expressions.items():
        found[alpha] = found[alpha] + sympy.lambdify((_x, _y), sympy.sympify(expression), "numpy")(x, y)
    return found


@lru_cache(maxsize=4)
def _flow(grid: int, dt: float) -> tuple[Tensor, Tensor]:
    """Orthonormal Fourier modes (modes, grid^2) and the matrix of one time step on their coefficients."""
    x = SIDE / grid * torch.arange(grid, dtype=torch.float64)
    k = torch.arange(1, (grid - 1) // 3 + 1, dtype=torch.float64)[:, None]
    wave = (2 / grid) ** 0.5
    constant = torch.full((1, grid), grid**-0.5, dtype=torch.float64)
    none = torch.zeros_like(constant)
    f = torch.cat([constant, wave * (k * x).cos(), wave * (k * x).sin()])
    f1 = torch.cat([none, -wave * k * (k * x).sin(), wave * k * (k * x).cos()])
    f2 = torch.cat([none, -wave * k**2 * (k * x).cos(), -wave * k**2 * (k * x).sin()])
    parts = {
        (1, 0): torch.kron(f1, f),
        (0, 1): torch.kron(f, f1),
        (2, 0): torch.kron(f2, f),
        (0, 2): torch.kron(f, f2),
    }
    coefficients, modes = true_coefficients(grid), torch.kron(f, f)
    rate = sum(torch.from_numpy(coefficients[alpha]).reshape(-1) * part for alpha, part in parts.items())
    return modes, torch.linalg.matrix_exp(dt * (rate @ modes.T))  # type: ignore[operator]
