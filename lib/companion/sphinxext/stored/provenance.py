"""The directive ``provenance``: which run a page shows, what running it again takes, where everything lies."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from companion.book.pages import Page
from companion.errors import counted
from companion.evidence.record import Record
from companion.freshness.sidecar import Sidecar
from companion.freshness.state import State
from companion.root import page_name
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_ledger, depends_on_records, repository, store_of
from companion.sphinxext.element import Element, el
from companion.sphinxext.links import commit_at, commit_link, outside, stored_file
from companion.sphinxext.stored.notebooks import binder, colab
from companion.sphinxext.tables import plain_table

__all__ = ["setup"]

logger = logging.getLogger(__name__)


def item(*children: Any, kind: str = "") -> Element:
    """Return one item of a line; style sheets put a dot between items."""
    return el("span", {"class": f"item {kind}".strip()}, *children)


class Provenance(SphinxDirective):
    """``{provenance}``, at the top of an executable page."""

    def run(self) -> list[nodes.Node]:
        """Return the box: the run shown, times, links, and the folded table of profiles."""
        store, name = store_of(self.env.app), page_name(self.env.docname)
        page = store.pages.get(name)
        if page is None:
            logger.warning(
                "{provenance}: no runs.yml lists this page", location=self.get_location(), type="companion"
            )
            return []
        depends_on_ledger(self.env, page.chapter)
        depends_on_records(self.env, page.id)
        record, sidecar = store.record(name, "book"), store.state(name, "book").sidecar
        lines = [el("p", {}, items) for items in (self.shown(record), self.times(page), self.links(page, record))]
        if record is not None and sidecar is not None:
            lines.append(el("p", {}, self.carried(page, record, sidecar)))
        reasons = store.lacking(name, "book")
        lines += [el("p", {"class": "companion-warn"}, f"Stale: {reason}.") for reason in reasons]
        return [
            el(
                "aside",
                {"class": "companion-provenance", "aria-label": "How this page was made"},
                lines,
                self.details(page),
            )
        ]

    def shown(self, record: Record | None) -> list[Any]:
        """Return the items about the run whose outputs the page shows."""
        if record is None:
            return [item("No run of this page is stored yet, so it shows no outputs.", kind="companion-warn")]
        seeds = wording.seeds(record.seeds)
        shown = [
            item("Outputs: ", el("strong", {}, "book"), " profile"),
            item(wording.date(record.started)),
            item(record.device),
            item("commit ", commit_link(self.env, record)),
            item(f"contdepth {record.versions.get('contdepth', '?')}"),
        ]
        return spaced([*shown, item(f"seed{'s' * (len(record.seeds) > 1)} {seeds}")] if seeds else shown)

    def carried(self, page: Page, record: Record, sidecar: Sidecar) -> list[Any]:
        """Return when, from where and to where the run was carried, and what was compared for that."""
        equal = sidecar.compared
        much = ", ".join(
            f"{equal[name]} {name.removesuffix('s') if equal[name] == 1 else name}"
            for name in ("checks", "figures")
        )
        text = [
            f"Carried on {wording.date(sidecar.date)} from commit ",
            commit_at(self.env, sidecar.before["commit"], False),
            f" (run of {wording.date(record.started)}) to commit ",
            commit_at(self.env, sidecar.after["commit"], sidecar.after["dirty"]),
            f": {much} equal to the bit at smoke",
        ]
        return spaced([item(text), item(stored_file(self.env, page.id, "book", "carry.json", "Carry"))])

    def times(self, page: Page) -> list[Any]:
        """Return the measured time of each profile, or that it was not attempted."""
        found: list[Any] = []
        for profile, setting in page.settings.items():
            record = store_of(self.env.app).record(page.id, profile)
            text = (
                wording.duration(record.duration_s)
                if record
                else "not attempted"
                if setting.not_attempted
                else "not run"
            )
            found.append(item(el("strong", {}, profile), f" {text}"))
        return ["Time: ", *spaced(found)]

    def links(self, page: Page, record: Record | None) -> list[Any]:
        """Return the links to source, record, executed notebook and the places that open it."""
        url, branch = repository(self.env.app)
        source = f"{url}/blob/{branch}/{self.env.doc2path(self.env.docname, False)}"
        found = [item(outside(source, "Source"))]
        if record is not None:
            found += [
                item(stored_file(self.env, page.id, "book", "json", "Record")),
                item(stored_file(self.env, page.id, "book", "ipynb", "Executed notebook")),
                item(outside(colab(self.env.app, page.id), "Colab")),
                item(outside(binder(self.env.app, page.id), "Binder")),
            ]
        return spaced(found)

    def details(self, page: Page) -> Element:
        """Return the folded table: per profile the time, memory and machine, or why there is no run."""
        rows = []
        for profile, setting in page.settings.items():
            record = store_of(self.env.app).record(page.id, profile)
            if record is not None:
                cells = [
                    wording.duration(record.duration_s),
                    f"{record.peak_memory_mb:.0f} MB",
                    record.device + from_pieces(record),
                    wording.date(record.started) + carried_on(store_of(self.env.app).state(page.id, profile)),
                ]
            else:
                why = setting.not_attempted or "no run is stored"
                cells = ["–", "–", f"{why}{'; ' + setting.cost if setting.cost else ''}", "–"]
            rows.append(el("tr", {}, el("th", {"scope": "row"}, profile), [el("td", {}, text) for text in cells]))
        command = f"make reproduce PROFILE=book CHAPTER={page.chapter}"
        again = el("p", {}, "Run again: ", nodes.literal("", command))
        return el(
            "details",
            {},
            el("summary", {}, "Time and hardware of each profile"),
            el(
                "div",
                {
                    "class": "companion-scroll",
                    "tabindex": "0",
                    "role": "region",
                    "aria-label": "Time and hardware of each profile",
                },
                plain_table(None, ("Profile", "Time", "Memory", "Machine", "Date"), el("tbody", {}, rows)),
            ),
            again,
        )


def carried_on(state: State) -> str:
    """Return behind the date of a run the day on which it was carried; nothing where it was not."""
    return f", carried on {wording.date(state.sidecar.date)}" if state.sidecar else ""


def from_pieces(record: Record) -> str:
    """Return behind the machine of a run from how many pieces it was assembled; nothing where it was not."""
    groups = record.fingerprint.get("parts", {}).get("pieces", {})
    number = len({id for keys in groups.values() for id in keys})
    return f", from {counted(number, 'piece')}" if number else ""


def spaced(items: list[Any]) -> list[Any]:
    """Return the items with spaces between, so that lines can break and plain text stays readable."""
    return [part for one in items for part in (one, " ")][:-1]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("provenance", Provenance)
