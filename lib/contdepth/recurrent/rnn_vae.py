"""The recurrent network that a latent differential equation is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.recurrent.latent import LatentModel
from contdepth.recurrent.layers import GatedCell, Perceptron
from contdepth.recurrent.ode_rnn import begun
from contdepth.recurrent.series import Series

__all__ = ["RNNVAE"]


class RNNVAE(LatentModel):
    """As ``LatentODE`` with gated recurrent units in both places, which are told how much time passes.

    The baseline of Rubanova et al. 2019. The encoder runs backwards along rows that hold an observed number, and
    is given the numbers, the mask, and the time back to the row before, or to z₀. The decoder makes the state of
    each row from the one before, the time between them, and the row that it expected there, 0 at first. What it
    expects at a time depends on which other times it is asked for; it makes no step at a target's row in which
    all is missing.

    Args:
        inputs: numbers in a row, d.
        latent: numbers in z₀.
        hidden: numbers in the states of encoder and decoder.
        width: units of the hidden layers between state and q, z₀ and state, state and row.
        noise: standard deviation of an observed number.
        learn_noise: whether it is a parameter, one for all numbers.
        generator: draws the parameters, where it draws; None: the global one of the CPU.

    Raises:
        TypeError, ValueError: a wrong argument; series, times or states that do not fit.
    """

    def __init__(
        self,
        inputs: int,
        latent: int,
        *,
        hidden: int = 20,
        width: int = 32,
        noise: float = 0.1,
        learn_noise: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(inputs, latent, noise, learn_noise, generator)
        width = checks.integer("width", width, at_least=1)
        self.encoder = GatedCell(2 * self.inputs + 1, hidden, generator=generator)
        k = self.encoder.hidden
        self.posterior = Perceptron(k, width, 2 * self.latent, generator=generator)
        self.begin = Perceptron(self.latent, width, k, generator=generator)
        self.cell = GatedCell(self.inputs + 1, k, generator=generator)
        self.decoder = Perceptron(k, width, self.inputs, generator=generator)

    def _encoded(self, series: Series, start: Tensor) -> Tensor:
        seen, h = series.seen, self.encoder.start(len(series.times))
        back = _passed(begun(series, start), seen)
        rows = torch.cat([series.values, series.mask.to(h.dtype), back[..., None]], dim=-1)
        for x, here in zip(rows.flip(1).unbind(1), seen.flip(1).unbind(1), strict=True):
            h = torch.where(here[:, None], self.encoder(x, h), h)
        found: Tensor = self.posterior(h)
        return found

    def _decoded(self, z: Tensor, times: Tensor, seen: Tensor, start: Tensor) -> Tensor:
        gaps = _passed(times.diff(dim=1, prepend=start[:, None]), seen).repeat(len(z), 1)
        shape, z = z.shape[:-1], z.flatten(0, 1)
        h, rows = self.begin(z), list[Tensor]()
        row = z.new_zeros(len(z), self.inputs)
        for gap, here in zip(gaps.unbind(1), seen.repeat(shape[0], 1).unbind(1), strict=True):
            after = self.cell(torch.cat([gap[:, None], row], dim=-1), h)
            h = torch.where(here[:, None], after, h)
            row = torch.where(here[:, None], self.decoder(h), row)
            rows.append(row)
        return torch.stack(rows, dim=1).unflatten(0, shape)


def _passed(gaps: Tensor, seen: Tensor) -> Tensor:
    """Return the time since the last row ``seen`` before, or the start, ``(n, T)``; ``gaps`` are those of all."""
    at = gaps.cumsum(1)
    last = torch.where(seen, at, 0).cummax(1).values
    return at - torch.cat([torch.zeros_like(at[:, :1]), last[:, :-1]], dim=1)
