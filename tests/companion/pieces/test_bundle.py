"""A bundle goes from here to a bare machine and back: what is done there is what would be done here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import bundle_book
import pytest
from once import made_once

from companion.cli import main
from companion.pieces.bare.manifest import Manifest
from companion.pieces.bundle.contents import code_files
from companion.pieces.keys import keys_of
from companion.pieces.plan import pieces_of
from companion.pieces.receipts import find, pieces_folder, work_folder

PAGE = "toy/euler"
ROOT = Path(__file__).resolve().parents[3]


def bundled(root: Path, out: Path, *options: str) -> int:
    arguments = ["bundle", PAGE, "--root", str(root), "--minutes", "1", "--mib", "2.5", "--out", str(out)]
    return main([*arguments, "--only", "policy", *options])


def call(python: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle's script as one would on a machine of one's own."""
    return subprocess.run(
        started(python, folder, *options), capture_output=True, text=True, env=bare(), timeout=120
    )


def started(python: Path, folder: Path, *options: str) -> list[str]:
    return [str(python), str(folder / "part-1" / "run.py"), *options]


def bare() -> dict[str, str]:
    """The environment without what names this checkout."""
    named = ("PYTHON", "COMPANION", "CONTDEPTH", "VIRTUAL")
    return {name: value for name, value in os.environ.items() if not name.startswith(named)}


