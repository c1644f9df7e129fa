"""Given numbers in prose: ``given`` marks one that is no result, ``counted`` says how many of something the book
has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from companion.book.ledger import Reported
from companion.book.toc import listed
from companion.book.typed_numbers import is_number, survey
from companion.errors import DocumentError
from companion.report.scorecard import Row
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_all, store_of
from companion.sphinxext.claims.roles import CompanionRole, Problem
from companion.sphinxext.element import el
from companion.sphinxext.links import filtered

__all__ = ["setup"]


def figures(rows: list[Row]) -> list[Reported]:
    """Return the figures of the papers that are a number or a range, of the claims that are counted."""
    found = [row.claim.paper for row in rows if row.group == "paper"]
    return [figure for figure in found if figure is not None and figure.span is not None]


COUNTED: dict[str, Callable[[list[Row]], int]] = {
    "figures": lambda rows: len(figures(rows)),
    "verified": lambda rows: sum(figure.verified for figure in figures(rows)),
    "small": lambda rows: sum(row.group == "paper" and row.share is not None and row.share.small for row in rows),
}


class Given(CompanionRole):
    """``{given}`95 %```: a number that no record holds since it is given, shown as it is written."""

    def found(self) -> nodes.Node:
        if not is_number(self.text):
            raise Problem(
                f"expected a number with its signs and without letters, found {self.text!r}; leave "
                "words and units outside the role"
            )
        return nodes.Text(self.text.strip())


class Counted(CompanionRole):
    """``{counted}`given```: how many numbers in the prose of the book are marked as given; ``figures``: how many
    claims of papers have a figure, ``verified``: how many of these figures public text confirms, ``small``: how
    many claims of papers were judged at less than a tenth of the paper's scale.
    """

    def found(self) -> nodes.Node:
        what = self.text.strip()
        if what in COUNTED:
            depends_on_all(self.env)
            shown = wording.number(COUNTED[what](list(store_of(self.env.app).rows.values())))
            address = filtered(self.env, group="paper", small="1") if what == "small" else None
            return el("a", {"href": address}, shown) if address else nodes.Text(shown)
        if what != "given":
            raise Problem(f"expected one of {', '.join(['given', *COUNTED])}, found {self.text!r}")
        root = store_of(self.env.app).root
        for label in (f"{page.name}.md" for page in listed(root)):
            self.env.note_dependency(str(root / label))
        try:
            return nodes.Text(wording.number(survey(root).total))
        except DocumentError as error:
            raise Problem(str(error)) from error


class JoinTexts(SphinxTransform):
    """Join the texts that a given number parts, so that the page is what it would be with the number typed."""

    default_priority = 215  # before words are counted and quotation marks are turned

    def apply(self, **kwargs: Any) -> None:
        """Join neighbouring texts in all elements that hold text."""
        for parent in self.document.findall(nodes.TextElement):
            for place in range(len(parent) - 1, 0, -1):
                one, other = parent[place - 1 : place + 1]
                if isinstance(one, nodes.Text) and isinstance(other, nodes.Text):
                    parent[place - 1 : place + 1] = [nodes.Text(one + other)]


def setup(app: Sphinx) -> None:
    """Register the roles and the transform."""
    app.add_role("given", Given())
    app.add_role("counted", Counted())
    app.add_transform(JoinTexts)
