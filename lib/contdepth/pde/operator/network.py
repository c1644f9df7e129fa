"""The Fourier neural operator of Li et al. (ICLR 2021) on a line and on a plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contdepth import checks, devices
from contdepth.pde.operator.spectral import SpectralConv, modes_of, require_points

__all__ = ["FourierNeuralOperator"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class FourierNeuralOperator(nn.Module):
    """A map of functions a to u on the unit interval or square: v_0 = P(a, x), v ← s(K v + W v), u = Q(v).

    P, W and the two layers of Q act point by point, K is a ``SpectralConv``; after the last Fourier layer stands
    no s. Without ``coordinates`` the map commutes with shifts. As a map of functions it is the same on every grid
    of 2 ``modes`` points or more but for aliasing: s makes waves that a coarse grid takes for lower ones.

    The defaults are the settings of the authors' Burgers experiment: 16 modes, width 64, four layers, ReLU, 128
    in Q. ``batch_norm`` decides between two published errors, 0.0160 (the paper's table, with it) and 0.0025
    (the authors' code after its removal in January 2021, as a user measured).

    Departure: x_j = j / n, as the data are periodic; the authors' code has j / (n - 1) (from memory), which gives
    one function other coordinates on another grid.

    Args:
        modes: waves kept in K on a line, or one number per axis.
        width: channels of v.
        inputs: channels of a.
        outputs: channels of u.
        layers: Fourier layers.
        hidden: channels between the two layers of Q.
        activation: s, ``"relu"`` or ``"gelu"``.
        batch_norm: whether K v + W v is normalised over batch and space before s, in every Fourier layer.
        coordinates: whether P sees the point x beside a(x).
        generator: draws the weights; None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or functions that do not fit.
    """

    def __init__(
        self,
        modes: int | Sequence[int] = 16,
        *,
        width: int = 64,
        inputs: int = 1,
        outputs: int = 1,
        layers: int = 4,
        hidden: int = 128,
        activation: str = "relu",
        batch_norm: bool = False,
        coordinates: bool = True,
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.modes = modes_of(modes)
        sizes = {"width": width, "inputs": inputs, "outputs": outputs, "hidden": hidden}
        for name, size in sizes.items():
            checks.integer(name, size, at_least=1)
        checks.integer("layers", layers, at_least=1, at_most=1000)
        self.inputs, self.width = inputs, width
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        self.coordinates = checks.instance("coordinates", coordinates, bool)
        checks.instance("batch_norm", batch_norm, bool)
        where = devices.named("device", device)
        lifted = inputs + len(self.modes) * coordinates
        for pair in ((lifted, width), (width, hidden), (hidden, outputs)):
            checks.affordable("width", *pair, hint="take fewer channels")
        kept = [2 * m for m in self.modes]
        checks.affordable("layers", layers, width, width, *kept, hint="take fewer layers, modes or channels")
        self.lift = Pointwise(lifted, width, generator)
        self.kernels = nn.ModuleList(
            SpectralConv(width, width, self.modes, generator=generator) for _ in range(layers)
        )
        self.skips = nn.ModuleList(Pointwise(width, width, generator) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(layers) if batch_norm)
        self.project = nn.ModuleList((Pointwise(width, hidden, generator), Pointwise(hidden, outputs, generator)))
        self.to(where)

    def forward(self, a: Tensor) -> Tensor:
        """Return u ``(B, outputs, *space)`` of ``a`` ``(B, inputs, *space)``, given at the points j / n."""
        self.fitting(a)
        v = self.lift(self._with_points(a))
        for i, (kernel, skip) in enumerate(zip(self.kernels, self.skips, strict=True)):
            v = kernel(v) + skip(v)
            if self.norms:
                v = self.norms[i](v.flatten(2)).reshape(v.shape)
            if i + 1 < len(self.kernels):
                v = self._activated(v)
        return self.project[1](self._activated(self.project[0](v)))

    @torch.no_grad()
    def predict(self, a: Tensor, *, batch: int = 64) -> Tensor:
        """Return u ``(N, outputs, *space)`` of ``a`` ``(N, inputs, *space)`` on its own grid, without gradients.

        Batch norm uses the means of training, so no function depends on those beside it. It is computed where
        the weights are and in their dtype, ``batch`` functions at a time, and returned where ``a`` is, in its.

        Raises:
            TypeError, ValueError: a grid of fewer than 2 ``modes`` points, and other functions that do not fit.
        """
        checks.finite("a", checks.reals("a", a))
        size, like = checks.integer("batch", batch, at_least=1), self.lift.weight
        was = self.training
        self.eval()
        try:
            parts = [self(part.to(like)) for part in a.split(size)]
        finally:
            self.train(was)
        return torch.cat(parts).to(a)

    def fitting(self, a: Tensor) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless ``a`` is a batch of functions for this network."""
        checks.reals("a", a, ndim=2 + len(self.modes), like=self.lift.weight)
        if a.shape[1] != self.inputs:
            checks.fail("a", f"{self.inputs} channels on axis 1", f"shape {tuple(a.shape)}")
        require_points("a", a, self.modes)
        devices.common(weights=self.lift.weight, a=a)

    def _activated(self, v: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation](v)

    def _with_points(self, a: Tensor) -> Tensor:
        if not self.coordinates:
            return a
        axes = [torch.arange(n, dtype=a.dtype, device=a.device) / n for n in a.shape[2:]]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        return torch.cat((a, points.expand(len(a), *points.shape)), 1)


class Pointwise(nn.Module):
    """The same affine map of the channels at every point, with PyTorch's bounds for the first weights."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator | None) -> None:
        super().__init__()
        bound, source = 1 / math.sqrt(inputs), devices.drawn_on(generator)
        drawn = torch.rand(outputs, inputs + 1, generator=generator, device=source).to("cpu")
        self.weight = nn.Parameter(bound * (2 * drawn[:, 1:] - 1))
        self.bias = nn.Parameter(bound * (2 * drawn[:, 0] - 1))

    def forward(self, v: Tensor) -> Tensor:
        """Return W v + b ``(B, outputs, *space)`` of ``v`` ``(B, inputs, *space)``."""
        return F.conv1d(v.flatten(2), self.weight[..., None], self.bias).unflatten(2, v.shape[2:])
