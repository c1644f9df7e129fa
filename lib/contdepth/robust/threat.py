"""The adversary's budget: a norm ball around the image, cut by the box of valid pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.robust.losses import checked_batch

__all__ = ["Threat", "budget", "check_threat"]

FRACTION = 'write it as a fraction of the pixel range, such as "8/255"'
SMALLEST, LARGEST = (Fraction(end) for end in (torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max))


def budget(argument: str, value: object) -> Fraction:
    """``value`` ("8/255", 0.3, ``Fraction(8, 255)``) as an exact positive fraction; a clear error otherwise.

    Raises:
        TypeError, ValueError: missing, not a number, not positive, beyond the range of float32.
    """
    if value is None:
        checks.fail(argument, "a perturbation budget", "none", FRACTION)
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Fraction)):
        checks.fail(argument, "a fraction", f"{value!r} ({type(value).__name__})", FRACTION, error=TypeError)
    try:
        if isinstance(value, str) and "/" not in value and not (math.isfinite(float(value)) and float(value)):
            value = float(value)  # 0 or not finite: a Fraction would write out all its digits
        number = Fraction(str(value)) if isinstance(value, float) else Fraction(value)
    except (ValueError, ZeroDivisionError):
        checks.fail(argument, "a fraction", repr(value), FRACTION)
    if number <= 0:
        checks.fail(argument, "a number > 0", value, FRACTION)
    if not SMALLEST <= number <= LARGEST:
        found = "a smaller one" if number < SMALLEST else "a larger one"
        checks.fail(argument, "a number in the range of float32, 1.2e-38 to 3.4e+38", found, FRACTION)
    return number


@dataclass(frozen=True)
class Threat:
    """All x + δ with ‖δ‖ ≤ ``epsilon`` in the ``norm`` "linf" or "l2" (of one image) and pixels in [0, 1].

    ``epsilon`` is kept as an exact fraction: ``Threat("8/255")``. Images are (batch, …) with values in [0, 1].

    Raises:
        TypeError, ValueError: no or a bad ``epsilon``; an ℓ∞ radius above 1; an unknown norm.
    """

    epsilon: Fraction
    norm: str = "linf"

    if TYPE_CHECKING:

        def __init__(self, epsilon: Fraction | str | float, norm: str = "linf") -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", budget("epsilon", self.epsilon))
        checks.one_of("norm", self.norm, ("linf", "l2"))
        if self.norm == "linf" and self.epsilon > 1:
            checks.fail("epsilon", "at most 1, the whole pixel range", self.epsilon, FRACTION)

    @property
    def radius(self) -> float:
        """ε as a float."""
        return float(self.epsilon)

    def __str__(self) -> str:
        return f"{'l∞' if self.norm == 'linf' else 'l2'}, ε = {self.epsilon}"

    def scaled(self, factor: float) -> Threat:
        """The same threat with radius ``factor``·ε, for an ε-ramp or for noise wider than ε."""
        return Threat(self.epsilon * budget("factor", factor), self.norm)

    def project(self, delta: Tensor, x: Tensor) -> Tensor:
        """Nearest δ in the ball (by norm), then x + δ clipped to [0, 1]; both hold then, since x is in the box.

        ``delta`` and ``x``: (batch, …). For ℓ2 the result lies in both sets but need not be the nearest point.

        Raises:
            TypeError, ValueError: ``delta`` or ``x`` no real tensor (batch, …), or of unequal shapes.
        """
        checks.same_shape("delta", checked_batch("delta", delta), checked_batch("x", x).shape, "that of x")
        if self.norm == "linf":
            delta = delta.clamp(-self.radius, self.radius)
        else:
            delta = delta * (self.radius / lengths(delta).clamp_min(self.radius))
        return (x + delta).clamp(0, 1) - x

    def start(self, x: Tensor, source: torch.Generator | None = None, factor: float = 1.0) -> Tensor:
        """A random start inside the threat: uniform in its ball, then clipped to the box of pixels.

        ``factor``: radius of the noise in units of ε; above 1 the noise may leave the ball (N-FGSM), not the box.
        Drawn on the device of ``source`` and moved to that of ``x``: from a CPU generator (the global one if
        None) every device gets the same numbers.

        Raises:
            TypeError, ValueError: ``x`` no real tensor (batch, …), ``factor`` negative or not finite.
        """
        kind: dict[str, Any]
        checked_batch("x", x)
        checks.real("factor", factor, at_least=0)
        shape, kind = x.shape, {"generator": source, "dtype": torch.float32, "device": devices.drawn_on(source)}
        if self.norm == "linf":
            delta = 2 * torch.rand(shape, **kind) - 1
        else:
            delta = torch.randn(shape, **kind)
            share = torch.rand((len(x),) + (1,) * (x.ndim - 1), **kind) ** (1 / shape[1:].numel())
            delta = unit(delta) * share
        return (x + factor * self.radius * delta.to(x.device, x.dtype)).clamp(0, 1) - x

    def direction(self, gradient: Tensor) -> Tensor:
        """Steepest ascent direction of unit size, however small g: sign(g) for ℓ∞, g/‖g‖ for ℓ2, 0 where g = 0."""
        checked_batch("gradient", gradient)
        if self.norm == "linf":
            return gradient.sign()
        return unit(gradient)

    def ascend(self, delta: Tensor, x: Tensor, gradient: Tensor, size: float | Tensor) -> Tensor:
        """One ascent step from ``delta``: project(δ + ``size`` · direction(``gradient``)), all shaped as ``x``."""
        return self.project(delta + size * self.direction(gradient), x)

    def size(self, delta: Tensor) -> Tensor:
        """‖δ‖ of every image in this norm, (batch,)."""
        checked_batch("delta", delta)
        return delta.flatten(1).abs().amax(1) if self.norm == "linf" else lengths(delta).flatten()


def check_threat(threat: object) -> Threat:
    """``threat`` if it is one; a ``TypeError`` that shows how to write one otherwise."""
    if not isinstance(threat, Threat):
        checks.fail("threat", "a Threat", repr(threat), 'such as Threat("8/255")', error=TypeError)
    return threat


def peaks(delta: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Largest entry over ``dims``, 1 where all are zero. Divided by it, squares neither underflow nor overflow."""
    peak = delta.abs().amax(dims, keepdim=True)
    return torch.where(peak > 0, peak, 1)


def lengths(delta: Tensor) -> Tensor:
    """ℓ2 norm of every image at any scale, shaped (batch, 1, …) to divide by."""
    dims = tuple(range(1, delta.ndim))
    peak = peaks(delta, dims)
    return peak * torch.linalg.vector_norm(delta / peak, dim=dims, keepdim=True)


def unit(delta: Tensor, dims: tuple[int, ...] | None = None) -> Tensor:
    """``delta`` over its ℓ2 norm over ``dims`` (all but the first if None) at any scale; 0 where it is 0."""
    dims = tuple(range(1, delta.ndim)) if dims is None else dims
    delta = delta / peaks(delta, dims)
    return delta / torch.linalg.vector_norm(delta, dim=dims, keepdim=True).clamp_min(1)
