"""Whole groups for a page: ready or not, in the plan's order, and never arms that may not be compared."""

import json

import pytest
from toy_book import edit
from toy_pieces import pieces

from companion.book.pages import find_page
from companion.errors import CheckError
from companion.pieces.assemble import any_ready, assembled, group_of, is_ready
from companion.pieces.keys import key_of
from companion.pieces.receipts import receipt_path
from companion.run.session import begin


@pytest.fixture
def page(done, monkeypatch):
    """Return a function that begins the page at a profile."""
    monkeypatch.setenv("COMPANION_ROOT", str(done))
    monkeypatch.delenv("COMPANION_RUN", raising=False)
    return lambda profile: begin("toy/euler", profile=profile)


def changed(root, number, **told):
    """Change entries of a stored receipt."""
    piece = pieces(root, "losses")[number]
    path = receipt_path(root, piece, key_of(root, piece))
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


def test_a_page_gets_all_pieces_in_the_plans_order(page):
    run = page("paper")
    assert run.ready("losses") and not run.ready("losses", "means") and not run.ready("big")
    found = run.pieces("losses")
    assert [(one["arguments"]["seed"], one["arguments"]["arm"]) for one in found[:3]] == [
        (0, "better"),
        (0, "worse"),
        (1, "better"),
    ]
    assert [one["result"]["loss"] for one in found[:2]] == [0.5, 1.5] and found[0]["weights"] is None
    assert run.pieces("losses") == found


@pytest.mark.parametrize("profile", ["smoke", "book"])
def test_other_profiles_never_read_stored_pieces(page, profile):
    run = page(profile)
    assert not run.ready("losses")
    with pytest.raises(CheckError, match=f"expected profile paper, found {profile}, which uses none"):
        run.pieces("losses")


def test_missing_pieces_are_told_with_their_cost_and_the_command(done):
    groups = {name: group_of(done, "toy", name) for name in ("means", "big")}
    with pytest.raises(CheckError) as caught:
        assembled(done, groups["means"])
    assert str(caught.value) == (
        "pieces means: expected all 2 pieces to be done, found that 2 are not (0.2 minutes of one core); "
        "companion run --profile paper toy/heun --only means computes them"
    )
    with pytest.raises(CheckError, match=r"that 1 is not \(3 minutes of an H200\); .* computes it"):
        assembled(done, groups["big"])


def test_an_unknown_group_is_told(page):
    with pytest.raises(CheckError, match=r"\(losses, sums, means, big\), found 'loses'; did you mean 'losses'\?"):
        page("paper").ready("loses")


def test_matched_arms_share_kind_of_device_and_pytorch(done):
    group = group_of(done, "toy", "losses")
    assert is_ready(done, [group])
    changed(done, 1, device={"kind": "cuda", "name": "NVIDIA H200"})
    with pytest.raises(CheckError) as caught:
        assembled(done, group)
    assert str(caught.value) == (
        "pieces losses: expected matched arms on the same kind of device, found cpu for "
        "toy/losses[seed=0,arm=better] and cuda for toy/losses[seed=0,arm=worse]; compute one of them again"
    )
    changed(done, 0, device={"kind": "cuda", "name": "NVIDIA A100"})
    assert len(assembled(done, group)) == 6  # other seeds may be of another device
    changed(done, 3, versions={"python": "3.11.7", "torch": "2.0"})
    with pytest.raises(CheckError, match="expected matched arms with the same PyTorch, found .* for .*seed=1"):
        assembled(done, group)


def test_pieces_of_other_code_are_none_of_the_groups(done):
    edit(done, "lib/contdepth/studies/toy/pieces.py", "twice(1.0)", "twice(1.5)")
    group = group_of(done, "toy", "losses")
    assert not is_ready(done, [group])
    with pytest.raises(CheckError, match="found that 6 are not"):
        assembled(done, group)


def test_a_page_may_be_assembled_when_a_group_it_asks_for_is_complete(done):
    assert any_ready(find_page(done, "toy/euler"))
    piece = pieces(done, "losses")[5]
    receipt_path(done, piece, key_of(done, piece)).unlink()
    assert not any_ready(find_page(done, "toy/euler"))


def test_under_the_runner_a_group_is_asked_for_before_it_is_used(page, monkeypatch):
    monkeypatch.setenv("COMPANION_RUN", "1")
    run = page("paper")
    with pytest.raises(CheckError, match='expected run.ready."losses". before, found that it was not asked'):
        run.pieces("losses")
    assert run.ready("losses") and len(run.pieces("losses")) == 6
