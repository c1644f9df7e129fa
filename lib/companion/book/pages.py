"""Pages of the book: their text notebook, their parameters, and what ``runs.yml`` says of each profile."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.book.parameters import merge, read_defaults
from companion.book.piece_cells import PAPER, asked_groups, executed_cells
from companion.book.toc import chapters
from companion.documents import Document, elsewhere, read_document, schema_problems
from companion.errors import DocumentError, PageError, nearest
from companion.root import PROFILES, runs_path, source_path
from companion.text import read_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["CodeCell", "Page", "Setting", "find_page", "load_pages", "load_runs"]


@dataclass(frozen=True)
class Setting:
    """What ``runs.yml`` says of one page at one profile."""

    profile: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    data: tuple[str, ...] = ()
    not_attempted: str | None = None
    cost: str | None = None


@dataclass(frozen=True)
class CodeCell:
    """A code cell of a page; all its tags but ``parameters`` are left out."""

    source: str
    is_parameters: bool


@dataclass(frozen=True)
class Page:
    """An executable page: ``book/<chapter>/<name>.md`` and its settings by profile."""

    root: Path
    chapter: str
    name: str
    settings: Mapping[str, Setting]

    @property
    def id(self) -> str:
        """The page's name in commands and in ``begin``: ``chapter/name``."""
        return f"{self.chapter}/{self.name}"

    @property
    def source(self) -> Path:
        """The text notebook."""
        return source_path(self.root, self.chapter, self.name)

    def notebook(self, profile: str | None = None) -> NotebookNode:
        """Return the page as a notebook without outputs (a fresh copy), with ``profile`` without the code cells
        that are not executed there.
        """
        notebook = copy.deepcopy(self._read())
        if profile is not None:
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            kept = executed_cells([cell.source for cell in code], profile)
            idle = {id(cell) for cell, one in zip(code, kept, strict=True) if not one}
            notebook.cells = [cell for cell in notebook.cells if id(cell) not in idle]
        return notebook

    def _read(self) -> NotebookNode:
        if not self.source.is_file():
            raise PageError(f"page {self.id}: expected the file {self._label}, found nothing")
        status = self.source.stat()
        return _read_notebook(self.source, status.st_mtime_ns, status.st_size)

    def cells(self, profile: str | None = None) -> tuple[CodeCell, ...]:
        """Return the code cells in order, with ``profile`` those that are executed there."""
        found = [
            CodeCell(cell.source, "parameters" in cell.metadata.get("tags", ()))
            for cell in self._read().cells
            if cell.cell_type == "code"
        ]
        kept = executed_cells([cell.source for cell in found], profile) if profile else [True] * len(found)
        return tuple(cell for cell, one in zip(found, kept, strict=True) if one)

    def asked(self, profile: str) -> tuple[str, ...]:
        """Return the groups of pieces that the cells executed at ``profile`` ask for: none but at ``paper``."""
        return asked_groups([cell.source for cell in self.cells()]) if profile == PAPER else ()

    def defaults(self) -> dict[str, Any]:
        """Return the parameters and their defaults, read from the cell tagged ``parameters`` without running
        it.
        """
        found = [cell.source for cell in self.cells() if cell.is_parameters]
        if len(found) != 1:
            raise PageError(f"{self._label}: expected one cell tagged parameters, found {len(found)}")
        defaults = read_defaults(found[0], self._label)
        if defaults.get("profile") != "book":
            raise PageError(
                f'{self._label}: expected the parameter profile = "book", '
                f"found {defaults.get('profile', 'none')!r}"
            )
        return defaults

    def setting(self, profile: str) -> Setting:
        """Return the setting of ``profile``; raise :class:`PageError` where ``runs.yml`` has none."""
        if profile not in self.settings:
            raise PageError(
                f"page {self.id}: expected one of its profiles {', '.join(self.settings)}, found {profile!r}"
            )
        return self.settings[profile]

    def injected(self, profile: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the runner injects below the parameters cell: nothing for ``book`` without
        ``overrides``.
        """
        chosen = {**self.setting(profile).parameters, **(overrides or {})}
        merge(self.defaults(), chosen, f"page {self.id}, profile {profile}")
        return chosen if profile == "book" else {"profile": profile, **chosen}

    def parameters(self, profile: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return all parameters at ``profile``: the defaults, then the profile's, then ``overrides``.

        Raises :class:`PageError` for a name that is no parameter or a value of another type than the default.
        """
        return merge(self.defaults(), self.injected(profile, overrides), f"page {self.id}, profile {profile}")

    @property
    def _label(self) -> str:
        return self.source.relative_to(self.root).as_posix()


@lru_cache(maxsize=256)
def _read_notebook(path: Path, mtime: int, size: int) -> NotebookNode:
    import jupytext

    try:
        notebook = jupytext.reads(read_text(path), fmt="md:myst")
        kernel = notebook.metadata.get("kernelspec")
    except Exception as error:  # whatever the parsers of YAML, MyST and notebooks raise
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise PageError(
            f"page {path.parent.name}/{path.stem}: expected a text notebook, found this: {reason}"
        ) from None
    if not isinstance(kernel, dict) or not kernel.get("language"):
        raise PageError(
            f"page {path.parent.name}/{path.stem}: expected a kernelspec with name and language "
            "in the front matter, found none"
        )
    return notebook


def load_runs(root: Path, chapter: str) -> dict[str, Page]:
    """Return the chapter's executable pages by name; raise :class:`DocumentError` where ``runs.yml`` breaks
    its rules.
    """
    path = runs_path(root, chapter)
    document = read_document(path, path.relative_to(root).as_posix())
    problems = schema_problems(document, "runs") or _semantic_problems(document, root, chapter)
    if problems:
        raise DocumentError(problems)
    return {name: Page(root, chapter, name, _settings(item)) for name, item in document.data["pages"].items()}


def load_pages(root: Path, chapter: str | None = None) -> list[Page]:
    """Return all executable pages of the book (or of one chapter) in the book's order."""
    known = chapters(root)
    if chapter is not None and chapter not in known:
        raise PageError(
            f"chapter: expected one of {', '.join(known) or 'none'}, found {chapter!r}{nearest(chapter, known)}"
        )
    return [
        page
        for name in ([chapter] if chapter else known)
        if runs_path(root, name).is_file()
        for page in load_runs(root, name).values()
    ]


def find_page(root: Path, id: str) -> Page:
    """Return the page called ``chapter/name``; raise :class:`PageError` with a suggestion where there is
    none.
    """
    chapter, _, name = id.partition("/")
    if chapter in chapters(root) and runs_path(root, chapter).is_file():
        pages = load_runs(root, chapter)
        if name in pages:
            return pages[name]
    known = [page.id for page in load_pages(root)]
    raise PageError(f"page: expected one of {', '.join(known) or 'none'}, found {id!r}{nearest(id, known)}")


def _settings(item: dict[str, Any]) -> dict[str, Setting]:
    data = item.get("data") or []
    return {
        profile: Setting(
            profile,
            data=tuple(data.get(profile, ()) if isinstance(data, dict) else data),
            **item["profiles"][profile],
        )
        for profile in PROFILES
        if profile in item["profiles"]
    }


def _semantic_problems(document: Document, root: Path, chapter: str) -> list[str]:
    data, found = document.data, elsewhere(document, chapter)
    for name, item in data["pages"].items():
        source = source_path(root, chapter, name)
        if not source.is_file():
            found.append(
                document.problem(("pages", name), f"the file {source.relative_to(root).as_posix()}", "nothing")
            )
        for profile, setting in item["profiles"].items():
            where = ("pages", name, "profiles", profile)
            if profile == "book" and setting.get("parameters") and "not_attempted" not in setting:
                found.append(
                    document.problem(
                        (*where, "parameters"),
                        "none, since book runs the page's own defaults",
                        ", ".join(setting["parameters"]),
                    )
                )
            if "profile" in setting.get("parameters", {}):
                found.append(
                    document.problem(
                        (*where, "parameters", "profile"), "no such key, since the runner sets it", "it"
                    )
                )
            if "not_attempted" in setting and profile != "paper":
                found.append(
                    document.problem((*where, "not_attempted"), "it only at profile paper", f"it at {profile}")
                )
            if "not_attempted" in setting and "cost" not in setting:
                found.append(document.problem((*where, "cost"), "text, since the run is not attempted", "nothing"))
    return found
