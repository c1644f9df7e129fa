"""Maps of functions with exact answers: Gaussian random fields and what Burgers' equation makes of them."""

from __future__ import annotations

import math

import numpy as np
import torch

from contdepth import checks, devices
from contdepth.pde.simulate.catalogue import burgers1d
from contdepth.pde.simulate.integrate import exponential_steps
from contdepth.pde.simulate.spectral import SpectralRHS
from contdepth.seeds import derive

__all__ = ["burgers_map", "gaussian_field"]

_SHARE = 64  # functions that are solved together


def gaussian_field(
    n: int,
    grid: int,
    *,
    scale: float = 625.0,
    shift: float = 25.0,
    power: float = 2.0,
    frequency: int = 511,
    constant: bool = True,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> torch.Tensor:
    """Return ``n`` functions drawn from N(0, scale (-Laplace + shift)^(-power)), (n, 1, grid), float64.

    The functions live on the unit interval with periodic ends, at the points j / grid:
    a(x) = s_0 z_0 + sum over k = 1, …, ``frequency`` of sqrt(2) s_k (z_k cos(2 pi k x) + z'_k sin(2 pi k x)),
    s_k^2 = scale (4 pi^2 k^2 + shift)^(-power), with independent standard Gaussian z. So E |a_k|^2 = s_k^2 for the
    coefficients a_k of exp(2 pi i k x), k of either sign, and the variance at a point is the sum of all s_k^2.
    The defaults are the initial data of Burgers' equation in Li et al. (ICLR 2021), section 5.1.

    One seed is one function on every grid, a coarse one being samples of a fine one, and the first functions
    do not depend on ``n``. They are computed on the CPU and moved to ``device``.

    Args:
        n: how many.
        grid: points.
        scale: 625.
        shift: 25.
        power: 2; above 1/2, else the variance grows with ``frequency`` without bound.
        frequency: the highest wave; what is cut off the default field has a root mean square of 5e-5.
        constant: False leaves out k = 0, as the authors' published script does (from memory): the covariance of
            the text has a constant of variance 1 there.
        seed: of the z.
        device: where the result is.

    Raises:
        TypeError, ValueError: a wrong argument.
    """
    where = devices.named("device", device)
    checks.integer("n", n, at_least=1)
    checks.integer("grid", grid, at_least=1)
    checks.real("scale", scale, above=0)
    checks.real("shift", shift, above=0)
    checks.real("power", power, above=0.5)
    checks.integer("frequency", frequency, at_least=0)
    checks.instance("constant", constant, bool)
    factor = math.ceil((2 * frequency + 1) / grid)
    checks.affordable("n", n, factor * grid, hint="take fewer functions, points or waves")
    z = np.random.default_rng(derive(seed, "gaussian field")).standard_normal((n, 2, frequency + 1))
    k = np.arange(frequency + 1)
    with np.errstate(over="ignore"):
        size = math.sqrt(scale) * (4 * math.pi**2 * k**2 + shift) ** (-power / 2)
    waves = size * (z[:, 0] - 1j * z[:, 1]) / math.sqrt(2)
    waves[:, 0] = size[0] * z[:, 0, 0] if constant else 0.0
    values = torch.fft.irfft(torch.from_numpy(waves), n=factor * grid, norm="forward")
    return values[:, None, ::factor].contiguous().to(where)


@torch.no_grad()
def burgers_map(
    n: int,
    grid: int = 1024,
    *,
    viscosity: float = 0.1,
    time: float = 1.0,
    constant: bool = True,
    fine: int = 1024,
    steps: int = 200,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return functions a and what u_t = -u u_x + viscosity u_xx makes of them at ``time``, both (n, 1, grid).

    a is a ``gaussian_field`` with waves below fine / 2; u is solved on ``fine`` points of the unit interval,
    without aliasing, by ``steps`` equal steps of ETDRK4, in float64, and then evaluated on ``grid`` points: a
    ``grid`` of 1024 or 64 is a subsampled 8192. At the defaults the largest relative error of 40 functions
    against the exact solution of Cole and Hopf is 5e-8, with half the steps 6e-7. A viscosity of 0.01 needs more
    steps.

    Li et al. (ICLR 2021), section 5.1: 1000 functions to train and 200 to test on, 8192 points; the released
    script tests on 100.

    Raises:
        TypeError, ValueError: a wrong argument.
        RuntimeError: a solution that is not finite; take more steps.
    """
    checks.real("viscosity", viscosity, above=0)
    checks.real("time", time, above=0)
    checks.integer("fine", fine, at_least=4)
    checks.integer("steps", steps, at_least=1)
    checks.integer("grid", grid, at_least=1)
    highest = (fine - 1) // 2
    options = {"frequency": highest, "constant": constant, "seed": seed, "device": device}
    first = gaussian_field(n, grid, **options)  # type: ignore[arg-type]
    start = first if grid == fine else gaussian_field(n, fine, **options)  # type: ignore[arg-type]
    rhs = SpectralRHS(burgers1d(viscosity, 1.0), (fine,), device=start.device)
    factor = math.ceil((2 * highest + 1) / grid)
    last = []
    for part in start.split(_SHARE):
        waves = exponential_steps(rhs, rhs.to_modes(part), time, steps)[..., : highest + 1]
        last.append(torch.fft.irfft(waves, n=factor * grid, norm="forward")[..., ::factor])
    u = torch.cat(last).contiguous()
    if not bool(u.isfinite().all()):
        raise RuntimeError(f"Burgers: no finite solution at t = {time:.6g} in {steps} steps; take more steps")
    return first, u
