"""One docutils node that becomes one HTML element, and reads as plain text in every other format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

__all__ = ["Element", "el", "setup"]

BLOCK = frozenset({"aside", "caption", "details", "div", "p", "table", "tbody", "tfoot", "thead", "tr"})


class Element(nodes.TextElement):
    """An HTML element: ``tag``, ``attrs`` (its HTML attributes) and ordinary docutils children."""


def el(tag: str, attrs: Mapping[str, str | None] | None = None, *children: Any) -> Element:
    """Return an :class:`Element`; strings become text, sequences are spread, attributes that are ``None`` go."""
    kept = {name: value for name, value in (attrs or {}).items() if value is not None}
    node = Element("", "", tag=tag, attrs=kept)
    if "id" in kept:
        node["ids"] = [kept["id"]]
    node.extend(flat(children))
    return node


def flat(children: Iterable[Any]) -> list[nodes.Node]:
    """Return nodes, strings and nested sequences of them as one list of nodes."""
    found: list[nodes.Node] = []
    for child in children:
        if isinstance(child, str):
            found.append(nodes.Text(child))
        elif isinstance(child, nodes.Node):
            found.append(child)
        else:
            found += flat(child)
    return found


def visit_html(self: Any, node: Element) -> None:
    attrs = {name: value for name, value in node["attrs"].items() if name != "id"}
    classes = attrs.pop("class", "")
    self.body.append(self.starttag({"ids": node["ids"], "classes": []}, node["tag"], "", CLASS=classes, **attrs))


def depart_html(self: Any, node: Element) -> None:
    self.body.append(f"</{node['tag']}>" + ("\n" if node["tag"] in BLOCK else ""))


def visit_latex(self: Any, node: Element) -> None:
    if node["tag"] in BLOCK:
        self.body.append("\n\n\\noindent ")
    elif node["tag"] in {"td", "th"}:
        self.body.append(" ")


def depart_latex(self: Any, node: Element) -> None:
    if node["tag"] in BLOCK:
        self.body.append("\\par\n")
    elif node["tag"] in {"td", "th"}:
        self.body.append(" \\quad ")


def visit_text(self: Any, node: Element) -> None:
    if node["tag"] in BLOCK and isinstance(node.parent, nodes.Element):
        self.new_state(0)


def depart_text(self: Any, node: Element) -> None:
    if node["tag"] in BLOCK and isinstance(node.parent, nodes.Element):
        self.end_state()
    else:
        self.add_text(" ")


def setup(app: Sphinx) -> None:
    """Register the node with its visitors."""
    app.add_node(
        Element, html=(visit_html, depart_html), latex=(visit_latex, depart_latex), text=(visit_text, depart_text)
    )
