"""A classifier with one neural-ODE block, trained through the solver with a price on what the solver has to do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth.data import pixels
from contdepth.flows import Transport, draw_probes
from contdepth.schemes import DORMAND_PRINCE, RK4, RungeKutta, integrate, solve
from contdepth.seeds import generator

__all__ = ["Digits", "Dynamics", "Setting", "digits", "each_alone", "train_classifier"]

KINDS = ("none", "decay", "transport", "error sum", "error mean")
END = 1.0


@dataclass(frozen=True)
class Digits:
    """Pictures as vectors ``(n, 64)`` with values 0…1 and their labels: to train on, and to look at."""

    train: tuple[Tensor, Tensor]
    look: tuple[Tensor, Tensor]


def digits(split: str, limit: int = 1348) -> Digits:
    """Split scikit-learn's digits: ``"choose"`` looks at every fifth of the training pictures and trains on the
    rest, ``"judge"`` trains on all of them and looks at the test pictures. ``limit``: training pictures at most.
    """
    x, y = pixels("digits", "train", limit)
    x = x.flatten(1)
    if split == "judge":
        test, labels = pixels("digits", "test", 449)
        return Digits((x, y), (test.flatten(1), labels))
    held = torch.arange(len(y)) % 5 == 4
    return Digits((x[~held], y[~held]), (x[held], y[held]))


class Dynamics(nn.Module):
    """f(t, x) = W tanh(V x + v t + b) + w t + c, for x ``(..., d)``: two layers that are told the time."""

    def __init__(self, d: int, width: int, source: torch.Generator) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(d + 1, width), nn.Linear(width + 1, d)
        draw_weights(self, source)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        hidden = torch.tanh(told(self.inner, t, x))
        return told(self.outer, t, hidden)


def told(layer: nn.Linear, t: Tensor, x: Tensor) -> Tensor:
    """Return ``layer`` at (x, t) without joining them."""
    return functional.linear(x, layer.weight[:, :-1], layer.bias + t * layer.weight[:, -1])


def draw_weights(module: nn.Module, source: torch.Generator) -> None:
    """Draw weights of variance 1 over the number of inputs, and set the offsets to zero."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.normal_(0.0, layer.in_features**-0.5, generator=source)
                layer.bias.zero_()


@dataclass(frozen=True)
class Setting:
    """How all arms of a comparison train: Adam at ``rate``, falling to zero as a cosine.

    ``tolerance`` is that of the solver, relative and absolute, in training and when pictures are classified;
    ``steps``, if not 0, the number of RK4 steps that training takes in its place. ``double``: float64, which
    tolerances below 1e-6 need.
    """

    width: int = 64
    epochs: int = 20
    batch: int = 64
    rate: float = 1e-2
    tolerance: float = 1e-5
    steps: int = 0
    double: bool = False


