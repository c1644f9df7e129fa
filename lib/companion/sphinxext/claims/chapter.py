"""The common base of directives that show something of a chapter's ledger."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives

from companion.book.ledger import Ledger
from companion.root import chapter_label, page_name
from companion.sphinxext.build import depends_on_ledger, store_of
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import outside

__all__ = ["ChapterDirective"]


class ChapterDirective(CompanionDirective):
    """A directive about one chapter: the page's own folder, or the option ``chapter``."""

    option_spec: ClassVar[dict[str, Any]] = {"chapter": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the directive's nodes, or a warning where the chapter has no usable ledger."""
        chapter = self.options.get("chapter") or page_name(self.env.docname).partition("/")[0]
        ledger = store_of(self.env.app).ledgers.get(chapter)
        if ledger is None:
            self.warn(f"there is no valid ledger {chapter_label(store_of(self.env.app).root, chapter)}/claims.yml")
            return []
        depends_on_ledger(self.env, chapter)
        return self.content_nodes(ledger)

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return what the directive shows."""
        raise NotImplementedError  # abstract: each kind has its own

    def inline(self, text: str) -> list[nodes.Node]:
        """Return text of the ledger as nodes; it is parsed only where it holds mathematics, code or roles."""
        if not any(sign in text for sign in "$`"):
            return [nodes.Text(text)]
        found, messages = self.parse_inline(text, lineno=self.lineno)
        return [*found, *messages]

    def source_list(self, ledger: Ledger, cited: Collection[str]) -> Element:
        """Return the cited sources with their keys, one line each."""
        lines = []
        for key, source in ledger.sources.items():
            if key in cited:
                text: Any = outside(source.url, source.text) if source.url else self.inline(source.text)
                lines.append(el("p", {}, f"{key}: ", text))
        return el("div", {"class": "companion-sources"}, lines)
