"""The directive ``cite-chapter``: BibTeX of a chapter's paper and of the chapter itself."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from companion.book.ledger import Ledger
from companion.documents import read_document
from companion.root import chapter_label
from companion.sphinxext.build import store_of
from companion.sphinxext.claims.chapter import ChapterDirective
from companion.text import read_text

__all__ = ["chapter_entry", "entry_text", "setup"]


def entry_text(bibliography: str, key: str) -> str | None:
    """Return the entry ``key`` of a BibTeX file as it is written there, or ``None``."""
    start = re.search(rf"@\w+\{{\s*{re.escape(key)}\s*,", bibliography)
    if start is None:
        return None
    depth = 0
    for place in range(start.start(), len(bibliography)):
        depth += {"{": 1, "}": -1}.get(bibliography[place], 0)
        if depth == 0 and bibliography[place] == "}":
            return bibliography[start.start() : place + 1]
    return None


def chapter_entry(ledger: Ledger, *, authors: str, year: str, version: str, site: str, book: str) -> str:
    """Return a BibTeX entry for the reproduction of the ledger's paper, or of a theme's papers."""
    titles = [f"``{paper.title}''" for paper in ledger.papers.values()]
    fields = {
        "author": "{" + authors + "}",
        "title": "{" + f"Reproduction of {', '.join(titles)}" + "}",
        "howpublished": f"A chapter of: {book}",
        "year": year,
        "note": f"version {version}",
        "url": f"{site}/{chapter_label(ledger.root, ledger.chapter)}/index.html",
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{contdepth-{ledger.chapter},", *lines, "}"])


class CiteChapter(ChapterDirective):
    """``{cite-chapter}``, with ``:chapter:`` where it is not the page's own folder."""

    def content_nodes(self, ledger: Ledger) -> list[nodes.Node]:
        """Return one block to copy."""
        config, root = self.config, store_of(self.env.app).root
        path = Path(root, "book", "references.bib")
        self.env.note_dependency(str(path))
        bibliography, papers = read_text(path) if path.is_file() else "", []
        for paper in ledger.papers.values():
            entry = entry_text(bibliography, paper.key)
            if entry is None:
                self.warn(f"book/references.bib has no entry {paper.key}, a paper of {ledger.chapter}")
                return []
            papers.append(entry)
        cff = root / "CITATION.cff"
        self.env.note_dependency(str(cff))
        if not cff.is_file():
            self.warn("expected CITATION.cff, which holds the version, in the book's root, found nothing")
            return []
        version = read_document(cff, cff.name).data["version"]
        ours = chapter_entry(
            ledger,
            authors=config.author,
            year=config.copyright[:4],
            version=version,
            site=config.html_baseurl.rstrip("/"),
            book=config.html_title or config.project,
        )
        return [nodes.literal_block("", "\n".join([*papers, ours]), language="bibtex")]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("cite-chapter", CiteChapter)
