"""The directive ``claims-explorer``: all claims of the book on one page, with the runs and sources behind them.

Only texts with mathematics or code, and stored files, pass through nodes of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx

from companion.sphinxext.build import depends_on_ledger, depends_on_records, store_of
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.sphinxext.claims.rendered import Listing, file_key
from companion.sphinxext.element import el
from companion.sphinxext.links import stored_file

__all__ = ["setup"]

PARTS = ("claims", "runs", "sources", "files")
KINDS, CARRY = {"json": "record", "ipynb": "notebook"}, {"carry.json": "carry"}
UNUSED = ("sphinx-design", "design-tabs", "mystnb", "togglebutton", "copybutton", "clipboard", "proof.css")
"""Assets for cells, cards and proofs: the page has none, and is the heaviest of the book without them."""
POINTER = "The HTML edition shows all claims of the book here; the claims pages of the chapters hold the same."


def texts(data: Any) -> Iterator[str]:
    """Yield the texts of the data that hold mathematics, code or roles."""
    if isinstance(data, str) and any(sign in data for sign in "$`"):
        yield data
    elif isinstance(data, (list, dict)):
        for item in data.values() if isinstance(data, dict) else data:
            yield from texts(item)


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
            for text in texts(store.exported["chapters"]):
                if text not in parts:
                    parts[text] = el("span", {}, self.inline(text))
        elif part == "runs":
            for page, found in store.records.items():
                for profile, (_, state) in found.items():
                    for kind, word in (KINDS | CARRY if state.sidecar else KINDS).items():
                        file = stored_file(self.env, page, profile, kind, word)
                        parts[file_key(page, profile, kind)] = el("span", {}, file)
        pointer = POINTER if part == "claims" else ""
        return [Listing("", *parts.values(), part=part, keys=list(parts), claims=[], pointer=pointer)]


def has_claims(doctree: nodes.document | None) -> bool:
    """Tell whether a page shows the table of all claims."""
    return doctree is not None and any(node["part"] == "claims" for node in doctree.findall(Listing))


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
    """Register the directive and the page hooks."""
    app.add_directive("claims-explorer", ClaimsExplorer)
    app.connect("html-page-context", add_script)
    app.connect("html-page-context", drop_unused, priority=950)
