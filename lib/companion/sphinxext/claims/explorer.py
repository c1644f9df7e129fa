"""The directive ``claims-explorer``: all claims of the book on one page, with the runs and sources behind them.

The page is written from the same data as ``claims.json``, as one piece of HTML: ten thousand nodes would cost
every build seconds. Only texts with mathematics or code, and stored files, pass through nodes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from html import escape
from typing import Any, ClassVar

from docutils import nodes
from docutils.utils.smartquotes import smartyPants
from sphinx.application import Sphinx

from companion.freshness.state import State
from companion.report.export import FILES, command, document
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_ledger, depends_on_records, repository, store_of
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.explorer_html import Sheet, filters, link, run_id
from companion.sphinxext.element import el
from companion.sphinxext.links import stored_file
from companion.sphinxext.reading.uses import chapter_title

__all__ = ["claims_data", "setup"]

PARTS = ("claims", "runs", "sources", "files")
KINDS, CARRY = {"json": "record", "ipynb": "notebook"}, {"carry.json": "carry"}
FILE_WORDS = {
    "claims.json": "everything, nested by chapter and claim",
    "claims.csv": "the same as a table, one row for each claim and profile",
    "claims.schema.json": "JSON Schema of both",
}
UNUSED = ("sphinx-design", "design-tabs", "mystnb", "togglebutton", "copybutton", "clipboard", "proof.css")
"""Assets for cells, cards and proofs: the page has none, and is the heaviest of the book without them."""
POINTER = "The HTML edition shows all claims of the book here; the claims pages of the chapters hold the same."


def claims_data(app: Sphinx) -> dict[str, Any]:
    """Return the exported claims, made once a build."""
    store = store_of(app)
    if not hasattr(store, "exported"):
        store.exported = document(store.root, store.ledgers.values(), store.rows.values(), store.pages)
    return store.exported


def texts(data: Any) -> Iterator[str]:
    """Yield the texts of the data that hold mathematics, code or roles."""
    if isinstance(data, str) and any(sign in data for sign in "$`"):
        yield data
    elif isinstance(data, (list, dict)):
        for item in data.values() if isinstance(data, dict) else data:
            yield from texts(item)


class Explorer(nodes.General, nodes.Element):
    """One part of the explorer; its children become the HTML that ``keys`` names, in the same order."""


class ClaimsExplorer(ChapterDirective):
    """``{claims-explorer}``, or with an argument one of the lists below it: ``runs``, ``sources``, ``files``."""

    optional_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the part's node, with what must pass through Sphinx as its children."""
        part = self.arguments[0] if self.arguments else PARTS[0]
        if part not in PARTS:
            self.warn(f"expected one of {', '.join(PARTS)}, found {part!r}")
            return []
        store = store_of(self.env.app)
        for chapter in store.ledgers:
            depends_on_ledger(self.env, chapter)
        for page in store.pages:
            depends_on_records(self.env, page)
        parts: dict[str, nodes.Node] = {}
        if part in ("claims", "sources"):
            for text in texts(claims_data(self.env.app)["chapters"]):
                if text not in parts:
                    parts[text] = el("span", {}, self.inline(text))
        elif part == "runs":
            for page, found in store.records.items():
                for profile, (_, state) in found.items():
                    for kind, word in stored_kinds(state).items():
                        file = stored_file(self.env, page, profile, kind, word)
                        parts[f"{page}@{profile}.{kind}"] = el("span", {}, file)
        return [Explorer("", *parts.values(), part=part, keys=list(parts))]


def stored_kinds(state: State) -> dict[str, str]:
    """Return the files of a stored run: how their names end, and what they are called."""
    return KINDS | CARRY if state.sidecar else KINDS


def visit_html(self: Any, node: Explorer) -> None:
    """Write the children, then the part around them."""
    written = {}
    for key, child in zip(node["keys"], node.children, strict=True):
        whole, self.body = self.body, []
        for inner in child.children:
            inner.walkabout(self)
        written[key], self.body = "".join(self.body), whole
    self.body.append(part_html(self.builder, node["part"], written))
    raise nodes.SkipNode


