"""The rules by which bundles and results are divided into files, and what stands in for absent packages."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from companion.errors import CompanionError
from companion.pieces.bare import results
from companion.pieces.bare.machine import gpu_name, last_line
from companion.pieces.bare.manifest import Manifest
from companion.pieces.bundle.contents import STARTED, companion_modules
from companion.pieces.bundle.data import data_files
from companion.pieces.bundle.parts import MIB, divided

LIB = Path(__file__).resolve().parents[3] / "lib"
CIFAR = (20425220, 16687761, 16693124, 16671001, 16639192, 20452336)
"""Bytes of the packed files of CIFAR-10."""


def test_cifar_10_and_the_code_make_two_parts():
    sizes = {f"data/{number}": size for number, size in enumerate(CIFAR)}
    found = divided(3 * MIB, sizes, 55)
    filled = [sum(size for name, size in sizes.items() if found[name] == part) for part in (1, 2)]
    assert sorted(set(found.values())) == [1, 2]
    assert filled[0] + 3 * MIB <= 55 * MIB and filled[1] <= 55 * MIB


def test_what_is_larger_than_a_part_is_refused():
    with pytest.raises(CompanionError, match=r"--mib: expected at least 2.0 for data/a, found 1"):
        divided(0, {"data/a": 2 * MIB}, 1)
    with pytest.raises(CompanionError, match="expected at least 2.0 for the code"):
        divided(2 * MIB, {}, 1)


@pytest.fixture
def done(tmp_path):
    folder = tmp_path / "done"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number:016x}.json").write_bytes(os.urandom(400))
        os.utime(folder / f"{number:016x}.json", (number, number))
    return folder


def test_results_stay_within_their_limits_and_the_newest_come_first(tmp_path, done, monkeypatch):
    monkeypatch.setattr(results, "MOST_FILE_BYTES", 1000)
    monkeypatch.setattr(results, "MOST_BYTES", 3000)
    monkeypatch.setattr(results, "ROOM", 200)
    packed = results.pack(tmp_path / "out", tmp_path, "digest", done)
    assert len(packed.receipts) == 4 and packed.receipts[0] == f"{5:016x}"
    assert packed.left == (f"{1:016x}", f"{0:016x}")
    files = [path for path in (tmp_path / "out").iterdir() if path.name != "index.json"]
    assert len(files) <= results.MOST_FILES - 1 and max(path.stat().st_size for path in files) <= 1000
    assert sum(path.stat().st_size for path in files) <= 3000 - 200


def test_a_checkpoint_travels_where_there_is_room(tmp_path, done, monkeypatch):
    begun = tmp_path / "work" / "abc"
    (begun / "checkpoint").mkdir(parents=True)
    (begun / "checkpoint" / "state").write_bytes(os.urandom(5000))
    packed = results.pack(tmp_path / "out", tmp_path, "digest", done, [begun])
    assert packed.begun == ("abc",) and packed.left == ()
    monkeypatch.setattr(results, "MOST_BYTES", 5000 + results.ROOM)
    packed = results.pack(tmp_path / "out", tmp_path, "digest", done, [begun])
    assert packed.begun == () and packed.left == ("abc",) and len(packed.receipts) == 6


def test_results_replace_those_of_the_call_before(tmp_path, done):
    results.pack(tmp_path / "out", tmp_path, "digest", done)
    (done / f"{0:016x}.json").unlink()
    results.pack(tmp_path / "out", tmp_path, "digest", done)
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert sorted(path.name for path in (tmp_path / "out").glob("*.bin")) == [index["chunks"][0]["name"]]


def test_a_manifest_is_read_as_it_was_written_and_nothing_else_is(tmp_path):
    path = tmp_path / "manifest.json"
    manifest = Manifest("toy/euler", "paper", "abc", 9.0, 1, {}, ())
    path.write_text(manifest.text())
    assert Manifest.read(path) == manifest and Manifest.read(path).digest == manifest.digest
    for text in ("", "[]", '{"schema": 2}', manifest.text().replace('"page"', '"pages"')):
        path.write_text(text)
        with pytest.raises(CompanionError, match=r"manifest.json: expected the manifest of a bundle"):
            Manifest.read(path)


def test_what_travels_imports_nothing_else_at_its_top():
    """Modules of companion that travel import others of companion and the standard library; torch inside alone."""
    files = companion_modules(LIB, STARTED)
    names = {path.relative_to(LIB).as_posix() for path in files}
    assert {"companion/pieces/one.py", "companion/pieces/bare/work.py", "companion/errors.py"} <= names
    code = (
        f"import sys; sys.path.insert(0, {str(LIB)!r})\nimport {', '.join((*STARTED, 'companion.pieces.one'))}\n"
    )
    code += "print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    outside = set(loaded.stdout.split()) - set(sys.stdlib_module_names) - {"companion"}
    assert outside <= {"__main__", "__mp_main__"}


STANDINS = """
import sys
sys.path.insert(0, {lib!r})
from companion.pieces.bare import standins
standins.ABSENT["nothere"] = "NotHere"
standins.install()
import nothere.deep.inside as inside
from nothere.base import Base, function

class Own(Base):
    pass

class Raised(ValueError, Base):
    pass

