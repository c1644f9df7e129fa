"""The book's own pieces: small enough for a repository, and each valid or known to be stale."""

from pathlib import Path

from companion.pieces.keys import keys_of
from companion.pieces.listing import readme
from companion.pieces.piece import ordered
from companion.pieces.plan import all_groups
from companion.pieces.receipts import pieces_folder, receipt_path
from companion.pieces.state import DONE, MISSING, STALE, states

ROOT = Path(__file__).parents[3]
MOST_MIB = 40


def test_all_pieces_together_are_small():
    size = sum(path.stat().st_size for path in pieces_folder(ROOT).rglob("*") if path.is_file())
    assert size <= MOST_MIB * 2**20


def test_every_stored_piece_is_valid_or_stale():
    """No receipt is damaged, none is nobody's, and no weights lie without theirs."""
    pieces = ordered(piece for group in all_groups(ROOT) for piece in group.pieces)
    found, keys = states(ROOT, pieces), keys_of(ROOT, pieces)
    assert {id: word for id, word in found.items() if word not in (DONE, STALE, MISSING)} == {}
    known = {receipt_path(ROOT, piece, keys[piece.id]) for piece in pieces if found[piece.id] == DONE}
    stale = {(piece.chapter, piece.group) for piece in pieces if found[piece.id] == STALE}
    stored = set(pieces_folder(ROOT).glob("*/*/*.json"))
    assert {path for path in stored - known if (path.parts[-3], path.parts[-2]) not in stale} == set()
    weights = {path.with_suffix(".json") for path in pieces_folder(ROOT).glob("*/*/*.safetensors")}
    assert weights <= stored


def test_the_list_of_bundles_is_the_present_plans():
    path = pieces_folder(ROOT) / "README.md"
    if all_groups(ROOT):
        assert path.read_text(encoding="utf-8") == readme(ROOT), "companion pieces --write"
    else:
        assert not path.exists()
