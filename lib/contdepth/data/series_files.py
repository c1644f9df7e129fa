"""Labelled series of the UCR and UEA archives, and the lynx: small real sets, some with unequal lengths."""

from __future__ import annotations

import io
import zipfile
from typing import NamedTuple

import numpy as np

from contdepth import checks
from contdepth.data.registry import entry, names
from contdepth.data.store import DataError, folders, obtain, verify

__all__ = ["LabelledSeries", "series", "series_names"]


class LabelledSeries(NamedTuple):
    """``values``: float64 arrays ``(T_i, d)``, one a series; ``labels`` int64 ``(n,)``: indices of ``classes``.

    ``classes`` are names, in the file's own order. A missing number is NaN, which ``recurrent.from_nan`` and
    ``recurrent.padded`` take.
    """

    values: list[np.ndarray]
    labels: np.ndarray
    classes: tuple[str, ...]


def series_names() -> list[str]:
    """Names that ``series`` takes; ``about("series_" + name)`` tells source, terms and citation."""
    return [name.removeprefix("series_") for name in names() if name.startswith("series_")]


def series(name: str, split: str = "train") -> LabelledSeries:
    """One split of a set, in the order of its file.

    ``arrow_head``, ``gun_point``, ``italy_power_demand`` have one number a row, ``basic_motions`` 6 and
    ``japanese_vowels`` 12 with 7 to 29 rows. ``lynx`` is one series of 114 yearly counts from 1821 on, without
    classes; it has the split ``train`` alone.

    Raises:
        ValueError: an unknown name, or a split that the set has not.
        DataError: the file is missing or damaged, or not of the format that the archives describe.
    """
    checks.one_of("name", name, series_names())
    files = entry(f"series_{name}")["files"]
    by_split = {("test" if "_TEST" in file else "train"): file for file in files}
    file = by_split[checks.one_of("split", split, list(by_split))]
    text = _content(f"series_{name}", file).decode("utf-8")
    return _lynx(text) if file.endswith(".csv") else _parsed(file, text)


def _content(name: str, file: str) -> bytes:
    """The checked bytes of a file: of the set's archive where that lies in a folder, else of its own address."""
    info = entry(name)
    for folder in folders():
        path = folder / info["bundle"]
        if path.is_file():
            member = info["files"][file]["local"].removeprefix("timeseries/")
            with zipfile.ZipFile(path) as bundle:
                if member not in bundle.namelist():
                    raise DataError(
                        f"{path}: expected a member {member}, found none; take the file away or mend it"
                    )
                return verify(name, info["bundle"], path, bundle.read(member), info["files"][file]["sha256"])
    return obtain(name, file)


def _lynx(text: str) -> LabelledSeries:
    """The one series of ``Lynx.csv``: a header, then year and count."""
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1)
    return LabelledSeries([np.ascontiguousarray(table[:, 1:])], np.zeros(1, np.int64), ("lynx",))


def _parsed(file: str, text: str) -> LabelledSeries:
    """The series of a ``.ts`` file without time stamps: dimensions split by ``:``, class last, ``?`` missing."""
    head, found, body = text.partition("@data")
    marks = dict(line[1:].partition(" ")[::2] for line in head.splitlines() if line.startswith("@"))
    classes = tuple(marks.get("classLabel", "").split()[1:])
    if not found or not classes or marks.get("timeStamps") != "false":
        raise DataError(f"{file}: expected @data, classes and no time stamps, found {sorted(marks)}")
    values, labels = [], []
    for number, line in enumerate(filter(None, map(str.strip, body.splitlines())), 1):
        *columns, label = line.split(":")
        rows = [[float("nan") if cell == "?" else float(cell) for cell in column.split(",")] for column in columns]
        if label not in classes or len({len(row) for row in rows}) != 1:
            raise DataError(
                f"{file}, case {number}: expected dimensions of one length and a class of {', '.join(classes)}, "
                f"found lengths {sorted({len(row) for row in rows})} and {label!r:.20}"
            )
        values.append(np.ascontiguousarray(np.array(rows).T))
        labels.append(classes.index(label))
    return LabelledSeries(values, np.array(labels, np.int64), classes)
