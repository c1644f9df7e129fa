"""Dense networks whose gradient and rows of whose Hessian are written out: one pass gives them for a whole batch.

Letters: layers z_l = W_l a_{l-1} + b_l, a_l = s(z_l), a_0 = x; the last layer is linear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contdepth import checks, devices

__all__ = ["DenseNet", "ScalarNet"]

ACTIVATIONS = ("softplus", "tanh")
INITS = ("plain", "lagrangian")


class DenseNet(nn.Module):
    """A map from ``(..., inputs)`` to ``(..., outputs)`` by dense layers with smooth activations.

    Args:
        inputs: numbers of a point.
        outputs: numbers of a value.
        hidden: widths of the hidden layers, at least one.
        activation: ``"tanh"`` or ``"softplus"``, s(z) = ln(1 + e^z).
        init: ``"plain"``, W of variance 1/(inputs of the layer), or ``"lagrangian"``, that of Cranmer et al.'s
            code: with n the larger side of W, deviation 2.2/√n in the first layer, 0.58 i/√n in hidden layer
            i = 1, 2, …, √n in the last one. Biases are 0.
        generator: draws W; None: the global one of the CPU.
        device: where the parameters are.

    Raises:
        TypeError, ValueError: a wrong argument, or points that do not fit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (64, 64),
        *,
        activation: str = "tanh",
        init: str = "plain",
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        widths = checks.several("hidden", hidden, "give a list of widths")
        if not widths:
            checks.fail("hidden", "at least one width", "none")
        sizes = [checks.integer("inputs", inputs, at_least=1)]
        sizes += [checks.integer("hidden", one, at_least=1) for one in widths]
        sizes += [checks.integer("outputs", outputs, at_least=1)]
        for pair in zip(sizes, sizes[1:], strict=False):
            checks.affordable("hidden", *pair, hint="take narrower layers")
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        checks.one_of("init", init, INITS)
        source, where = devices.drawn_on(generator), devices.named("device", device)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, (m, n) in enumerate(zip(sizes, sizes[1:], strict=False)):
            spread = 1 / math.sqrt(m)
            if init == "lagrangian":
                side = max(m, n)
                share = 2.2 if i == 0 else 0.58 * i if i < len(sizes) - 2 else side
                spread = share / math.sqrt(side)
            drawn = spread * torch.randn(n, m, generator=generator, device=source)
            self.weights.append(nn.Parameter(drawn.to(where)))
            self.biases.append(nn.Parameter(torch.zeros(n, device=where)))

    @property
    def like(self) -> Tensor:
        """A parameter: of which dtype the points are, and where."""
        return self.weights[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the value ``(..., outputs)`` at ``x`` ``(..., inputs)``."""
        self.fitting(x)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = self._activated(F.linear(x, weight, bias))
        return F.linear(x, self.weights[-1], self.biases[-1])

    def fitting(self, x: Tensor) -> None:
        """Raise ``TypeError`` or ``ValueError`` unless ``x`` holds points ``(..., inputs)`` of this network."""
        checks.reals("x", x, like=self.like)
        inputs = self.like.shape[1]
        if x.ndim < 1 or x.shape[-1] != inputs:
            checks.fail("x", f"points (..., {inputs})", f"shape {tuple(x.shape)}")
        devices.common(weights=self.like, x=x)

    def _activated(self, z: Tensor) -> Tensor:
        return torch.tanh(z) if self.activation == "tanh" else F.softplus(z)

    def _slope(self, z: Tensor, a: Tensor) -> Tensor:
        """s'(z), where a = s(z)."""
        return 1 - a.square() if self.activation == "tanh" else torch.sigmoid(z)


class ScalarNet(DenseNet):
    """A ``DenseNet`` with one output: its value ``(...)``, its gradient, and rows of its Hessian.

    The output has no bias: where a potential starts is nobody's business.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (64, 64),
        *,
        activation: str = "tanh",
        init: str = "plain",
        generator: torch.Generator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(inputs, 1, hidden, activation=activation, init=init, generator=generator, device=device)
        self.biases = self.biases[:-1]

    def forward(self, x: Tensor) -> Tensor:
        """Return the value ``(...)`` at ``x`` ``(..., inputs)``."""
        self.fitting(x)
        return F.linear(self._layers(x)[1][-1], self.weights[-1]).squeeze(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient ``(..., inputs)``: g_{l-1} = (g_l ⊙ s'(z_l)) W_l from the last weights down."""
        self.fitting(x)
        g = self.weights[-1][0]
        layers = zip(self.weights, *self._layers(x), strict=False)  # one more weight than hidden layers
        for weight, z, a in reversed(list(layers)):
            g = (g * self._slope(z, a)) @ weight
        return g

    def rows(self, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient ``(..., inputs)`` and the Hessian's products ``(..., k, inputs)`` with directions.

        ``directions`` are ``(k, inputs)``. A tangent ż goes up beside z and ġ comes down beside g:
        ġ_{l-1} = (ġ_l ⊙ s'(z_l) + g_l ⊙ s''(z_l) ⊙ ż_l) W_l. No backward pass is taken.
        """
        self.fitting(x)
        checks.reals("directions", directions, ndim=2, like=self.like)
        checks.same_shape("directions", directions, (len(directions), self.like.shape[1]))
        devices.common(x=x, directions=directions)
        a, tangent, held = x, directions, []
        for weight, bias in zip(self.weights[:-1], self.biases, strict=True):
            z, rise = F.linear(a, weight, bias), F.linear(tangent, weight)
            a = self._activated(z)
            slope = self._slope(z, a)
            curve = -2 * a * slope if self.activation == "tanh" else slope * (1 - slope)
            held.append((weight, slope, curve.unsqueeze(-2) * rise))
            tangent = slope.unsqueeze(-2) * rise
        g, turn = self.weights[-1][0], None
        for weight, slope, bent in reversed(held):
            bent = g.unsqueeze(-2) * bent
            turn = (bent if turn is None else torch.addcmul(bent, turn, slope.unsqueeze(-2))) @ weight
            g = (g * slope) @ weight
        assert turn is not None
        return g, turn

    def _layers(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The z_l and a_l of the hidden layers."""
        zs, values = [], []
        for weight, bias in zip(self.weights[:-1], self.biases, strict=True):
            zs.append(F.linear(x, weight, bias))
            x = self._activated(zs[-1])
            values.append(x)
        return zs, values
