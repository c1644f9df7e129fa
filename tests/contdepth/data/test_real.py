"""The real sets: counts, labels and statistics. Runs where CONTDEPTH_DATA points to local copies."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from contdepth.data import Labelled, load, pde, pde_names, pictures, series, series_names

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("CONTDEPTH_DATA"), reason="CONTDEPTH_DATA is not set: no local data sets"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decode from the local files, not from an old cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTDEPTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def statistics(data: Labelled) -> tuple[list[float], list[float]]:
    """Return mean and deviation of the bytes of each channel, exactly: from the counts of the 256 values."""
    channels = data.images.transpose(0, 1).flatten(1)
    counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels]).numpy()
    value, share = np.arange(256), counts / counts.sum(1, keepdims=True)
    mean = share @ value
    return mean.tolist(), np.sqrt(share @ value**2 - mean**2).tolist()


@pytest.mark.slow
def test_cifar10() -> None:
    train, test = load("cifar10", "train"), load("cifar10", "test")
    assert train.images.shape == (50_000, 3, 32, 32) and test.images.shape == (10_000, 3, 32, 32)
    assert train.labels.bincount().tolist() == [5000] * 10 and test.labels.bincount().tolist() == [1000] * 10
    mean, deviation = statistics(train)
    assert mean == pytest.approx([125.306918, 122.950394, 113.865383], abs=1e-6)
    assert deviation == pytest.approx([62.993219, 62.088708, 66.704900], abs=1e-6)
    assert test.labels[:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]


def test_cifar10_limit_reads_one_batch() -> None:
    part = load("cifar10", "train", limit=1000)
    assert part.images.shape == (1000, 3, 32, 32) and part.labels[:4].tolist() == [6, 9, 9, 4]


def test_mnist() -> None:
    train, test = load("mnist", "train"), load("mnist", "test")
    assert train.images.shape == (60_000, 1, 28, 28) and len(test.labels) == 10_000
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    mean, deviation = statistics(train)
    assert mean[0] / 255 == pytest.approx(0.130660, abs=1e-6) and deviation[0] / 255 == pytest.approx(
        0.308108, abs=1e-6
    )


def test_pictures() -> None:
    sizes = [p.pixels.shape for p in pictures("bsd68")]
    assert sizes.count((321, 481)) == 53 and sizes.count((481, 321)) == 15
    assert [p.pixels.shape[0] for p in pictures("set12")] == [256] * 7 + [512] * 5
    assert {p.pixels.shape for p in pictures("train400")} == {(180, 180)} and len(pictures("train400")) == 400
    assert [p.name for p in pictures("classic5")] == ["baboon", "barbara", "boats", "lena", "peppers"]
    colour = pictures("live1")
    assert len(colour) == 29 and all(p.pixels.ndim == 3 and p.pixels.dtype == np.uint8 for p in colour)


def test_burgers_satisfies_its_equation() -> None:
    """u_t + u u_x = 0.1 u_xx, spectral in x, fourth-order differences in t; median residual 1.5e-5 of |u_t|."""
    data = pde("burgers")
    x, t, u = data["x"], data["t"], data["u"]
    assert u.shape == (101, 256)
    wave = 2j * np.pi * np.fft.fftfreq(len(x), x[1] - x[0])
    u_x, u_xx = (np.fft.ifft(wave**n * np.fft.fft(u)).real for n in (1, 2))
    h = t[1] - t[0]
    u_t = (u[:-4] - 8 * u[1:-3] + 8 * u[3:-1] - u[4:]) / (12 * h)
    residual = u_t + u[2:-2] * u_x[2:-2] - 0.1 * u_xx[2:-2]
    assert np.median(np.linalg.norm(residual, axis=1) / np.linalg.norm(u_t, axis=1)) < 1e-4


def test_every_solution_is_finite_with_axes() -> None:
    for name in pde_names():
        arrays = pde(name)
        assert all(np.isfinite(a).all() and a.dtype == np.float64 for a in arrays.values())
        if "u" in arrays:
            assert arrays["u"].shape == (*arrays["t"].shape, *arrays["x"].shape)


def test_series_have_the_sizes_that_the_archives_state() -> None:
    """Cases, rows, numbers a row, classes, as the archive states them; counts of speakers as in the file."""
    sizes = {
        "arrow_head": (36, 175, (251, 251), 1, 3),
        "basic_motions": (40, 40, (100, 100), 6, 4),
        "gun_point": (50, 150, (150, 150), 1, 2),
        "italy_power_demand": (67, 1029, (24, 24), 1, 2),
        "japanese_vowels": (270, 370, (7, 29), 12, 9),
    }
    assert set(series_names()) == {*sizes, "lynx"}
    for name, (train, test, rows, width, classes) in sizes.items():
        both = [series(name, split) for split in ("train", "test")]
        assert [len(one.values) for one in both] == [len(one.labels) for one in both] == [train, test]
        lengths = [len(v) for one in both for v in one.values]
        assert (min(lengths), max(lengths)) == rows and {v.shape[1] for one in both for v in one.values} == {width}
        assert all(np.isfinite(v).all() and v.dtype == np.float64 for one in both for v in one.values)
        assert both[0].classes == both[1].classes and len(both[0].classes) == classes
        assert set(both[0].labels) == set(both[1].labels) == set(range(classes))
    vowels = series("japanese_vowels")
    assert np.bincount(vowels.labels).tolist() == [30] * 9 and vowels.values[0][0, 0] == 1.860936
    assert np.bincount(series("japanese_vowels", "test").labels).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]


def test_lynx_is_the_classical_series() -> None:
    """1821 to 1934: 269 at first, 6,991 at most (1904), 39 at least (1889), as in R's data set of this name."""
    ((values,), labels, classes) = series("lynx")
    assert values.shape == (114, 1) and labels.tolist() == [0] and classes == ("lynx",)
    assert values[0, 0] == 269 and values.max() == values[1904 - 1821, 0] == 6991 and values.min() == 39
    with pytest.raises(ValueError, match=r"split: expected one of 'train', found 'test'"):
        series("lynx", "test")
