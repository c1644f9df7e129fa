"""Readers on small made-up sets: right values, and one clear sentence for every kind of damage."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import torch
from PIL import Image

from contdepth.data import (
    DataError,
    about,
    cifar,
    digits,
    load,
    names,
    pde,
    pictures,
    registry,
    sample_images,
    store,
)
from contdepth.data.mnist import read_idx

ROWS = 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty CONTDEPTH_DATA and cache, and no network."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CONTDEPTH_DATA", str(folder))
    monkeypatch.setenv("CONTDEPTH_CACHE", str(tmp_path / "cache"))

    def offline(*args: Any, **options: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", offline)
    return folder


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@cache
def fake_batch(seed: int) -> tuple[bytes, int, np.ndarray, np.ndarray]:
    """A python batch with ROWS rows, laid out opcode by opcode like the canonical ones."""
    source = np.random.default_rng(seed)
    labels = source.integers(0, 10, ROWS)
    pixels = source.integers(0, 256, (ROWS, 3072), dtype=np.uint8)
    head = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x04fakeq\x03U\x06labelsq\x04]q\x05("
    head += (
        b"".join(b"K" + bytes([int(l)]) for l in labels) + b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\n"
    )
    head += (
        b"q\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\t(K\x01K"
        + bytes([ROWS])
        + b"M\x00\x0c\x86cnumpy\ndtype\nq\n"
    )
    head += b"U\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    head += struct.pack("<I", pixels.size)
    tail = b"tbU\tfilenamesq\x0c]q\r(U\x05a.pngeu."
    return head + pixels.tobytes() + tail, len(head), pixels.reshape(ROWS, 3, 32, 32), labels


@pytest.fixture
def fake_cifar(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[bytes, int, np.ndarray, np.ndarray]]:
    """Six fake batches entered in the registry in place of the real ones."""
    made = {name: fake_batch(i) for i, name in enumerate((*cifar.BATCHES["train"], *cifar.BATCHES["test"]))}
    whole = json.loads(json.dumps(registry.registry()))
    for name, (content, offset, _, _) in made.items():
        packed = f"cifar10/{name}.{'webp.zip' if name[-1] in '2345' else 'xz'}"
        whole["cifar10"]["files"][name] = {
            "sha256": sha(content),
            "offset": offset,
            "packed": {"local": packed, "sha256": sha(pack(packed, content, offset))},
        }
    monkeypatch.setattr(registry, "registry", lambda: whole)
    monkeypatch.setattr(cifar, "ROWS", ROWS)
    monkeypatch.setattr(cifar.parse_batch, "__defaults__", (ROWS,))
    return made


@cache
def pack(name: str, content: bytes, offset: int) -> bytes:
    """The packed form of a batch: xz, or lossless strips of twenty images."""
    if name.endswith(".xz"):
        return lzma.compress(content)
    buffer = io.BytesIO()
    pixels = np.frombuffer(content, np.uint8, ROWS * 3072, offset).reshape(-1, 20, 3, 32, 32)
    with zipfile.ZipFile(buffer, "w") as archive:

        def add(member: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(member), data)

        add("head.bin", content[:offset])
        for i, strip in enumerate(pixels):
            out = io.BytesIO()
            Image.fromarray(strip.transpose(0, 2, 3, 1).reshape(-1, 32, 3)).save(
                out, "webp", lossless=True, exact=True
            )
            add(f"{i:02}.webp", out.getvalue())
        add("tail.bin", content[offset + ROWS * 3072 :])
    return buffer.getvalue()


def place(home: Path, form: str, made: dict[str, Any]) -> None:
    """Put all six batches into ``home`` in one of the three forms."""
    if form == "archive":
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, (content, *_) in made.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        put(home / "cifar-10-python.tar.gz", out.getvalue())
        return
    for name, (content, offset, _, _) in made.items():
        if form == "unpacked":
            put(home / "cifar-10-batches-py" / name, content)
        else:
            local = registry.registry()["cifar10"]["files"][name]["packed"]["local"]
            put(home / local, pack(local, content, offset))


@pytest.mark.parametrize("form", ["archive", "unpacked", "packed"])
def test_cifar_from_every_form(home: Path, fake_cifar: dict[str, Any], form: str) -> None:
    place(home, form, fake_cifar)
    for split, batches in cifar.BATCHES.items():
        images, labels = load("cifar10", split)
        assert np.array_equal(images.numpy(), np.concatenate([fake_cifar[b][2] for b in batches]))
        assert np.array_equal(labels.numpy(), np.concatenate([fake_cifar[b][3] for b in batches]))
        assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    assert len(load("cifar10", "train", limit=50).labels) == 50


def test_the_stored_batches_would_unpickle_to_the_same(fake_cifar: dict[str, Any]) -> None:
    """The fake layout is a real pickle: the only unpickling here, of bytes made in this file."""
    content, _, pixels, labels = fake_cifar["data_batch_1"]
    stored = pickle.loads(content.replace(b"numpy.core", b"numpy._core"), encoding="latin1")
    assert np.array_equal(stored["data"], pixels.reshape(ROWS, 3072)) and stored["labels"] == labels.tolist()


def test_nothing_of_a_batch_is_executed(home: Path, fake_cifar: dict[str, Any], tmp_path: Path) -> None:
    """A pickle that would create a file when executed parses as text only."""
    _, offset, _, _ = fake_cifar["test_batch"]
    mark = tmp_path / "executed"
    evil = f"cos\nsystem\n(U{chr(len(f'touch {mark}'))}touch {mark}tR0".encode()
    content = fake_cifar["test_batch"][0]
    changed = content[:2] + evil + content[2:]
    _, labels = cifar.parse_batch(changed, offset + len(evil))
    assert np.array_equal(labels, fake_cifar["test_batch"][3]) and not mark.exists()


def test_decoded_copy_is_kept_checked_and_rebuilt(home: Path, fake_cifar: dict[str, Any]) -> None:
    place(home, "packed", fake_cifar)
    first = load("cifar10", "test")
    kept = store.cache_folder() / "cifar-10-batches-py" / "test_batch"
    assert kept.read_bytes() == fake_cifar["test_batch"][0]
    kept.write_bytes(kept.read_bytes()[:-9])
    assert torch.equal(load("cifar10", "test").images, first.images)
    assert kept.read_bytes() == fake_cifar["test_batch"][0]
    kept.write_bytes(b"")
    (home / "cifar10" / "test_batch.xz").unlink()
    with pytest.raises(DataError):
        load("cifar10", "test")


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
@pytest.mark.parametrize("form", ["unpacked", "packed"])
@pytest.mark.parametrize("batch", ["test_batch", "data_batch_2"])
def test_damaged_cifar_is_named(
    home: Path, fake_cifar: dict[str, Any], damage: str, form: str, batch: str
) -> None:
    place(home, form, fake_cifar)
    (path,) = home.rglob(f"{batch}*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": bytes(content), "truncate": bytes(content[:-100]), "empty": b""}[damage])
    with pytest.raises(DataError) as error:
        load("cifar10", "test" if batch == "test_batch" else "train")
    text = str(error.value)
    info = registry.registry()["cifar10"]["files"][batch]
    assert str(path) in text and sha(path.read_bytes()) in text
    assert (info["sha256"] if form == "unpacked" else info["packed"]["sha256"]) in text
    assert "CONTDEPTH_DATA" in text and "smoke profile" in text and "\n" not in text
    assert not (store.cache_folder() / "cifar-10-batches-py" / batch).exists()


def test_damaged_archive_is_named(home: Path, fake_cifar: dict[str, Any]) -> None:
    place(home, "archive", fake_cifar)
    path = home / "cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(
        DataError, match=r"cifar-10-python\.tar\.gz: expected test_batch with sha256 .*cannot be decoded"
    ):
        load("cifar10", "test")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("cifar10", "md5 c58f30108f718f92721af3b95e74349a from https://www.cs"),
        ("mnist", "sha256 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2c"),
    ],
)
def test_offline_without_files_says_what_to_do(home: Path, name: str, what: str) -> None:
    with pytest.raises(DataError) as error:
        load(name, "train")
    text = str(error.value)
    for part in (what, "found no such download (OSError)", "put the file from http", str(home), "smoke profile"):
        assert part in text
    assert not store.cache_folder().exists()


@pytest.mark.parametrize("variable", ["CONTDEPTH_DATA", "CONTDEPTH_CACHE"])
def test_a_tilde_is_the_home(home: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("USERPROFILE", str(home.parent))
    monkeypatch.setenv(variable, "~/data")
    found = {"CONTDEPTH_DATA": store.local_folder, "CONTDEPTH_CACHE": store.cache_folder}[variable]()
    assert found == home and home in list(store.folders())


@pytest.mark.parametrize("value", ["~/dta", "~nobody-of-this-name/data", "relative/data"])
def test_local_copies_in_no_folder_are_said(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Not passed over for a download."""
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("CONTDEPTH_DATA", value)
    with pytest.raises(
        DataError, match=r"^CONTDEPTH_DATA: expected a folder, found [^\n]*; set it to the folder of"
    ):
        load("mnist", "test")


