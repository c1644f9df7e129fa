"""What a series that is cut off leaves out, what roulette gets right, and what each keeps for the way back."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from contdepth.flows import (
    ExactLogDet,
    NumberOfTerms,
    ResidualFlow,
    RouletteLogDet,
    SeriesLogDet,
    lipschitz_net,
)
from contdepth.seeds import generator
from contdepth.studies.common.kept_bytes import bytes_kept

__all__ = ["cut_eigenvalue", "memory_ratio", "roulette_loss", "series_errors"]


@torch.no_grad()
def series_errors(flow: ResidualFlow, x: Tensor, terms: Sequence[int]) -> np.ndarray:
    """Largest error of ln det(I + J) of any block at any of ``x`` (n, 2) for each number of terms, float64."""
    worst, x = np.zeros(len(terms)), x.double()
    for block in copy.deepcopy(flow).double().eval().blocks:
        g = block.g
        assert isinstance(g, torch.nn.Module)
        exact = ExactLogDet()(g, x)
        for k, n in enumerate(terms):
            error = (SeriesLogDet(n, None)(g, x).log_det - exact.log_det).abs().max()
            worst[k] = max(worst[k], float(error))
        x = exact.x
    return worst


@torch.no_grad()
def roulette_loss(
    flow: ResidualFlow, x: Tensor, law: NumberOfTerms, rounds: int, seed: int = 0
) -> tuple[float, float]:
    """The mean of -ln p over ``x`` by roulette, numbers drawn anew in every round, and its standard error."""
    before, source = flow.log_det, generator(seed, "roulette")
    flow.log_det = RouletteLogDet(law)
    values = torch.stack([-flow(x, source).double().mean() for _ in range(rounds)])
    flow.log_det = before
    return float(values.mean()), float(values.std() / math.sqrt(rounds))


def cut_eigenvalue(eigenvalues: np.ndarray, terms: int) -> np.ndarray:
    """The series of ``terms`` less ln(1 + λ): what a real eigenvalue λ adds to the claimed ln det."""
    powers = [(-1) ** (k + 1) * eigenvalues**k / k for k in range(1, terms + 1)]
    return np.sum(powers, axis=0) - np.log1p(eigenvalues)


def memory_ratio(terms: int, dimension: int = 64, width: int = 128, batch: int = 128) -> float:
    """What roulette with the Neumann gradient keeps over what a series of ``terms`` keeps, of one dense block.

    Roulette takes that many terms and a random number of further ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        g = lipschitz_net((dimension, width, width, dimension)).eval()
    x = torch.randn(batch, dimension, generator=generator(0, "x"))
    ways = (RouletteLogDet(NumberOfTerms(certain=terms)), SeriesLogDet(terms))
    kept = [bytes_kept(lambda how=how: how(g, x, generator(1, "probes")).log_det.mean()) for how in ways]  # type: ignore[misc]
    return kept[0] / kept[1]
