"""The audit at the start of every build: each executable page must have a stored run that still speaks for it."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from companion.book.pages import Page
from companion.errors import CompanionError
from companion.evidence import soundness
from companion.root import docname_of
from companion.sphinxext.build import store_of
from companion.sphinxext.links import document_of
from companion.sphinxext.store import Store
from companion.sphinxext.stored.prime import code_cells, drifted_cell, stored_outputs

__all__ = ["page_problems", "setup"]

logger = logging.getLogger(__name__)


def again(page: Page, profile: str = "book") -> str:
    """Return the command that makes a run."""
    return f"run: make reproduce PROFILE={profile} CHAPTER={page.chapter}"


def figure_problem(cell: NotebookNode, outputs: list[NotebookNode]) -> str | None:
    """Return what is wrong with a cell's figure: an image without words, or words without an image."""
    image = any(kind.startswith("image/") for output in outputs for kind in output.get("data", {}))
    options = cell.metadata.get("mystnb", {})
    if image and not str(options.get("image", {}).get("alt", "")).strip():
        return "shows an image without alt text; give its words as mystnb: image: alt in the cell's YAML block"
    if not image and ("image" in options or "figure" in options):
        return "describes a figure, but its stored run shows no image; the cell must draw one"
    return None


def page_problems(store: Store, page: Page) -> Iterator[str]:
    """Yield one sentence for each reason why the page cannot be shown as it is."""
    path = store.notebook_path(page.id, "book")
    cells = code_cells(page.notebook())
    outputs = stored_outputs(cells, path, same_code=store.same_code(page.id, "book"))
    if not path.is_file():
        yield f"no stored run results/book/{page.id}.ipynb, so the page shows no outputs; {again(page)}"
    elif outputs is None:
        where = drifted_cell(cells, path)
        yield f"its code is not the code of the stored run ({where}), so it shows no outputs; {again(page)}"
    elif "book" not in store.records.get(page.id, {}):
        yield f"the stored run results/book/{page.id}.ipynb has no record beside it; {again(page)}"
    for profile, (record, _) in store.records.get(page.id, {}).items():
        for reason in store.lacking(page.id, profile):
            yield f"the record results/{profile}/{page.id}.json is stale: {reason}; {again(page, profile)}"
        ledger = store.ledgers.get(page.chapter)
        for problem in soundness.problems(store.notebook_path(page.id, profile), record, ledger):
            yield f"the run results/{profile}/{page.id}.ipynb is no evidence: {problem}; {again(page, profile)}"
    for number, (cell, shown) in enumerate(zip(cells, outputs or [], strict=False), start=1):
        if fault := figure_problem(cell, shown):
            yield f"code cell {number} {fault}"


def audit(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Warn about ledgers that break their rules and pages whose runs do not speak for them."""
    store = store_of(app)
    store.load()
    for problem in store.problems:
        logger.warning("%s", problem, type="companion")
    for page in store.pages.values():
        docname = document_of(env, page.id)
        if docname is None:
            continue
        try:
            for problem in page_problems(store, page):
                logger.warning("%s", problem, location=docname, type="companion")
        except (CompanionError, nbformat.reader.NotJSONError) as error:
            logger.warning("%s", error, location=docname, type="companion")
    known = {docname_of(store.root, name) for name in store.pages}
    for docname in sorted(env.found_docs - known):
        path = env.doc2path(docname)
        if path.endswith(".md") and is_executable(path):
            logger.warning(
                "the page has code cells, but no runs.yml lists it, so no run can be stored for it",
                location=docname,
                type="companion",
            )


def audit_images(app: Sphinx, doctree: nodes.document) -> None:
    """Warn about images in Markdown without words; :func:`page_problems` tells those of code cells."""
    for image in doctree.findall(nodes.image):
        if not str(image.get("alt", "")).strip() and not is_output(image):
            place = (app.env.docname, image.line or getattr(image.parent, "line", None))
            logger.warning("the image %s has no alt text", image.get("uri"), location=place, type="companion")


def is_output(node: nodes.Node | None) -> bool:
    """Tell whether a node stands among the outputs of a code cell."""
    while node is not None:
        if "cell_output" in getattr(node, "attributes", {}).get("classes", ()):
            return True
        node = node.parent
    return False


def is_executable(path: str) -> bool:
    """Tell whether a Markdown page has code cells."""
    with open(path, encoding="utf-8") as file:
        return any(line.lstrip().startswith(("```{code-cell}", ":::{code-cell}")) for line in file)


def setup(app: Sphinx) -> None:
    """Audit before pages are read, whether they changed or not."""
    app.connect("env-before-read-docs", audit)
    app.connect("doctree-read", audit_images)
