"""The reading path: what a page needs, how long it takes to read and to run, and why to go on.

The data are in ``book/reading.yml``; a book without that file has no reading path.
"""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from companion.evidence.record import Record
from companion.root import docname_of, page_name
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_records, store_of
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import page_link
from companion.sphinxext.reading.data import check, entries, load, path_of
from companion.sphinxext.reading.duration import Length, measure
from companion.sphinxext.reading.uses import text_with_math, uses_of

__all__ = ["setup", "span"]


def span(seconds: float) -> str:
    """Return a time to read in whole minutes, from an hour on in hours and minutes."""
    minutes = max(1, round(seconds / 60))
    hours, minutes = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {minutes} min" if minutes else f"{hours} h"


def take_measure(app: Sphinx, doctree: nodes.document) -> None:
    """Note the length of a page that has been read, and read it again when the path or its record changes."""
    env = app.env
    if not path_of(app).is_file():
        return
    env.note_dependency(str(path_of(app)))
    depends_on_records(env, page_name(env.docname) if page_name(env.docname) in store_of(app).pages else None)
    uses_of(env).data["lengths"][env.docname] = measure(doctree)


class ReadingLine(SphinxPostTransform):
    """Put the line "Before · Read · Run" below the title of every page."""

    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Insert the line, where the page has an entry and a title."""
        name = page_name(self.env.docname)
        entry = entries(self.app).get(name)
        title = next(iter(self.document.findall(nodes.title)), None)
        if entry is None or title is None:
            return
        items = [*self.before(entry), *self.times(name, entry), *self.chapter(name)]
        if items:
            spaced = [part for one in items for part in (one, " ")][:-1]
            title.parent.insert(title.parent.index(title) + 1, el("p", {"class": "companion-reading"}, spaced))

    def before(self, entry: dict[str, Any]) -> list[Element]:
        """Return what a reader needs."""
        parts: list[Any] = []
        for need in entry.get("needs", ()):
            parts.append("; " if parts else "")
            if isinstance(need, str):
                parts.append(text_with_math(need))
                continue
            parts.append(page_link(self.env, need["page"]))
            parts += [" (", text_with_math(need["why"]), ")"] if "why" in need else []
        return [item("Before", parts)] if parts else []

    def times(self, name: str, entry: dict[str, Any]) -> list[Element]:
        """Return the times to read and to run this page."""
        length: Length | None = uses_of(self.env).data["lengths"].get(self.env.docname)
        if entry.get("level") == "reference":
            found = [item("", "For looking things up")]
        else:
            level = f", {entry['level']}" if "level" in entry else ""
            found = [item("Read", span(length.seconds) + level)] if length else []
        record = store_of(self.app).record(name, "book")
        if record is not None:
            found.append(item("Run", f"{wording.duration(record.duration_s)} (book profile{threads([record])})"))
        return found

    def chapter(self, name: str) -> list[Element]:
        """Return, on a chapter's first page and on the book's, how long all of it takes."""
        folder, _, last = name.rpartition("/")
        if last != "index":
            return []
        data, inside = entries(self.app), f"{folder}/" if folder else ""
        names = [
            page for page, entry in data.items() if page.startswith(inside) and entry.get("level") != "reference"
        ]
        lengths = uses_of(self.env).data["lengths"]
        documents = [docname_of(store_of(self.app).root, page) for page in names]
        read = sum(lengths[name].seconds for name in documents if name in lengths)
        records = [record for page in names if (record := store_of(self.app).record(page, "book"))]
        run = f", {span(sum(record.duration_s for record in records))} to run" if records else ""
        whole = "The chapter" if folder else "The book"
        return [item(whole, f"{span(read)} to read{run}" + (f" (book profile{threads(records)})" if run else ""))]


def item(label: str, *content: Any) -> Element:
    """Return one item of the line; the style sheet puts a dot between items."""
    return el("span", {"class": "item"}, [el("strong", {}, f"{label}:"), " "] if label else [], content)


def threads(records: list[Record]) -> str:
    """Return ", 2 threads" where all records name the same number, ", 1 to 2 threads" where they differ."""
    named = (re.search(r"(\d+) threads?\b", record.device) for record in records)
    counts = sorted({int(match[1]) for match in named if match})
    if not counts:
        return ""
    low, high = counts[0], counts[-1]
    return f", {high} thread{'s' * (high > 1)}" if low == high else f", {low} to {high} threads"


def why(text: str) -> str:
    """Return a sentence of the data as HTML; ``$k$`` becomes mathematics."""
    parts = [html.escape(part) for part in text.split("$")]
    return "".join(
        rf'<span class="math notranslate nohighlight">\({part}\)</span>' if place % 2 else part
        for place, part in enumerate(parts)
    )


def explain_neighbours(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give the links at the foot of a page their reasons, as ``next_why`` and ``prev_why`` of the template."""
    entry = entries(app).get(page_name(pagename), {})
    context["next_why"] = why(entry.get("next_why", "")) if context.get("next") else ""
    context["prev_why"] = why(entry.get("prev_why", "")) if context.get("prev") else ""


def rewritten(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages that show something of other pages, if that has changed since they were written."""
    uses = uses_of(env)
    shown = repr([sorted(uses.data[kind].items()) for kind in uses.by_page])
    if shown == uses.data["shown"]:
        return []
    uses.data["shown"] = shown
    return [
        page
        for page in env.found_docs
        if page.endswith("/index") or page in uses.data["table"] or page.endswith("/glossary")
    ]


def setup(app: Sphinx) -> None:
    """Register the line, the checks and the reasons at the foot."""
    app.connect("builder-inited", load)
    app.connect("doctree-read", take_measure, priority=400)
    app.connect("env-check-consistency", check)
    app.connect("env-updated", rewritten)
    app.connect("html-page-context", explain_neighbours)
    app.add_post_transform(ReadingLine)
