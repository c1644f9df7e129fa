"""MyST text as plain Markdown: what a notebook shows outside the book, with numbers and links filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pybtex.database import BibliographyData, parse_file

from companion.sphinxext import wording
from companion.sphinxext.roles import Target
from companion.sphinxext.store import Store

__all__ = ["Plain"]

ROLE = re.compile(r"\{(?P<role>[a-z]+(?:[:-][a-z]+)*)\}`(?P<text>[^`]+)`")
EXPLICIT = re.compile(r"(?P<text>.*?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
FENCE = re.compile(r"(?P<fence>`{3,}|:{3,})\{(?P<name>[a-z]+(?:[:-][a-z]+)*)\}\s*(?P<title>.*)")
OPTION = re.compile(r":[a-z-]+:(\s.*)?")
LABEL = re.compile(r"\([a-z][a-z0-9-]*\)=")
SILENT = {"provenance", "symbols", "margin"}
ELSEWHERE = {"claims-table", "paper-table", "departures", "widget", "literalinclude", "figure", "image"}


@lru_cache(maxsize=1)
def references(path: Path) -> BibliographyData:
    """Return the book's references; one build asks for them once a page."""
    return parse_file(str(path))


class Plain:
    """Text of one page of the book, for readers of its notebook.

    Args:
        store: what pages read.
        page: ``schemes/orders``.
        site: address of the published book, without a trailing slash.
    """

    def __init__(self, store: Store, page: str, site: str) -> None:
        self.store, self.page = store, page
        self.address = f"{site}/book/{page}.html"
        self.site = site
        self.roles: dict[str, Callable[[str], str]] = {
            "claim": self.claim, "ours": self.ours, "noted": self.noted, "paper-says": self.paper_says,
            "doc": self.doc, "cite:p": self.cite, "cite:t": self.cite}

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
                found.append(line)
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
        """Return the words that a role stands for."""
        handler = self.roles.get(match["role"])
        explicit = EXPLICIT.fullmatch(match["text"])
        if handler is None:
            return explicit["text"] if explicit else match["text"]
        return handler(match["text"])

    def claim(self, text: str) -> str:
        row = self.store.rows[Target.parse(text).key]
        return f"[{row.claim.id}]({self.site}/book/{row.chapter}/claims.html#{row.claim.anchor}) ({row.verdict})"

    def ours(self, text: str) -> str:
        target = Target.parse(text)
        check = self.store.rows[target.key].records[target.profile()].checks[target.key]
        if target.spec.startswith("interval"):
            return wording.interval(check["value"], check.get("interval"), target.spec.partition(":")[2])
        return wording.number(check["value"], target.spec)

    def noted(self, text: str) -> str:
        target = Target.parse(text)
        page, _, name = target.key.rpartition("#")
        record = self.store.record(page or self.page, target.profile())
        return wording.number(record.values[name], target.spec) if record else "–"

    def paper_says(self, text: str) -> str:
        target = Target.parse(text)
        figure = getattr(self.store.rows[target.key].claim, target.suffix or "paper")
        shown = figure.text if figure.value is None else figure.value
        return wording.number(shown, target.spec) + ("" if figure.verified or target.suffix else "†")

    def doc(self, text: str) -> str:
        explicit = EXPLICIT.fullmatch(text)
        words, target = (explicit["text"], explicit["target"]) if explicit else (text.rpartition("/")[2], text)
        here = PurePosixPath("/book", self.page).parent
        path = PurePosixPath(target) if target.startswith("/") else here / target
        parts: list[str] = []
        for part in path.parts[1:]:
            parts = parts[:-1] if part == ".." else [*parts, part]
        return f"[{words}]({self.site}/{'/'.join(parts)}.html)"

    def cite(self, text: str) -> str:
        return "; ".join(self.cited(key.strip()) for key in text.split(","))

    def cited(self, key: str) -> str:
        """Return a source as authors and year."""
        entry = references(self.store.root / "book" / "references.bib").entries.get(key)
        if entry is None:
            return key
        names = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
        who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{who} ({entry.fields.get('year', '?')})".replace("{", "").replace("}", "")

