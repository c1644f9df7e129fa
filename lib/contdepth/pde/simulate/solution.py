"""One call: initial data and times in, trajectories out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from contdepth import checks
from contdepth.pde.simulate.equations import Equation
from contdepth.pde.simulate.integrate import dop853, etdrk4
from contdepth.pde.simulate.spectral import SpectralRHS

__all__ = ["solve"]


@torch.no_grad()
def solve(
    equation: Equation,
    u0: torch.Tensor,
    times: Sequence[float] | np.ndarray | torch.Tensor,
    *,
    method: str = "auto",
    rtol: float = 1e-8,
    atol: float = 1e-10,
    dealias: bool = True,
    grid: int | None = None,
) -> torch.Tensor:
    """Solve ``equation`` from ``u0`` (N, F, *space) at times[0]: returns (N, T, F, *space), float64.

    It is computed where ``u0`` is, but for the steps of DOP853, which SciPy takes on the CPU.
    Space is pseudo-spectral and de-aliased (``SpectralRHS``); the points are x_i = i length / n along each axis.
    ``method`` is "dop853", "etdrk4" or "auto" (ETDRK4 for equations marked stiff). ``rtol`` and ``atol`` bound
    the error of a step (DOP853) or of an interval between two times (ETDRK4) in the root mean square over the
    grid; DOP853 interpolates to times between its steps, where the largest error of a point has been seen up to
    100 ``rtol``. Samples are solved one after the other, so none depends on its batch. ``grid`` keeps that many
    equally spaced points per axis of the result. The first frame is ``u0`` without the highest mode of an even
    grid. Raises ``ValueError`` or ``TypeError`` for input that does
    not fit, ``RuntimeError`` where the solution cannot be continued.
    """
    checks.instance("equation", equation, Equation)
    checks.floating("u0", u0, ndim=2 + equation.dim)
    checks.finite("u0", u0)
    if u0.shape[1] != len(equation.fields):
        checks.fail("u0", f"shape (N, {len(equation.fields)}, *space)", f"shape {tuple(u0.shape)}")
    checks.one_of("method", method, ("auto", "dop853", "etdrk4"))
    checks.real("rtol", rtol, above=0)
    checks.real("atol", atol, above=0)
    given = checks.numbers("times", times, dtype=torch.float64)
    clock = given.tolist()
    if given.ndim != 1 or not clock or not np.isfinite(clock).all() or (np.diff(clock) <= 0).any():
        checks.fail("times", "finite, increasing times, the first that of u0", given.flatten()[:5].tolist())
    if grid is not None:
        checks.integer("grid", grid, at_least=1)
    strides = [1 if grid is None else n // grid for n in u0.shape[2:]]
    if grid is not None and any(n % grid for n in u0.shape[2:]):
        checks.fail("grid", f"a divisor of the points {tuple(u0.shape[2:])}", grid)
    keep = (..., *(slice(None, None, s) for s in strides))
    rhs = SpectralRHS(equation, tuple(u0.shape[2:]), dealias=dealias, device=u0.device)
    stiff = equation.stiff if method == "auto" else method == "etdrk4"
    integrate = etdrk4 if stiff else dop853
    out = []
    for sample in u0.double().split(1) if len(u0) else ():
        first = rhs.to_values(rhs.to_modes(sample))
        frames = [first[keep].clone()]  # type: ignore[index]
        if len(clock) > 1:
            frames += [state[keep].clone() for state in integrate(rhs, first, clock, rtol, atol)]  # type: ignore[index]
        out.append(torch.stack(frames, 1))
    return torch.cat(out) if out else u0.new_zeros((0, len(clock), *u0.shape[1:]))[keep].double()  # type: ignore[index]
