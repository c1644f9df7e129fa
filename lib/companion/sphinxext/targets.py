"""The common base of domains whose objects are rows of tables, linked when all pages are read."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.builders import Builder
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

__all__ = ["RowDomain"]


class RowDomain(Domain):
    """A domain that knows of a target the page, the fragment and the title of its row."""

    def row_of(self, target: str) -> tuple[str, str, str] | None:
        """Return page, fragment and title, or ``None`` for what no page shows."""
        raise NotImplementedError  # abstract: each domain has its own

    def resolve_xref(
        self,
        env: BuildEnvironment,
        fromdocname: str,
        builder: Builder,
        typ: str,
        target: str,
        node: pending_xref,
        contnode: nodes.Element,
    ) -> nodes.reference | None:
        """Link to the row."""
        row = self.row_of(target)
        return make_refnode(builder, fromdocname, row[0], row[1], contnode, row[2]) if row else None

    def resolve_any_xref(self, *args: Any) -> list[tuple[str, nodes.reference]]:
        """Rows are linked by their own roles alone."""
        return []
