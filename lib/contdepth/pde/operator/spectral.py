"""The linear layer of a Fourier neural operator: a convolution with a learned kernel of few waves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contdepth import checks, devices

__all__ = ["SpectralConv"]


class SpectralConv(nn.Module):
    """(K v)(x) = sum over waves k of R_k v_k exp(2 pi i k.x), every |k_i| < ``modes``; others are dropped.

    v_k are the Fourier coefficients on the unit interval or square, the mean of v(x_j) exp(-2 pi i k.x_j) over
    the points x_j = j / n, so no sum grows with n: a function without waves from n / 2 on gives the same function
    on all its grids. The layer is the convolution with kappa(x) = sum of R_k exp(2 pi i k.x).
    Li et al., Fourier neural operator for parametric partial differential equations, ICLR 2021, equation (4).

    ``weight`` ``(inputs, outputs, *waves, 2)`` holds real and imaginary parts of R_k as real numbers, which
    ``double()`` converts; the last axis of waves has k = 0, …, m - 1, one before it 0, …, m - 1, 1 - m, …, -1.
    The rest follows from R_{-k} = conj(R_k). Where the last k is 0, both partners are stored: their mean counts,
    so the numbers do not hang on what an inverse transform does with the imaginary part of a real wave.

    Departure: the authors' code keeps the wave -m of the first axis of a plane without its partner m, and waves
    up to half the points, whose sign a grid cannot tell. Here the waves are -m < k < m and a grid has 2 m points.

    Args:
        inputs: channels in.
        outputs: channels out.
        modes: m, waves kept, on a line; or one number per axis, such as (12, 12) on a plane.
        generator: draws the parts of R uniformly from [0, 1 / (inputs outputs)), as the authors' code does (from
            memory); None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or a field that does not fit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        modes: int | Sequence[int],
        *,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.inputs = checks.integer("inputs", inputs, at_least=1)
        self.outputs = checks.integer("outputs", outputs, at_least=1)
        self.modes = modes_of(modes)
        kept = [2 * m - 1 for m in self.modes[:-1]] + [self.modes[-1]]
        checks.affordable("modes", inputs, outputs, *kept, 2, hint="take fewer modes or channels")
        source, where = devices.drawn_on(generator), devices.named("device", device)
        drawn = torch.rand(inputs, outputs, *kept, 2, generator=generator, device=source)
        self.weight = nn.Parameter((drawn / (inputs * outputs)).to(where))

    def multiplier(self) -> Tensor:
        """Return R ``(inputs, outputs, *waves)``, complex, with the symmetry of a real kernel."""
        stored = torch.view_as_complex(self.weight)
        first = stored[..., :1]
        partner = first.conj()
        for axis in range(2, stored.ndim - 1):
            partner = partner.flip(axis).roll(1, axis)  # the place of -k
        return torch.cat(((first + partner) / 2, stored[..., 1:]), -1)

    def forward(self, v: Tensor) -> Tensor:
        """Return K v ``(B, outputs, *space)`` of ``v`` ``(B, inputs, *space)`` on any grid of >= 2 m points."""
        self.fitting(v)
        space, axes = v.shape[2:], tuple(range(2, v.ndim))
        if len(v) == 0:  # which not every FFT takes
            return v.new_zeros(0, self.outputs, *space)
        waves = torch.fft.rfftn(v, dim=axes, norm="forward")[..., : self.modes[-1]]
        out = torch.einsum("bi...,io...->bo...", self._low(waves), self.multiplier())
        out = torch.fft.ifftn(self._high(out, space), dim=axes[:-1], norm="forward") if axes[1:] else out
        return torch.fft.irfft(out, n=space[-1], dim=-1, norm="forward")

    def fitting(self, v: Tensor) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless ``v`` is a batch of fields for this layer."""
        checks.reals("v", v, ndim=2 + len(self.modes), like=self.weight)
        if v.shape[1] != self.inputs:
            checks.fail("v", f"{self.inputs} channels on axis 1", f"shape {tuple(v.shape)}")
        require_points("v", v, self.modes)
        devices.common(weight=self.weight, v=v)

    def extra_repr(self) -> str:
        """What ``repr`` says."""
        return f"{self.inputs}, {self.outputs}, modes={self.modes}"

    def _low(self, waves: Tensor) -> Tensor:
        """The kept waves of the full axes, in the order of ``weight``; of the last axis they are."""
        for axis, m in enumerate(self.modes[:-1], 2):
            n = waves.shape[axis]
            waves = torch.cat((waves.narrow(axis, 0, m), waves.narrow(axis, n - m + 1, m - 1)), axis)
        return waves

    def _high(self, waves: Tensor, space: Sequence[int]) -> Tensor:
        """Back to full axes, with zeros between; the last axis stays."""
        for axis, m in enumerate(self.modes[:-1], 2):
            shape = list(waves.shape)
            shape[axis] = space[axis - 2] - 2 * m + 1
            parts = (waves.narrow(axis, 0, m), waves.new_zeros(shape), waves.narrow(axis, m, m - 1))
            waves = torch.cat(parts, axis)
        return waves


def modes_of(modes: int | Sequence[int]) -> tuple[int, ...]:
    """``modes`` as one number per axis, of one axis or two; raise ``TypeError`` or ``ValueError`` otherwise."""
    if isinstance(modes, (list, tuple)):
        if len(modes) not in (1, 2):
            checks.fail("modes", "one number per axis, of one axis or two", f"{len(modes)} numbers")
        return tuple(checks.integer(f"modes[{i}]", m, at_least=1) for i, m in enumerate(modes))
    return (checks.integer("modes", modes, at_least=1, hint="on a plane give a pair, such as (12, 12)"),)


def require_points(name: str, v: Tensor, modes: Sequence[int]) -> None:
    """Raise ``ValueError`` if the grid of ``v`` ``(B, C, *space)`` cannot hold ``modes`` waves."""
    for axis, (n, m) in enumerate(zip(v.shape[2:], modes, strict=True), 2):
        if n < 2 * m:
            hint = "give the function on a finer grid, or build the layer with fewer modes"
            checks.fail(name, f"at least {2 * m} points on axis {axis} for {m} modes", n, hint)
