"""The directive ``{widget}``: a numbered figure in prose that the reader drags, and the script of that page alone.

A figure without a script is a sentence: the option ``fallback`` says what to look at instead. The
script ``book/_assets/widgets/NAME.js`` finds its place by ``data-widget="NAME"`` and replaces the sentence by the
drawing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from companion.sphinxext.element import Element, el

__all__ = ["Widget", "setup", "widgets_of"]

FOLDER = "widgets"
logger = logging.getLogger(__name__)


def scripts(app: Sphinx) -> dict[str, Path]:
    """Return the name of each widget of the book and its script."""
    folders = [Path(app.confdir, folder, FOLDER) for folder in app.config.html_static_path]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.js"))}


class Widget(SphinxDirective):
    """``{widget} NAME``: the body is the caption, ``:name:`` the label, ``:fallback:`` stands without scripts."""

    required_arguments = 1
    has_content = True
    option_spec = {"name": directives.unchanged_required, "fallback": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the figure, or nothing and a warning where something is missing."""
        name, known = self.arguments[0], scripts(self.env.app)
        for missing, what in (
            (
                name not in known,
                f"expected one of {', '.join(known) or 'the widgets (there is none)'}, "
                f"found {name!r}; put its script into {FOLDER}/{name}.js of the static folder",
            ),
            (
                "fallback" not in self.options,
                f"{name} has no fallback; give one with :fallback: for readers without scripts",
            ),
            (not self.content, f"{name} has no caption; write it as the body of the directive"),
        ):
            if missing:
                logger.warning("{widget}: %s", what, location=self.get_location(), type="companion")
                return []
        self.env.note_dependency(str(known[name]))
        said, messages = self.state.inline_text(self.options["fallback"], self.lineno)
        place = el(
            "div",
            {"class": f"companion-widget {name}", "data-widget": name},
            el("p", {"class": "companion-fallback"}, said),
        )
        caption = nodes.caption("", "", *self.caption())
        figure = nodes.figure("", place, caption, classes=["companion-dragged"])
        self.set_source_info(figure)
        self.set_source_info(caption)
        self.add_name(figure)
        return [figure, *messages]

    def caption(self) -> list[nodes.Node]:
        """Return the body as the inline nodes of one caption."""
        body = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, body)
        found: list[nodes.Node] = []
        for paragraph in body.children:
            found += [nodes.Text(" ")] if found else []
            found += list(paragraph.children)
        return found


def widgets_of(doctree: nodes.document) -> list[str]:
    """Return the names of the widgets on a page, each once, in their order."""
    names = [node["attrs"]["data-widget"] for node in doctree.findall(Element) if "data-widget" in node["attrs"]]
    return list(dict.fromkeys(names))


def load_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Load the scripts of a page's widgets on that page and on no other."""
    for name in widgets_of(doctree) if doctree is not None else ():
        app.add_js_file(f"{FOLDER}/{name}.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the directive and the page hook."""
    app.add_directive("widget", Widget)
    app.connect("html-page-context", load_scripts)
