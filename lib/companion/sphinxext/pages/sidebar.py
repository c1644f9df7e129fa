"""The list of pages beside every page, made once a build; the theme would make it anew for each page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

__all__ = ["Sidebar", "setup"]

LIST = re.compile(r'<ul class="(?:current )?nav bd-sidenav">.*?</ul>', re.DOTALL)
ENTRY = re.compile(
    r'<li class="toctree-l1(?: current active)?"><a class="(?:current )?reference internal" '
    r'href="(?P<href>[^"#]*)#?">'
)


class Sidebar:
    """A flat list of pages, in parts, as the theme made it for the page at ``uri``."""

    def __init__(self, html: str, uri: str) -> None:
        self.html, self.uri = html, uri
        counts = html.count("<li"), html.count("<ul")
        self.usable = counts == (len(ENTRY.findall(html)), len(LIST.findall(html)))
        """Whether the list is of the kind that can be fitted: pages of this book only, none below another."""

    def fitted(self, uri: str) -> str:
        """Return the list as it stands on the page at ``uri``."""

        def entry(match: re.Match[str]) -> str:
            target = self.target(match["href"])
            if target == uri:
                return '<li class="toctree-l1 current active"><a class="current reference internal" href="#">'
            return f'<li class="toctree-l1"><a class="reference internal" href="{relative_uri(uri, target)}">'

        def part(match: re.Match[str]) -> str:
            found = ENTRY.sub(entry, match[0]).partition(">")[2]
            return f'<ul class="{"current " if "toctree-l1 current" in found else ""}nav bd-sidenav">{found}'

        return LIST.sub(part, self.html)

    def target(self, href: str) -> str:
        """Return the address, from the root of the book, that ``href`` means where the list was made."""
        parts = [] if not href else self.uri.split("/")[:-1]
        for step in (href or self.uri).split("/"):
            parts = parts[:-1] if step == ".." else [*parts, step]
        return "/".join(parts)


def share(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let templates take the shared list."""
    made: Callable[..., Any] | None = context.get("generate_toctree_html")
    if made is None or not app.config.companion_one_sidebar:
        return
    uri = app.builder.get_target_uri(pagename)
    shared: dict[str, Sidebar] = app.__dict__.setdefault("companion_sidebars", {})

    def generate(kind: str, **options: Any) -> Any:
        key = repr(sorted(options.items()))
        if kind == "sidebar" and key not in shared:
            shared[key] = Sidebar(str(made(kind=kind, **options)), uri)
        if kind == "sidebar" and shared[key].usable:
            return shared[key].fitted(uri)
        return made(kind=kind, **options)

    context["generate_toctree_html"] = generate


def setup(app: Sphinx) -> None:
    """Connect the hook, behind the theme's own."""
    app.add_config_value("companion_one_sidebar", True, "html")
    app.connect("html-page-context", share, priority=600)
