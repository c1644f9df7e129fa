"""The two models at equal sizes, and one way of training for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from contdepth.recurrent import RNNVAE, LatentODE
from contdepth.recurrent.latent import LatentModel
from contdepth.seeds import generator
from contdepth.studies.sequences.latentode.waves import Window, rows_of, seen

__all__ = ["Plan", "made", "train"]


@dataclass(frozen=True)
class Plan:
    """``steps`` of Adam on ``batch`` series, of which ``counts`` rows are shown in turn.

    The rate rises from a tenth to ``rate`` in the first fifth of the steps, and falls to a hundredth of it. The
    divergence's weight rises from 0 to 1 over the first half of the steps.
    """

    steps: int = 300
    rate: float = 1e-2
    batch: int = 50
    counts: Sequence[int] = (10, 30)
    noise: float = 0.1
    clip: float = 1.0
    latent: int = 6
    hidden: int = 25
    width: int = 40
    euler: float = 0.25
    rtol: float = 1e-2
    atol: float = 1e-3


def made(name: str, plan: Plan, seed: int) -> LatentModel:
    """Return the model ``name``, ``"latent ODE"`` or ``"RNN-VAE"``, as it is drawn.

    q begins narrow, at a standard deviation of e⁻²: as wide as the law of z₀, it hides from the decoder which
    series it explains, and training stays at the mean of all. In the authors' code it begins narrow too.
    """
    source = generator(seed, "weights")
    model: RNNVAE | LatentODE
    if name == "RNN-VAE":
        model = RNNVAE(1, plan.latent, hidden=plan.hidden, width=plan.width, noise=plan.noise, generator=source)
    else:
        model = LatentODE(
            1,
            plan.latent,
            hidden=plan.hidden,
            width=plan.width,
            step=plan.euler,
            noise=plan.noise,
            rtol=plan.rtol,
            atol=plan.atol,
            generator=source,
        )
    with torch.no_grad():
        model.posterior.b1[plan.latent :] = -4.0  # type: ignore[operator]
    return model


def train(
    model: LatentModel, drawn: Callable[[int, torch.Generator], Window], plan: Plan, seed: int
) -> LatentModel:
    """Return ``model`` trained to explain all rows of the windows ``drawn``, of which it is shown some.

    z₀ stands at time 0. All arms of a seed see the same series in the same order.
    """
    data, noise = generator(seed, "data"), generator(seed, "latent")
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.rate)
    moving = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.rate, plan.steps, pct_start=0.2, div_factor=10, final_div_factor=10, cycle_momentum=False
    )
    for step in range(plan.steps):
        window = drawn(plan.batch, data)
        n, rows = window.times.shape
        shown = rows_of(window, seen(n, rows, plan.counts[step % len(plan.counts)], data))
        weight = min(1.0, 2 * step / plan.steps)
        found = model.evidence(
            shown, rows_of(window), weight=weight, start=window.times.new_zeros(n), generator=noise
        )
        optimiser.zero_grad()
        (-found.bound.mean() / rows).backward()
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimiser.step()
        moving.step()
    return model
