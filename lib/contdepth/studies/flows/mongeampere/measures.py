"""What a trained flow is worth: its free energy, reweighted too, the error of its steps, how it carries points."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth.flows import Drawn, DualIsing, MongeAmpereFlow, wasserstein2
from contdepth.seeds import generator
from contdepth.studies.flows.mongeampere.shuffled import ShuffledFlow
from contdepth.studies.flows.mongeampere.training import free_energies

__all__ = ["Judged", "asymmetry", "discrete_error", "extra_cost", "finer", "judge", "round_trips"]


class Judged(NamedTuple):
    """Of fields drawn from a law q: ``gap`` of E[ln q + E] / N above the exact one, with its standard ``error``.

    ``reweighted`` is -ln mean exp(-E - ln q) / N less the exact one; ``effective`` the share (Σw)² / (n Σw²) of
    the fields that the weights leave; ``weights`` ``(n,)`` sum to one.
    """

    gap: float
    error: float
    reweighted: float
    effective: float
    x: Tensor
    weights: Tensor


def finer(flow: MongeAmpereFlow, steps: int, dtype: torch.dtype = torch.float64) -> MongeAmpereFlow:
    """The same flow with ``steps`` steps, in ``dtype``."""
    found = copy.deepcopy(flow).to(dtype)
    found.steps = steps
    return found


@torch.no_grad()
def judge(model: DualIsing, drawn: Drawn) -> Judged:
    """Judge a law by fields that were drawn from it."""
    values = free_energies(model, drawn).double()
    exact, count = model.free_energy(), len(values)
    logs = -model.sites * values
    weights = logs.softmax(0)
    reweighted = -float(logs.logsumexp(0) - math.log(count)) / model.sites
    effective = 1 / (count * float(weights.square().sum()))
    error = float(values.std()) / math.sqrt(count)
    return Judged(float(values.mean()) - exact, error, reweighted - exact, effective, drawn.x, weights)


@torch.no_grad()
def round_trips(
    flow: MongeAmpereFlow, steps: Sequence[int], count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Largest |x - x(z(x))| over fields of the flow, and largest error of ln q, for each number of steps.

    ln q is compared with that of 8 times the largest number of steps.
    """
    best = finer(flow, 8 * max(steps))
    x = best.sample(count, generator(seed, "round trip"))
    truth = best.log_density(x)
    there, wrong = [], []
    for each in steps:
        now = finer(flow, each)
        z = now.to_base(x).x
        there.append(float((now.moved(z) - x).abs().max()))
        wrong.append(float((now.log_density(x) - truth).abs().max()))
    return np.array(there), np.array(wrong)


def discrete_error(flow: MongeAmpereFlow | ShuffledFlow, count: int, seed: int) -> np.ndarray:
    """∫Δφ as the steps have it, less ln|det| of the map that these steps are, a site, for points of the base."""
    source = generator(seed, "determinants")
    held = copy.deepcopy(flow).double()
    if isinstance(held, ShuffledFlow):
        z, order = held.base(count, source), held.order(count, source)
        return _a_site(held.carried(z, order).log_det - held.determinant(z, order), z)
    z = torch.randn(count, held.dimension, generator=source, dtype=torch.float64)
    full = vmap(jacrev(held.moved))(z)
    return _a_site(held.from_base(z).log_det - torch.linalg.slogdet(full).logabsdet, z)


def asymmetry(flow: MongeAmpereFlow, z: Tensor) -> Tensor:
    """|J - Jᵀ| / |J| of the map at points ``z`` ``(n, d)``: 0 for the gradient of a function, as Brenier's is."""
    full = vmap(jacrev(flow.moved))(z).detach()
    return (full - full.mT).norm(dim=(1, 2)) / full.norm(dim=(1, 2))


@torch.no_grad()
def extra_cost(z: Tensor, x: Tensor) -> float:
    """Mean |x - z|² of pairs ``(n, d)`` over the least that any pairing of the same points has, less 1."""
    return float((x - z).square().sum(1).mean() / wasserstein2(x, z).square()) - 1


def _a_site(found: Tensor, z: Tensor) -> np.ndarray:
    return (found.detach() / z.shape[-1]).numpy()
