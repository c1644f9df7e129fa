"""Probes of a trained residual net: its test error with blocks of a stage swapped, dropped or permuted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.meanfield.convnet import OrderedResNet, stage_particles
from contdepth.nets.residual import ResidualNet
from contdepth.seeds import generator
from contdepth.training import Recipe, evaluate, fit
from contdepth.training.evaluation import Pair, layout, placed

__all__ = [
    "Probed",
    "depth_order",
    "drops",
    "neighbour_swaps",
    "order_probes",
    "probe_run",
    "shuffle",
    "with_order",
]

Order = tuple[tuple[int | None, ...], ...]


class Nothing(nn.Module):
    """The branch of a dropped block: zero."""

    def forward(self, u: Tensor) -> Tensor:
        return torch.zeros_like(u)


def depth_order(net: ResidualNet) -> tuple[tuple[int, ...], ...]:
    """Block numbers of each stage's particles in the order in which ``net`` applies them."""
    return net.order() if isinstance(net, OrderedResNet) else stage_particles(net)


@contextmanager
def with_order(net: ResidualNet, order: Sequence[Sequence[int | None]]) -> Iterator[ResidualNet]:
    """Inside the block, ``net`` applies the particles of each stage in ``order``; afterwards it is as before.

    ``order`` has the form of ``depth_order(net)``; None at a place drops the block there: the state passes
    unchanged. Blocks take their weights and running statistics along. The coefficients n (t^l - t^{l-1}) of an
    ``OrderedResNet`` stay with the place: two blocks that change places exchange their times, and a dropped block
    leaves its time step empty.

    Raises:
        ValueError: a stage of ``order`` that is not made of its own blocks, each at most once.
    """
    now = depth_order(net)
    if len(order) != len(now):
        checks.fail("order", f"{len(now)} stages", len(order))
    for number, (new, old) in enumerate(zip(order, now, strict=True), 1):
        kept = [n for n in new if n is not None]
        if len(new) != len(old) or len(set(kept)) < len(kept) or not set(kept) <= set(old):
            checks.fail(
                "order",
                f"the blocks {sorted(old)} of stage {number}, each at most once",
                list(new),
                "None stands for a dropped block",
            )
    before = list(net.branches)
    try:
        for new, old in zip(order, now, strict=True):
            for place, n in zip(old, new, strict=True):
                net.branches[place] = Nothing() if n is None else before[n]
        yield net
    finally:
        for n, one in enumerate(before):
            net.branches[n] = one


def neighbour_swaps(order: Order) -> list[Order]:
    """All orders in which two neighbours of one stage have changed places."""
    found = []
    for s, stage in enumerate(order):
        for i in range(len(stage) - 1):
            new = (*stage[:i], stage[i + 1], stage[i], *stage[i + 2 :])
            found.append((*order[:s], new, *order[s + 1 :]))
    return found


def drops(order: Order) -> list[Order]:
    """All orders with one block dropped."""
    return [
        (*order[:s], (*stage[:i], None, *stage[i + 1 :]), *order[s + 1 :])
        for s, stage in enumerate(order)
        for i in range(len(stage))
    ]


def shuffle(order: Order, source: torch.Generator) -> Order:
    """Each stage's blocks in a random order, never the given one if a stage has two blocks or more."""
    if all(len(stage) < 2 for stage in order):
        checks.fail("order", "a stage with at least two particles", order)
    while True:
        new = tuple(tuple(stage[i] for i in torch.randperm(len(stage), generator=source)) for stage in order)
        if new != tuple(order):
            return new


def order_probes(
    net: ResidualNet,
    data: Pair,
    *,
    permutations: int = 5,
    seed: int = 0,
    batch: int = 500,
    precision: str = "fp32",
) -> dict[str, np.ndarray]:
    """Errors in percent of ``net`` on (images, labels), in eval mode, with its blocks in other orders.

    Returns "intact" (1,), "swap" (one for each pair of neighbours of a stage), "drop" (one for each particle),
    "reverse" (1,: every stage backwards) and "permute" (``permutations``,: all stages at random, drawn from
    ``seed``). The net is unchanged afterwards.
    """
    checks.integer("permutations", permutations, at_least=1)
    order, source = depth_order(net), generator(seed, "order probes")
    orders: dict[str, list[Order]] = {
        "intact": [order],
        "swap": neighbour_swaps(order),
        "drop": drops(order),
        "reverse": [tuple(stage[::-1] for stage in order)],
        "permute": [shuffle(order, source) for _ in range(permutations)],
    }

    def error(one: Order) -> float:
        with with_order(net, one):
            return evaluate(net, data, batch=batch, precision=precision)[1]

    return {name: np.array([error(one) for one in chosen]) for name, chosen in orders.items()}


@dataclass(frozen=True)
class Probed:
    """One trained net: errors of ``order_probes``, and for an ``OrderedResNet`` what its times have become.

    ``times`` has one array a stage, (n,), in block order; ``steps`` of training saw ``reorders`` changes of order;
    ``inversions`` pairs of blocks stand the other way round than at the start.
    """

    errors: dict[str, np.ndarray]
    times: tuple[np.ndarray, ...] = ()
    steps: int = 0
    reorders: int = 0
    inversions: int = 0

    def rise(self, probe: str) -> float:
        """Mean error under the probe minus the error of the intact net, percentage points."""
        return float(self.errors[probe].mean() - self.errors["intact"][0])


def probe_run(
    make: Callable[..., Mapping[str, ResidualNet]],
    arm: str,
    train: Pair,
    test: Pair,
    recipe: Recipe,
    seed: int,
    *,
    checkpoints: Path | str,
    images: int | None = None,
    permutations: int = 5,
    device: str = "cpu",
) -> Probed:
    """Probe the net that ``training.compare`` left in the folder ``checkpoints`` (trained here if there is none).

    ``make``, ``train``, ``test`` and ``recipe`` must be those of the comparison. The probes see the first
    ``images`` of ``test``; the permutations are the same for every arm and seed of one depth.
    """
    net = make(seed=seed)[arm]
    path = Path(checkpoints) / f"{arm}-{recipe.name}-seed{seed}.pt"
    steps = fit(net, train, test, recipe, seed=seed, checkpoint=path, device=device, progress=False).steps
    seen, form = (test[0][:images], test[1][:images]), layout(recipe, net)
    part = placed(seen, recipe.precision, torch.device(device), form)
    errors = order_probes(net, part, permutations=permutations, precision=recipe.precision)
    if not isinstance(net, OrderedResNet):
        return Probed(errors, steps=steps)
    times = tuple(one.cpu().numpy() for one in net.times())
    return Probed(errors, times, steps, int(net.reorders), net.inversions())
