"""The last touch on each HTML page: nothing from outside hosts, list roles of bibliographies, a description."""

from __future__ import annotations

import html
import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

__all__ = ["setup"]

DESCRIPTION_LENGTH = 200
OFFLINE_SEARCH = 'if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;'
"""Sphinx's search fetches the pages that it found, to show a line of each; browsers forbid that to local files."""


def unwanted(asset: object) -> bool:
    """Tell whether a script or style sheet belongs to thebe or lies on another host."""
    name = str(os.fspath(getattr(asset, "filename", None) or ""))
    body = str(getattr(asset, "attributes", {}).get("body") or "")
    return "//" in name or "thebe" in name or "thebe" in body


def drop_outside_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Keep only scripts and style sheets that the book carries itself."""
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not unwanted(asset)]


def search_offline(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let the search page list what it finds without fetching it where the book is read from the file system."""
    if pagename == "search":
        app.add_js_file(None, body=OFFLINE_SEARCH, priority=900)


def drop_thebe(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take thebe's settings out of a page: nothing here would read them."""
    for node in list(doctree.findall(nodes.raw)):
        if "x-thebe-config" in node.astext() or "kernelName =" in node.astext():
            node.parent.remove(node)


def repair_bibliography(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give bibliography entries the role that their list allows."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def first_paragraph(doctree: nodes.document) -> str:
    """Return the text of the first paragraph of running prose, or the title."""
    for node in doctree.findall(nodes.paragraph):
        if isinstance(node.parent, nodes.section):
            return node.astext()
    title = next(iter(doctree.findall(nodes.title)), None)
    return title.astext() if title is not None else ""


def describe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add ``<meta name="description">`` from the first paragraph where the front matter gives none."""
    tags = context.get("metatags") or ""
    if doctree is None or 'name="description"' in tags:
        return
    text = " ".join(first_paragraph(doctree).split())
    if len(text) > DESCRIPTION_LENGTH:
        text = text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"
    if text:
        context["metatags"] = f'{tags}<meta name="description" content="{html.escape(text)}" />\n'


def number_proof_ids(app: Sphinx, doctree: nodes.document) -> None:
    """Number the ids of proofs and propositions: sphinx-proof gives the same to each of a page."""
    same = [node for node in doctree.findall(nodes.Element) if node.get("ids") in (["proof"], ["proof-content"])]
    for number, node in enumerate(same, 1):
        node["ids"] = [f"{node['ids'][0]}-{number}"]


def setup(app: Sphinx) -> None:
    """Connect the page hooks; they run after the theme's own."""
    app.connect("doctree-read", number_proof_ids)
    app.connect("doctree-resolved", drop_thebe, priority=900)
    app.connect("html-page-context", search_offline, priority=800)
    for hook in (drop_outside_assets, repair_bibliography, describe):
        app.connect("html-page-context", hook, priority=900)
