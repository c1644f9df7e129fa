"""The Sphinx side of the book: stored outputs, tables of claims, numbers in prose, no outside hosts."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from companion.sphinxext import (
    audit,
    build,
    cite,
    claims_files,
    claims_table,
    domain,
    element,
    explorer,
    figures,
    given,
    glossary,
    html,
    icons,
    notation,
    notebooks,
    paper_tables,
    pictures,
    prime,
    provenance,
    reading,
    register_changes,
    roles,
    scorecard_table,
    sidebar,
    uses,
    variation,
    widgets,
)

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything; called by Sphinx."""
    app.setup_extension("myst_nb")
    for part in (
        element,
        build,
        domain,
        audit,
        prime,
        roles,
        given,
        provenance,
        claims_table,
        explorer,
        claims_files,
        paper_tables,
        scorecard_table,
        register_changes,
        html,
        icons,
        pictures,
        uses,
        reading,
        notation,
        glossary,
        figures,
        widgets,
        variation,
        notebooks,
        cite,
        sidebar,
    ):
        part.setup(app)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
