"""LM as momentum: heavy ball, and how fast either contracts an ill-conditioned quadratic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from contdepth import checks
from contdepth.problems import Quadratic
from contdepth.schemes.base import integrate
from contdepth.schemes.multistep import LinearTwoStep
from contdepth.schemes.stability import largest_root

__all__ = ["BestRate", "best_k", "best_step_and_k", "heavy_ball", "spectral_radius", "steps_to_tolerance"]


@dataclass(frozen=True)
class BestRate:
    """A choice of k and step, and the factor ``rate`` by which the error then shrinks per step."""

    k: float
    h: float
    rate: float


def heavy_ball(
    gradient: Callable[[Tensor], Tensor], u0: Tensor, *, step: float, momentum: float, steps: int
) -> Tensor:
    """Return Polyak's iterates ``(steps + 1, ..., d)``: v <- momentum v - step gradient(u), u <- u + v.

    The velocity v starts at 0. It is written out on purpose: LM with k = -momentum, f = -gradient and
    ``start="repeat"`` gives the same iterates.
    """
    checks.integer("steps", steps, at_least=1)
    checks.floating("u0", u0)
    checks.real("step", step)
    checks.real("momentum", momentum)
    u, velocity, states = u0, torch.zeros_like(u0), [u0]
    for _ in range(steps):
        velocity = momentum * velocity - step * checks.same_shape("gradient(u)", gradient(u), u.shape)
        u = u + velocity
        states.append(u)
    return torch.stack(states)


def spectral_radius(k: float, h: float, eigenvalues: Tensor) -> float:
    """Return the contraction factor per step of the raw LM scheme on u' = -A u for the eigenvalues of A."""
    if checks.tensor("eigenvalues", eigenvalues).numel() == 0:
        raise ValueError("eigenvalues: expected at least one, found none")
    z = -checks.real("h", h) * torch.as_tensor(eigenvalues, dtype=torch.float64)
    return largest_root(k, z, rescale=False).max().item()


def best_k(problem: Quadratic, h: float) -> BestRate:
    """Return the k in (-1, 1) with the smallest spectral radius at step ``h``, by search.

    Theory at h = 1/L: k = -(1 - kappa^{-1/2})², rate 1 - kappa^{-1/2}.
    """
    checks.instance("problem", problem, Quadratic)
    ends = problem.eigenvalues[[0, -1]]  # the radius is largest at an extreme eigenvalue
    found = minimize_scalar(
        lambda k: spectral_radius(k, h, ends), bounds=(-1.0, 1.0), method="bounded", options={"xatol": 1e-12}
    )
    return BestRate(float(found.x), h, float(found.fun))


def best_step_and_k(problem: Quadratic) -> BestRate:
    """Return the step and k with the smallest spectral radius, by nested search over h in (0.5, 4).

    L is 1 here, and the best step 4/(1 + 1/√kappa)² lies in [1, 4). Theory: rate (√kappa - 1)/(√kappa + 1),
    against (kappa - 1)/(kappa + 1) for forward Euler at its best step.
    """
    checks.instance("problem", problem, Quadratic)
    found = minimize_scalar(
        lambda h: best_k(problem, h).rate, bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-10}
    )
    return best_k(problem, float(found.x))


def steps_to_tolerance(
    problem: Quadratic, k: float, h: float, *, tolerance: float = 1e-6, most: int = 10_000
) -> int:
    """Return how many steps of the raw LM scheme (start u_{-1} = u_0) bring |u| below ``tolerance`` |u_0|.

    Raises:
        RuntimeError: not reached within ``most`` steps.
    """
    checks.instance("problem", problem, Quadratic)
    checks.real("tolerance", tolerance, above=0)
    checks.affordable("most", checks.integer("most", most, at_least=1) + 1, problem.d)
    scheme = LinearTwoStep(k=k, rescale=False, start="repeat")
    steps = torch.arange(most + 1, dtype=torch.float64, device=problem.u0.device)
    t = steps * checks.real("h", h, above=0.0)
    size = torch.linalg.vector_norm(integrate(problem.f, problem.u0, t, scheme), dim=-1)
    reached = (size <= tolerance * size[0]).nonzero()
    if not len(reached):
        raise RuntimeError(
            f"steps_to_tolerance: expected |u| <= {tolerance:.1e} |u_0| within {most} steps, found "
            f"{(size[-1] / size[0]).item():.1e} at the last; allow more steps or change k and h"
        )
    return int(reached[0])
