"""The glossary's links back: below each term, the pages that use it."""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from companion.sphinxext.element import el
from companion.sphinxext.reading.uses import UsedOn, uses_of

__all__ = ["setup"]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Note the terms that a page links to, and put a place for links back below each definition."""
    uses = uses_of(app.env)
    used = [
        node["reftarget"].lower()
        for node in doctree.findall(addnodes.pending_xref)
        if node.get("reftype") == "term"
    ]
    if used:
        uses.add("terms", app.env.docname, used)
    for glossary in doctree.findall(addnodes.glossary):
        for entry in glossary.findall(nodes.definition_list_item):
            names = [" ".join(term.astext().split()).lower() for term in entry.findall(nodes.term)]
            for definition in entry.findall(nodes.definition):
                definition += el("div", {"class": "companion-back"}, UsedOn(kind="terms", names=names))


def setup(app: Sphinx) -> None:
    """Connect the hook."""
    app.connect("doctree-read", collect)
