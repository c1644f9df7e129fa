"""What nets do on the pictures to judge on: right or wrong, the path of each picture, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from contdepth.nets import GatedNet, path_cost, random_gates
from contdepth.seeds import generator

__all__ = [
    "Seen",
    "at_equal_computation",
    "by_chance",
    "own",
    "paths",
    "ranks",
    "shuffled",
    "under",
    "usual",
    "usual_share",
]


@dataclass(frozen=True)
class Seen:
    """Of nets, one a seed: ``right`` and ``losses`` (nets, pictures), ``gates`` (nets, pictures, G).

    ``saved``: per cent of the multiply-adds of the whole net that the paths save, gates counted, (nets,).
    """

    right: np.ndarray
    losses: np.ndarray
    gates: np.ndarray
    saved: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Per cent right, (nets,)."""
        return 100 * self.right.mean(1)

    @property
    def blocks(self) -> np.ndarray:
        """Gated blocks computed for each picture, (nets, pictures)."""
        return self.gates.sum(2)

    def objective(self, alpha: float) -> np.ndarray:
        """Mean cross-entropy + α · share of gated blocks computed: what training minimises, (nets,)."""
        return self.losses.mean(1) + alpha * self.gates.mean((1, 2))

    def deeper(self, clean: int) -> np.ndarray:
        """Blocks for pictures from ``clean`` on less those for the pictures before, (nets,)."""
        return self.blocks[:, clean:].mean(1) - self.blocks[:, :clean].mean(1)


def under(
    nets: Sequence[GatedNet],
    data: tuple[Tensor, Tensor],
    whole: int,
    paths: Callable[[int], Tensor] | None = None,
) -> Seen:
    """Nets on ``data``, on the way that their gates choose, or on ``paths(i)`` (pictures, G) for net i.

    ``whole``: multiply-adds of the net against which savings are counted. Gates are paid for where they choose.
    """
    x, y = data
    right, losses, gates, saved = [], [], [], []
    for i, net in enumerate(nets):
        with torch.no_grad():
            route = net.eval().route(x, gates=None if paths is None else paths(i))
        cost = path_cost(net, *x.shape[2:])
        paid = float(cost.of(route.gates).mean()) - (0 if paths is None else cost.gates)
        right.append((route.logits.argmax(1) == y).double().numpy())
        losses.append(cross_entropy(route.logits, y, reduction="none").double().numpy())
        gates.append(route.gates.numpy())
        saved.append(100 * (1 - paid / whole))
    return Seen(np.stack(right), np.stack(losses), np.stack(gates), np.array(saved))


def own(seen: Seen) -> Callable[[int], Tensor]:
    """The paths that the gates chose."""
    return lambda i: torch.as_tensor(seen.gates[i])


def shuffled(seen: Seen, seeds: Sequence[int]) -> Callable[[int], Tensor]:
    """The paths that the gates chose, each for another picture: as many of each kind, and blind."""

    def paths(i: int) -> Tensor:
        order = torch.randperm(seen.gates.shape[1], generator=generator(seeds[i], "skipnet/shuffle"))
        return torch.as_tensor(seen.gates[i])[order]

    return paths


def usual(seen: Seen) -> Tensor:
    """The most frequent path of each net, (nets, G)."""
    found = []
    for one in seen.gates:
        paths, counts = np.unique(one, axis=0, return_counts=True)
        found.append(paths[counts.argmax()])
    return torch.as_tensor(np.stack(found))


def paths(seen: Seen) -> np.ndarray:
    """How many different paths each net uses, (nets,)."""
    return np.array([len(np.unique(one, axis=0)) for one in seen.gates])


def usual_share(seen: Seen) -> np.ndarray:
    """Share of the pictures on the most frequent path of each net, (nets,)."""
    return np.array([np.unique(one, axis=0, return_counts=True)[1].max() for one in seen.gates]) / len(
        seen.right[0]
    )


def by_chance(rates: Sequence[float], pictures: int, gates: int, seeds: Sequence[int]) -> Callable[[int], Tensor]:
    """Paths that look at nothing; net i skips each block with probability ``rates[i]``."""

    def paths(i: int) -> Tensor:
        source: Generator = generator(seeds[i], "skipnet/chance")
        return random_gates(pictures, gates, float(rates[i]), source)

    return paths


def ranks(blocks: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Rank correlation, net by net, of blocks computed and other nets' losses; 0 where depth never varies."""
    each = zip(blocks, losses, strict=True)
    return np.array([0.0 if np.ptp(b) == 0 else float(spearmanr(b, loss).statistic) for b, loss in each])


def at_equal_computation(seen: Seen, bar: Sequence[Seen]) -> np.ndarray:
    """Accuracy of the line through the arms of ``bar``, seed by seed, where each net of ``seen`` computes."""
    found = []
    for i, saved in enumerate(seen.saved):
        at = sorted((float(100 - one.saved[i]), float(one.accuracy[i])) for one in bar)
        x, y = zip(*at, strict=True)
        found.append(float(np.interp(100 - saved, x, y)))
    return np.array(found)
