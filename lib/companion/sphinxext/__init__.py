"""The Sphinx side of the book: stored outputs, tables of claims, numbers in prose, no outside hosts."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from companion.sphinxext import build, element
from companion.sphinxext.claims import (
    cite,
    domain,
    explorer,
    files,
    given,
    headline_table,
    multiplicity_list,
    neighbours,
    paper_tables,
    pieces_table,
    power_table,
    register_changes,
    rendered,
    roles,
    scorecard_table,
    table,
    years,
)
from companion.sphinxext.pages import figures, html, icons, pictures, sidebar, widgets
from companion.sphinxext.reading import glossary, notation, path, uses
from companion.sphinxext.stored import audit, notebooks, prime, provenance, variation

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
        rendered,
        table,
        explorer,
        files,
        paper_tables,
        pieces_table,
        scorecard_table,
        headline_table,
        neighbours,
        multiplicity_list,
        power_table,
        register_changes,
        html,
        icons,
        pictures,
        uses,
        path,
        notation,
        glossary,
        figures,
        widgets,
        variation,
        notebooks,
        cite,
        years,
        sidebar,
    ):
        part.setup(app)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
