"""The commands about pieces: lists, counts, what is refused."""

import json

import pytest
from toy_pieces import pieces

from companion.cli import main
from companion.pieces.receipts import find
from companion.pieces.running.devices import Worker
from companion.pieces.running.schedule import schedule


def told(capsys, root, *arguments, status=0):
    """Run a command and return what it printed."""
    assert main([arguments[0], "--root", str(root), *arguments[1:]]) == status
    captured = capsys.readouterr()
    return captured.err if status else captured.out


def test_status_counts_pieces_and_minutes_by_headline(root, capsys):
    schedule(root, pieces(root, "losses")[:2], machine=[Worker(1)])
    capsys.readouterr()
    lines = told(capsys, root, "status", "--profile", "paper").splitlines()
    assert [line.split() for line in lines] == [
        ["headline", "done", "needed", "left"],
        ["toy.headline.better", "2", "6", "1", "min", "of", "one", "core"],
        ["page", "toy/euler", "0", "3", "3", "min", "of", "an", "H200,", "1", "min", "of", "one", "core"],
        ["page", "toy/heun", "0", "4", "1", "min", "of", "one", "core"],
    ]
    rows = json.loads(told(capsys, root, "status", "--profile", "paper", "--json"))
    assert rows[0] == {
        "headline": "toy.headline.better",
        "claims": ["toy.euler.gap"],
        "groups": ["toy/losses"],
        "done": 2,
        "needed": 6,
        "minutes": pytest.approx({"cpu": 0.4}),
    }


def test_pieces_lists_what_is_not_done(root, capsys):
    schedule(root, pieces(root, "losses")[:5], machine=[Worker(1)])
    capsys.readouterr()
    lines = told(capsys, root, "pieces", "toy/euler").splitlines()
    assert lines == [
        "missing  cpu       0.1 min  toy/losses[seed=2,arm=worse]",
        "missing  cpu       0.1 min  toy/sums[seed=0,steps=5]",
        "missing  cpu       0.1 min  toy/sums[seed=1,steps=5]",
        "missing  cuda        3 min  toy/big[seed=0,arm=better]",
        "5 of 9 pieces done, left: 3 min of an H200, 1 min of one core",
    ]
    assert "done     cpu       0.1 min  toy/losses[seed=0,arm=better]" in told(capsys, root, "pieces", "--all")
    every = json.loads(told(capsys, root, "pieces", "--json"))
    assert len(every) == 11 and every[8]["needs"] == ["toy/sums[seed=0,steps=5]"]


def test_the_page_of_bundles_names_every_command(root, capsys):
    assert told(capsys, root, "pieces", "--write") == "results/pieces/README.md\n"
    text = (root / "results/pieces/README.md").read_text()
    assert "6 pieces of 0.1 minutes of one core, 1 call of 9 minutes; decides `toy.euler.gap`." in text
    assert "2 pieces of 0.1 minutes of one core, 1 call of 9 minutes; needs the pieces of sums." in text
    assert "    companion bundle toy/euler --profile paper --minutes 9 --mib 55 --only big --out FOLDER" in text
    assert "1 piece of 3 minutes of an H200, 1 call of 9 minutes.\n" in text
    schedule(root, pieces(root, "sums"), machine=[Worker(1)])
    told(capsys, root, "pieces", "--write")
    assert (root / "results/pieces/README.md").read_text() == text


def test_only_computes_a_group_and_runs_no_page(root, capsys):
    shown = told(capsys, root, "run", "--profile", "paper", "--only", "toy/sums")
    assert "pieces 2 done" in shown and not (root / "results/paper").exists()
    assert all(find(root, piece) for piece in pieces(root, "sums"))
    assert told(capsys, root, "run", "--profile", "paper", "--only", "sums") == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "sums"], "--only: expected --profile paper beside it, found book"),
        (["--minutes", "3"], "--minutes: expected --profile paper beside it, found book"),
        (["--profile", "paper", "--only", "sum"], "expected one of toy/losses, toy/sums, toy/means, toy/big"),
        (
            ["--profile", "paper", "toy/heun", "--only", "sums"],
            "expected a group of toy/heun, found one of",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(root, capsys, arguments, said):
    assert said in told(capsys, root, "run", *arguments, status=2)


def test_minutes_are_a_number_above_zero(root, capsys):
    for text in ("0", "-1", "inf", "nan", "soon"):
        with pytest.raises(SystemExit):
            main(["run", "--root", str(root), "--profile", "paper", "--minutes", text])
        assert f"expected a number of minutes > 0, found '{text}'" in capsys.readouterr().err
