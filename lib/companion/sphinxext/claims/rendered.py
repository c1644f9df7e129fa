"""Claims as HTML: the node that stands for a table on a page, and the template that writes it.

A table is written from the same data as ``claims.json``, as one piece of HTML: ten thousand nodes would cost
every build seconds. Only texts of the ledger and stored files pass through nodes of their own, as its children.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.smartquotes import smartyPants
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sphinx.application import Sphinx

from companion.book.ledger import FIGURES, GROUPS
from companion.freshness.state import CLOCK
from companion.report.export import FILES, command
from companion.report.scales import SMALL
from companion.root import PROFILES, docname_of
from companion.site.pages import parsed
from companion.sphinxext import wording
from companion.sphinxext.build import repository, store_of
from companion.sphinxext.claims.badge import ALL_UNVERIFIED, DAGGER_LEGEND
from companion.sphinxext.claims.domain import anchor
from companion.sphinxext.reading.uses import chapter_title

__all__ = ["INTERVALS", "Listing", "figure_words", "file_key", "row_id", "run_id", "seed_words", "setup"]

INTERVALS = "Intervals: 95 %, Student-t over seeds; of a proportion exact."


class Listing(nodes.General, nodes.Element):
    """A place for what the template's macro ``part`` writes; its children become the HTML that ``keys`` names.

    The part ``table`` shows the ``claims`` of these ids. ``pointer`` is what formats other than HTML say in its
    place; where it is ``None`` they show its words.
    """


def figure_words(check: Mapping[str, Any]) -> str:
    """Return what a check found, with its interval."""
    return wording.interval(check["value"], check.get("interval"))


def seed_words(check: Mapping[str, Any]) -> str:
    """Return ``3 seeds (0–2)``; empty for a check without seeds."""
    count = len(check.get("seeds") or ())
    return f"{count} seed{'s' * (count > 1)} ({wording.seeds(check['seeds'])})" if count else ""


def chance_words(adjusted: float) -> str:
    """Return an adjusted p-value, two digits at most: ``0.003``, ``< 0.001``."""
    return "< 0.001" if adjusted < 0.001 else wording.number(float(f"{adjusted:.2g}"))


def amount(number: float) -> str:
    """Return a part of a scale: whole where it is whole."""
    return wording.number(int(number) if number.is_integer() else number)


def row_id(claim: str) -> str:
    """Return the id of a claim's row among all claims; ``claim-…`` belongs to the chapter's own table."""
    return "all-" + claim.replace(".", "-")


def run_id(page: str, profile: str) -> str:
    """Return the id of the line about the runs of ``schemes/orders`` at a profile."""
    return f"run-{page.replace('/', '-')}-{profile}"


def file_key(page: str, profile: str, kind: str) -> str:
    """Return the name of the child that links to a stored file of ``schemes/orders``."""
    return f"{page}@{profile}.{kind}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return what reads the template: everything that is not marked as HTML is escaped."""
    loader = PackageLoader("companion.sphinxext.claims")
    found = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    found.globals.update(CLOCK=CLOCK, FILES=FILES, INTERVALS=INTERVALS)
    found.globals.update(ALL_UNVERIFIED=ALL_UNVERIFIED, DAGGER_LEGEND=DAGGER_LEGEND)
    found.globals.update(FIGURES=FIGURES, GROUPS=GROUPS, SMALL=SMALL)
    found.globals.update(PROFILES=PROFILES, SYMBOLS=wording.SYMBOLS, zip=partial(zip, strict=True))
    made = (anchor, command, row_id, run_id, wording.date, wording.duration, wording.number, wording.slug)
    found.filters.update({function.__name__: function for function in made})
    found.filters.update(share=wording.share, span=wording.span, chance=chance_words, amount=amount)
    found.filters.update(figure=figure_words, seeds=seed_words, typeset=wording.typeset)
    return found


def html(builder: Any, node: Listing, written: Mapping[str, str]) -> str:
    """Return the HTML of a listing; ``written`` holds texts of the ledger and links that are HTML already."""
    app, here, store = builder.app, getattr(builder, "current_docname", ""), store_of(builder.app)
    chapters = store.exported["chapters"]
    known = {claim["id"]: claim for chapter in chapters for claim in chapter["claims"]}

    def href(address: str) -> str:
        document, _, fragment = address.partition(".html")
        return builder.get_relative_uri(here, document) + fragment if builder.format == "html" else address

    def inline(text: str | None) -> Markup:
        if not text:
            return Markup()
        return Markup(written.get(text) or smartyPants(escape(text, quote=False), "qDe", "en"))

    page = {
        "chapters": chapters,
        "document": lambda name: docname_of(store.root, name),
        "file": lambda *key: Markup(written[file_key(*key)]),
        "has": app.env.found_docs.__contains__,
        "href": href,
        "inline": inline,
        "listed": [known.get(claim, {"id": claim, "verdict": None}) for claim in node["claims"]],
        "name": lambda chapter: chapter_title(app, chapter),
        "repository": repository(app)[0],
        "root": "../" * here.count("/"),
        "store": store,
        "title": lambda document: app.env.titles[document].astext(),
    }
    return str(getattr(environment().get_template("claims.html.jinja").make_module(page), node["part"])())


def visit_html(self: Any, node: Listing) -> None:
    """Write the children, then the part around them."""
    written = {}
    for key, child in zip(node["keys"], node.children, strict=True):
        whole, self.body = self.body, []
        for inner in child.children:
            inner.walkabout(self)
        written[key], self.body = "".join(self.body), whole
    self.body.append(html(self.builder, node, written))
    raise nodes.SkipNode


def text_of(self: Any, node: Listing) -> str:
    """Return what other formats show: the pointer, or the words, one line for each row."""
    if node["pointer"] is not None:
        return node["pointer"]
    written = {key: escape(child.astext()) for key, child in zip(node["keys"], node.children, strict=True)}
    rows = parsed(html(self.builder, node, written)).select("caption, tr")
    return "\n\n".join(" ".join(row.get_text(" ").split()) for row in rows)


def visit_latex(self: Any, node: Listing) -> None:
    """Write the words as paragraphs."""
    self.body.append(f"\n\n{self.encode(text_of(self, node))}\n\n")
    raise nodes.SkipNode


def visit_text(self: Any, node: Listing) -> None:
    """Write the words as paragraphs."""
    for paragraph in filter(None, text_of(self, node).split("\n\n")):
        self.new_state(0)
        self.add_text(paragraph)
        self.end_state()
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the node."""
    app.add_node(Listing, html=(visit_html, None), latex=(visit_latex, None), text=(visit_text, None))