def test_a_file_is_no_folder_of_local_copies(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("CONTDEPTH_DATA", str(home / "file"))
    with pytest.raises(DataError, match="^CONTDEPTH_DATA: expected a folder, found"):
        pictures("bsd68")


def test_sets_without_an_address_say_where_to_put_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"denoising/BSD68\.zip: expected a file with sha256 c658f33.* in .*CONTDEPTH_DATA"
    ):
        pictures("bsd68")
    monkeypatch.delenv("CONTDEPTH_DATA")
    with pytest.raises(DataError, match="in a folder and set CONTDEPTH_DATA to that folder"):
        pictures("bsd68")


@pytest.mark.parametrize(
    "read", [lambda: load("mnist", "test"), lambda: pictures("set12"), lambda: pde("burgers")]
)
def test_a_wrong_local_file_is_an_error_not_replaced(home: Path, read: Any) -> None:
    for name in ("mnist", "set12", "pde_burgers"):
        for info in registry.entry(name)["files"].values():
            put(home / info["local"], b"something else")
    with pytest.raises(
        DataError, match=rf"{home}.*expected sha256 \w{{64}}, found {sha(b'something else')} \(14 bytes\)"
    ):
        read()


def test_idx_values_and_damage() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = struct.pack(">4I", 2051, 2, 3, 4) + values.tobytes()
    assert np.array_equal(read_idx(content, 3), values)
    for bad in (content[:-1], struct.pack(">4I", 2049, 2, 3, 4) + values.tobytes()):
        with pytest.raises(DataError, match="idx file: expected magic 2051"):
            read_idx(bad, 3)


