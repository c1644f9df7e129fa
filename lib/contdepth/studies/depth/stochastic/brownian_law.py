"""Whether a tree's path is one path, and whether it is Brownian motion."""

from __future__ import annotations

import math

import torch

from contdepth.schemes import BrownianTree
from contdepth.seeds import generator

__all__ = ["differing_values", "distance_from_a_bridge"]


def differing_values(tree: BrownianTree, another: BrownianTree, questions: int) -> int:
    """Return how many numbers differ between two trees, one asked in the order of time and one at random."""
    span = tree.t1 - tree.t0
    times = [tree.t0 + span * k / questions for k in range(questions + 1)]
    asked = torch.randperm(len(times), generator=generator(0, "questions")).tolist()
    at_random = {k: another(times[k]) for k in asked}
    return sum(int((tree(time) != at_random[k]).sum()) for k, time in enumerate(times))


def distance_from_a_bridge(tree: BrownianTree, levels: int) -> float:
    """Return the largest distance of a sample's moments from a bridge's, in standard errors.

    Of what W at a middle is beyond the mean of both ends, for every interval of each of the ``levels``: its
    variance from a quarter of the interval, and its products with both ends from nothing.
    """
    worst = 0.0
    for level in range(levels):
        width = (tree.t1 - tree.t0) / 2**level
        for k in range(2**level):
            low, high = (tree(tree.t0 + width * one) for one in (k, k + 1))
            rest = tree(tree.t0 + width * (k + 0.5)) - (low + high) / 2
            root = math.sqrt(rest.numel())
            found = [(rest.square().mean() / (width / 4) - 1) * root / math.sqrt(2)]
            found += [(rest * end).mean() * root / (rest.std() * end.std()) for end in (low, high) if end.any()]
            worst = max(worst, *(abs(one.item()) for one in found))
    return worst
