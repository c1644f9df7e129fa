"""Which of two symbols came first, and Japanese vowels: a task that an alternating sum cannot do, and real series."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.data import series
from contdepth.recurrent import Series, from_nan, padded
from contdepth.seeds import generator
from contdepth.studies.sequences.padded_digits import Part, Task, taken

__all__ = ["exchanged", "first_of_two", "vowels"]


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


def vowels(seed: int) -> Task:
    """JapaneseVowels, 12 numbers a row and 7 to 29 rows, nine speakers: 200 series train, 70 choose rates.

    Which of the 270 choose is drawn by ``seed``; numbers are in units of the training part's mean and spread.
    """
    one, other = series("japanese_vowels", "train"), series("japanese_vowels", "test")
    order = torch.randperm(len(one.labels), generator=generator(seed, "sequences/vowels"))
    rows = torch.cat([torch.from_numpy(one.values[int(i)]) for i in order[:200]])
    middle, spread = rows.mean(0), rows.std(0)

    def part(values: list, labels: object) -> Part:
        scaled = [((torch.from_numpy(v) - middle) / spread).float() for v in values]
        return Part(padded(scaled), torch.as_tensor(labels).long())

    whole = part(one.values, one.labels)
    test = part(other.values, other.labels)
    return Task(taken(whole, order[:200]), taken(whole, order[200:]), test, len(one.classes))


def exchanged(part: Series, generator: torch.Generator) -> Series:
    """Return series in which rows have changed places among those of the same parity."""
    values: Tensor = part.values.clone()
    for odd in (0, 1):
        own = values[:, odd::2]
        values[:, odd::2] = own[:, torch.randperm(own.shape[1], generator=generator)]
    return Series(values, part.times, part.mask)
