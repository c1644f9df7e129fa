"""The theme's icon script carries 2,000 icons, 1.5 MB; the built book keeps the few that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pydata_sphinx_theme
from sphinx.application import Sphinx

__all__ = ["setup", "used_icons", "without_unused"]

SCRIPT = "scripts/fontawesome.js"
ENTRY = re.compile(
    r'"?(?P<name>[a-z0-9-]+)"?:\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\[[^\]]*\])\],?'
)


def used_icons(folder: Path) -> set[str]:
    """Return the names behind ``fa-`` in the pages and scripts of a built book."""
    files = [*folder.rglob("*.html"), *(path for path in folder.rglob("*.js") if path.name != Path(SCRIPT).name)]
    return {name for path in files for name in re.findall(r"\bfa-([a-z0-9-]+)", path.read_text("utf-8"))}


def without_unused(script: str, used: set[str]) -> str:
    """Return the icon script with the entries that ``used`` names, by name or alias."""

    def keep(entry: re.Match[str]) -> str:
        names = {entry["name"], *re.findall(r'"([^"]+)"', entry["aliases"])}
        return entry[0] if names & used else ""

    return ENTRY.sub(keep, script)


def slim(app: Sphinx, error: Exception | None) -> None:
    """Write the short icon script over the copy of the theme's."""
    target = Path(app.outdir) / "_static" / SCRIPT
    if error is None and app.builder.format == "html" and target.is_file():
        whole = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static" / SCRIPT
        target.write_text(without_unused(whole.read_text("utf-8"), used_icons(Path(app.outdir))), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Shorten the script when the book is built."""
    app.connect("build-finished", slim)