def test_mnist_from_small_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels = (
        np.arange(3 * 784, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28),
        np.array([7, 0, 9], np.uint8),
    )
    raw = {
        "t10k-images-idx3-ubyte.gz": struct.pack(">4I", 2051, 3, 28, 28) + pixels.tobytes(),
        "t10k-labels-idx1-ubyte.gz": struct.pack(">2I", 2049, 3) + labels.tobytes(),
    }
    whole = json.loads(json.dumps(registry.registry()))
    for name, content in raw.items():
        put(home / "mnist" / name, gzip.compress(content, mtime=0))
        whole["mnist"]["files"][name]["sha256"] = sha(gzip.compress(content, mtime=0))
    monkeypatch.setattr(registry, "registry", lambda: whole)
    images, found = load("mnist", "test", limit=2)
    assert np.array_equal(images[:, 0].numpy(), pixels[:2]) and found.tolist() == [7, 0]
    with pytest.raises(ValueError, match="limit: expected a number <= 3, found 4"):
        load("mnist", "test", limit=4)


def test_embedded_sets() -> None:
    train, test = digits("train"), load("digits", "test")
    assert train.images.shape == (1348, 1, 8, 8) and test.images.shape == (449, 1, 8, 8)
    assert train.labels.bincount().min() > 120 and int(train.images.max()) == 16
    assert {k: v.shape for k, v in sample_images().items()} == {"china": (427, 640, 3), "flower": (427, 640, 3)}