for call in (function, Own, Raised, inside.plot.line, Base):
    try:
        call(1)
    except ModuleNotFoundError as error:
        print(error.name, error)
try:
    import alsonothere
except ModuleNotFoundError as error:
    print(error)
"""


def test_stand_ins_can_be_named_and_not_used():
    code = STANDINS.format(lib=str(LIB))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "nothere function: expected NotHere, found that this machine lacks it; "
        "do this piece where the book is installed"
    )
    assert len(lines) == 6 and all(line.startswith("nothere ") for line in lines[:5])
    assert lines[5] == "No module named 'alsonothere'"


def test_the_stand_in_for_safetensors_reads_and_writes_its_files(tmp_path):
    torch, real = importlib.import_module("torch"), importlib.import_module("safetensors.torch")
    from companion.pieces.bare import tensors

    values = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(3, dtype=torch.int64),
        "c": torch.ones(3, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 4),
    }
    for content in (tensors.save(values, {"record": "x"}), real.save(values, {"record": "x"})):
        for load in (tensors.load, real.load):
            found = load(content)
            assert set(found) == set(values)
            for name, tensor in values.items():
                assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    header = json.loads(tensors.save(values, {"record": "x"})[8:].split(b"}}")[0].split(b',"a"')[0] + b"}")
    assert header["__metadata__"] == {"record": "x"}
    tensors.save_file(values, tmp_path / "file")
    assert torch.equal(tensors.load_file(tmp_path / "file")["a"], values["a"])
    with pytest.raises(tensors.SafetensorError):
        tensors.load(b"\x00" * 4)
    with pytest.raises(tensors.SafetensorError):
        tensors.save({"a": torch.zeros(2, dtype=torch.complex128)})


def test_gpus_are_named_as_the_machine_names_them(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [gpu_name(number) for number in (0, 3)] == ["0", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    assert [gpu_name(number) for number in (0, 1)] == ["GPU-a", "GPU-b"]


def test_the_last_line_of_a_log_is_the_last_that_says_something(tmp_path):
    log = tmp_path / "log.txt"
    assert last_line(log) == "says nothing yet"
    log.write_text("first\nepoch 1\repoch 2\n\n")
    assert last_line(log) == "epoch 2"


def test_the_stand_in_for_estimators_keeps_their_parameters():
    from companion.pieces.bare.estimators import BaseEstimator

    class Method(BaseEstimator):
        def __init__(self, *, rate=1.0, inner=None):
            self.rate, self.inner = rate, inner

    method = Method(inner=Method(rate=2.0))
    assert method.get_params()["inner__rate"] == 2.0 and set(method.get_params(deep=False)) == {"rate", "inner"}
    assert method.set_params(rate=3.0, inner__rate=4.0) is method
    assert (method.rate, method.inner.rate) == (3.0, 4.0)
    with pytest.raises(ValueError, match="rates: expected a parameter of Method"):
        method.set_params(rates=1.0)


BATCH = b"a batch"


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A registry with a packed form beside the canonical one, and the folder in which data are looked for."""
    digests = {content: hashlib.sha256(content).hexdigest() for content in (BATCH, b"packed")}
    packed = {"local": "cifar10/batch.xz", "sha256": digests[b"packed"]}
    entry = {"source": "https://example.org", "archive": {"name": "cifar.tar.gz"}}
    registry = {"cifar10": {**entry, "files": {"batch": {"sha256": digests[BATCH], "packed": packed}}}}
    path = tmp_path / "lib" / "contdepth" / "data" / "registry.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(registry))
    monkeypatch.setenv("CONTDEPTH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CONTDEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_data_travel_in_their_smallest_form_at_hand(cifar):
    place = cifar / "data" / "cifar-10-batches-py" / "batch"
    place.parent.mkdir(parents=True)
    with tarfile.open(cifar / "data" / "cifar.tar.gz", "w:gz") as archive:
        place.write_bytes(BATCH)
        archive.add(place, "cifar-10-batches-py/batch")
    place.unlink()
    assert list(data_files(cifar, ["cifar10"])) == [("cifar10", "cifar-10-batches-py/batch", BATCH)]
    place.write_bytes(BATCH)
    (cifar / "data" / "cifar.tar.gz").write_bytes(b"damaged, and not looked at")
    assert list(data_files(cifar, ["cifar10"])) == [("cifar10", "cifar-10-batches-py/batch", BATCH)]
    (cifar / "data" / "cifar10").mkdir()
    (cifar / "data" / "cifar10" / "batch.xz").write_bytes(b"packed")
    assert list(data_files(cifar, ["cifar10"])) == [("cifar10", "cifar10/batch.xz", b"packed")]


def test_data_that_are_damaged_or_absent_are_refused(cifar):
    with pytest.raises(CompanionError, match=r"cifar10/batch.xz in CONTDEPTH_DATA .* https://example.org"):
        list(data_files(cifar, ["cifar10"]))
    with pytest.raises(CompanionError, match="expected a data set of the registry, found 'mnist'"):
        list(data_files(cifar, ["mnist"]))
    (cifar / "data").mkdir()
    (cifar / "data" / "cifar.tar.gz").write_bytes(b"no archive")
    with pytest.raises(CompanionError, match="expected a file that can be read"):
        list(data_files(cifar, ["cifar10"]))
