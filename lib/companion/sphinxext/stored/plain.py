"""MyST text as plain Markdown: what a notebook shows outside the book, with numbers and links filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pybtex.database import BibliographyData, parse_file

from companion.book.typed_numbers import survey
from companion.root import docname_of
from companion.sphinxext.claims.roles import Problem, Target, noted_number, our_figure, papers_figure, row_of
from companion.sphinxext.claims.years import authors, lettered
from companion.sphinxext.store import Store
from companion.sphinxext.stored.labels import NAME, Place, labelled
from companion.sphinxext.wording import number

__all__ = ["Plain"]

ROLE = re.compile(r"\{(?P<role>[a-z]+(?:[:-][a-z]+)*)\}`(?P<text>[^`]+)`")
EXPLICIT = re.compile(r"(?P<text>.*?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
FENCE = re.compile(r"(?P<fence>`{3,}|:{3,})\{(?P<name>[a-z]+(?:[:-][a-z]+)*)\}\s*(?P<title>.*)")
OPTION = re.compile(r":[a-z-]+:(\s.*)?")
LABEL = re.compile(rf"\({NAME}\)=")
NUMBERED = re.compile(rf"(.*\$\$)\s*\({NAME}\)\s*")
LABELLED = {"eq": "the equation", "numref": "the figure", "prf:ref": "the statement", "ref": ""}
OPENING = re.compile(r"(?:\A|[.!?]\s+|\n>?[ ]*\n(?:> )?|\n(?:> )?[-*] )\Z")
APPOSITION = re.compile(
    r"(?:`|\$ steps|\b(?:the|an?) (?:\w+ )?(?!of|in|by|with|from|into|under|and|to|is|are)\w+) \Z", re.IGNORECASE
)
SILENT = {"provenance", "symbols", "margin"}
ELSEWHERE = {"claims-table", "paper-table", "departures", "widget", "literalinclude", "figure", "image"}


@lru_cache(maxsize=1)
def references(path: Path) -> BibliographyData:
    """Return the book's references; one build asks for them once a page."""
    return parse_file(str(path)) if path.is_file() else BibliographyData()


@lru_cache(maxsize=1)
def years(path: Path) -> dict[str, str]:
    """Return the years of the book's references, with their letters."""
    return lettered(references(path).entries)


class Plain:
    """Text of one page of the book, for readers of its notebook.

    Args:
        store: what pages read.
        page: ``schemes/orders``.
        site: address of the published book, without a trailing slash.
    """

    def __init__(self, store: Store, page: str, site: str) -> None:
        self.store, self.page = store, page
        self.address = f"{site}/{docname_of(store.root, page)}.html"
        self.site = site
        self.roles: dict[str, Callable[[str], str]] = {
            "claim": self.claim,
            "ours": self.ours,
            "noted": self.noted,
            "paper-says": self.paper_says,
            "given": str.strip,
            "counted": self.counted,
            "doc": self.doc,
            "cite:p": self.cite,
            "cite:t": self.cite,
        }

    def text(self, source: str) -> str:
        """Return Markdown without roles and directives."""
        return ROLE.sub(self.role, "\n".join(self.lines(source.split("\n"))))

    def lines(self, source: list[str]) -> list[str]:
        """Return lines without directives: their words as quotations, tables and figures as a pointer."""
        found: list[str] = []
        rest = iter(source)
        for line in rest:
            if LABEL.fullmatch(line.strip()):
                continue
            match = FENCE.fullmatch(line.strip())
            if match is None:
                found.append(NUMBERED.sub(r"\1", line))
                continue
            body = []
            for inner in rest:
                if inner.strip() == match["fence"]:
                    break
                body.append(inner)
            found += self.directive(match["name"], match["title"], body)
        return found

    def directive(self, name: str, title: str, body: list[str]) -> list[str]:
        """Return what is shown in place of a directive."""
        if name in SILENT:
            return []
        if name in ELSEWHERE:
            return [f"*A {name.replace('-', ' ')} stands here [on the page]({self.address}).*"]
        while body and (OPTION.fullmatch(body[0].strip()) or not body[0].strip()):
            body = body[1:]
        if name == "math":
            return ["$$", *body, "$$"]
        head = title or name.rpartition(":")[2].capitalize()
        return [f"> **{head}**", ">", *(f"> {line}".rstrip() for line in self.lines(body)), ""]

    def role(self, match: re.Match[str]) -> str:
        """Return the words that a role stands for; of one that cannot be resolved its text."""
        if match["role"] in LABELLED:
            return self.label(match)
        handler = self.roles.get(match["role"])
        explicit = EXPLICIT.fullmatch(match["text"])
        if handler is None:
            return explicit["text"] if explicit else match["text"]
        try:
            return handler(match["text"])
        except Problem:
            return match["text"]

    def label(self, match: re.Match[str]) -> str:
        """Return a link to what a label names on the published page; words stand for its number."""
        explicit = EXPLICIT.fullmatch(match["text"])
        target = explicit["target"] if explicit else match["text"]
        place: Place | None = labelled(self.store.root / "book").get(target)
        words = explicit["text"] if explicit else place.words if place else LABELLED[match["role"]] or target
        before = match.string[max(0, match.start() - 80) : match.start()]
        aside = match["role"] == "eq" and not explicit and APPOSITION.search(before)
        if aside:
            words = words.removeprefix("the ")
        elif not explicit and OPENING.search(before):
            words = words[:1].upper() + words[1:]
        link = f"[{words}]({self.site}/{place.document}.html#{place.anchor})" if place else words
        return f"({link})" if aside else link

    def claim(self, text: str) -> str:
        row = row_of(self.store, Target.parse(text).key)
        page = docname_of(self.store.root, f"{row.chapter}/claims")
        return f"[{row.claim.id}]({self.site}/{page}.html#{row.claim.anchor}) ({row.verdict})"

    def ours(self, text: str) -> str:
        target = Target.parse(text)
        return our_figure(row_of(self.store, target.key), target)

    def noted(self, text: str) -> str:
        target = Target.parse(text)
        return noted_number(self.store, target.key.rpartition("#")[0] or self.page, target)

    def paper_says(self, text: str) -> str:
        target = Target.parse(text)
        shown, marked = papers_figure(row_of(self.store, target.key), target)
        return shown + ("†" if marked else "")

    def counted(self, text: str) -> str:
        return number(survey(self.store.root).total)

    def doc(self, text: str) -> str:
        explicit = EXPLICIT.fullmatch(text)
        words, target = (explicit["text"], explicit["target"]) if explicit else (text.rpartition("/")[2], text)
        here = PurePosixPath("/", docname_of(self.store.root, self.page)).parent
        path = PurePosixPath(target) if target.startswith("/") else here / target
        parts: list[str] = []
        for part in path.parts[1:]:
            parts = parts[:-1] if part == ".." else [*parts, part]
        return f"[{words}]({self.site}/{'/'.join(parts)}.html)"

    def cite(self, text: str) -> str:
        return "; ".join(self.cited(key.strip()) for key in text.split(","))

    def cited(self, key: str) -> str:
        """Return a source as authors and year."""
        path = self.store.root / "book" / "references.bib"
        entry = references(path).entries.get(key)
        if entry is None:
            return key
        return f"{authors(entry)} ({years(path)[key]})"
