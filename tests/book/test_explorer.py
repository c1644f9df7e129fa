"""The claims explorer in a browser, against ``claims.json``: filters, counts, the address, and rows that open."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from companion.root import PROFILES
from companion.site.checks import Site
from companion.sphinxext import wording
from companion.sphinxext.claims.rendered import figure_words, row_id

Claim = dict[str, Any]
CHAPTER = "durr"
HEIGHT = 900
ROWS = """() => [...document.querySelectorAll("table.explorer > tbody")].filter(row => row.checkVisibility())
    .map(row => [row.id, row.rows[0].cells[2].firstElementChild, row.rows[0].cells[3]])
    .map(([id, ...said]) => [id, ...said.map(one => one.innerText.trim().replace(/\\s+/g, " "))])"""
BESIDE = """() => Object.fromEntries([...document.querySelectorAll("table.explorer > tbody")]
    .map(row => [row.id, row.rows[0].cells[2].querySelector("small")?.textContent || ""]))"""


@pytest.fixture(scope="module")
def claims(book: Site) -> list[Claim]:
    """All claims, as the book exports them."""
    data = json.loads((book.folder / "claims.json").read_text(encoding="utf-8"))
    return [claim for chapter in data["chapters"] for claim in chapter["claims"]]


class Explorer:
    """The page, its form, and what can be seen of its table."""

    def __init__(self, window: Any, path: Path) -> None:
        self.window = window
        self.uri = path.as_uri()

    def open(self, rest: str = "") -> None:
        """Open the page anew, with a query or a fragment."""
        self.window.goto("about:blank")
        self.window.goto(self.uri + rest, wait_until="load")

    def tick(self, *verdicts: str) -> None:
        """Choose verdicts."""
        for verdict in verdicts:
            self.window.locator(f'[name=verdict][value="{wording.slug(verdict)}"]').check()

    def choose(self, name: str, value: str) -> None:
        """Choose a chapter, a profile or a kind."""
        self.window.locator(f"select[name={name}]").select_option(value)

    @property
    def rows(self) -> dict[str, tuple[str, str]]:
        """Verdict and own figure of each row that can be seen."""
        return {row: (verdict, ours) for row, verdict, ours in self.window.evaluate(ROWS)}

    @property
    def status(self) -> str:
        """What the page says of the number of rows."""
        return self.window.locator(".explorer-filters [role=status]").inner_text()

    @property
    def tallies(self) -> dict[str, int]:
        """The numbers beside the verdicts."""
        pairs = self.window.locator("[name=verdict]").evaluate_all(
            "all => all.map(box => [box.value, +box.parentNode.querySelector('output').textContent])"
        )
        return {verdict: number for verdict, number in pairs if number}

    def address(self, **wanted: str) -> None:
        """Wait until the address holds these filters and no other: it follows a moment after the last change."""
        expected = {name: [value] for name, value in wanted.items()}
        for _ in range(50):
            if (found := parse_qs(urlsplit(self.window.url).query)) == expected:
                break
            self.window.wait_for_timeout(100)
        assert found == expected

    def reset(self) -> None:
        """Take all filters back, and wait until the table is drawn again: a busy machine takes a moment."""
        self.window.get_by_role("button", name="Reset").click()
        self.window.locator("table.explorer").wait_for(state="visible")
        self.address()

    def shows(self, found: list[Claim], every: list[Claim]) -> None:
        """Check that exactly these rows can be seen, and that their number is said."""
        assert list(self.rows) == [row_id(claim["id"]) for claim in found]
        assert self.status == f"{len(found)} of {len(every)} claims"


@pytest.fixture
def explorer(browser: Any, book: Site) -> Iterator[Explorer]:
    """The page, opened from the file system, without its mathematics for speed; no script may fail."""
    context = browser.new_context(viewport={"width": 1300, "height": HEIGHT}, reduced_motion="reduce")
    window, faults = context.new_page(), []
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.route("**/mathjax/**", lambda asked: asked.abort())
    found = Explorer(window, book.folder / "book/claims.html")
    found.open()
    yield found
    context.close()
    assert faults == []


def tallies(found: list[Claim]) -> dict[str, int]:
    """How many claims have each headline verdict."""
    return dict(Counter(wording.slug(claim["verdict"]) for claim in found))


def test_all_claims_are_shown_at_first(explorer: Explorer, claims: list[Claim]) -> None:
    explorer.shows(claims, claims)
    assert explorer.tallies == tallies(claims)
    assert {row[0] for row in explorer.rows.values()} == {claim["verdict"] for claim in claims}
    explorer.address()


def test_chapter_and_verdict_narrow_and_the_address_follows(explorer: Explorer, claims: list[Claim]) -> None:
    chapter = [claim for claim in claims if claim["chapter"] == CHAPTER]
    both = [claim for claim in chapter if claim["verdict"] in ("undecided", "not attempted")]
    assert 0 < len(both) < len(chapter) < len(claims), f"the chapter {CHAPTER} no longer serves as an example"
    explorer.choose("chapter", CHAPTER)
    explorer.shows(chapter, claims)
    explorer.tick("undecided", "not attempted")
    explorer.shows(both, claims)
    assert explorer.tallies == tallies(chapter), "the numbers beside verdicts say what each of them would show"
    explorer.address(chapter=CHAPTER, verdict="undecided,not-attempted")

    explorer.open(f"?{urlsplit(explorer.window.url).query}")
    explorer.shows(both, claims)
    assert explorer.window.locator("[name=verdict]:checked").count() == 2
    assert explorer.window.locator("select[name=chapter]").input_value() == CHAPTER

    explorer.reset()
    explorer.shows(claims, claims)


def test_whose_narrows(explorer: Explorer, claims: list[Claim]) -> None:
    for group in ("paper", "ours", "construction"):
        explorer.choose("group", group)
        found = [claim for claim in claims if claim["group"] == group]
        assert found, f"the book has no claims of the group {group}"
        explorer.shows(found, claims)
        explorer.address(group=group)
        assert explorer.tallies == tallies(found)
        assert ("reproduced" in explorer.tallies) == (group == "paper"), "only what others claim is reproduced"


def small(claim: Claim, profile: str | None) -> bool:
    """Whether a claim was judged at less than a tenth of the paper's scale."""
    outcome = claim["profiles"].get(profile)
    return bool(outcome and outcome["record"] and outcome["scale"] and outcome["scale"]["share"] < 0.1)


