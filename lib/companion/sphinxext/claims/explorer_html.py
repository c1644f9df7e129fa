"""The HTML of the claims explorer, as lean text: rows of all claims, the runs behind them, the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from companion.root import PROFILES
from companion.sphinxext import wording
from companion.sphinxext.claims.badge import DAGGER_LEGEND
from companion.sphinxext.claims.table import (
    CLOCK_TITLE,
    CLOCK_WORDS,
    INTERVALS,
    WHOSE,
    figure_words,
    seed_words,
)

__all__ = ["Sheet", "attributes", "filters", "row_id", "run_id"]

KINDS = ("order", "identity", "bound", "count", "measure", "training")
HEADS = ("Claim", "Chapter", "Verdict", "Ours", "Paper")
DAGGER = "<i>†</i>"
CLOCK = f', <abbr title="{CLOCK_TITLE}">{CLOCK_WORDS}</abbr>'


def row_id(claim: str) -> str:
    """Return the id of a claim's row in the explorer; ``claim-…`` belongs to the chapter's own table."""
    return "all-" + claim.replace(".", "-")


def run_id(page: str, profile: str) -> str:
    """Return the id of the line about the runs of ``schemes/orders`` at a profile."""
    return f"run-{page.replace('/', '-')}-{profile}"


def attributes(claim: Mapping[str, Any]) -> dict[str, str]:
    """Return what the filters read of a claim; its verdicts they read in the row itself."""
    return {"id": row_id(claim["id"]), "data-chapter": claim["chapter"], "data-kind": claim["kind"]}


def badge(verdict: str) -> str:
    """Return the verdict; style sheets put its sign before the word."""
    return f'<b class="{wording.slug(verdict)}">{verdict}</b>'


def link(address: str, text: str) -> str:
    """Return a link; its text is HTML."""
    return f'<a href="{escape(address)}">{text}</a>'


@dataclass(frozen=True)
class Sheet:
    """What turns the exported claims into HTML.

    ``inline`` gives the HTML of a text of the ledger, ``href`` the address, from this page, of a document with
    its fragment, and ``name`` a chapter's short name; ``docs`` tells whether the book has a document.
    """

    data: Mapping[str, Any]
    inline: Callable[[str], str]
    href: Callable[[str], str]
    name: Callable[[str], str]
    docs: Callable[[str], bool]

    def claims(self) -> str:
        """Return the table of all claims."""
        heads = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
        rows = "".join(self.claim(claim) for chapter in self.data["chapters"] for claim in chapter["claims"])
        return (
            '<table class="explorer"><caption>All claims: headline verdict, our figure at that profile, the '
            f"paper’s figure. A line opens to the evidence.</caption><thead><tr>{heads}</tr></thead>\n{rows}"
            f'</table><p class="companion-legend">† {DAGGER_LEGEND}. {INTERVALS}</p>'
        )

    def claim(self, claim: Mapping[str, Any]) -> str:
        """Return the two rows of a claim: the line, and what it opens to."""
        given = " ".join(f'{name}="{escape(value)}"' for name, value in attributes(claim).items())
        outcome = claim["profiles"].get(claim["profile"])
        ours = self.figure(outcome) if outcome else "–"
        theirs = self.reported(claim["paper"]) if claim["paper"] else "–"
        unit = f" <small>{escape(claim['unit'])}</small>" if claim["unit"] else ""
        return (
            f'<tbody {given}><tr><th scope="row"><details><summary><code>{claim["id"]}</code> '
            f"{self.inline(claim['statement'])}</summary></details></th>"
            f"<td>{self.chapter(claim['chapter'])} <small>{claim['kind']}{CLOCK * claim['clock']}</small></td>"
            f"<td>{badge(claim['verdict'])}</td><td><span>{ours}</span>{unit}</td><td>{theirs}</td></tr>\n"
            f'<tr><td colspan="{len(HEADS)}"><dl>{"".join(self.lines(claim))}</dl></td></tr></tbody>\n'
        )

    def lines(self, claim: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines that a claim opens to."""
        unit = f" {escape(claim['unit'])}" if claim["unit"] else ""
        yield f"<dt>Where</dt><dd>{self.inline(claim['where'])} · {WHOSE[claim['origin']]}</dd>"
        for name in ("paper", "independent"):
            if (figure := claim[name]) is not None:
                bare = figure["value"] is None
                shown = self.reported(figure, dagger=name == "paper") + ("" if bare else unit)
                note = "" if bare or not figure["text"] else f"; {self.inline(figure['text'])}"
                yield (f"<dt>{name.capitalize()}</dt><dd>{shown}{note}; source {self.sources(claim, figure)}</dd>")
        reasons = {outcome["reason"] for outcome in claim["profiles"].values() if outcome["reason"]}
        for profile in claim["profiles"]:
            shown = self.ours(claim, profile, unit, own_reason=len(reasons) > 1)
            yield f'<dt>Ours, {profile}</dt><dd data-p="{profile}">{shown}</dd>'
        if len(reasons) == 1:
            yield f"<dt>Tolerance</dt><dd>{self.inline(reasons.pop())}</dd>"
        yield f"<dt>Cite</dt><dd>{link(self.href(claim['address']), 'row in its chapter')}</dd>"

    def ours(self, claim: Mapping[str, Any], profile: str, unit: str, *, own_reason: bool) -> str:
        """Return what one profile expects and what was found there."""
        outcome = claim["profiles"][profile]
        parts = []
        if outcome["value"] is not None:
            seeds = f", {seed_words(outcome)}" if seed_words(outcome) else ""
            parts.append(f"<span>{self.figure(outcome)}</span>{unit}{seeds}")
        if outcome["expected"]:
            why = f" ({self.inline(outcome['reason'])})" if own_reason and outcome["reason"] else ""
            parts.append(f"expected {escape(wording.typeset(outcome['expected']))}{why}")
        parts += [self.inline(outcome[key]) for key in ("why", "cost") if outcome[key]]
        parts += [f'<span class="companion-warn">stale: {escape(why)}</span>' for why in outcome["stale"] or ()]
        if carried := outcome["carried"]:
            parts.append(
                f"run of {wording.date(outcome['started'])} at {carried['from'][:9]}, carried on "
                f"{wording.date(carried['date'])} to {carried['to'][:9]}"
            )
        return f"{badge(outcome['verdict'])} {'; '.join([*parts, *self.evidence(claim, profile, outcome)])}"

    def evidence(self, claim: Mapping[str, Any], profile: str, outcome: Mapping[str, Any]) -> Iterator[str]:
        """Yield the links to the check on its page (or the page, where it shows none) and to the run."""
        page = f"{claim['chapter']}/{claim['page']}"
        if claim["page"] is None or not self.docs(f"book/{page}"):
            return
        if outcome["cell"]:
            yield link(self.href(outcome["cell"]), "cell")
        elif not any(other["cell"] for other in claim["profiles"].values()):
            yield link(self.href(f"book/{page}.html"), "page")
        if outcome["command"]:
            yield link(f"#{run_id(page, profile)}", "run")

    def figure(self, outcome: Mapping[str, Any]) -> str:
        """Return our figure with its interval, or a dash."""
        return "–" if outcome["value"] is None else escape(figure_words(outcome))

    def reported(self, figure: Mapping[str, Any], dagger: bool = True) -> str:
        """Return somebody else's figure, with a dagger where it is unverified."""
        bare = figure["value"] is None
        shown = self.inline(figure["text"] or "–") if bare else escape(wording.number(figure["value"]))
        return shown + (DAGGER if dagger and not figure["verified"] else "")

    def sources(self, claim: Mapping[str, Any], figure: Mapping[str, Any]) -> str:
        """Return the keys of a figure's sources, linked to the list below the table."""
        return ", ".join(
            link(f"#source-{claim['chapter']}-{source['key']}", escape(source["key"]))
            for source in figure["sources"]
        )

    def chapter(self, chapter: str) -> str:
        """Return the chapter's short name."""
        return escape(self.name(chapter))

    def source_lists(self) -> str:
        """Return all sources that claims cite, by chapter."""
        text = ""
        for chapter in self.data["chapters"]:
            found = {
                source["key"]: source
                for claim in chapter["claims"]
                for name in ("paper", "independent")
                if claim[name]
                for source in claim[name]["sources"]
            }
            items = "".join(
                f'<dt id="source-{chapter["chapter"]}-{escape(key)}">{escape(key)}</dt><dd>'
                f"{self.source(source)}</dd>"
                for key, source in found.items()
            )
            if items:
                text += f"<h3>{self.chapter(chapter['chapter'])}</h3><dl>{items}</dl>"
        return f'<div class="explorer-sources">{text}</div>'

    def source(self, source: Mapping[str, Any]) -> str:
        """Return a source's text, linked where it has an address."""
        if source["url"]:
            return f'<a class="reference external" href="{escape(source["url"])}">{escape(source["text"])}</a>'
        return self.inline(source["text"])


