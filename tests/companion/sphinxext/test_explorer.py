"""The claims explorer on a toy book: complete without scripts, and its filters see what its rows say."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from open_data import PAGE
from sphinx_toy import build, built, edit, page_text, site_faults, write_book

from companion.report.export import FILES
from companion.site import checks
from companion.sphinxext.wording import slug


class Rows(HTMLParser):
    """The rows of the explorer: attributes of each ``tbody`` and, in it, the verdicts shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict] = {}
        self.row: dict = {}
        self.profile = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "tbody":
            self.profile, self.row = "", {"attributes": given, "verdicts": {}, "text": ""}
            self.found[given.get("id") or ""] = self.row
        elif tag == "dd":
            self.profile = given.get("data-p") or "-"
        elif tag == "b" and self.row:
            self.row["verdicts"][self.profile] = given["class"]

    def handle_data(self, data: str) -> None:
        if self.row:
            self.row["text"] += data


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with its page of all claims, built once."""
    root = write_book(tmp_path_factory.mktemp("toy"), everything=True)
    (root / "book/claims.md").write_text(PAGE, encoding="utf-8")
    edit(root / "_toc.yml", "parts:\n", "parts:\n  - caption: All\n    chapters:\n      - file: book/claims\n")
    edit(
        root / "book/toy/claims.yml",
        "reason: The next term of the error, accepted: reproduced, scale: none}\n      book",
        'reason: "At smoke, see {claim}`toy.gap`", accepted: reproduced, scale: none}\n      book',
    )
    return built(root)


@pytest.fixture(scope="module")
def rows(book: Path) -> dict[str, dict]:
    page = page_text(book, "book/claims")
    start = page.index('<table class="explorer"')
    return Rows(page[start : page.index("</table>", start)]).found


def exported(book: Path) -> list[dict]:
    data = json.loads((book / "_build/html/claims.json").read_text("utf-8"))
    return [claim for chapter in data["chapters"] for claim in chapter["claims"]]


def test_filters_see_what_the_data_say(book: Path, rows: dict[str, dict]) -> None:
    claims = exported(book)
    assert list(rows) == ["all-" + claim["id"].replace(".", "-") for claim in claims] and len(claims) == 13
    for claim, row in zip(claims, rows.values(), strict=True):
        assert row["attributes"]["data-chapter"] == claim["chapter"]
        assert row["attributes"]["data-kind"] == claim["kind"]
        assert row["attributes"]["data-group"] == claim["group"]
        scale = claim["profile"] and claim["profiles"][claim["profile"]]["scale"]
        assert ("data-small" in row["attributes"]) == bool(scale and scale["share"] < 0.1), claim["id"]
        assert row["verdicts"] == {
            "": slug(claim["verdict"]),
            **{profile: slug(outcome["verdict"]) for profile, outcome in claim["profiles"].items()},
        }


def test_rows_hold_everything_without_scripts(book: Path, rows: dict[str, dict]) -> None:
    text = " ".join(rows["all-toy-gap"]["text"].split())
    for part in (
        "toy.gap The two-step network has a lower error.",
        "Toy training",
        "undecided",
        "−0.23 [−0.99, 0.53]",
        "Table 1, row 56 · claim of the paper",
        "undecided at 5 % of the paper’s scale",
        "grids 2 of 40, seeds 3 of 5; cell",
        "ScaleThe learning rate of the paper is not known",
        "−0.66† percentage points; against a quoted baseline; source L",
        "Third party−0.25 percentage points; one seed; source L, P",
        "−0.23 [−0.99, 0.53] percentage points, 3 seeds (0–2); expected < 0 (refuted if > 0.1); grids",
        "no GPU was available; 12.5 h on one RTX 2070 Super",
        "Half of the paper’s gain",
    ):
        assert part in text, part
    page = page_text(book, "book/claims")
    assert re.search(r'<form class="explorer-filters" hidden', page), "filters show before the script runs"
    assert "GPU weeks and a licensed data set" in rows["all-toy-imagenet"]["text"]


def test_rows_show_figures_scale_and_chance(rows: dict[str, dict]) -> None:
    """Whose each figure is, ranges, no figure with its reason, why nothing is decided, what chance would leave."""
    parts = {
        "gain": ("4 to 5†; points; source P", "Benjamini–Hochberg: < 0.001, stays;"),
        "faster": ("−1; source L", "Benjamini–Hochberg: 0.057, would not stay;"),
        "report": ("a third party’s figure", "Third party1 to 2; source L"),
        "own-holds": (
            "the book’s own check",
            "Authors’ code, run here98; source L",
            "experiment97; one seed; source L",
        ),
        "own-single": ("open 1 training of the network",),
        "own-equal": ("open all 3 seeds gave the same",),
        "unit": ("holds by construction: It is the same product",),
        "imagenet": ("no figure; The abstract gives words alone; source P",),
    }
    for name, wanted in parts.items():
        text = " ".join(rows[f"all-toy-{name}"]["text"].split())
        for part in wanted:
            assert part in text, (name, part, text)
    assert "Benjamini" not in rows["all-toy-order-euler"]["text"], "a single value has no p-value"


def test_filters_offer_what_is_there(book: Path) -> None:
    form = page_text(book, "book/claims").partition('<form class="explorer-filters"')[2].partition("</form>")[0]
    assert re.findall(
        r'<option value="([a-z]+)">', form.partition('name="group"')[2].partition("</select>")[0]
    ) == [
        "paper",
        "independent",
        "ours",
        "construction",
    ]
    boxes = re.findall(r'name="verdict" value="([a-z-]+)"', form)
    assert {"holds", "fails", "open", "reproduced"} <= set(boxes) and "not-run" not in boxes
    assert 'name="small" value="1"' in form


def test_texts_of_the_ledger_keep_their_markup(book: Path) -> None:
    page = page_text(book, "book/claims")
    row = page[page.index('id="all-toy-order-euler"') : page.index('id="all-toy-gap"')]
    assert r"\(u + h f(u)\)" in row and "_static/mathjax/tex-svg-full.js" in page
    assert 'href="toy/claims.html#claim-toy-gap"' in row, "a role in a reason leads nowhere"


def test_links_lead_to_check_run_and_stable_address(book: Path) -> None:
    page = page_text(book, "book/claims")
    for address in (
        "toy/orders.html#check-toy-gap",
        "#run-toy-orders-book",
        "toy/claims.html#claim-toy-gap",
        "#source-toy-L",
        "https://example.org/report",
    ):
        assert f'href="{address}"' in page, address
    assert page_text(book, "book/toy/orders").count('id="check-toy-gap"') == 1
    assert "claim-" not in "".join(re.findall(r' id="([^"]+)"', page)), "ids of the chapters' tables"
    runs = page[page.index('<table class="explorer-runs"') :]
    for part in (
        "make reproduce PROFILE=book CHAPTER=toy PAGE=orders",
        "21 November 2026, 3.1 min",
        "not run: no GPU was available; 12.5 h on one RTX 2070 Super",
    ):
        assert part in runs, part
    assert len(re.findall(r'href="\.\./_downloads/[^"]+/orders\.(?:json|ipynb)"', runs)) == 4


def test_built_pages_are_clean_and_carry_the_data(book: Path) -> None:
    assert site_faults(book) == []
    site = checks.Site(book / "_build/html")
    page = site.pages["book/claims.html"]
    assert {f"../{name}" for name in FILES} <= set(page.links)
    assert all((site.folder / name).is_file() for name in FILES)


def test_only_that_page_loads_the_script(book: Path) -> None:
    site = checks.Site(book / "_build/html")
    loading = [name for name, page in site.pages.items() if any("explorer.js" in load for load in page.loads)]
    assert loading == ["book/claims.html"]
    assert not any("mystnb" in load for load in site.pages["book/claims.html"].loads)


def test_fields_are_explained_from_the_schema(book: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", page_text(book, "book/claims"))
    for name in ("generated.newest_run", "duration_s", "sources[].key", "support_high_open", "headline_profile"):
        assert f" {name} " in " ".join(text.split()), name


def test_wrong_arguments_are_said(tmp_path: Path) -> None:
    root = write_book(tmp_path)
    edit(
        root / "book/toy/concept.md",
        "```{departures}",
        "```{claims-explorer} rnus\n```\n\n```{claims-fields} claims.xml\n```\n\n```{departures}",
    )
    done = build(root)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert "{claims-explorer}: expected one of claims, runs, sources, files, found 'rnus'" in said
    assert "{claims-fields}: expected claims.json or claims.csv, found 'claims.xml'" in said
