"""The domain of claims: knows which page shows a claim's row, so that links and the search find it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains import ObjType

from companion.sphinxext.targets import RowDomain

__all__ = ["ClaimDomain", "anchor", "claim_link", "setup"]


def anchor(claim: str) -> str:
    """Return the fragment under which a claim's row is found: ``claim-schemes-order-heun``."""
    return "claim-" + claim.replace(".", "-")


class ClaimDomain(RowDomain):
    """Claims by id; each is described by exactly one ``{claims-table}``."""

    name = "claim"
    label = "Claims"
    object_types = {"claim": ObjType("claim", "claim")}
    initial_data: dict[str, Any] = {"pages": {}}
    data_version = 1
    dangling_warnings = {"claim": "no claims-table of this book shows the claim %(target)s"}

    def shown_on(self, claim: str) -> str | None:
        """Return the page that already shows the claim's row, or ``None``."""
        return self.data["pages"].get(claim)

    def show(self, claim: str, docname: str) -> None:
        """Note that ``docname`` holds the claim's row."""
        self.data["pages"][claim] = docname

    def clear_doc(self, docname: str) -> None:
        """Forget the rows of a page that is read again."""
        for claim in [c for c, page in self.data["pages"].items() if page == docname]:
            del self.data["pages"][claim]

    def merge_domaindata(self, docnames: list[str], otherdata: dict[str, Any]) -> None:
        """Take over what a parallel reader found."""
        self.data["pages"] |= {c: page for c, page in otherdata["pages"].items() if page in docnames}

    def row_of(self, target: str) -> tuple[str, str, str] | None:
        """Return where the claim's row is; its title is the claim's name."""
        page = self.shown_on(target)
        return None if page is None else (page, anchor(target), target)

    def resolve_any_xref(self, *args: Any) -> list[tuple[str, nodes.reference]]:
        """Link to the claim's row from an ``{any}`` role."""
        env, docname, builder, target, node, content = args
        found = self.resolve_xref(env, docname, builder, "claim", target, node, content)
        return [("claim:claim", found)] if found is not None else []

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        """Yield the claims for the search index."""
        for claim, page in self.data["pages"].items():
            yield claim, claim, "claim", page, anchor(claim), 1


def claim_link(claim: str, docname: str, content: nodes.Element) -> pending_xref:
    """Return a link to the claim's row that is resolved when all pages are read."""
    link = pending_xref(
        "", refdomain="claim", reftype="claim", reftarget=claim, refexplicit=True, refwarn=True, refdoc=docname
    )
    link += content
    return link


def setup(app: Sphinx) -> None:
    """Register the domain."""
    app.add_domain(ClaimDomain)