def test_one_address_lists_what_was_judged_at_small_scale(explorer: Explorer, claims: list[Claim]) -> None:
    wanted = [claim for claim in claims if claim["group"] == "paper" and small(claim, claim["profile"])]
    assert wanted, "no claim of a paper was judged at a small scale"
    explorer.open("?group=paper&small=1")
    explorer.shows(wanted, claims)
    assert explorer.window.locator("[name=small]").is_checked()
    beside = explorer.window.evaluate(BESIDE)
    for claim in wanted:
        share = claim["profiles"][claim["profile"]]["scale"]["share"]
        assert f"at {wording.share(share)} of the paper’s scale" in beside[row_id(claim["id"])]
    explorer.choose("profile", "smoke")
    explorer.shows([claim for claim in claims if claim["group"] == "paper" and small(claim, "smoke")], claims)
    beside = explorer.window.evaluate(BESIDE)
    for claim in claims:
        if small(claim, "smoke"):
            share = wording.share(claim["profiles"]["smoke"]["scale"]["share"])
            assert f"at {share} of the paper’s scale" in beside[row_id(claim["id"])]
        elif "smoke" in claim["profiles"]:
            assert "scale" not in beside[row_id(claim["id"])]
    explorer.address(group="paper", profile="smoke", small="1")
    explorer.reset()
    explorer.shows(claims, claims)


def test_kind_narrows(explorer: Explorer, claims: list[Claim]) -> None:
    explorer.choose("kind", "order")
    explorer.shows([claim for claim in claims if claim["kind"] == "order"], claims)
    explorer.address(kind="order")


