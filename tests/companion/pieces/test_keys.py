"""Keys: another function, other code, arguments, data or needs make another key, and nothing else does."""

import json

import pytest
from toy_book import edit
from toy_pieces import pieces

from companion.pieces.keys import key_of, keys_of

PIECES = "lib/contdepth/studies/toy/pieces.py"
KEPT = "lib/contdepth/studies/toy/kept.py"


def keys(root):
    """Return group -> key of its first piece."""
    return {name: key_of(root, pieces(root, name)[0]) for name in ("losses", "sums", "means", "big")}


@pytest.mark.parametrize(
    ("name", "old", "new", "other"),
    [
        (PIECES, "offset + twice(1.0)", "offset - twice(1.0)", {"losses", "big"}),
        ("lib/contdepth/helpers.py", "2 * x", "3 * x", {"losses", "big"}),
        (KEPT, "(0, 0)", "(0, 1)", {"sums", "means"}),
        (PIECES, "/ len(given)", "/ (len(given) + 1)", {"means"}),
        (PIECES, "steps: int = 3", "steps: int = 2", {"losses", "big"}),
        ("book/toy/pieces.yml", "arguments: {steps: 4}", "arguments: {steps: 5}", {"losses"}),
        (PIECES, "unused = 1", "unused = 1\nnp.seterr(all='raise')", {"losses", "sums", "means", "big"}),
        ("book/toy/pieces.yml", "pieces:mean", "pieces:mean2", {"means"}),
    ],
)
def test_what_a_piece_computes_makes_its_key(root, name, old, new, other):
    before = keys(root)
    if new.endswith("mean2"):
        text = (root / PIECES).read_text()
        (root / PIECES).write_text(text + "\n\nmean2 = mean\n")
        assert keys(root) == before
    edit(root, name, old, new)
    after = keys(root)
    assert {group for group in before if before[group] != after[group]} == other


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (PIECES, "    offset = {", "    # what the arm adds\n    offset  =  {"),
        (PIECES, '"""Return a made-up loss."""', '"""Return another sentence."""'),
        (PIECES, "seed: int, steps: int = 3", "seed: float, steps: float = 3"),
        (PIECES, "unused = 1", "unused = 2"),
        (PIECES, "from contdepth.helpers import twice", "import json\nfrom contdepth.helpers import twice"),
        ("lib/contdepth/schemes/heun.py", "twice(1.0)", "twice(1.5)"),
        ("book/toy/pieces.yml", "minutes: 3", "minutes: 4"),
        ("book/toy/pieces.yml", "claims: [toy.euler.gap]", "claims: []"),
    ],
)
def test_formatting_and_what_is_not_reached_make_no_other_key(root, name, old, new):
    before = keys(root)
    edit(root, name, old, new)
    assert keys(root) == before


def test_a_definition_that_moves_keeps_the_key(root):
    before = keys(root)
    (root / KEPT).rename(root / "lib/contdepth/studies/toy/stored.py")
    edit(root, PIECES, "contdepth.studies.toy.kept", "contdepth.studies.toy.stored")
    assert keys(root) == before


def test_the_files_of_data_count_and_what_is_said_of_them_does_not(root):
    path, before = root / "lib/contdepth/data/registry.json", keys(root)
    told = json.loads(path.read_text())
    told["numbers"]["title"] = "The numbers"
    told["numbers"]["files"]["n.txt"]["url"] = "https://example.org/moved"
    path.write_text(json.dumps(told))
    assert keys(root) == before
    told["numbers"]["files"]["n.txt"]["sha256"] = "1" * 64
    path.write_text(json.dumps(told))
    after = keys(root)
    assert {group for group in before if before[group] != after[group]} == {"sums", "means"}


def test_many_keys_are_those_of_each(root):
    every = [piece for name in ("losses", "means") for piece in pieces(root, name)]
    found = keys_of(root, every)
    assert {piece.id for piece in every} | {"toy/sums[seed=0,steps=5]", "toy/sums[seed=1,steps=5]"} == set(found)
    assert all(found[piece.id] == key_of(root, piece) for piece in every)
    assert len(set(found.values())) == len(found)
