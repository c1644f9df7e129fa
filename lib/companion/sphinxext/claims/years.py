"""Citations by author and year: sources of one author and year get letters, as in ``Zhang et al. 2019a``.

The letters follow from ``book/references.bib`` alone, in the order of the bibliography, so that a page, the
bibliography and a notebook outside the book say the same whatever is built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast

import pybtex.plugin
from pybtex.database import Entry
from pybtex.richtext import Text
from pybtex.style.formatting.alpha import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

__all__ = ["authors", "lettered", "setup"]

STYLE = "companion"
"""Name of the bibliography's style in ``_config.yml``; its labels are those of the citations."""


def authors(entry: Entry) -> str:
    """Return who wrote a source, as a citation says it; where nobody is named, who edited it, or its title."""
    persons = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [plain(" ".join([*person.prelast_names, *person.last_names])) for person in persons]
    if not names:
        return plain(entry.fields.get("title", entry.key))
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


def plain(text: str) -> str:
    """Return BibTeX text as it is read: accents in place, no braces."""
    return str(Text.from_latex(text))


def lettered(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return the year of every source by its key, with a letter where another of the same authors has it too.

    The letters stand in the order of all authors, then of the titles, which is that of the bibliography.
    """
    groups = defaultdict(list)
    for key, entry in entries.items():
        groups[authors(entry), entry.fields.get("year", "n.d.")].append(key)

    def order(key: str) -> tuple[str, str]:
        names = " ".join(str(person) for person in entries[key].persons.get("author", ()))
        return names.lower(), entries[key].fields.get("title", "").lower()

    found = {}
    for (_, year), keys in groups.items():
        for place, key in enumerate(sorted(keys, key=order)):
            found[key] = year + (chr(ord("a") + place) if len(keys) > 1 else "")
    return found


class AuthorYear(BaseLabelStyle):
    """Labels of the bibliography that are those of the citations: ``Zhang et al. 2019a``."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterable[str]:
        """Yield one label for each entry; its year has its letter already."""
        return (f"{authors(entry)} {entry.fields.get('year', 'n.d.')}" for entry in sorted_entries)


class AuthorYearStyle(Style):
    """The style of the bibliography: sorted by author, year and title, with labels by author and year."""

    name = STYLE
    default_label_style = AuthorYear


def add_letters(app: Sphinx) -> None:
    """Put the letters into the years of the bibliography that sphinxcontrib-bibtex has read.

    It keeps what it read from one build to the next, so a year that has its letter already keeps it.
    """
    domain = cast(Any, app.env.get_domain("cite"))
    entries = domain.bibdata.data.entries
    for key, year in lettered(entries).items():
        if "year" in entries[key].fields and "lettered" not in entries[key].fields:
            entries[key].fields["year"] = year
            entries[key].fields["lettered"] = "yes"


def setup(app: Sphinx) -> None:
    """Register the style, and add the letters when the bibliography has been read."""
    pybtex.plugin.register_plugin("pybtex.style.formatting", STYLE, AuthorYearStyle)
    app.connect("builder-inited", add_letters, priority=600)
