"""Flows trained on the energy of an Ising model: several kinds of potential with equal effort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from contdepth.flows import Drawn, DualIsing, MongeAmpereFlow, Potential, translations
from contdepth.seeds import generator
from contdepth.studies.flows.mongeampere.shuffled import ShuffledFlow

__all__ = ["Arm", "Fit", "fit_flow", "fits", "made"]


@dataclass(frozen=True)
class Arm:
    """A kind of flow: ``rows`` products w·x an evaluation, so that all kinds of equal rows cost the same.

    ``symmetry``: ``"none"``; ``"even"``, φ(-x) = φ(x); ``"lattice"``, even and a mean over translations;
    ``"random"``, even, and a translation drawn for every point at every evaluation.
    """

    side: int
    symmetry: str = "even"
    rows: int = 128
    iterations: int = 600
    batch: int = 128
    steps: int = 3
    time: float = 1.0


@dataclass
class Fit:
    """A trained flow, its ``rate`` and seed, and the free energy a site of every batch."""

    flow: MongeAmpereFlow | ShuffledFlow
    rate: float
    seed: int
    history: np.ndarray = field(repr=False)
    held: float = math.nan


def made(arm: Arm, seed: int) -> MongeAmpereFlow | ShuffledFlow:
    """Return the flow before it is trained."""
    sites = arm.side**2
    moves = translations(arm.side) if arm.symmetry in ("lattice", "random") else None
    within = moves if arm.symmetry == "lattice" else None
    hidden = arm.rows // (1 if within is None else len(within))
    even = {"activation": "log cosh", "bias": False} if arm.symmetry != "none" else {}
    source = generator(seed, "mongeampere/potential")
    phi = Potential(sites, hidden, symmetries=within, generator=source, **even)  # type: ignore[arg-type]
    if arm.symmetry == "random":
        assert moves is not None
        return ShuffledFlow(phi, moves, arm.time, arm.steps)
    return MongeAmpereFlow(phi, sites, time=arm.time, steps=arm.steps)


def fit_flow(arm: Arm, model: DualIsing, rate: float, seed: int) -> Fit:
    """Train by Adam on E[ln q + E], the rate rising for a tenth of the iterations and falling to nothing.

    Batches hang on the seed alone. ``held`` is the free energy a site of 4,000 fields that no training has seen.
    """
    flow = made(arm, seed)
    optimiser = torch.optim.Adam(flow.parameters(), rate)
    plan = OneCycleLR(optimiser, rate, total_steps=max(arm.iterations, 2), pct_start=0.1)
    source, history = generator(seed, "mongeampere/batches"), []
    for _ in range(arm.iterations):
        loss = free_energies(model, flow.draw(arm.batch, source)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimiser.step()
        plan.step()
        history.append(loss.item())
    with torch.no_grad():
        held = free_energies(model, flow.draw(4000, generator(seed, "mongeampere/choose"))).mean().item()
    return Fit(flow, rate, seed, np.array(history), held)


def free_energies(model: DualIsing, drawn: Drawn) -> Tensor:
    """(ln q + E) / N of fields drawn from q, ``(n,)``."""
    return (drawn.log_density + model.energy(drawn.x)) / model.sites


def fits(arm: Arm, model: DualIsing, rates: Sequence[float], seeds: Sequence[int]) -> list[Fit]:
    """A flow for every seed, at the rate with the least mean of ``held`` over the seeds."""
    found = [[fit_flow(arm, model, rate, seed) for seed in seeds] for rate in rates]
    means = [np.mean([one.held for one in group]) for group in found]
    return found[int(np.nanargmin(means))]
