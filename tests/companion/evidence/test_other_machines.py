"""The trial of other machines: naming pages leaves what is stated of the others as it was."""

import other_machines
import yaml

from companion.book.pages import load_pages


def stated(path):
    """Profile and name of each number, with its tolerance and the reason."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["tolerances"]
    return {
        (profile, name): {key: entry[key] for key in entry if key != "numbers"}
        for entry in entries
        for profile, names in entry["numbers"].items()
        for name in names
    }


def test_pages_that_are_not_tried_keep_their_tolerances(tmp_path, monkeypatch):
    file = tmp_path / "machines.yml"
    file.write_bytes(other_machines.machines_path(other_machines.ROOT, "control").read_bytes())
    monkeypatch.setattr(other_machines, "machines_path", lambda root, chapter: file)
    before = stated(file)
    tried = [page for page in load_pages(other_machines.ROOT, "control") if page.name == "ega"]
    moved = {"ega#gain_sparse": {"one": {"relative": 0.003, "absolute": 0.1, "exact": 0.1}}}
    other_machines.write("control", moved, tried)
    after = stated(file)
    changed = {
        name for key, name in before.keys() | after.keys() if before.get((key, name)) != after.get((key, name))
    }
    assert before.keys() == after.keys()
    assert "ega#gain_sparse" in changed
    assert all(name.startswith(("ega#", "control.ega.")) for name in changed)
