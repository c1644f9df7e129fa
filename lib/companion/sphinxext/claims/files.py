"""The open data beside the built pages, and the directive ``claims-fields`` that explains it from its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from companion.documents import schema
from companion.report.export import FILES, write
from companion.sphinxext.claims.explorer import claims_data
from companion.sphinxext.element import Element, el

__all__ = ["setup"]

logger = logging.getLogger(__name__)

GROUPS = {
    "": "The document",
    "chapter": "One of chapters",
    "paper": "paper of a chapter",
    "claim": "One of claims of a chapter",
    "reported": "paper or independent of a claim",
    "outcome": "profiles.smoke, .book or .paper of a claim",
}
"""Objects of the schema in the order in which a reader meets them, and what to call them."""


class ClaimsFields(SphinxDirective):
    """``{claims-fields} claims.json`` or ``claims.csv``: every field and what it means."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        name = self.arguments[0]
        if name not in FILES[:2]:
            logger.warning(
                "{claims-fields}: expected %s or %s, found %r",
                *FILES[:2],
                name,
                location=self.get_location(),
                type="companion",
            )
            return []
        groups = {"csv_row": ""} if name == "claims.csv" else GROUPS
        bodies = [self.group(key, title) for key, title in groups.items()]
        head = el("thead", {}, el("tr", {}, [el("th", {"scope": "col"}, word) for word in ("Field", "Meaning")]))
        table = el("table", {"class": "companion-table explorer-fields"}, head, bodies)
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
                for path, meaning in fields(item)
            ],
        )


def fields(item: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the paths of an object's fields, those of nested objects and lists too, and what they mean."""
    found = []
    for key, value in item["properties"].items():
        found.append((f"{prefix}{key}", meaning(value)))
        inner = value.get("items", value)
        if "properties" in inner and not all("$ref" in v for v in inner["properties"].values()):
            found += fields(inner, f"{prefix}{key}{'[]' * ('items' in value)}.")
    return found


def meaning(value: dict[str, Any]) -> str:
    """Return a field's description, with the values it can take where they are few."""
    target = value.get("$ref", "").rpartition("/")[2]
    options = value.get("enum") or schema("export")["$defs"].get(target, {}).get("enum") or ()
    text = value.get("description", "")
    return f"{text} One of: {', '.join(options)}." if options else text


def write_files(app: Sphinx, error: Exception | None) -> None:
    """Put the three files at the root of the built pages."""
    if error is None and app.builder.format == "html":
        write(claims_data(app), Path(app.outdir))


def setup(app: Sphinx) -> None:
    """Register the directive; write the files when the book is built."""
    app.add_directive("claims-fields", ClaimsFields)
    app.connect("build-finished", write_files)
