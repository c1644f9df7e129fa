"""How long a page takes to read, from its words, lines of code, displayed equations and figures.

The rule: 200 words a minute (a formula in a line is one word), 4 seconds a line of code, 20 seconds a displayed
equation, 15 seconds a figure. What is folded away or only looked up is not counted: code behind "Show code",
folded answers, printed outputs, the provenance box, the claims table and the bibliography.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from docutils import nodes

from companion.sphinxext.element import Element

__all__ = ["Length", "measure"]

WORDS_A_MINUTE = 200
SECONDS_A_CODE_LINE = 4
SECONDS_AN_EQUATION = 20
SECONDS_A_FIGURE = 15

FOLDED = {"tag_hide-input", "tag_hide-cell", "tag_remove-input", "tag_remove-cell", "dropdown"}
SKIPPED = {"dropdown", "companion-provenance", "companion-claims", "companion-reading", "companion-symbols"}
"""Classes of what is unfolded at wish, and of what is for looking things up."""
SILENT = (
    nodes.comment,
    nodes.raw,
    nodes.system_message,
    nodes.citation,
    nodes.target,
    nodes.substitution_definition,
)


@dataclass(frozen=True)
class Length:
    """What a page holds."""

    words: int = 0
    code_lines: int = 0
    equations: int = 0
    figures: int = 0

    @property
    def seconds(self) -> float:
        """Return the time to read it."""
        return (
            self.words * 60 / WORDS_A_MINUTE
            + self.code_lines * SECONDS_A_CODE_LINE
            + self.equations * SECONDS_AN_EQUATION
            + self.figures * SECONDS_A_FIGURE
        )


def measure(doctree: nodes.Node) -> Length:
    """Return the length of a page as it is read."""
    words = code = equations = figures = 0
    for node in visible(doctree):
        if isinstance(node, nodes.Text):
            words += len(node.split())
        elif isinstance(node, nodes.math):
            words += 1
        elif isinstance(node, nodes.math_block):
            equations += 1
        elif isinstance(node, nodes.literal_block):
            code += sum(bool(line.strip()) for line in node.astext().splitlines())
        elif isinstance(node, nodes.image):
            figures += 1
    return Length(words, code, equations, figures)


def visible(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield the nodes that count; mathematics, code and images without what is inside them."""
    classes = set(node.get("classes", ())) if isinstance(node, nodes.Element) else set()
    if isinstance(node, Element):
        classes |= set(str(node["attrs"].get("class", "")).split())
    if isinstance(node, SILENT) or classes & SKIPPED:
        return
    if isinstance(node, nodes.Text | nodes.math | nodes.math_block | nodes.literal_block | nodes.image):
        yield node
        return
    if isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code_output":
        images = [
            child
            for child in node.findall(nodes.container)
            if child.get("nb_element") == "mime_bundle"
            and next(iter(child.findall(nodes.image)), None) is not None
        ]
        yield from (next(iter(bundle.findall(nodes.image))) for bundle in images)
        for figure in node.findall(nodes.caption):
            yield from visible(figure)
        return
    if (
        isinstance(node, nodes.Element)
        and node.get("nb_element") == "cell_code_source"
        and FOLDED & set(node.parent.get("classes", ()))
    ):
        return
    for child in node.children:
        yield from visible(child)
