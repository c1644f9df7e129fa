"""The prose of the book's pages: what is left of their Markdown without code, mathematics, roles and addresses.

Prose is text that a reader reads as sentences: paragraphs, lists, tables, headings, and inside directives their
titles, bodies and captions. Not prose are code, mathematics, roles with their text, addresses, comments, targets,
front matter, options of directives, and the alt text of pictures, in which no role can stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from companion.text import read_text

__all__ = ["DIRECTIVE", "HIDDEN", "ROLE", "WITHOUT_PROSE", "PageProse", "Piece", "page_prose", "parser"]

HIDDEN = "\ufffc"
"""Stands in a piece's text for every character that is no prose."""

WITHOUT_PROSE = {
    "bibliography",
    "claims-explorer",
    "claims-fields",
    "claims-table",
    "cite-chapter",
    "code",
    "code-block",
    "departures",
    "literalinclude",
    "math",
    "notation-table",
    "paper-table",
    "provenance",
    "raw",
    "scorecard",
    "symbols",
    "tableofcontents",
    "toctree",
    "variation",
}
"""Directives whose arguments and bodies hold no prose."""
WITHOUT_TITLE = {"code-cell", "figure", "glossary", "grid", "image", "widget"}
"""Directives whose arguments are no prose; in all others the argument is a title."""
PROSE_OPTIONS = {"caption", "fallback"}
DIRECTIVE = re.compile(r"\{(?P<name>[a-zA-Z][\w:-]*)\}\s*(?P<title>.*)", re.DOTALL)
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<text>.*)")
ROLE = re.compile(r"\{(?P<name>[a-zA-Z][\w:-]*)\}(?P<ticks>`+)(?P<text>.+?)(?P=ticks)", re.DOTALL)
ADDRESS = re.compile(r"(?:https?://|www\.)\S+")


@dataclass(frozen=True)
class Piece:
    """Prose: the line it begins in, its source with :data:`HIDDEN` for all else, and whether it is a heading."""

    line: int
    text: str
    heading: bool = False


@dataclass
class PageProse:
    """What the parser found on one page: pieces of prose, and the texts of roles by the role's name."""

    pieces: list[Piece] = field(default_factory=list)
    roles: dict[str, list[str]] = field(default_factory=dict)


def page_prose(path: Path) -> PageProse:
    """Return the prose of the Markdown file at ``path``."""
    found = PageProse()
    _read(read_text(path), 1, found)
    return found


@cache
def parser() -> Any:
    """Return a parser of the Markdown that ``_config.yml`` asks for."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.colon_fence import colon_fence_plugin
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin
    from mdit_py_plugins.myst_blocks import myst_block_plugin
    from mdit_py_plugins.myst_role import myst_role_plugin
    from mdit_py_plugins.substitution import substitution_plugin

    parser = MarkdownIt("commonmark").enable("table").disable("text_join", ignoreInvalid=True)
    for plugin in (
        front_matter_plugin,
        myst_block_plugin,
        myst_role_plugin,
        footnote_plugin,
        deflist_plugin,
        colon_fence_plugin,
        amsmath_plugin,
        substitution_plugin,
    ):
        parser.use(plugin)
    return parser.use(dollarmath_plugin, allow_labels=True, allow_space=True, allow_digits=True)


def _read(text: str, line: int, found: PageProse) -> None:
    """Add the prose of Markdown that begins in ``line`` of its page."""
    start, heading = 0, False
    for token in parser().parse(text):
        start = token.map[0] if token.map else start
        if token.type in ("heading_open", "heading_close"):
            heading = token.type == "heading_open"
        elif token.type == "inline":
            _inline(token, line + start, heading, found)
        elif token.type in ("fence", "colon_fence"):
            match = DIRECTIVE.fullmatch(token.info.strip())
            if match and match["name"] not in WITHOUT_PROSE:
                _directive(match["name"], match["title"], token.content, line + start, found)


def _directive(name: str, title: str, content: str, line: int, found: PageProse) -> None:
    """Add the prose of a directive whose fence opens in ``line``: title, options that are sentences, body."""
    if title and name not in WITHOUT_TITLE:
        _read(title, line, found)
    rows, place = content.split("\n"), 0
    if rows[0].strip() == "---":
        end = next((number for number, row in enumerate(rows[1:], 1) if row.strip() == "---"), len(rows))
        _options("\n".join(rows[1:end]), line + 2, found)
        place = end + 1
    else:
        while place < len(rows) and (match := OPTION.fullmatch(rows[place].strip())):
            if match["name"] in PROSE_OPTIONS:
                _read(match["text"], line + 1 + place, found)
            place += 1
    if name == "code-cell":
        return
    body = rows[place:]
    if name == "glossary":  # only their indentation sets the sentences off from the terms
        body = [row.strip() for row in body]
    _read("\n".join(body), line + 1 + place, found)


def _options(text: str, line: int, found: PageProse) -> None:
    """Add the options of a directive that are sentences, from the YAML they are written in."""

    def walk(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value in PROSE_OPTIONS and isinstance(value, yaml.ScalarNode):
                    _read(value.value, line + value.start_mark.line + (value.style in ("|", ">")), found)
                walk(value)

    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is not None:
        walk(node)


def _inline(token: Any, line: int, heading: bool, found: PageProse) -> None:
    """Add one paragraph, heading or cell: its source, in which what is no prose is hidden."""
    raw, place = token.content, 0
    shown = [HIDDEN if character != "\n" else character for character in raw]
    inside_address = False
    for child in token.children:
        if child.type == "text" and child.content:
            start = raw.find(child.content, place)
            if inside_address:
                place = max(start, place)
            elif start < 0:  # not as it is written: its place in the paragraph is not known
                found.pieces.append(Piece(line, child.content, heading))
            else:
                place = start + len(child.content)
                shown[start:place] = child.content
        elif child.type in ("link_open", "link_close"):
            inside_address = child.type == "link_open" and child.info == "auto"
        elif child.content and child.type != "text_special":
            place = _end(raw, place, child)
            if child.type == "myst_role":
                found.roles.setdefault(child.meta["name"], []).append(child.content)
    text = "".join(shown)
    for match in ADDRESS.finditer(text):
        text = text[: match.start()] + HIDDEN * len(match[0]) + text[match.end() :]
    found.pieces.append(Piece(line, text, heading))


def _end(raw: str, place: int, token: Any) -> int:
    """Return where the role, code, mathematics or HTML ends that begins at ``place`` or later."""
    ends = re.escape(token.markup)
    inside = re.compile(rf"{ends}.+?{ends}" if ends else re.escape(token.content), re.DOTALL)
    match = (ROLE if token.type == "myst_role" else inside).search(raw, place)
    return match.end() if match else place
