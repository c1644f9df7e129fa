"""One equation in two notations: the drift that Stratonovich's integral needs in place of Itô's, and back.

dX = b dt + σ dW in Itô's sense is dX = (b - σ'σ/2) dt + σ∘dW in Stratonovich's, with σ'σ the derivative of σ along
itself (Kloeden and Platen 1992). It holds for the noise that ``paths.steps`` describes: a motion for each number,
whose factor depends on no other, or one motion that all share.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field

__all__ = ["ito_drift", "stratonovich_drift"]


def stratonovich_drift(drift: Field, diffusion: Field) -> Field:
    """Return the drift in Stratonovich's notation of an equation in Itô's, ``b - σ'σ/2``.

    Args:
        drift: b, a function of time and state ``(..., d)``, of the state's shape.
        diffusion: σ, likewise; differentiable.

    Raises:
        TypeError: what is no function; and when the drift is asked, ``ValueError`` for another shape.
    """
    return _shifted(drift, diffusion, -0.5)


def ito_drift(drift: Field, diffusion: Field) -> Field:
    """Return the drift in Itô's notation of an equation in Stratonovich's, ``b + σ'σ/2``.

    Arguments and errors are those of :func:`stratonovich_drift`.
    """
    return _shifted(drift, diffusion, 0.5)


def _shifted(drift: Field, diffusion: Field, share: float) -> Field:
    for name, one in (("drift", drift), ("diffusion", diffusion)):
        if not callable(one):
            checks.fail(name, "a function of (t, u)", type(one).__name__, error=TypeError)

    def shifted(t: Tensor, u: Tensor) -> Tensor:
        factor = diffusion(t, u)
        checks.same_shape("diffusion(t, u)", factor, tuple(u.shape), hint="a factor for each number of u")
        turned: Tensor = torch.func.jvp(lambda x: diffusion(t, x), (u,), (factor,))[1]
        return torch.add(drift(t, u), turned, alpha=share)

    return shifted
