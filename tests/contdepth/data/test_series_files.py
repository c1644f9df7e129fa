"""The reader of labelled series on small made-up files: values, and one clear sentence for damage."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contdepth.data import DataError, registry, series
from contdepth.data.series_files import _parsed

HEAD = "#c\n@problemName Toy\n@timeStamps false\n@classLabel true low high\n@data\n"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A registered set of one file, and a function that writes it alone or in the archive."""
    monkeypatch.setenv("CONTDEPTH_DATA", str(tmp_path))
    monkeypatch.setenv("CONTDEPTH_CACHE", str(tmp_path / "cache"))
    text = HEAD + "1,2,?:4,5,6:high\n7:8:low\n\n"
    info = {
        "local": "timeseries/Toy/Toy_TRAIN.ts",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "url": None,
    }
    common = {"source": "https://example.org", "without": "the smoke profile", "bundle": "timeseries/all.zip"}
    monkeypatch.setitem(registry.registry(), "series_toy", {**common, "files": {"Toy_TRAIN.ts": info}})

    def write(bundle: bool, content: str = text, member: str = "Toy/Toy_TRAIN.ts") -> None:
        (tmp_path / "timeseries/Toy").mkdir(parents=True, exist_ok=True)
        if bundle:
            with zipfile.ZipFile(tmp_path / "timeseries/all.zip", "w") as archive:
                archive.writestr(member, content)
        else:
            (tmp_path / "timeseries/Toy/Toy_TRAIN.ts").write_text(content)

    return write


@pytest.mark.parametrize("bundle", [True, False])
def test_lengths_dimensions_and_missing_numbers(toy: Any, bundle: bool) -> None:
    toy(bundle)
    values, labels, classes = series("toy")
    np.testing.assert_array_equal(values[0], [[1, 4], [2, 5], [np.nan, 6]])
    np.testing.assert_array_equal(values[1], [[7, 8]])
    assert labels.tolist() == [1, 0] and classes == ("low", "high")


@pytest.mark.parametrize("bundle", [True, False])
def test_another_file_is_not_read(toy: Any, bundle: bool) -> None:
    toy(bundle, HEAD + "1:low\n")
    with pytest.raises(DataError, match=r"expected sha256 \w{64}, found \w{64}.*put the file from https"):
        series("toy")


def test_an_archive_without_the_file_is_said(toy: Any) -> None:
    toy(True, member="Toy/Toy_TEST.ts")
    with pytest.raises(DataError, match=r"all\.zip: expected a member Toy/Toy_TRAIN\.ts, found none"):
        series("toy")


def test_nothing_there_says_where_it_belongs(toy: Any) -> None:
    with pytest.raises(DataError, match=r"timeseries/Toy/Toy_TRAIN\.ts: expected a file with sha256"):
        series("toy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1,2:3:low\n", r"case 1: expected dimensions of one length .* found lengths \[1, 2\] and 'low'"),
        (HEAD + "1:low\n2:middle\n", r"case 2: .* a class of low, high, found lengths \[1\] and 'middle'"),
        (HEAD.replace("false", "true") + "(0,1):low\n", "expected @data, classes and no time stamps"),
        (HEAD.removesuffix("@data\n"), "expected @data, classes"),
    ],
)
def test_another_format_is_said(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _parsed("toy.ts", text)