def train_classifier(
    data: Digits, kind: str, weight: float, seed: int, setting: Setting = Setting()
) -> dict[str, float]:
    """Train one classifier and look at it.

    Args:
        data: pictures to train on and to look at.
        kind: what is added to the cross-entropy, ``weight`` times: ``"none"``; ``"decay"``, the sum of the squares
            of all numbers of f; ``"transport"``, the mean over the batch of ∫|f|² + ∫|J|² (Finlay et al. 2020,
            both at one weight, one probe a picture);
            ``"error sum"``, Σ E |h| over the steps (Pal et al. 2021), with E the share of the allowed error as in
            their code; ``"error mean"``, the mean of E |h|, as their code has it.
        weight: λ.
        seed: of first weights, order and probes; arms of one seed share the first two.
        setting: the rest.

    Returns:
        ``accuracy`` in per cent and ``evaluations`` of f for a picture, the mean over those looked at, each solved
        by itself (steps for a whole batch come in sixes, and seeds then hardly differ); ``off``, how far from
        there the steps of training end, as a share of the way moved; ``trained_evaluations`` in all forward
        passes of training; ``time_training``, CPU seconds; ``error``, Σ E |h| for all as one batch, ``kinetic``,
        the mean of ∫|f|², and ``curved``, that over the mean of |x(1) - x(0)|², 1 for straight lines of one length
        at one speed.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {KINDS}, found {kind!r}")
    dtype = torch.float64 if setting.double else torch.float32
    x, y = data.train[0].to(dtype), data.train[1]
    source = generator(seed, "init")
    f = Dynamics(x.shape[1], setting.width, source).to(dtype)
    head = nn.Linear(x.shape[1], 10)
    draw_weights(head, source)
    head = head.to(dtype)
    model = nn.ModuleList([f, head])
    optimiser = torch.optim.Adam(model.parameters(), lr=setting.rate)
    batches = -(-len(x) // setting.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, setting.epochs * batches)
    order, probes = generator(seed, "order"), generator(seed, "probes")
    evaluations, start = 0, time.process_time()
    for _ in range(setting.epochs):
        for chosen in torch.randperm(len(x), generator=order).split(setting.batch):
            end, price, calls = _passed(f, x[chosen], kind, setting, probes)
            if kind == "decay":
                price = torch.stack([p.square().sum() for p in f.parameters()]).sum()
            loss = functional.cross_entropy(head(end), y[chosen]) + weight * price
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            evaluations += calls
    seconds = time.process_time() - start
    seen = _looked_at(f, head, data.look[0].to(dtype), data.look[1], setting)
    return {"trained_evaluations": evaluations, "time_training": seconds, **seen}


def _passed(
    f: Dynamics, x: Tensor, kind: str, setting: Setting, probes: torch.Generator
) -> tuple[Tensor, Tensor | float, int]:
    """Return the state at the end, what the path costs, and the evaluations."""
    if kind == "transport":
        field = Transport(f, draw_probes(x, probes))
        u, calls, _ = _solved(field, field.start(x), setting)
        carried = field.carried(u)
        return carried.x, (carried.kinetic + carried.jacobian).mean(), calls
    end, calls, record = _solved(f, x, setting, record=kind.startswith("error"))
    if record is None:
        return end, 0.0, calls
    each = record.error * record.h
    return end, each.sum() if kind == "error sum" else each.mean(), calls


def _solved(field: Any, u0: Tensor, setting: Setting, record: bool = False) -> tuple[Tensor, int, Any]:
    """Return the state at the end, the evaluations, and the steps if asked for."""
    if setting.steps:
        grid = torch.linspace(0.0, END, setting.steps + 1, dtype=u0.dtype, device=u0.device)
        return integrate(field, u0, grid, RungeKutta(RK4))[-1], 4 * setting.steps, None
    grid = torch.tensor([0.0, END], dtype=u0.dtype, device=u0.device)
    found = solve(field, u0, grid, DORMAND_PRINCE, rtol=setting.tolerance, atol=setting.tolerance, record=record)
    return found.u[-1], found.statistics.evaluations, found.record


def each_alone(f: Any, x: Tensor, tolerance: float) -> tuple[Tensor, float]:
    """Return the states at the end, each point with steps of its own, and the mean of their evaluations.

    A point needs two evaluations to begin and six for a step that is tried.
    """
    grid = torch.tensor([0.0, END], dtype=x.dtype, device=x.device)
    found = solve(f, x, grid, DORMAND_PRINCE, rtol=tolerance, atol=tolerance, steps="own")
    tried = torch.as_tensor(found.statistics.accepted) + torch.as_tensor(found.statistics.rejected)
    return found.u[-1], 2 + 6 * tried.double().mean().item()


def _looked_at(f: Dynamics, head: nn.Linear, x: Tensor, y: Tensor, setting: Setting) -> dict[str, float]:
    """Return what the trained classifier does with the pictures ``x``."""
    adaptive = Setting(tolerance=setting.tolerance)
    with torch.no_grad():
        field = Transport(f, draw_probes(x, generator(0, "look")))
        kinetic = field.carried(_solved(field, field.start(x), adaptive)[0]).kinetic.mean().item()
        end, calls = each_alone(f, x, setting.tolerance)
        record = _solved(f, x, adaptive, record=True)[2]
        own = _solved(f, x, setting)[0] if setting.steps else end
        right = (head(end).argmax(-1) == y).double().mean().item()
        moved = (end - x).square().sum(-1).mean().item()
    return {
        "accuracy": 100 * right,
        "evaluations": calls,
        "off": ((own - end).norm() / (end - x).norm()).item(),
        "error": (record.error * record.h).sum().item(),
        "kinetic": kinetic,
        "curved": kinetic / moved,
    }
