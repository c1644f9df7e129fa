"""Series, models and waves that several tests share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from contdepth.recurrent import RNNVAE, LatentModel, LatentODE, Series, padded
from contdepth.seeds import generator

NAN = float("nan")


def row(*shape: int, stream: str = "row") -> Tensor:
    return torch.randn(shape, generator=generator(1, stream), dtype=torch.float64)


def scaled(made: nn.Module, factor: float = 1.5) -> nn.Module:
    """Weights ``factor`` times as large, biases drawn."""
    with torch.no_grad():
        for name, one in made.named_parameters():
            one.copy_(factor * (row(*one.shape, stream=name) if one.ndim == 1 else one))
    return made


def lists() -> tuple[list[Tensor], list[Tensor]]:
    """Four series of 3, 5, 1 and 4 rows, with what is missing, repeated times, and gaps of many sizes."""
    lengths = (3, 5, 1, 4)
    values = [row(k, 2, stream=f"values {k}") for k in lengths]
    values[0][1, 0], values[1][2], values[3][3, 1] = NAN, NAN, NAN
    times = [[0.0, 0.05, 1.3], [-1.0, -1.0, 0.2, 0.3, 0.9], [2.0], [0.0, 0.6, 0.61, 1.5]]
    return values, [torch.tensor(one, dtype=torch.float64) for one in times]


def ragged() -> Series:
    return padded(*lists())


def latent(**more: object) -> LatentODE:
    settings = {"hidden": 4, "width": 5, "step": None, "rtol": 1e-8, "atol": 1e-10, **more}
    made = LatentODE(2, 3, generator=generator(0, "latent"), **settings).double()
    return scaled(made)


def plain(**more: object) -> RNNVAE:
    return scaled(RNNVAE(2, 3, hidden=4, width=5, generator=generator(0, "plain"), **more).double())


def models() -> dict[str, LatentModel]:
    return {"latent ODE": latent(), "latent ODE, Euler": latent(step=0.1), "RNN-VAE": plain()}


def waves(n: int, rows: int, stream: str, kept: int | None = None, end: float = 5.0) -> tuple[Series, Series]:
    """Sinusoids of a frequency and a phase each, at irregular times: ``kept`` rows of each, and all."""
    source = generator(0, f"waves/{stream}")
    times = (end * torch.rand(n, rows, generator=source)).sort(1).values
    rate, phase = 0.5 + 0.5 * torch.rand(n, 1, generator=source), 2 * math.pi * torch.rand(n, 1, generator=source)
    values = torch.sin(2 * math.pi * rate * times / 2 + phase)[..., None]
    drawn = torch.rand(n, rows, generator=source).argsort(1).argsort(1) < (rows if kept is None else kept)
    return Series(values, times, drawn), Series(values, times, torch.ones_like(drawn))