def test_an_address_with_unknown_values_shows_everything(explorer: Explorer, claims: list[Claim]) -> None:
    explorer.open("?chapter=no-such-chapter&verdict=no-such-verdict&other=1")
    explorer.shows(claims, claims)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_shows_its_own_verdicts_and_figures(
    explorer: Explorer, claims: list[Claim], profile: str
) -> None:
    headline = explorer.rows
    explorer.choose("profile", profile)
    checked = [claim for claim in claims if profile in claim["profiles"]]
    explorer.shows(checked, claims)
    rows = explorer.rows
    for claim in checked:
        outcome = claim["profiles"][profile]
        figure = "–" if outcome["value"] is None else figure_words(outcome)
        wanted = (outcome["verdict"], f"{figure} {claim['unit'] or ''}".strip())
        assert rows[row_id(claim["id"])] == wanted, claim["id"]
    if profile == PROFILES[0]:
        assert any(rows[row] != headline[row] for row in rows), "no claim differs between its profiles"

    verdict = checked[0]["profiles"][profile]["verdict"]
    explorer.tick(verdict)
    explorer.shows([claim for claim in checked if claim["profiles"][profile]["verdict"] == verdict], claims)
    explorer.address(profile=profile, verdict=wording.slug(verdict))
    explorer.reset()
    assert explorer.rows == headline


def test_words_are_all_looked_for(explorer: Explorer, claims: list[Claim]) -> None:
    claim = claims[0]
    field = explorer.window.locator(".explorer-filters [name=q]")
    field.fill(claim["id"].upper())
    named = [other for other in claims if claim["id"] in json.dumps(other)]
    assert set(explorer.rows) >= {row_id(claim["id"])}
    assert set(explorer.rows) <= {row_id(other["id"]) for other in named}
    field.fill(f"heun {claim['chapter']}")
    rows = explorer.rows
    assert 0 < len(rows) < len(claims) and explorer.status == f"{len(rows)} of {len(claims)} claims"
    text = explorer.window.locator(f"#{next(iter(rows))}").text_content().lower()
    assert "heun" in text and claim["chapter"] in text
    explorer.address(q=f"heun {claim['chapter']}")


def test_nothing_found_says_so(explorer: Explorer, claims: list[Claim]) -> None:
    explorer.window.locator(".explorer-filters [name=q]").fill("no claim says abracadabra")
    assert explorer.rows == {} and not explorer.window.locator("table.explorer").is_visible()
    assert "No claim fits" in explorer.status and str(len(claims)) in explorer.status
    explorer.reset()
    explorer.shows(claims, claims)


def checked_claim(claims: list[Claim]) -> tuple[Claim, list[str]]:
    """Return a claim far down the table whose runs are stored, and the commands that give them."""
    for claim in reversed(claims):
        commands = [outcome["command"] for outcome in claim["profiles"].values() if outcome["command"]]
        if claim["page"] and claim["profile"] and commands:
            return claim, commands
    raise AssertionError("no claim has a stored run")


@pytest.mark.parametrize("query", ["", "?verdict=quoted"], ids=["all", "hidden-by-filters"])
def test_an_address_opens_its_row_and_the_row_shows_the_run(
    explorer: Explorer, claims: list[Claim], query: str
) -> None:
    claim, commands = checked_claim(claims)
    explorer.window.unroute_all()
    explorer.open(f"{query}#{row_id(claim['id'])}")
    explorer.window.evaluate("MathJax.startup.promise.then(() => true)")
    row = explorer.window.locator(f"#{row_id(claim['id'])}")
    row.locator(".run").first.wait_for(state="visible")
    assert row.locator("details").get_attribute("open") is not None
    top = row.bounding_box()["y"]
    assert 0 <= top < HEIGHT, f"the row starts {top} px below the top of the window"
    shown = row.inner_text()
    assert [command for command in commands if command not in shown] == []
    assert explorer.window.locator("table.explorer details[open]").count() == 1
    explorer.address()
    explorer.shows(claims, claims)  # filters that hide the row named are reset


def test_all_rows_shown_open_and_close(explorer: Explorer, claims: list[Claim]) -> None:
    explorer.choose("chapter", CHAPTER)
    explorer.tick("undecided")
    opened = explorer.window.locator("table.explorer details[open]")
    explorer.window.get_by_role("button", name="Open all shown").click()
    assert (
        opened.count()
        == len(explorer.rows)
        == sum(claim["chapter"] == CHAPTER and claim["verdict"] == "undecided" for claim in claims)
    )
    explorer.window.locator("table.explorer .run").first.wait_for(state="visible")
    explorer.window.get_by_role("button", name="Close all").click()
    assert opened.count() == 0
    explorer.window.locator("table.explorer .run").first.wait_for(state="hidden")
