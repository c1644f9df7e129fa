"""Carried runs and claims by a clock on built pages and in the open data, of a toy book built once."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from open_data import PAGE, faults
from sphinx_toy import VARIATIONS, built, carry_run, edit, page_text, site_faults, words, write_book, write_run

from companion.report import export

CHANGE = """\
# Change one thing

```{variation} finer
```
"""
FROM, TO = "0123456789abcdef0123456789abcdef01234567", "fedcba9876" * 4
REPOSITORY = "https://github.com/contdepth/companion/commit"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy book built strictly: the run at book was carried, that at smoke made again; a claim is by a clock."""
    root = write_book(tmp_path_factory.mktemp("toy"))
    (root / "book/claims.md").write_text(PAGE, encoding="utf-8")
    (root / "book/variations.yml").write_text(VARIATIONS, encoding="utf-8")
    (root / "book/toy/change.md").write_text(CHANGE, encoding="utf-8")
    last = "      - file: book/toy/claims\n"
    edit(root / "_toc.yml", last, last + last.replace("toy/claims", "toy/change") + last.replace("toy/", ""))
    edit(root / "book/toy/claims.yml", "id: toy.imagenet\n", "id: toy.imagenet\n    clock: true\n")
    results, changed = root / "results/variations/finer", {"steps": [80, 160]}
    write_run(root, "book", order=1.2, overrides=changed, results=results)
    edit(root / "lib/contdepth/toy.py", "return 1.0", "return 0.5 + 0.5")
    write_run(root, "smoke")
    carry_run(root, "book")
    carry_run(root, "book", overrides=changed, results=results)
    return built(root)


def test_the_box_of_a_page_tells_run_and_carry(book: Path) -> None:
    page = page_text(book, "book/toy/orders")
    start = page.index('class="companion-provenance"')
    box = page[start : page.index("</aside>", start)]
    assert (
        "Carried on 24 December 2026 from commit 012345678 (run of 21 November 2026) to commit fedcba987 with "
        "local changes: 1 check, 2 figures equal to the bit at smoke Carry"
    ) in words(box)
    assert f'href="{REPOSITORY}/{FROM}"' in box and f'href="{REPOSITORY}/{TO}"' in box
    assert re.search(r'href="\.\./\.\./_downloads/[^"]+/orders\.carry\.json"', box)
    assert "21 November 2026, carried on 24 December 2026" in words(box) and "Stale" not in box
    carried = [*(book / "_build/html/_downloads").rglob("orders.carry.json")]
    assert len(carried) == 1 and json.loads(carried[0].read_text("utf-8"))["profile"] == "book"


def test_the_claims_table_tells_the_state_and_marks_clocks(book: Path) -> None:
    page = page_text(book, "book/toy/claims")
    euler = page[page.index('id="claim-toy-order-euler"') : page.index('id="claim-toy-gap"')]
    assert words(euler).count("run of 21 November 2026, carried on 24 December 2026 to fedcba987") == 1
    assert page.count("carried on 24 December 2026") == 2, "one line each for the two claims of the carried run"
    assert page.count("measured by a clock</abbr>") == 1 and '<abbr title="Its value depends on time' in page
    imagenet = words(page[page.index('id="claim-toy-imagenet"') :])
    assert "claim of the paper · training · measured by a clock" in imagenet


def test_the_explorer_tells_the_state_and_marks_clocks(book: Path) -> None:
    page = page_text(book, "book/claims")
    gap = words(page[page.index('id="all-toy-gap"') : page.index('id="all-toy-imagenet"')])
    assert "run of 21 November 2026 at 012345678, carried on 24 December 2026 to fedcba987; cell; run" in gap
    imagenet = page[page.index('id="all-toy-imagenet"') : page.index("</table>")]
    assert "training, measured by a clock" in words(imagenet) and page.count("measured by a clock</abbr>") == 1
    runs = page[page.index('<table class="explorer-runs"') :]
    line = runs[runs.index('id="run-toy-orders-book"') : runs.index('id="run-toy-orders-paper"')]
    assert "carried on 24 December 2026 to fedcba987 with local changes; record, notebook, carry" in words(line)
    assert runs.count("carried on") == 1 and f'href="{REPOSITORY}/{TO}"' in line


def test_scorecard_and_variation_say_it_too(book: Path) -> None:
    assert "Newest run: 21 November 2026. 2 claims rest on carried runs." in words(page_text(book, "book/index"))
    assert "Toy CPU, 21 November 2026, carried on 24 December 2026." in words(page_text(book, "book/toy/change"))


def test_the_open_data_have_states_and_carries(book: Path, tmp_path: Path) -> None:
    folder = book / "_build/html"
    assert faults(folder) == []
    chapter = json.loads((folder / "claims.json").read_text("utf-8"))["chapters"][0]
    euler, gap, imagenet = chapter["claims"]
    assert [claim["clock"] for claim in chapter["claims"]] == [False, False, True]
    found = euler["profiles"]["book"]
    assert (found["state"], found["stale"], found["commit"], found["settled"]) == ("carried", [], FROM, None)
    assert found["started"] == "2026-11-21T10:00:00+00:00"
    assert found["carried"] == {"date": "2026-12-24T08:00:00+00:00", "from": FROM, "to": TO}
    fresh, missing = euler["profiles"]["smoke"], gap["profiles"]["paper"]
    assert (fresh["state"], fresh["carried"], missing["state"], missing["carried"]) == ("fresh", None, None, None)
    assert imagenet["profiles"]["book"]["state"] is None
    with (folder / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["id"], row["profile"]): row for row in csv.DictReader(file)}
    row, other = rows["toy.gap", "book"], rows["toy.order.euler", "smoke"]
    assert [row[key] for key in ("state", "carried_date", "carried_from", "carried_to", "settled", "clock")] == [
        "carried",
        "2026-12-24T08:00:00+00:00",
        FROM,
        TO,
        "",
        "false",
    ]
    assert (other["state"], other["carried_date"], rows["toy.imagenet", "book"]["clock"]) == ("fresh", "", "true")


def test_the_open_data_have_the_commit_of_a_settled_run_and_stale_clocks(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    path = root / "results/smoke/toy/orders.json"
    record = json.loads(path.read_text("utf-8"))
    settled = {"commit": TO, "date": "2026-11-22"}
    path.write_text(json.dumps({**record, "dirty": True, "settled": settled}), encoding="utf-8")
    edit(root / "lib/contdepth/toy.py", "return 1.0", "return 0.5 + 0.5")
    edit(root / "book/toy/claims.yml", "id: toy.gap\n", "id: toy.gap\n    clock: true\n")
    carry_run(root, "book")
    export.export(root, tmp_path / "data")
    assert faults(tmp_path / "data") == []
    euler, gap, _ = json.loads((tmp_path / "data/claims.json").read_text("utf-8"))["chapters"][0]["claims"]
    smoke, book = euler["profiles"]["smoke"], gap["profiles"]["book"]
    assert (smoke["dirty"], smoke["settled"], smoke["state"]) == (True, TO, "stale")
    assert (euler["profiles"]["book"]["state"], book["state"], book["carried"]) == ("carried", "stale", None)
    assert book["stale"] == ["measured by a clock, and the library changed since the run (carried)"]


def test_built_pages_are_clean(book: Path) -> None:
    assert site_faults(book) == []
