"""The open data beside the built pages, and the directive ``claims-fields`` that explains it from its schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from companion.book.ledger import RELATED_WORKS
from companion.documents import schema
from companion.report.export import FILES, write
from companion.sphinxext.build import store_of
from companion.sphinxext.directive import CompanionDirective
from companion.sphinxext.element import Element, el
from companion.sphinxext.tables import plain_table

__all__ = ["setup"]

GROUPS = {
    "": "The document",
    "chapter": "One of chapters",
    "paper": "paper of a chapter",
    "headline": "One of headlines",
    "claim": "One of claims of a chapter",
    "reported": "One of figures of a claim, or paper of a headline",
    "outcome": "profiles.smoke, .book or .paper of a claim",
}
"""Objects of the schema in the order in which a reader meets them, and what to call them."""


class ClaimsFields(CompanionDirective):
    """``{claims-fields} claims.json`` or ``claims.csv``: every field and what it means."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        name = self.arguments[0]
        if name not in FILES[:2]:
            return self.refused(f"expected {FILES[0]} or {FILES[1]}, found {name!r}")
        ledgers = store_of(self.env.app).ledgers.values()
        self.without = () if any(ledger.is_theme for ledger in ledgers) else (RELATED_WORKS,)
        groups = {"csv_row": ""} if name == "claims.csv" else GROUPS
        bodies = [self.group(key, title) for key, title in groups.items()]
        table = plain_table("companion-table explorer-fields", ("Field", "Meaning"), bodies)
        return [el("details", {"class": "explorer-fields"}, el("summary", {}, f"The fields of {name}"), table)]

    def group(self, name: str, title: str) -> Element:
        """Return the fields of one object below a line that says which."""
        item = schema("export")["$defs"][name] if name else schema("export")
        head = el("tr", {}, el("th", {"colspan": "2", "scope": "rowgroup"}, title)) if title else ()
        return el(
            "tbody",
            {},
            head,
            [
                el("tr", {}, el("th", {"scope": "row"}, nodes.literal("", path)), el("td", {}, meaning))
                for path, meaning in fields(item, self.without)
            ],
        )


def fields(item: dict[str, Any], without: Sequence[str], prefix: str = "") -> list[tuple[str, str]]:
    """Return the paths of an object's fields, those of nested objects and lists too, and what they mean.

    Values ``without`` a use in the book are left out.
    """
    found = []
    for key, value in item["properties"].items():
        found.append((f"{prefix}{key}", meaning(value, without)))
        inner = value.get("items", value)
        if "properties" in inner and not all("$ref" in v for v in inner["properties"].values()):
            found += fields(inner, without, f"{prefix}{key}{'[]' * ('items' in value)}.")
    return found


def meaning(value: dict[str, Any], without: Sequence[str]) -> str:
    """Return a field's description, with the values it can take where they are few."""
    target = value.get("$ref", "").rpartition("/")[2]
    known = value.get("enum") or schema("export")["$defs"].get(target, {}).get("enum") or ()
    options = [option for option in known if option not in without]
    text = value.get("description", "")
    return f"{text} One of: {', '.join(options)}." if options else text


def write_files(app: Sphinx, error: Exception | None) -> None:
    """Put the three files at the root of the built pages."""
    if error is None and app.builder.format == "html":
        write(store_of(app).exported, Path(app.outdir))


def setup(app: Sphinx) -> None:
    """Register the directive; write the files when the book is built."""
    app.add_directive("claims-fields", ClaimsFields)
    app.connect("build-finished", write_files)
