"""Series that a differential equation in a latent space explains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.recurrent.latent import LatentModel
from contdepth.recurrent.layers import Perceptron
from contdepth.recurrent.ode_rnn import ODERNN
from contdepth.recurrent.series import Series
from contdepth.schemes.adaptive.own.times import solve_at

__all__ = ["LatentODE"]


class LatentODE(LatentModel):
    """z' = f(z) from z₀, rows decoded from z at their times; an ODE-RNN runs backwards to q(z₀ | x).

    Rubanova et al., NeurIPS 2019. f, the decoder and the map from the encoder's state to q have one hidden layer
    of tanh each. The path is solved by steps of each series' own, and its states made only at its own times: the
    authors' code solves a batch by common steps and makes the states of all series at the union of all times.

    Args:
        inputs: numbers in a row, d.
        latent: numbers in z.
        hidden: numbers in the encoder's state.
        width: units of the hidden layers.
        step: of the encoder's time, as ``ODERNN``: None solves to the tolerances, a number is Euler's.
        noise: standard deviation of an observed number.
        learn_noise: whether it is a parameter, one for all numbers.
        rtol: relative tolerance; by default those of the authors' code for the path.
        atol: absolute one.
        gradient: of the path, as ``solve_at``: ``"backprop"`` or ``"checkpoints"``.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; series, times or states that do not fit.
        IntegrationError: the tolerances cannot be kept.
    """

    def __init__(
        self,
        inputs: int,
        latent: int,
        *,
        hidden: int = 20,
        width: int = 32,
        step: float | None = None,
        noise: float = 0.1,
        learn_noise: bool = False,
        rtol: float = 1e-3,
        atol: float = 1e-4,
        gradient: str = "backprop",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(inputs, latent, noise, learn_noise, generator)
        self.gradient = checks.one_of("gradient", gradient, ("backprop", "checkpoints"))
        self.encoder = ODERNN(
            self.inputs, hidden, width=width, step=step, rtol=rtol, atol=atol, generator=generator
        )
        width, self.rtol, self.atol = int(width), self.encoder.between.rtol, self.encoder.between.atol
        self.posterior = Perceptron(self.encoder.hidden, width, 2 * self.latent, generator=generator)
        self.field: nn.Module = Perceptron(self.latent, width, self.latent, generator=generator)
        self.decoder: nn.Module = Perceptron(self.latent, width, self.inputs, generator=generator)

    def _encoded(self, series: Series, start: Tensor) -> Tensor:
        found: Tensor = self.posterior(self.encoder.backwards(series, start))
        return found

    def _decoded(self, z: Tensor, times: Tensor, seen: Tensor, start: Tensor) -> Tensor:
        asked = torch.cat([start[:, None], times], dim=1).T[:, None].expand(-1, *z.shape[:-1])
        found = solve_at(
            lambda _, u: self.field(u),
            z,
            asked,
            rtol=self.rtol,
            atol=self.atol,
            most=10_000,
            gradient=self.gradient,
            parameters=tuple(self.field.parameters()),
        )
        rows: Tensor = self.decoder(found.u[1:])
        return rows.movedim(0, 2)