def part_html(builder: Any, part: str, written: Mapping[str, str]) -> str:
    """Return the HTML of one part of the explorer."""
    app, env, here = builder.app, builder.env, builder.current_docname
    root = "../" * here.count("/")
    if part == "files":
        lines = [f'<li><a href="{root}{name}" download>{name}</a>: {FILE_WORDS[name]}</li>' for name in FILES]
        return f"<ul>{''.join(lines)}</ul>"

    @cache
    def uri(doc: str) -> str:
        return builder.get_relative_uri(here, doc)

    def href(address: str) -> str:
        doc, _, fragment = address.partition(".html")
        return uri(doc) + fragment

    def title(doc: str) -> str:
        return env.titles[doc].astext()

    if part == "runs":
        return runs_html(app, written, href, title)
    inline = partial(inline_html, written)
    sheet = Sheet(claims_data(app), inline, href, partial(chapter_title, app), env.found_docs.__contains__)
    if part == "sources":
        return sheet.source_lists()
    return f'{filters(sheet.data, sheet.chapter)}<div class="explorer-scroll">{sheet.claims()}</div>'


def inline_html(written: Mapping[str, str], text: str) -> str:
    """Return a text of the ledger as HTML."""
    return written.get(text) or smartyPants(escape(text, quote=False), "qDe", "en")


def runs_html(
    app: Sphinx, written: Mapping[str, str], href: Callable[[str], str], title: Callable[[str], str]
) -> str:
    """Return the table of runs: when, how long, where, and how to run the page again."""
    store, (repo, _), lines = store_of(app), repository(app), []
    for page in store.pages.values():
        if f"book/{page.id}" not in app.env.found_docs:
            continue
        name = link(href(f"book/{page.id}.html"), escape(title(f"book/{page.id}")))
        for profile, setting in page.settings.items():
            record = store.record(page.id, profile)
            if record is None:
                why = "; ".join(filter(None, (setting.not_attempted, setting.cost))) or "no run is stored"
                shown = f"not run: {inline_html(written, why)}"
            else:
                held, dirty = record.code_at
                commit = f'<a href="{repo}/commit/{escape(held)}">{escape(held[:9])}</a>'
                state = store.state(page.id, profile)
                files = [written[f"{page.id}@{profile}.{kind}"] for kind in stored_kinds(state)]
                shown = (
                    f"{wording.date(record.started)}, {wording.duration(record.duration_s)}, "
                    f"{escape(record.device)}; commit {commit}{' with local changes' * dirty}; "
                    f"{carried_html(repo, state)}{', '.join(files)}"
                )
            lines.append(
                f'<tr id="{run_id(page.id, profile)}"><th scope="row">{name}, {profile}</th>'
                f"<td>{shown}</td><td><code>{command(page, profile)}</code></td></tr>\n"
            )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Page, profile", "Run", "Again"))
    return (
        f'<table class="explorer-runs"><caption>One line for each page and profile.</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def carried_html(repo: str, state: State) -> str:
    """Return when and to which commit a run was carried; nothing where it was not."""
    if state.sidecar is None:
        return ""
    commit = escape(state.sidecar.after["commit"])
    more = " with local changes" * state.sidecar.after["dirty"]
    return (
        f'carried on {wording.date(state.sidecar.date)} to <a href="{repo}/commit/{commit}">{commit[:9]}</a>'
        f"{more}; "
    )


def visit_latex(self: Any, node: Explorer) -> None:
    """Point to the chapters' own tables."""
    if node["part"] == "claims":
        self.body.append(f"\n\n{POINTER}\n\n")
    raise nodes.SkipNode


def visit_text(self: Any, node: Explorer) -> None:
    """Point to the chapters' own tables."""
    if node["part"] == "claims":
        self.new_state(0)
        self.add_text(POINTER)
        self.end_state()
    raise nodes.SkipNode


def has_claims(doctree: nodes.document | None) -> bool:
    """Tell whether a page shows the table of all claims."""
    return doctree is not None and any(node["part"] == "claims" for node in doctree.findall(Explorer))


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the script of the filters on the page that has them."""
    if has_claims(doctree):
        app.add_js_file("explorer.js", loading_method="defer")


def drop_unused(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave out of that page what only other pages use."""
    if has_claims(doctree):
        for kind in ("script_files", "css_files"):
            context[kind] = [
                asset
                for asset in context.get(kind, ())
                if not str(getattr(asset, "filename", "") or "").rpartition("/")[2].startswith(UNUSED)
            ]


def setup(app: Sphinx) -> None:
    """Register the directive, its node and the page hooks."""
    app.add_node(Explorer, html=(visit_html, None), latex=(visit_latex, None), text=(visit_text, None))
    app.add_directive("claims-explorer", ClaimsExplorer)
    app.connect("html-page-context", add_script)
    app.connect("html-page-context", drop_unused, priority=950)