def make(folder: Path) -> None:
    """Bundle two pieces, do them in three calls, the first one interrupted, and keep what each has said."""
    folder.mkdir()
    root, python = bundle_book.build(folder), bundle_book.bare_python(folder / "empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTDEPTH_DATA", str(folder / "data"))
        assert bundled(root, folder / "bundle") == 0
    said = {}
    shutil.move(folder / "bundle" / "part-2", folder / "part-2")
    begun = subprocess.Popen(
        started(python, folder / "bundle"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=bare()
    )
    deadline = time.monotonic() + 60
    while not any((folder / "bundle" / "kept" / "work").glob("*/checkpoint/state.npy")):
        assert begun.poll() is None and time.monotonic() < deadline, begun.communicate()[0]
        time.sleep(0.05)
    begun.send_signal(signal.SIGTERM)
    said["interrupted"] = [begun.communicate(timeout=60)[0], begun.returncode]
    shutil.copytree(folder / "bundle" / "results", folder / "first-results")
    shutil.copytree(folder / "part-2", folder / "bundle" / "part-2")
    half = folder / "bundle" / "part-2" / "data" / "toys" / "a.bin"
    half.write_bytes(half.read_bytes()[: bundle_book.SIZE // 2])
    done = call(python, folder / "bundle")
    said["half a part"] = [done.stdout + done.stderr, done.returncode]
    shutil.copytree(folder / "part-2", folder / "bundle" / "part-2", dirs_exist_ok=True)
    done = call(python, folder / "bundle")
    said["last"] = [done.stdout + done.stderr, done.returncode]
    (folder / "said.json").write_text(json.dumps(said))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A repository and its bundle that was done; not to be changed."""
    folder = made_once(tmp_path_factory, "bundle", make)
    return SimpleNamespace(folder=folder, said=json.loads((folder / "said.json").read_text()))


@pytest.fixture
def home(made, tmp_path) -> SimpleNamespace:
    """A copy of the repository and of the results, which a test may change."""
    root = Path(shutil.copytree(made.folder / "repository", tmp_path / "repository"))
    results = Path(shutil.copytree(made.folder / "bundle" / "results", tmp_path / "results"))
    return SimpleNamespace(root=root, results=results)


def collected(home, folder: Path | None = None) -> int:
    return main(["collect", str(folder or home.results), "--root", str(home.root)])


def stored(home) -> list[Path]:
    return sorted(pieces_folder(home.root).rglob("*.*"))


def test_an_interrupted_call_leaves_a_checkpoint_and_says_what_goes_on(made):
    text, code = made.said["interrupted"]
    assert code == 3 and "stops  toy/unit[seed=0]; it goes on next time" in text
    assert "0 of 2 pieces done" in text and "part-2 beside part-1" in text


def test_half_a_part_of_data_is_refused_in_one_sentence(made):
    text, code = made.said["half a part"]
    assert code == 2 and text.count("\n") == 1
    assert text.startswith("run.py: part-2/data/toys/a.bin: expected sha256") and "bring part-2 again" in text


def test_the_last_call_ends_what_is_left(made):
    text, code = made.said["last"]
    assert code == 0, text
    assert "2 of 2 pieces done" in text


def test_results_are_collected_and_assembled(home, made, capsys):
    assert collected(home) == 0
    assert "2 pieces stored" in capsys.readouterr().out
    pieces = {piece.group: piece for piece in pieces_of(home.root, PAGE)}
    unit, policy = (find(home.root, pieces[name]) for name in ("unit", "policy"))
    assert unit.tries == 2 and unit.result["computed"] == 6, "no step was computed again"
    assert unit.result["nan"] != unit.result["nan"] and unit.device["kind"] == "cpu"
    assert policy.result["sum"] == pytest.approx(-unit.result["sum"] / 2)
    assert policy.result["data"] == 3 and policy.result["half"] == "torch.bfloat16"
    from companion.pieces.assemble import assembled, group_of

    group = group_of(home.root, "toy", "policy")
    assert [entry["result"]["data"] for entry in assembled(home.root, group)] == [3]
    assert collected(home) == 0 and "0 pieces stored, 2 stored before" in capsys.readouterr().out


def test_what_is_computed_here_is_equal(home, made):
    from companion.pieces.running.schedule import schedule

    collected(home)
    unit = next(piece for piece in pieces_of(home.root, PAGE) if piece.group == "unit")
    there = find(home.root, unit)
    shutil.rmtree(pieces_folder(home.root))
    assert [outcome.word for outcome in schedule(home.root, [unit])] == ["done"]
    here = find(home.root, unit)
    assert here.weights == there.weights and here.result["sum"] == there.result["sum"]


def test_a_checkpoint_comes_home_and_goes_into_the_next_bundle(home, made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONTDEPTH_DATA", str(made.folder / "data"))
    assert collected(home, made.folder / "first-results") == 0
    assert "begun  toy/unit[seed=0]" in capsys.readouterr().out and stored(home) == []
    keys = keys_of(home.root, pieces_of(home.root, PAGE))
    work = work_folder(home.root, keys["toy/unit[seed=0]"])
    assert (work / "checkpoint" / "state.npy").is_file()
    assert bundled(home.root, tmp_path / "next") == 0
    manifest = Manifest.read(tmp_path / "next" / "part-1" / "manifest.json")
    assert f"begun/{work.name}/checkpoint/state.npy" in manifest.files


def test_a_damaged_file_is_refused(home, capsys):
    chunk = next(home.results.glob("results-*.bin"))
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert collected(home) == 2 and stored(home) == []
    text = capsys.readouterr().err
    assert "expected sha256" in text and "carry the results home again" in text and text.count("\n") == 1


def test_a_missing_file_is_refused(home, capsys):
    next(home.results.glob("results-*.bin")).unlink()
    assert collected(home) == 2 and stored(home) == []
    assert "no such file" in capsys.readouterr().err


def repacked(home, change) -> None:
    """Change what is in the results, with digests that fit."""
    (chunk,) = home.results.glob("results-*.bin")
    with zipfile.ZipFile(chunk) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(chunk, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)
    index = json.loads((home.results / "index.json").read_text())
    index["chunks"][0]["sha256"] = hashlib.sha256(chunk.read_bytes()).hexdigest()
    (home.results / "index.json").write_text(json.dumps(index))


def flipped(members):
    name = next(name for name in members if name.endswith(".safetensors"))
    return {**members, name: members[name][:-1] + bytes([members[name][-1] ^ 1])}


def edited(members):
    return {name: content.replace(b'"steps": 6', b'"steps": 7') for name, content in members.items()}


def without_a_receipt(members):
    return dict(list(members.items())[1:])


def with_another_file(members):
    return {**members, "receipts/../../../stray.txt": b"stray"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flipped, "expected weights of the digest"),
        (edited, "expected the key of its own function, code and arguments"),
        (without_a_receipt, "expected the receipts that the index names, found others"),
        (with_another_file, "expected receipts, weights and checkpoints alone"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(home, capsys, change, said):
    repacked(home, lambda members: members)
    repacked(home, change)
    assert collected(home) == 2 and stored(home) == []
    text = capsys.readouterr().err
    assert said in text and text.count("\n") == 1
    assert not list(home.root.parent.rglob("stray.txt"))


def test_another_version_of_the_library_is_refused(home, capsys):
    functions = home.root / "lib" / "contdepth" / "helpers.py"
    functions.write_text("def twice(x):\n    return x + x + 0\n")
    assert collected(home) == 2 and stored(home) == []
    text = capsys.readouterr().err
    assert "piece toy/unit[seed=0]: expected the key" in text and "of the present plan and library" in text


def test_a_foreign_piece_is_refused(home, capsys):
    plan = home.root / "book" / "toy" / "pieces.yml"
    plan.write_text(plan.read_text().replace("seed: [0]", "seed: [1]"))
    assert collected(home) == 2 and stored(home) == []
    assert "expected a piece of the present plan, found 'toy/" in capsys.readouterr().err


def test_no_index_is_refused(home, capsys):
    assert collected(home, home.root) == 2
    assert "expected the index of a bundle's results" in capsys.readouterr().err


def test_changed_code_is_not_run(made, tmp_path):
    folder = Path(shutil.copytree(made.folder / "bundle", tmp_path / "bundle"))
    python = made.folder / "empty" / "bin" / "python"
    path = folder / "part-1" / "code" / "contdepth" / "helpers.py"
    path.write_text("def twice(x):\n    return 3 * x\n")
    done = call(python, folder)
    assert done.returncode == 1 and "run.py: code/contdepth/helpers.py: expected sha256" in done.stderr
    path.unlink()
    done = call(python, folder)
    assert "found no such file" in done.stderr
    shutil.copy(made.folder / "bundle" / "part-1" / "code" / "contdepth" / "helpers.py", path)
    (path.parent / "more.py").touch()
    assert "found one more" in call(python, folder).stderr


def test_a_bundle_holds_what_is_reached_and_is_not_done(home, made, tmp_path, monkeypatch, capsys):
    manifest = Manifest.read(made.folder / "bundle" / "part-1" / "manifest.json")
    assert [task.id for task in manifest.tasks] == ["toy/unit[seed=0]", "toy/policy[seed=0]"]
    assert manifest.parts == 2 and {file.part for file in manifest.files.values()} == {1, 2}
    assert "code/contdepth/studies/toy/weights.bin" in manifest.files
    assert "code/contdepth/schemes/heavy.bin" not in manifest.files
    assert {"code/tqdm/__init__.py", "code/lazy_loader/__init__.py"} <= set(manifest.files)
    monkeypatch.setenv("CONTDEPTH_DATA", str(made.folder / "data"))
    collected(home)
    assert bundled(home.root, tmp_path / "next") == 2
    assert "expected pieces that are missing, found all 2 done" in capsys.readouterr().err
    assert bundled(home.root, tmp_path / "digits", "--only", "digits") == 0
    manifest = Manifest.read(tmp_path / "digits" / "part-1" / "manifest.json")
    assert [task.id for task in manifest.tasks] == ["toy/digits[seed=0]"] and manifest.parts == 1


def test_what_a_bare_machine_lacks_is_said_where_it_is_used(made, home, tmp_path):
    main(["bundle", PAGE, "--root", str(home.root), "--only", "digits", "--out", str(tmp_path / "bundle")])
    done = call(made.folder / "empty" / "bin" / "python", tmp_path / "bundle", "--minutes", "0.5")
    assert done.returncode == 1
    assert "load_digits: expected scikit-learn, found that this machine lacks it" in done.stdout


def test_bundles_that_cannot_be_made_are_refused(home, made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONTDEPTH_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("CONTDEPTH_CACHE", str(tmp_path / "nowhere"))
    assert bundled(home.root, tmp_path / "bundle") == 2
    text = capsys.readouterr().err
    assert "data set toys: expected toys/a.bin in CONTDEPTH_DATA" in text and "https://example.org/toys" in text
    monkeypatch.setenv("CONTDEPTH_DATA", str(made.folder / "data"))
    assert bundled(home.root, tmp_path / "bundle", "--mib", "0.1") == 2
    assert "--mib: expected at least" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()
    assert bundled(home.root, home.results) == 2
    assert "--out: expected a new folder" in capsys.readouterr().err
    assert bundled(home.root, tmp_path / "bundle", "--only", "unitt") == 2
    assert "did you mean 'unit'" in capsys.readouterr().err
    damaged = tmp_path / "damaged" / "toys"
    damaged.mkdir(parents=True)
    (damaged / "a.bin").write_bytes(b"another")
    monkeypatch.setenv("CONTDEPTH_DATA", str(damaged.parent))
    assert bundled(home.root, tmp_path / "bundle") == 2
    assert "a.bin: expected sha256" in capsys.readouterr().err


IMPORTS = """
import importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
from companion.pieces.bare import standins
standins.install()
import contdepth
found = {}
for module in pkgutil.walk_packages(contdepth.__path__, "contdepth."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
            found[module.name] = ""
        except ModuleNotFoundError as error:
            found[module.name] = error.name
print(json.dumps(found))
"""
DRAWS = {
    "contdepth.studies.adaptive.skipnet.drawing",
    "contdepth.studies.adaptive.stopping.drawing",
    "contdepth.studies.adaptive.tnrd.drawing",
    "contdepth.studies.common.moving",
    "contdepth.studies.common.plots",
    "contdepth.studies.control.ddp.drawing",
    "contdepth.studies.control.discrete.drawing",
    "contdepth.studies.control.implicit.drawing",
    "contdepth.studies.control.interpolated.drawing",
    "contdepth.studies.control.quantised.drawing",
    "contdepth.studies.control.smallstep.drawing",
    "contdepth.studies.equations.fno.drawing",
    "contdepth.studies.equations.hpm.drawing",
    "contdepth.studies.equations.sindy.drawing",
    "contdepth.studies.flows.iresnet.drawing",
    "contdepth.studies.flows.mongeampere.drawing",
    "contdepth.studies.flows.trajectorynet.drawing",
    "contdepth.studies.landscape.embedding.drawing",
    "contdepth.studies.landscape.frequency.drawing",
    "contdepth.studies.mechanics.lnn.drawing",
    "contdepth.studies.mechanics.srnn.drawing",
    "contdepth.studies.pdenet.filter_picture",
    "contdepth.studies.pdenet2.drawing",
    "contdepth.studies.sequences.antisymmetric.drawing",
    "contdepth.studies.sequences.equilibrium.drawing",
    "contdepth.studies.sequences.gruode.drawing",
    "contdepth.studies.sequences.latentode.drawing",
    "contdepth.studies.sequences.memory.drawing",
}
"""Modules that need Matplotlib as soon as they are loaded; no piece draws."""


def test_the_whole_library_is_loaded_where_a_bundle_runs(made, tmp_path):
    """All modules but those that draw, and the kernel that Numba compiles, which the library does without."""
    files = code_files(ROOT, ROOT / "lib", ())
    for name, path in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(path)
    python = made.folder / "empty" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", IMPORTS, tmp_path / "code"], capture_output=True, text=True, env=bare(), check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    failed = {name: package for name, package in found.items() if package}
    assert failed == {"contdepth.robust.fused_kernel": "numba", **dict.fromkeys(DRAWS, "matplotlib")}
    assert len(found) > 200
