"""Links that tables and the provenance line share: pages, stored files, commits, sources."""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.environment import BuildEnvironment

from companion.evidence.record import Record
from companion.root import docname_of
from companion.sphinxext.build import repository, store_of
from companion.sphinxext.element import Element, el

__all__ = ["commit_at", "commit_link", "document_of", "filtered", "outside", "page_link", "stored_file"]


def outside(uri: str, text: str) -> nodes.reference:
    """Return a link to an address outside the book."""
    return nodes.reference("", text, refuri=uri, internal=False)


def page_link(env: BuildEnvironment, page: str, text: str = "") -> pending_xref:
    """Return a link to the page ``schemes/orders`` of the book, with its title where no text is given."""
    link = pending_xref(
        "",
        refdomain="std",
        reftype="doc",
        reftarget=f"/{docname_of(store_of(env.app).root, page)}",
        refexplicit=bool(text),
        refwarn=True,
        refdoc=env.docname,
    )
    link += nodes.inline("", text)
    return link


def document_of(env: BuildEnvironment, page: str) -> str | None:
    """Return the document of the page ``schemes/orders``, where the book shows it."""
    name = docname_of(store_of(env.app).root, page)
    return name if name in env.found_docs else None


def filtered(env: BuildEnvironment, **filters: str) -> str | None:
    """Return the address of the page of all claims with these filters; None where the book has no such page."""
    if "book/claims" not in env.found_docs or env.app.builder.format != "html":
        return None
    chosen = "&".join(f"{name}={value}" for name, value in filters.items() if value)
    return f"{env.app.builder.get_relative_uri(env.docname, 'book/claims')}?{chosen}".rstrip("?")


def stored_file(env: BuildEnvironment, page: str, profile: str, kind: str, text: str) -> download_reference:
    """Return a link to the record (``json``), its sidecar (``carry.json``) or the executed notebook (``ipynb``),
    carried inside the book.
    """
    path = store_of(env.app).record_path(page, profile).with_suffix(f".{kind}")
    target = "/" + path.relative_to(store_of(env.app).root).as_posix()
    return download_reference("", text, refdoc=env.docname, reftarget=target, reftype="download", refexplicit=True)


def commit_link(env: BuildEnvironment, record: Record) -> Element:
    """Return the commit that holds the code of a run, short and linked to the repository, and whether part of that
    code is in none.
    """
    return commit_at(env, *record.code_at)


def commit_at(env: BuildEnvironment, commit: str, dirty: bool) -> Element:
    """Return a commit, short and linked to the repository, and whether there were changes that it lacks."""
    url, _ = repository(env.app)
    short = nodes.literal("", commit[:9])
    link = nodes.reference("", "", short, refuri=f"{url}/commit/{commit}", internal=False)
    return el("span", {}, link, " with local changes") if dirty else el("span", {}, link)
