"""Roles that put numbers of records and ledgers into prose: ``ours``, ``noted``, ``paper-says``, ``claim``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from companion.book.ledger import FIGURES
from companion.errors import nearest
from companion.report.scorecard import Row
from companion.root import page_name
from companion.sphinxext import wording
from companion.sphinxext.build import depends_on_ledger, depends_on_records, store_of
from companion.sphinxext.claims.badge import badge, unverified_mark
from companion.sphinxext.claims.domain import claim_link
from companion.sphinxext.element import el
from companion.sphinxext.store import PROFILES, Store, page_of

__all__ = ["CompanionRole", "Problem", "Target", "noted_number", "our_figure", "papers_figure", "row_of", "setup"]

TARGET = re.compile(r"(?P<key>[^@:\s]+)(@(?P<profile>[a-z]+))?(:(?P<spec>\S+))?")


class Problem(ValueError):
    """A role that cannot be resolved, with the sentence for the author."""


@dataclass(frozen=True)
class Target:
    """A role's text taken apart: what, whose or at which profile (behind ``@``), in which format."""

    key: str
    suffix: str
    spec: str

    @classmethod
    def parse(cls, text: str) -> Target:
        match = TARGET.fullmatch(text.strip())
        if match is None:
            raise Problem(f"expected name, name@profile or name:format, found {text!r}")
        return cls(match["key"], match["profile"] or "", match["spec"] or "")

    def profile(self) -> str:
        """Return the profile asked for, ``book`` unless given."""
        if self.suffix and self.suffix not in PROFILES:
            raise Problem(f"expected one of the profiles {', '.join(PROFILES)} behind @, found {self.suffix!r}")
        return self.suffix or "book"


def row_of(store: Store, name: str) -> Row:
    """Return where a claim stands."""
    if name not in store.rows:
        chapter = name.split(".")[0]
        raise Problem(
            f"the ledger or a record of {chapter!r} cannot be read"
            if chapter in store.broken
            else f"no ledger holds the claim {name!r}{nearest(name, store.rows)}"
        )
    return store.rows[name]


def formatted(value: Any, spec: str) -> str:
    """Return the value in the format asked for."""
    try:
        return wording.number(value, spec)
    except (ValueError, TypeError) as error:
        raise Problem(f"the format {spec!r} does not fit the value {value!r} ({error})") from error


def our_figure(row: Row, target: Target) -> str:
    """Return our figure for a claim; ``:interval`` adds the interval."""
    check = row.checks.get(target.profile())
    if check is None:
        raise Problem(f"no record at the profile {target.profile()!r} holds a check of {target.key!r}")
    if target.spec.startswith("interval"):
        return wording.interval(check.value, check.interval, target.spec.partition(":")[2])
    return formatted(check.value, target.spec)


def papers_figure(row: Row, target: Target) -> tuple[str, bool]:
    """Return the paper's figure, behind ``@`` somebody else's, and whether it is to be marked."""
    whose = target.suffix or "paper"
    if whose not in FIGURES:
        raise Problem(f"expected one of @{', @'.join(FIGURES)}, found @{whose}")
    figure = row.claim.figures.get(whose)
    if figure is None or (figure.span is None and not figure.text):
        raise Problem(f"the ledger gives no {whose} figure for {target.key!r}")
    if figure.range is not None:
        text = " to ".join(formatted(end, target.spec) for end in figure.range)
    else:
        text = formatted(figure.text if figure.value is None else figure.value, target.spec)
    return text, not figure.verified and whose == "paper"


def noted_number(store: Store, page: str, target: Target) -> str:
    """Return a number that the run of ``page`` noted."""
    record = store.record(page, target.profile())
    name = target.key.rpartition("#")[2]
    if record is None:
        raise Problem(f"no record of {page!r} at the profile {target.profile()!r}")
    if name not in record.values:
        known = ", ".join(sorted(record.values)) or "nothing"
        raise Problem(f"the record of {page!r} at {target.profile()!r} notes no {name!r}; it notes {known}")
    return formatted(record.values[name], target.spec)


class CompanionRole(SphinxRole):
    """A role whose problems become one warning and a visible mark in the page."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            return [self.found()], []
        except Problem as problem:
            message = self.inliner.reporter.warning(f"{{{self.name}}}: {problem}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]

    def found(self) -> nodes.Node:
        """Return the node that the role's text stands for."""
        return self.resolve(Target.parse(self.text))

    def resolve(self, target: Target) -> nodes.Node:
        """Return the node that the role stands for."""
        raise NotImplementedError  # abstract: each kind has its own

    def row(self, name: str) -> Row:
        """Return where a claim stands, and make the page depend on its ledger and records."""
        row = row_of(store_of(self.env.app), name)
        depends_on_ledger(self.env, name.split(".")[0])
        depends_on_records(self.env, page_of(row.claim))
        return row


class Ours(CompanionRole):
    """``{ours}`schemes.order.heun:.3f```: our figure, linked to the claim; ``:interval`` adds the interval."""

    def resolve(self, target: Target) -> nodes.Node:
        text = our_figure(self.row(target.key), target)
        return claim_link(target.key, self.env.docname, el("span", {"class": "companion-number"}, text))


class PaperSays(CompanionRole):
    """``{paper-says}`schemes.lm.gap-56```: the paper's figure, with a dagger where it is unverified.

    With ``@independent`` a third party's figure, with ``@code`` the authors' code's, with ``@earlier`` our own.
    """

    def resolve(self, target: Target) -> nodes.Node:
        text, marked = papers_figure(self.row(target.key), target)
        link = claim_link(target.key, self.env.docname, el("span", {"class": "companion-number"}, text))
        return el("span", {}, link, unverified_mark()) if marked else link


class Noted(CompanionRole):
    """``{noted}`schemes/orders#name:.2f```: a number that a run noted; without ``page#`` of the present page."""

    def resolve(self, target: Target) -> nodes.Node:
        page = target.key.rpartition("#")[0] or page_name(self.env.docname)
        depends_on_records(self.env, page)
        return nodes.inline("", noted_number(store_of(self.env.app), page, target))


class Claim(CompanionRole):
    """``{claim}`schemes.order.heun```: the claim's id with its headline verdict, linked to its row."""

    def resolve(self, target: Target) -> nodes.Node:
        headline = self.row(target.key).verdict
        code = nodes.literal("", target.key, classes=["companion-id"])
        return el(
            "span",
            {"class": "companion-claim"},
            claim_link(target.key, self.env.docname, code),
            " ",
            badge(headline),
        )


def setup(app: Sphinx) -> None:
    """Register the roles."""
    for name, role in (("ours", Ours), ("paper-says", PaperSays), ("noted", Noted), ("claim", Claim)):
        app.add_role(name, role())
