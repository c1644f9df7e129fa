"""The ledger cannot be changed unnoticed: each change of a claim, a page or a table is told by ``check-ledger``,
and the register that tells it cannot be cut without the history showing it.
"""

import shutil
import subprocess
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest
import toy_book
from toy_book import edit

from companion.book.ledger import (
    Cell,
    Claim,
    Departure,
    Expectation,
    Headline,
    Reported,
    Scale,
    Source,
    Table,
    load_ledger,
)
from companion.book.pages import load_pages
from companion.cli import main
from companion.errors import CompanionError
from companion.evidence.verdict import Region
from companion.register.entries import entries, hash_of
from companion.register.history import lost_lines, unknown_history
from companion.register.lines import Line, append, pending, read
from companion.root import register_path
from companion.sphinxext.claims.register_changes import length, table
from companion.sphinxext.element import Element

ROOT = Path(__file__).parents[3]
LEDGER, RUNS, REGISTER = "book/toy/claims.yml", "book/toy/runs.yml", "book/register.tsv"
SMOKE = "smoke: {equals: 1.0, tolerance: 0.03, reason: coarse steps, accepted: reproduced, scale: none}"
GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
HEUN = toy_book.CLAIMS[toy_book.CLAIMS.index("  - id: toy.heun.order") : toy_book.CLAIMS.index("departures:")]
QUOTED = """  - id: toy.large
    statement: The gain holds on large images.
    where: Abstract
    origin: paper
    kind: training
    page: null
    paper: {figure: none, why: a direction only, source: L}
    expect: {book: {verdict: quoted, why: weeks of a GPU}}
"""


