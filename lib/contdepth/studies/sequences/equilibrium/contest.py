"""The cell with few and with many inner steps, at its equilibrium, and its rivals: trained in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from contdepth import checks
from contdepth.recurrent import EquilibriumCell
from contdepth.studies.sequences.antisymmetric.spectra import start
from contdepth.studies.sequences.classify import Trained, fit
from contdepth.studies.sequences.equilibrium.settled import Settled
from contdepth.studies.sequences.padded_digits import Task
from contdepth.studies.sequences.readers import TorchReader

__all__ = ["HIDDEN", "RATES", "begun", "choose", "last", "makers", "products", "races", "work_ratio"]

HIDDEN = 32
"""Units of every net."""

TRIED = (0.003, 0.01, 0.03)
"""Rates that every net was tried with."""

RATES: dict[str, dict[str, float]] = {
    "digits": {"1": 0.003, "3": 0.01, "5": 0.01, "10": 0.01, "rest": 0.03, "RNN": 0.01, "LSTM": 0.01},
    "order": {"1": 0.003, "3": 0.003, "5": 0.003, "10": 0.01, "rest": 0.003, "RNN": 0.03, "LSTM": 0.01},
    "recall": {"3": 0.01, "5": 0.01, "10": 0.01, "rest": 0.03, "RNN": 0.03, "LSTM": 0.01},
    "vowels": {"1": 0.03, "3": 0.03, "5": 0.03, "10": 0.03, "rest": 0.03, "RNN": 0.01, "LSTM": 0.01},
}
"""Rates of Adam by task and net: the best of ``TRIED`` on the validation part, with seed 10 as by ``choose``.

They were chosen after 20, 15, 20 and 30 epochs.
"""

Maker = Callable[[int, torch.Generator], Any]


def makers(names: Sequence[str], hidden: int = HIDDEN) -> dict[str, Maker]:
    """Readers by name: "3" is the cell with three inner steps, "rest" its limit; "RNN" and "LSTM" the rivals."""
    rivals = {"RNN": "tanh", "LSTM": "lstm"}
    found: dict[str, Maker] = {}
    for name in names:
        if name in rivals:
            found[name] = partial(_rival, rivals[name], hidden)
        elif name == "rest":
            found[name] = lambda inputs, source: Settled(_cell(1, hidden, inputs, source))
        else:
            found[name] = partial(_cell, int(name), hidden)
    return found


def _cell(inner: int, hidden: int, inputs: int, source: torch.Generator) -> EquilibriumCell:
    return EquilibriumCell(inputs, hidden, inner=inner, generator=source)


def _rival(kind: str, hidden: int, inputs: int, source: torch.Generator) -> TorchReader:
    return TorchReader(kind, inputs, hidden, generator=source)


def begun(name: str, inputs: int, seed: int) -> Any:
    """Return a reader as ``races`` has it before the first step with ``seed``."""
    return start(makers([name])[name], inputs, seed)


def choose(
    names: Sequence[str], task: Callable[[int], Task], epochs: int, trial_seeds: Sequence[int]
) -> dict[str, float]:
    """Return for each net the rate of ``TRIED`` that is best on the validation part after the last epoch."""
    found = {}
    for name, make in makers(names).items():
        tried = [np.mean([fit(make, task(s), r, [epochs], s).validation[-1] for s in trial_seeds]) for r in TRIED]
        found[name] = TRIED[int(np.argmax(tried))]
    return found


def races(
    rates: Mapping[str, float], task: Callable[[int], Task], stops: Sequence[int], seeds: Sequence[int]
) -> dict[str, list[Trained]]:
    """Train every net that has a rate on every seed, and judge it after each number of epochs in ``stops``."""
    readers = makers(list(rates))
    return {name: [fit(readers[name], task(s), rate, stops, s) for s in seeds] for name, rate in rates.items()}


def last(found: Mapping[str, Sequence[Trained]]) -> dict[str, np.ndarray]:
    """Return the accuracies on the test part after the last epoch, ``(seeds,)`` for each net."""
    return {name: np.array([one.test[-1] for one in runs]) for name, runs in found.items()}


def products(name: str, inputs: int, hidden: int = HIDDEN) -> int:
    """Return the multiplications of one row: K n² + n m of the cell, n² + n m of the tanh net, four times that."""
    n, m = hidden, inputs
    if name == "rest":
        checks.fail("name", "a net with a number of evaluations", name)
    if name in ("RNN", "LSTM"):
        return (4 if name == "LSTM" else 1) * (n * n + n * m)
    return int(name) * n * n + n * m


def work_ratio(
    cell: Sequence[Trained], rival: Sequence[Trained], stops: Sequence[int], each: tuple[int, int]
) -> np.ndarray:
    """Return how many times less work the cell needs to come where its rival is after all epochs, ``(seeds,)``.

    Work is epochs times multiplications a row, ``each``, of the cell and of the rival. The cell is there at the
    first stop whose accuracy is not below; 0 where it never is.
    """
    found = []
    for one, other in zip(cell, rival, strict=True):
        there = [stop for stop, value in zip(stops, one.test, strict=True) if value >= other.test[-1]]
        found.append(stops[-1] * each[1] / (there[0] * each[0]) if there else 0.0)
    return np.array(found)
