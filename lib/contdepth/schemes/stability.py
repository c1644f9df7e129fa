"""Linear stability: amplification factors, regions, the root condition, the largest stable step."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Scheme
from contdepth.schemes.multistep import LinearTwoStep

__all__ = [
    "amplification",
    "largest_stable_step",
    "root_modulus",
    "satisfies_root_condition",
    "stability_region",
    "two_step_roots",
]


def amplification(scheme: Scheme, z: Tensor) -> Tensor:
    """Return what a step multiplies u by if f = lambda u, z = h lambda; two steps: larger root modulus.

    Args:
        scheme: a deterministic scheme of one field.
        z: complex numbers of any shape.

    Returns:
        Complex factors of the shape of ``z`` (real moduli for a two-step scheme). Explicit one-step schemes
        run one step on u' = z u, so a wrong coefficient in the scheme shows here too. :class:`BackwardEuler`
        (its formula 1 / (1 - z)) and :class:`LinearTwoStep` (the roots of its characteristic equation) are
        not run.
    """
    z = checks.floating("z", checks.numbers("z", z)).to(torch.complex128)
    if not hasattr(scheme, "stages"):
        raise TypeError(f"scheme: expected a scheme such as ForwardEuler(), found {scheme!r}")
    if isinstance(scheme, LinearTwoStep):
        k = scheme.k if not isinstance(scheme.k, Tensor) else scheme.k.detach()
        if isinstance(k, tuple) or (isinstance(k, Tensor) and k.ndim):
            checks.fail("scheme", "one k for all steps", "one k per step")
        return largest_root(float(k), z, rescale=scheme.rescale)  # type: ignore[arg-type]
    if getattr(scheme, "fields", 1) != 1 or getattr(scheme, "random", False) or not hasattr(scheme, "step"):
        checks.fail("scheme", "a deterministic scheme of one field", scheme.name, error=TypeError)
    if hasattr(scheme, "stability"):
        return scheme.stability(z)
    return scheme.step(
        lambda t, u: z * u, torch.zeros((), dtype=torch.float64, device=z.device), torch.ones_like(z), 1.0
    )


def stability_region(scheme: Scheme, real: Tensor, imag: Tensor) -> Tensor:
    """Return |amplification| on z = real + i imag, ``(len(imag), len(real))``: stable where it is <= 1."""
    checks.tensor("real", real, ndim=1)
    checks.tensor("imag", imag, ndim=1)
    y, x = torch.meshgrid(imag.double(), real.double(), indexing="ij")
    return amplification(scheme, torch.complex(x, y)).abs()


def two_step_roots(k: float, z: Tensor, *, rescale: bool = False) -> Tensor:
    """Return the two roots of r² - (1 - k + c z) r - k = 0, ``(..., 2)``; c = 1 + k if ``rescale``, else 1.

    They say how solutions of u_{n+1} = (1 - k) u_n + k u_{n-1} + c z u_n grow.
    """
    z = checks.numbers("z", z, dtype=torch.complex128)
    checks.real("k", k)
    half = (1 - k + (1 + k if rescale else 1) * z) / 2
    root = torch.sqrt(half**2 + k)
    return torch.stack([half + root, half - root], -1)


def largest_root(k: float, z: Tensor, *, rescale: bool) -> Tensor:
    """Return the larger modulus of the two roots, of the shape of ``z``."""
    return two_step_roots(k, z, rescale=rescale).abs().amax(-1)


def root_modulus(k: float) -> float:
    """Return the larger modulus of the two roots at z = 0, which are 1 and -k."""
    return largest_root(k, torch.zeros(()), rescale=False).item()


def satisfies_root_condition(k: float) -> bool:
    """Return whether vanishing steps keep solutions bounded: -1 < k <= 1.

    At k = -1 both roots are 1 and solutions grow linearly, so the closed range the paper states is open on
    the left.
    """
    return -1 < checks.real("k", k) <= 1


def largest_stable_step(k: float, *, rescale: bool = False, tolerance: float = 1e-9) -> float:
    """Return the largest x = h lambda for which the scheme stays bounded on u' = -lambda u, by bisection.

    Theory (a root reaches -1): 2 (1 - k), divided by 1 + k if ``rescale``; the bisection does not use it.

    Args:
        k: coefficient of the two-step scheme, -1 < k < 1.
        rescale: whether f is multiplied by 1 + k.
        tolerance: width of the final bracket.
    """
    checks.real("k", k, above=-1.0, below=1.0, hint="outside the scheme is unstable for every step")

    checks.real("tolerance", tolerance, above=0)

    def stable(x: float) -> bool:
        return largest_root(k, torch.tensor(-x), rescale=rescale).item() <= 1 + 1e-12

    low, high = 0.0, 1.0
    while stable(high):
        low, high = high, 2 * high
    while high - low > max(tolerance, 1e-15 * high):  # what float64 can tell apart
        middle = (low + high) / 2
        low, high = (middle, high) if stable(middle) else (low, middle)
    return low
