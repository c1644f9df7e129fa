"""Who takes part: the antisymmetric cell with and without its gate, two LSTMs, two tanh nets; and real vowels."""

from __future__ import annotations

import functools

import torch

from contdepth.data import series
from contdepth.recurrent import AntisymmetricCell, Series, padded
from contdepth.seeds import generator
from contdepth.studies.sequences.classify import Maker
from contdepth.studies.sequences.padded_digits import Part, Task, taken
from contdepth.studies.sequences.readers import TorchReader

__all__ = ["NAMES", "makers", "vowels"]

NAMES = ("gated", "plain", "LSTM", "LSTM, open", "tanh", "orthogonal")
"""All that take part. The LSTM's forget gate starts at 1, as in the paper, the open one's at 3."""


def makers(hidden: int, step: float, diffusion: float, names: tuple[str, ...] = NAMES) -> dict[str, Maker]:
    """Return the makers of ``names``; ``step`` and ``diffusion`` are ε and γ of both antisymmetric cells."""

    def antisymmetric(gated: bool) -> Maker:
        def make(inputs: int, source: torch.Generator) -> AntisymmetricCell:
            options = {"step": step, "diffusion": diffusion, "generator": source}
            return AntisymmetricCell(inputs, hidden, gated=gated, **options)  # type: ignore[arg-type]

        return make

    def other(kind: str, forget: float = 1.0) -> Maker:
        return lambda inputs, source: TorchReader(kind, inputs, hidden, forget=forget, generator=source)

    found: dict[str, Maker] = {
        "gated": antisymmetric(True),
        "plain": antisymmetric(False),
        "LSTM": other("lstm"),
        "LSTM, open": other("lstm", 3.0),
        "tanh": other("tanh"),
        "orthogonal": other("orthogonal"),
    }
    return {name: found[name] for name in names}


def vowels(seed: int, *, validation: int = 68) -> Task:
    """The two Japanese vowels of nine speakers, 7 to 29 rows of 12 coefficients: who speaks?

    The rows are in units of the training rows' means and spreads. The archive's training part is in the order of
    speakers; which ``validation`` of its 270 series choose rates is drawn for each ``seed``. The archive's 370
    test series are judged on.
    """
    read, held = _vowels("train"), _vowels("test")
    seen = read.series.values[read.series.seen]
    middle, spread = seen.mean(0), seen.std(0)

    def scaled(part: Part) -> Part:
        one = part.series
        return Part(Series((one.values - middle) / spread, one.times, one.mask), part.labels)

    order = torch.randperm(len(read), generator=generator(seed, "sequences/vowels"))
    fitted = scaled(read)
    return Task(taken(fitted, order[validation:]), taken(fitted, order[:validation]), scaled(held), 9)


@functools.cache
def _vowels(split: str) -> Part:
    """A part of the archive as it is, float32, padded to the longest."""
    found = series("japanese_vowels", split)
    rows = [torch.from_numpy(one).float() for one in found.values]
    return Part(padded(rows), torch.from_numpy(found.labels))