def in_a_kernel_without_widgets(script: str, **variables: str) -> str:
    """What ``script`` writes to stderr in a new process that tqdm takes for a Jupyter kernel."""
    start = """
        import sys
        from types import ModuleType, SimpleNamespace
        kernel = SimpleNamespace(config={"IPKernelApp": {}})
        sys.modules["IPython"] = ModuleType("IPython")
        sys.modules["IPython"].get_ipython = lambda: kernel
        sys.modules["IPython"].version_info = (9, 0)
        sys.modules["ipykernel.zmqshell"] = ModuleType("ipykernel.zmqshell")
        sys.modules["ipywidgets"] = None
    """
    away = ("CONTDEPTH_", "PYTHONWARNINGS", "QT_API", "SPYDER")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(away)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(script)],
        env={**kept, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_local_reads_do_not_import_pooch(tmp_path: Path) -> None:
    """No CONTDEPTH_CACHE is set, so the cache folder is the user's own, here an empty one."""
    home = tmp_path / "data"
    put(home / "mnist" / "t10k-labels-idx1-ubyte.gz", b"local")
    put(home / "cifar-10-batches-py" / "test_batch", b"local")
    script = f"""
        import sys
        import contdepth.training
        from contdepth.data import cache_folder, cifar, digits, registry, store
        digits("train")
        files = {{name: registry.registry()[name]["files"] for name in ("mnist", "cifar10")}}
        files["mnist"]["t10k-labels-idx1-ubyte.gz"]["sha256"] = {sha(b"local")!r}
        files["cifar10"]["test_batch"]["sha256"] = {sha(b"local")!r}
        assert store.obtain("mnist", "t10k-labels-idx1-ubyte.gz") == b"local"
        assert cifar.batch_bytes("test_batch") == b"local"
        assert "pooch" not in sys.modules and "tqdm.auto" not in sys.modules
        import warnings
        warnings.simplefilter("ignore")
        import pooch
        assert cache_folder() == pooch.os_cache("contdepth")
    """
    own = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "CONTDEPTH_DATA": str(home)}
    assert in_a_kernel_without_widgets(script, **own) == ""


def test_a_download_in_a_kernel_does_not_warn(tmp_path: Path) -> None:
    """pooch copies nothing here: the file is there already, with the right checksum."""
    put(tmp_path / "cache" / "a.bin", b"kept")
    script = f"""
        from contdepth.data import store
        import sys, warnings
        assert "pooch" not in sys.modules
        path = store.download("mnist", "a.bin", "http://localhost/a.bin", "sha256:{sha(b"kept")}")
        assert path.read_bytes() == b"kept" and "pooch" in sys.modules
        assert not any("IProgress" in str(f[1]) for f in warnings.filters)
    """
    assert in_a_kernel_without_widgets(script, CONTDEPTH_CACHE=str(tmp_path / "cache")) == ""
    assert "IProgress not found" in in_a_kernel_without_widgets("import pooch")


def test_the_registry_begins_without_a_byte_order_mark() -> None:
    """It is read as plain UTF-8: the mark that some editors write would stop every reader of data."""
    assert (files("contdepth.data") / "registry.json").read_bytes().startswith(b"{")


def test_registry_is_complete() -> None:
    for name in names():
        e = registry.entry(name)
        assert all(e[key] for key in ("title", "source", "terms", "citation", "without"))
        assert all(len(info["sha256"]) == 64 for info in e["files"].values())
        assert e["title"] in about(name)
    with pytest.raises(ValueError, match="data set: expected one of 'mnist', .*found 'imagenet'"):
        registry.entry("imagenet")
    for call in (
        lambda: load("svhn", "train"),
        lambda: load("mnist", "validation"),
        lambda: pde("heat"),
        lambda: pictures("kodak"),
    ):
        with pytest.raises(ValueError, match="expected one of"):
            call()
