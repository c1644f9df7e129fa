"""Which of two symbols came first: a task that no alternating sum can do; and rows that change places."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.recurrent import Series, from_nan
from contdepth.seeds import generator
from contdepth.studies.sequences.padded_digits import Part, Task

__all__ = ["exchanged", "first_of_two"]


def first_of_two(seed: int, *, rows: int = 16, sizes: tuple[int, int, int] = (500, 200, 1000)) -> Task:
    """Two symbols are shown once each, at places of the same parity, all other rows are 0: which came first?

    Whoever knows the order is right always, and a net whose state is Σ (-1)^(T-k) F(x_k) sees no difference
    between the classes: it is right half the time, whatever F is.

    Args:
        seed: of places and order.
        rows: even, at least 4.
        sizes: series to train on, to choose rates on and to judge on.
    """
    if checks.integer("rows", rows, at_least=4) % 2:
        checks.fail("rows", "an even number", rows)

    def part(count: int, name: str) -> Part:
        source = generator(seed, f"sequences/order {name}")
        labels = torch.randint(2, (count,), generator=source)
        odd = torch.randint(2, (count, 1), generator=source)
        halves = torch.rand(count, rows // 2, generator=source).topk(2).indices.sort(1).values
        places, values, each = 2 * halves + odd, torch.zeros(count, rows, 2), torch.arange(count)
        values[each, places[:, 0], labels] = 1.0
        values[each, places[:, 1], 1 - labels] = 1.0
        return Part(from_nan(values), labels)

    train, validation, test = (part(n, k) for n, k in zip(sizes, ("train", "validation", "test"), strict=True))
    return Task(train, validation, test, 2)


def exchanged(part: Series, generator: torch.Generator) -> Series:
    """Return series in which rows have changed places among those of the same parity."""
    values: Tensor = part.values.clone()
    for odd in (0, 1):
        own = values[:, odd::2]
        values[:, odd::2] = own[:, torch.randperm(own.shape[1], generator=generator)]
    return Series(values, part.times, part.mask)
