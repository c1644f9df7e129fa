"""Any recurrent net as a classifier of series, trained in one way: the same rates tried, chosen on other seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from contdepth import checks
from contdepth.recurrent import Cell, Recurrence, Series
from contdepth.seeds import generator
from contdepth.studies.sequences.padded_digits import Part, Task, taken
from contdepth.studies.sequences.readers import TorchReader

__all__ = ["Classifier", "Judged", "Maker", "TorchReader", "Trained", "accuracy", "compete", "fit"]

Maker = Callable[[int, torch.Generator], "Cell | TorchReader"]
"""A reader for so many inputs whose weights a generator draws: a ``Cell`` or a ``TorchReader``."""


class Classifier(nn.Module):
    """An affine map from the state after the last row to one number a class.

    Args:
        reader: a ``Cell`` or a ``TorchReader``.
        classes: how many.
        generator: draws the map, between ±1/√hidden; its biases are 0.
    """

    def __init__(self, reader: Cell | TorchReader, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.reader = reader
        self.head = nn.Linear(reader.hidden, classes)
        with torch.no_grad():
            bound = 1 / math.sqrt(reader.hidden)
            self.head.weight.copy_(bound * (2 * torch.rand(self.head.weight.shape, generator=generator) - 1))
            self.head.bias.zero_()

    def forward(self, series: Series) -> Tensor:
        """Return the numbers of the classes, ``(n, classes)``."""
        reader = self.reader
        return self.head(Recurrence(reader)(series)[:, -1] if isinstance(reader, Cell) else reader(series))

    @property
    def size(self) -> int:
        """How many parameters are trained."""
        return sum(p.numel() for p in self.parameters())


@dataclass(frozen=True)
class Trained:
    """A net after its last epoch; accuracies in per cent after each of the epochs asked for, ``(stops,)``."""

    net: Classifier
    validation: np.ndarray
    test: np.ndarray
    seconds: float


@torch.no_grad()
def accuracy(net: Classifier, part: Part) -> float:
    """Return the share of series that are put into their class, in per cent."""
    return 100 * float((net(part.series).argmax(1) == part.labels).double().mean())


def fit(
    make: Maker, task: Task, rate: float, stops: Sequence[int], seed: int, *, batch: int = 100, clip: float = 1.0
) -> Trained:
    """Train one net by Adam on the cross-entropy at one rate, and judge it after each epoch of ``stops``.

    Args:
        make: gives the reader.
        task: the three parts.
        rate: of Adam, the same in all epochs.
        stops: numbers of epochs, rising; the last one ends the training.
        seed: of weights and order.
        batch: series a step.
        clip: norm to which a longer gradient is cut.
    """
    began, found = time.perf_counter(), []
    source = generator(seed, "sequences/weights")
    net = Classifier(make(task.inputs, source), task.classes, source)
    rule = torch.optim.Adam(net.parameters(), lr=rate)
    order = generator(seed, "sequences/order")
    spent = 0.0
    for epoch in range(1, stops[-1] + 1):
        for chosen in torch.randperm(len(task.train), generator=order).split(batch):
            part = taken(task.train, chosen)
            rule.zero_grad()
            functional.cross_entropy(net(part.series), part.labels).backward()
            nn.utils.clip_grad_norm_(net.parameters(), clip)
            rule.step()
        if epoch in stops:
            spent += time.perf_counter() - began
            found.append((accuracy(net, task.validation), accuracy(net, task.test)))
            began = time.perf_counter()
    validation, test = np.array(found).T
    return Trained(net, validation, test, spent)


@dataclass(frozen=True)
class Judged:
    """What one kind of net reached: accuracies in per cent ``(stops, seeds)``, ``rates`` chosen for each stop.

    ``validation`` is ``(rates, stops)``, means over the trial seeds; ``seconds`` of training are means over seeds
    to the last stop; ``nets`` are those of the last stop, one a seed.
    """

    accuracy: np.ndarray
    rates: list[float]
    validation: np.ndarray
    parameters: int
    seconds: float
    nets: list[Classifier]


def compete(
    makers: Mapping[str, Maker],
    task: Callable[[int], Task],
    rates: Sequence[float],
    stops: Sequence[int],
    seeds: Sequence[int],
    trial_seeds: Sequence[int],
    *,
    batch: int = 100,
) -> dict[str, Judged]:
    """Train every kind of net with every rate on the trial seeds, and with the best rate on ``seeds``.

    The rate is chosen for each number of epochs on its own, by the validation part of the trial seeds. Only then
    are ``seeds`` trained, and judged on the test part.
    """
    if set(seeds) & set(trial_seeds):
        checks.fail("trial_seeds", "seeds that are not judged", list(trial_seeds))
    found = {}
    for name, make in makers.items():
        trials = [[fit(make, task(s), rate, stops, s, batch=batch) for s in trial_seeds] for rate in rates]
        tried = np.array([np.mean([one.validation for one in of_rate], axis=0) for of_rate in trials])
        best = [float(rates[k]) for k in tried.argmax(0)]
        runs = {
            rate: [fit(make, task(s), rate, _until(best, stops, rate), s, batch=batch) for s in seeds]
            for rate in sorted(set(best))
        }
        reached = [[one.test[k] for one in runs[rate]] for k, rate in enumerate(best)]
        last = runs[best[-1]]
        size, seconds = last[0].net.size, float(np.mean([one.seconds for one in last]))
        found[name] = Judged(np.array(reached), best, tried, size, seconds, [one.net for one in last])
    return found


def _until(best: Sequence[float], stops: Sequence[int], rate: float) -> Sequence[int]:
    """The stops up to the last one for which ``rate`` was chosen."""
    return stops[: 1 + max(k for k, one in enumerate(best) if one == rate)]