def git(root: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def commit(root: Path, message: str = "a step") -> str:
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")[:12]


@pytest.fixture(scope="session")
def past_book(tmp_path_factory) -> Path:
    """The toy book with a quoted claim, in a repository with one commit; not to be changed."""
    root = toy_book.build(tmp_path_factory.mktemp("past") / "repository")
    edit(root, LEDGER, "departures:", f"{QUOTED}departures:")
    toy_book.register(root)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    return root


@pytest.fixture
def book(past_book, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(past_book, tmp_path / "repository"))


def checked(root: Path, capsys) -> str:
    """Return what ``companion check-ledger`` says; empty where it finds nothing."""
    capsys.readouterr()
    status = main(["check-ledger", "--root", str(root)])
    said = capsys.readouterr()
    assert (status, bool(said.err)) in ((0, False), (2, True))
    return said.err


def test_the_book_as_it_is_has_no_problem(book, capsys):
    assert checked(book, capsys) == ""
    assert main(["register", "--root", str(book)]) == 0
    assert capsys.readouterr().out == f"{REGISTER} is up to date: nothing to do\n"


CHANGES = {
    "a region widened": (SMOKE, SMOKE.replace("0.03", "0.3"), "claim toy.euler.order"),
    "a region that refutes moved": ("refute: {above: 0.5}", "refute: {above: 0.9}", "claim toy.euler.loss"),
    "a verdict accepted": (SMOKE, SMOKE.replace("accepted: ", "accepted: not "), "claim toy.euler.order"),
    "a reason": ("reason: coarse steps", "reason: as found", "claim toy.euler.order"),
    "a statement": ("has order one", "has an order", "claim toy.euler.order"),
    "a place in the paper": ("where: Table 1", "where: Table 2", "claim toy.euler.loss"),
    "an origin": (
        "where: Section 1\n    origin: paper",
        "where: Section 1\n    origin: independent\n    independent: {value: 1, source: L}",
        "claim toy.euler.order",
    ),
    "a kind": ("kind: order\n    page: heun", "kind: measure\n    page: heun", "claim toy.heun.order"),
    "a unit": ("unit: nats", "unit: bits", "claim toy.euler.loss"),
    "a clock": (
        "kind: order\n    page: heun",
        "kind: order\n    clock: true\n    page: heun",
        "claim toy.heun.order",
    ),
    "a page": ("kind: order\n    page: heun", "kind: order\n    page: euler", "claim toy.heun.order"),
    "the paper's figure": ("paper: {value: -1.0", "paper: {value: -0.5", "claim toy.euler.loss"),
    "verified": (
        "paper: {value: -1.0, source: L",
        "paper: {verified: true, value: -1.0, source: [L, W]",
        "claim toy.euler.loss",
    ),
    "by construction": (
        "    where: Section 2\n",
        "    where: Section 2\n    construction: It is a definition.\n",
        "claim toy.heun.order",
    ),
    "a scale": ("[steps, 4]", "[steps, 2]", "scale toy/few"),
    "a headline": ("Losses are lower.", "Losses are low.", "headline toy.headline.better"),
    "a share left out": (
        "sign, accepted: reproduced, scale: few",
        "sign, accepted: reproduced, scale: none",
        "claim toy.euler.loss",
    ),
    "an independent figure": (
        "unit: nats",
        "unit: nats\n    independent: {value: 2, source: L}",
        "claim toy.euler.loss",
    ),
    "a cost": ("cost: 3 h, why: no GPU", "cost: 9 h, why: no GPU", "claim toy.euler.order"),
    "why there is no run": ("cost: 3 h, why: no GPU", "cost: 3 h, why: no time", "claim toy.euler.order"),
    "a cell of a table": ("[20, 8.75]", "[20, 7.75]", "table toy/A-1"),
    "verified in a table": ("verified: true", "verified: false", "table toy/A-1"),
    "a source": ('Table 1"}', 'Table 2"}', "source toy/L"),
    "a departure": ("paper: single", "paper: double", "departure toy/D-1"),
}


@pytest.mark.parametrize(("old", "new", "entry"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_an_entry_is_told(book, old, new, entry, capsys):
    edit(book, LEDGER, old, new)
    said = checked(book, capsys)
    assert f"{entry}: expected what {REGISTER} has of {date.today()} (hash " in said
    assert said.endswith(f'companion register --reason "…" {entry.split()[1]}\n') and said.count("\n") == 1


def test_a_page_no_longer_attempted_is_told(book, capsys):
    edit(book, RUNS, "not_attempted: no GPU, cost: 3 h, ", "")
    assert checked(book, capsys).startswith("page toy/euler: expected what book/register.tsv has of ")


@pytest.mark.parametrize("block", [HEUN, QUOTED], ids=["a claim that is run", "a quoted claim"])
def test_a_deleted_claim_is_told(book, block, capsys):
    edit(book, LEDGER, block, "")
    id = block.split()[2]
    assert checked(book, capsys).startswith(f"claim {id}: expected it in the book, or a line of {REGISTER}")


def test_a_page_dropped_whole_is_told(book, capsys):
    edit(book, LEDGER, HEUN, "")
    edit(book, RUNS, "  heun:\n    profiles:\n      smoke: {}\n      book: {}\n", "")
    (book / "book/toy/heun.md").unlink()
    said = checked(book, capsys)
    assert "page toy/heun: expected it in the book" in said and "claim toy.heun.order: expected it" in said


def test_a_chapter_dropped_whole_is_told(book, capsys):
    shutil.rmtree(book / "book/toy")
    assert "page toy/euler: expected it in the book" in checked(book, capsys)


def test_a_new_claim_needs_a_line_but_no_reason(book, capsys):
    edit(book, LEDGER, "departures:", f"{QUOTED.replace('toy.large', 'toy.new')}departures:")
    assert checked(book, capsys) == (
        f"claim toy.new: expected a line in {REGISTER}, found none; add it: companion register toy.new\n"
    )
    assert main(["register", "--root", str(book)]) == 0
    assert capsys.readouterr().out == f"added    claim toy.new\n{REGISTER}: 1 line added\n"
    assert checked(book, capsys) == ""


def test_a_revision_and_a_retirement_need_a_reason_and_are_shown(book, capsys):
    edit(book, LEDGER, SMOKE, SMOKE.replace("0.03", "0.3"))
    edit(book, LEDGER, QUOTED, "")
    before = register_path(book).read_text()
    assert main(["register", "--root", str(book)]) == 2
    assert capsys.readouterr().err == (
        "companion: --reason: expected why toy.euler.order (revised), toy.large (retired), found none; say it: "
        'companion register --reason "…"\n'
    )
    assert register_path(book).read_text() == before
    assert main(["register", "--root", str(book), "--reason", "noise of the clock", "toy.euler.order"]) == 0
    assert "claim toy.large: expected it in the book" in checked(book, capsys)
    assert main(["register", "--root", str(book), "--reason", "the data are gone"]) == 0
    assert checked(book, capsys) == ""
    lines, problems = read(book)
    assert problems == [] and register_path(book).read_text().startswith(before)
    assert [(line.event, line.id, line.reason) for line in lines[-2:]] == [
        ("revised", "toy.euler.order", "noise of the clock"),
        ("retired", "toy.large", "the data are gone"),
    ]
    assert length(lines).endswith(" additions, 1 revision, 1 retirement.")
    shown = table([line for line in lines if line.event != "added"]).astext()
    assert "toy.euler.order" in shown and "the data are gone" in shown
    assert length(lines[:-2]).endswith("; no entry has been revised or retired yet.")


def test_entries_of_one_reason_share_a_row_and_many_are_folded():
    ids = [f"toy.c{number}" for number in range(6)]
    same = [Line("2026-01-02", "revised", "claim", id, "0" * 16, "another unit") for id in ids]
    other = Line("2026-01-02", "retired", "scale", "toy/few", "-", "no run names it")

    def tagged(node, tag):
        return [one for one in node.findall(Element) if one["tag"] == tag]

    shown = table([*same[:3], other])
    assert len(tagged(shown, "tr")) == 1 + 2
    assert "claim toy.c0, claim toy.c1, claim toy.c2" in shown.astext()
    assert not tagged(shown, "details")
    (folded,) = tagged(table(same), "details")
    assert folded.astext().startswith("6 claims") and all(id in folded.astext() for id in ids)


def test_what_is_retired_cannot_come_back_unsaid(book, capsys):
    edit(book, LEDGER, QUOTED, "")
    toy_book.register(book, "the data are gone")
    edit(book, LEDGER, "departures:", f"{QUOTED}departures:")
    assert f"claim toy.large: expected it gone, since {REGISTER} retires it on" in checked(book, capsys)
    toy_book.register(book)
    assert checked(book, capsys) == ""


@pytest.mark.parametrize(
    ("ids", "reason", "sentence"),
    [
        (["toy.euler.ordr"], "", "expected an id of the book or of .*, found 'toy.euler.ordr'; did you mean"),
        ([], "two\nlines", "--reason: expected a sentence on one line and without tabs"),
        ([], "a\ttab", "--reason: expected a sentence on one line and without tabs"),
        ([], "-", "--reason: expected a sentence on one line"),
    ],
)
def test_wrong_arguments_of_register(book, ids, reason, sentence):
    edit(book, LEDGER, QUOTED, "")
    lines, _ = read(book)
    with pytest.raises(CompanionError, match=sentence):
        pending(lines, entries([load_ledger(book, "toy")], load_pages(book)), reason, ids)


MALFORMED = {
    "too few fields": ("2026-05-04\tadded\tclaim\ttoy.x\t0123456789abcdef", "expected 6 fields between tabs"),
    "a blank line": ("", "expected 6 fields"),
    "no date": ("yesterday\tadded\tclaim\ttoy.x\t0123456789abcdef\t-", "expected a date like"),
    "no event": ("2026-05-04\tremoved\tclaim\ttoy.x\t0123456789abcdef\t-", "expected the event added or revised"),
    "no kind": ("2026-05-04\tadded\tfigure\ttoy.x\t0123456789abcdef\t-", "expected the kind claim or page"),
    "no hash": ("2026-05-04\tadded\tclaim\ttoy.x\t0123\t-", "expected a hash of 16 hexadecimal digits"),
    "no id": ("2026-05-04\tadded\tclaim\t\t0123456789abcdef\t-", "expected an id, found none"),
    "no reason": ("2026-05-04\trevised\tclaim\ttoy.large\t0123456789abcdef\t-", "expected a reason, found none"),
    "added twice": ("2026-05-04\tadded\tclaim\ttoy.large\t0123456789abcdef\t-", "to be added once"),
    "never added": ("2026-05-04\trevised\tclaim\ttoy.x\t0123456789abcdef\tso", "to be added before it is revised"),
    "another retired": ("2026-05-04\tretired\tclaim\ttoy.large\t0123456789abcdef\tso", "the hash of what is"),
}


@pytest.mark.parametrize(("text", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_lines(book, text, sentence, capsys):
    with register_path(book).open("a") as file:
        file.write(f"{text}\n")
    number = len(register_path(book).read_text().splitlines())
    said = checked(book, capsys)
    assert said.startswith(f"{REGISTER}:{number}: expected ") and sentence in said
    assert main(["register", "--root", str(book)]) == 2


def test_an_entry_that_two_branches_added(book, capsys):
    """Their lines stand below each other after the merge; a third one says what the entry became."""
    lines, _ = read(book)
    once = next(line for line in lines if line.id == "toy.large")
    with register_path(book).open("a") as file:
        file.write(f"{replace(once, hash='0123456789abcdef')}\n")
    assert "claim toy.large to be added once, found it added again; where two branches" in checked(book, capsys)
    assert main(["register", "--root", str(book)]) == 2  # no reason
    assert main(["register", "--root", str(book), "--reason", "Two branches added it"]) == 0
    commit(book, "join")
    assert main(["check-ledger", "--root", str(book)]) == 0


def test_a_region_widened_and_everything_restamped(book, capsys):
    """The line is changed in place, so that register and ledger agree: the history has the line as it was."""
    edit(book, LEDGER, SMOKE, SMOKE.replace("0.03", "0.3"))
    restamp(book, "toy.euler.order")
    assert "to stay, found it gone in the working tree" in checked(book, capsys)
    changed = commit(book, "clean-up")
    commit(book, "later")
    said = checked(book, capsys)
    assert "claim  toy.euler.order  " in said and f"to stay, found it gone since commit {changed}" in said


def restamp(root: Path, id: str) -> None:
    """Give the first line of an entry the hash of its present content."""
    lines, _ = read(root)
    now = entries([load_ledger(root, "toy")], load_pages(root))
    register_path(root).unlink()
    append(root, [replace(line, hash=now[line.key]) if line.id == id else line for line in lines])


def test_a_register_written_anew_or_deleted_is_told(book, capsys):
    register_path(book).unlink()
    said = checked(book, capsys)
    assert said.startswith(f"{REGISTER}: expected the register, found nothing")
    assert "gone in the working tree" in said
    edit(book, LEDGER, QUOTED, "")
    toy_book.register(book)
    said = checked(book, capsys)
    assert "claim  toy.large" in said and "claim toy.large: expected a line" in said and said.count("\n") == 2


def test_lines_may_not_change_places(book, capsys):
    head, first, second, *rest = register_path(book).read_text().splitlines()
    register_path(book).write_text("\n".join([head, second, first, *rest]) + "\n")
    assert "where earlier commits have it, found it in another place" in checked(book, capsys)


def test_a_line_of_a_merged_branch_may_not_get_lost(book, capsys):
    git(book, "checkout", "--quiet", "-b", "side")
    edit(book, LEDGER, "has order one", "has an order")
    toy_book.register(book, "wording")
    commit(book)
    git(book, "checkout", "--quiet", "main")
    commit(book)
    git(book, "merge", "--quiet", "--no-ff", "--no-commit", "side")
    git(book, "checkout", "main", "--", ".")
    merge = commit(book, "a merge that keeps nothing of the branch")
    said = checked(book, capsys)
    assert "revised  claim  toy.euler.order" in said and f"gone since commit {merge}" in said


def test_lines_of_two_branches_follow_each_other(book, capsys):
    shutil.copy(ROOT / ".gitattributes", book)
    commit(book)
    before = len(read(book)[0])
    git(book, "checkout", "--quiet", "-b", "side")
    edit(book, LEDGER, "has order one", "has an order")
    toy_book.register(book, "wording")
    commit(book)
    git(book, "checkout", "--quiet", "main")
    edit(book, LEDGER, "has order two", "has another order")
    toy_book.register(book, "wording")
    commit(book)
    git(book, "merge", "--quiet", "--no-edit", "side")
    assert checked(book, capsys) == "" and len(read(book)[0]) == before + 2


def test_a_claim_from_before_the_register_is_known(book, capsys):
    edit(book, LEDGER, QUOTED, "")
    git(book, "rm", "--quiet", "--cached", REGISTER)
    register_path(book).unlink()
    toy_book.register(book)
    kept = register_path(book).read_text()
    git(book, "checkout", "--quiet", "--orphan", "fresh")
    register_path(book).unlink()
    edit(book, LEDGER, "departures:", f"{QUOTED}departures:")
    before = commit(book, "without a register")
    edit(book, LEDGER, QUOTED, "")
    register_path(book).write_text(kept)
    commit(book, "with a register")
    assert checked(book, capsys).startswith(
        f"claim toy.large: expected a line in {REGISTER} for a claim of the ledger of commit {before}, found none"
    )


def test_a_shallow_clone_and_a_folder_without_git_say_what_was_not_checked(book, tmp_path, capsys):
    commit(book)
    git(tmp_path, "clone", "--quiet", "--depth", "1", book.as_uri(), "shallow")
    assert main(["check-ledger", "--root", str(tmp_path / "shallow")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "the history of the register was not checked: expected all commits, found a shallow clone; fetch the rest "
        "with: git fetch --unshallow"
    )
    shutil.rmtree(book / ".git")
    assert main(["check-ledger", "--root", str(book)]) == 0
    assert capsys.readouterr().out.startswith("the history of the register was not checked: git rev-parse: ")


def changed(value: object) -> object:
    """Return another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value if isinstance(value, bool) else "x"
    if isinstance(value, tuple):
        return (*value, value[0])
    return value + 1 if isinstance(value, float) else f"{value}x"


CELL = Cell(1.0, False, ("L",))
SUPPORT, REFUTE = Region.from_keys({"below": 1.0}), Region.from_keys({"above": 2.0})
EXPECT = Expectation("book", SUPPORT, REFUTE, "why", "reproduced", "not attempted", "1 h", "no GPU")
FIGURE = Reported(1.0, ("L",), "text", False)
CLAIM = Claim("t.a", "s", "w", "paper", "order", "p", "m", FIGURE, FIGURE, {"book": EXPECT}, False)
TABLE = Table("A", "t", ("c",), ((CELL,),), ("L",), False, "n", True)


@pytest.mark.parametrize(
    ("whole", "part", "put"),
    [
        (CLAIM, CLAIM, lambda part: part),
        (CLAIM, FIGURE, lambda part: replace(CLAIM, paper=part)),
        (CLAIM, FIGURE, lambda part: replace(CLAIM, independent=part)),
        (CLAIM, EXPECT, lambda part: replace(CLAIM, expect={"book": part})),
        (TABLE, TABLE, lambda part: part),
        (TABLE, CELL, lambda part: replace(TABLE, rows=((part,),))),
        (source := Source("L", "t", "u"), source, lambda part: part),
        (left := Departure("D", "w", "p", "o", "y", "ours"), left, lambda part: part),
        (few := Scale("few", {"images": (1, 3)}, "n"), few, lambda part: part),
        (said := Headline("t.headline.a", "t", "s", ("t.a",), ("t.b",), FIGURE, "w"), said, lambda part: part),
        (said, FIGURE, lambda part: replace(said, paper=part)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_the_hash_covers_every_field(whole, part, put):
    """A field that the ledger gains must enter the hash too."""
    assert hash_of(put(replace(part))) == hash_of(whole)
    special = {"paper": None, "independent": None, "expect": {}, "rows": (), "support": REFUTE, "refute": SUPPORT}
    special |= {"code": FIGURE, "earlier": FIGURE, "range": (1.0, 2.0), "parts": {"images": (1, 2)}}
    for name in {field.name for field in fields(part)} - {"profile"}:
        other = (
            special[name]
            if name in special and not isinstance(getattr(part, name), str)
            else changed(getattr(part, name))
        )
        assert hash_of(put(replace(part, **{name: other}))) != hash_of(whole), name


def test_numbers_keep_their_types_and_regions_count_as_sets():
    assert hash_of(replace(CLAIM, paper=replace(FIGURE, value="1.0"))) != hash_of(CLAIM)
    wide = Region.from_keys({"equals": 1.0, "tolerance": 0.5})
    same = Region.from_keys({"between": [0.5, 1.5]})
    assert (
        len({hash_of(replace(CLAIM, expect={"book": replace(EXPECT, support=region)})) for region in (wide, same)})
        == 1
    )


def test_the_register_of_this_repository_has_lost_nothing():
    if unknown := unknown_history(ROOT):
        pytest.skip(unknown)
    assert lost_lines(ROOT, register_path(ROOT).read_text(encoding="utf-8").splitlines()) == []


def test_a_line_reads_as_it_is_written(tmp_path):
    (tmp_path / "book").mkdir()
    line = Line("2026-05-04", "added", "claim", "t.a", "0123456789abcdef")
    append(tmp_path, [line])
    append(tmp_path, [other := replace(line, event="revised", hash="f" * 16, reason="a - b")])
    assert read(tmp_path) == ([line, other], [])
