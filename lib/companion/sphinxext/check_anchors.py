"""Anchors at the checks among a page's outputs: ``orders.html#check-schemes-order-heun`` leads to the evidence."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

__all__ = ["setup"]

LINE = re.compile(r'<p class="companion-verdict (?P<kind>[^"]*)">'
                  r'(?=.*?<a href="claims\.html#claim-(?P<claim>[^"]+)")', re.DOTALL)


def name_checks(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give the line that each check displays an id, once a page."""
    seen: set[str] = set()

    def named(match: re.Match[str]) -> str:
        if match["claim"] in seen:
            return match[0]
        seen.add(match["claim"])
        return f'<p class="companion-verdict {match["kind"]}" id="check-{match["claim"]}">'

    for node in doctree.findall(nodes.raw):
        if 'class="companion-verdict' in (text := node.astext()):
            node.children[:] = [nodes.Text(LINE.sub(named, text))]


def setup(app: Sphinx) -> None:
    """Name the checks when a page's outputs are chosen."""
    app.connect("doctree-resolved", name_checks)
