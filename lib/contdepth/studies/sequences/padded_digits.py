"""Series to be told apart: digits read row by row before rows of noise, and a symbol to be kept over a delay."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from contdepth import checks
from contdepth.data import digits
from contdepth.recurrent import Series, from_nan
from contdepth.seeds import generator

__all__ = ["Part", "Task", "padded_digits", "recall", "taken"]

VALIDATION = 300
"""Digits of scikit-learn's training part that choose rates; the others, at most 1,048, train."""


@dataclass(frozen=True)
class Part:
    """Series with the number of the class of each, ``labels`` ``(n,)``."""

    series: Series
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Task:
    """Three parts of one set: weights are fitted to the first, rates chosen on the second, the third is judged."""

    train: Part
    validation: Part
    test: Part
    classes: int

    @property
    def inputs(self) -> int:
        """Numbers in a row."""
        return self.train.series.values.shape[2]

    def majority(self) -> float:
        """Accuracy on the test part, in per cent, of the class that is most frequent in training."""
        guess = self.train.labels.bincount(minlength=self.classes).argmax()
        return 100 * float((self.test.labels == guess).double().mean())


def taken(part: Part, chosen: Tensor) -> Part:
    """Return the series of ``part`` whose numbers are ``chosen``."""
    one = part.series
    return Part(Series(one.values[chosen], one.times[chosen], one.mask[chosen]), part.labels[chosen])


def padded_digits(seed: int, *, noise: int = 40, loud: float = 1.0, train_size: int = 1048) -> Task:
    """Digits of 8 × 8 pixels, a row of 8 numbers a step, then ``noise`` rows of N(0, ``loud``²): ten classes.

    The pixels are in units of the training part's mean and spread. The noise is drawn once for each picture, anew
    for every ``seed``; the pictures and their parts are the same for all.

    Args:
        seed: of the noise.
        noise: rows after the digit, at least 0; the digit is 8 rows.
        loud: spread of the noise.
        train_size: digits that are trained on, at most 1,048.
    """
    checks.integer("noise", noise, at_least=0)
    loud = checks.real("loud", loud, at_least=0)
    checks.integer("train_size", train_size, at_least=1, at_most=1348 - VALIDATION)
    pictures, labels = digits("train")
    test, test_labels = digits("test")
    middle, spread = float(pictures.float().mean()), float(pictures.float().std())

    def part(images: Tensor, classes: Tensor, name: str) -> Part:
        rows = (images.float()[:, 0] - middle) / spread
        source = generator(seed, f"sequences/noise {name}")
        tail = loud * torch.randn(len(rows), noise, rows.shape[2], generator=source)
        return Part(from_nan(torch.cat([rows, tail], dim=1)), classes.long())

    fitted = part(pictures[:-VALIDATION], labels[:-VALIDATION], "train")
    return Task(
        taken(fitted, torch.arange(train_size)),
        part(pictures[-VALIDATION:], labels[-VALIDATION:], "validation"),
        part(test, test_labels, "test"),
        10,
    )


def recall(
    seed: int,
    *,
    symbols: int = 8,
    delay: int = 60,
    loud: float = 1.0,
    sizes: tuple[int, int, int] = (1000, 300, 500),
) -> Task:
    """One of ``symbols`` is shown in the first row, then ``delay`` rows of N(0, ``loud``²): which was it?

    The first row is √k times a unit vector for k symbols, as long as a row of noise. The class is its place, so
    that one who remembers it is right always, and one who does not once in ``symbols`` times.

    Args:
        seed: of symbols and noise.
        symbols: k, at least 2; also the numbers in a row.
        delay: rows after the first.
        loud: spread of the noise.
        sizes: series to train on, to choose rates on and to judge on.
    """
    checks.integer("symbols", symbols, at_least=2)
    checks.integer("delay", delay, at_least=0)
    loud = checks.real("loud", loud, at_least=0)

    def part(count: int, name: str) -> Part:
        source = generator(seed, f"sequences/recall {name}")
        labels = torch.randint(symbols, (count,), generator=source)
        first = symbols**0.5 * functional.one_hot(labels, symbols).float()
        tail = loud * torch.randn(count, delay, symbols, generator=source)
        return Part(from_nan(torch.cat([first[:, None], tail], dim=1)), labels)

    train, validation, test = (
        part(n, name) for n, name in zip(sizes, ("train", "validation", "test"), strict=True)
    )
    return Task(train, validation, test, symbols)