def filters(data: Mapping[str, Any], chapter: Callable[[str], str]) -> str:
    """Return the form of the filters; a script shows it."""
    claims = [claim for part in data["chapters"] for claim in part["claims"]]
    present = {claim["verdict"] for claim in claims}
    present |= {outcome["verdict"] for claim in claims for outcome in claim["profiles"].values()}
    boxes = "".join(
        f'<label><input type="checkbox" name="verdict" value="{wording.slug(verdict)}">{badge(verdict)}'
        f"<output></output></label>"
        for verdict in wording.SYMBOLS
        if verdict in present
    )

    def choice(name: str, label: str, every: str, options: Mapping[str, str]) -> str:
        lines = "".join(f'<option value="{value}">{text}</option>' for value, text in options.items())
        return f'<label>{label} <select name="{name}"><option value="">{every}</option>{lines}</select></label>'

    kinds = {claim["kind"] for claim in claims}
    titles = {part["chapter"]: chapter(part["chapter"]) for part in data["chapters"]}
    return (
        '<form class="explorer-filters" hidden autocomplete="off" aria-label="Filters"><div>'
        '<label class="text">Words '
        '<input type="search" name="q" placeholder="in statement, figures, reasons …"></label>'
        + choice("chapter", "Chapter", "all", titles)
        + choice("profile", "Profile", "most demanding run", {name: name for name in PROFILES})
        + choice("kind", "Kind", "all", {kind: kind for kind in KINDS if kind in kinds})
        + f"</div><fieldset><legend>Verdict</legend>{boxes}</fieldset>"
        f'<p><span role="status">{len(claims)} of {len(claims)} claims</span> <button type="reset">Reset</button> '
        '<button type="button" name="open">Open all shown</button> '
        '<button type="button" name="close">Close all</button></p></form>'
    )
