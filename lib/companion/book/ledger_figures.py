"""The rules of a ledger about figures, scales, headlines and what a verdict may rest on, each breach as one
sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from companion.documents import Document, Where
from companion.errors import nearest
from companion.evidence.verdict import OWN_VERDICTS, VERDICTS, Region

__all__ = [
    "FIGURE_KEYS",
    "NO_SCALE",
    "REGIONS",
    "figure_problems",
    "headline_problems",
    "verdict_problems",
]

FIGURE_KEYS = ("paper", "independent", "code", "earlier")
"""The keys of a claim that hold a figure."""
NO_SCALE = "none"
"""In an expectation: the sentence has no scale."""
REGIONS = ("equals", "below", "above", "between")
"""The keys that give a support region."""
JUDGED_ON_SEEDS = ("training", "proportion")


def _own(claim: dict[str, Any]) -> bool:
    return claim["origin"] == "ours" or "construction" in claim


def figure_problems(document: Document, where: Where, claim: dict[str, Any]) -> Iterator[str]:
    """Yield the breaches in the figures of a claim and in the regions that must not leave them outside."""
    sources = document.data["sources"]
    for key in FIGURE_KEYS:
        figure = claim.get(key)
        if figure:
            yield from _figure_problems(document, (*where, key), figure, sources)
    origin = claim["origin"]
    if origin == "ours":
        return
    figure = claim.get(origin)
    if not figure:
        whose = "the paper's" if origin == "paper" else "a third party's"
        yield document.problem((*where, origin), f"{whose} figure, or figure: none with the reason", "nothing")
        return
    span = [figure["value"]] * 2 if "value" in figure else figure.get("range")
    if span is None:
        return
    for profile, expect in claim["expect"].items():
        if any(key in expect for key in REGIONS) and not Region.from_keys(expect).contains(*span):
            said = f"{span[0]:g}" if span[0] == span[1] else f"{span[0]:g} to {span[1]:g}"
            yield document.problem(
                (*where, "expect", profile),
                f"a region that the figure claimed, {said}, lies in",
                f"{Region.from_keys(expect)}",
            )


def _figure_problems(
    document: Document, where: Where, figure: dict[str, Any], sources: dict[str, Any]
) -> Iterator[str]:
    given = [key for key in ("value", "range", "figure") if key in figure]
    if len(given) != 1:
        yield document.problem(
            where, "exactly one of value, range and figure: none", " and ".join(given) or "none of them"
        )
    if "figure" in figure and "why" not in figure:
        yield document.problem((*where, "why"), "text that says why there is no figure", "nothing")
    if "why" in figure and "figure" not in figure:
        yield document.problem((*where, "why"), "it only beside figure: none", f"it beside {given[0]}")
    if "range" in figure and not figure["range"][0] < figure["range"][1]:
        yield document.problem((*where, "range"), "a lower end below the upper end", str(figure["range"]))
    keys = [figure["source"]] if isinstance(figure["source"], str) else figure["source"]
    if figure.get("verified") and not any("url" in sources.get(key, {}) for key in keys):
        yield document.problem(
            (*where, "verified"), "the address of a source that confirms it", f"none for {', '.join(keys)}"
        )


def verdict_problems(document: Document, where: Where, claim: dict[str, Any]) -> Iterator[str]:
    """Yield the breaches in the words, scales and trainings of what the profiles expect of a claim."""
    words = (OWN_VERDICTS if _own(claim) else VERDICTS)[:3]
    kind, trained = claim["kind"], claim.get("trained", claim["kind"] == "training")
    if kind == "training" and not trained:
        yield document.problem((*where, "trained"), "true, since the kind is training", "false")
    for profile, expect in claim["expect"].items():
        place = (*where, "expect", profile)
        accepted = expect.get("accepted")
        if accepted is not None and accepted not in words:
            whose = "one of the book's own checks" if _own(claim) else "somebody else's claim"
            yield document.problem((*place, "accepted"), f"{', '.join(words)} for {whose}", repr(accepted))
        if _own(claim) and expect.get("verdict") == "quoted":
            yield document.problem((*place, "verdict"), "not attempted for one of the book's own checks", "quoted")
        region = any(key in expect for key in REGIONS)
        if "scale" in expect:
            known = document.data.get("scales") or {}
            if expect["scale"] != NO_SCALE and expect["scale"] not in known:
                yield document.problem(
                    (*place, "scale"),
                    f"{NO_SCALE}, or a key of scales ({', '.join(known) or 'none'})",
                    f"{expect['scale']!r}{nearest(expect['scale'], known)}",
                )
        elif region and not _own(claim) and profile != "paper":
            yield document.problem(
                (*place, "scale"), f"a key of scales, or {NO_SCALE} for a sentence that has no scale", "nothing"
            )
        if trained and kind not in JUDGED_ON_SEEDS and region and profile != "paper" and "trainings" not in expect:
            yield document.problem(
                (*place, "trainings"), "how many trainings the value rests on, since it is trained", "nothing"
            )
        if "trainings" in expect and not trained:
            yield document.problem((*place, "trainings"), "it only beside trained: true", "it without")
        if "trials" in expect and kind != "proportion":
            yield document.problem((*place, "trials"), "it only for claims of kind proportion", f"kind {kind}")


def headline_problems(document: Document, chapter: str) -> Iterator[str]:
    """Yield the breaches in the headlines of a ledger."""
    claims = {claim["id"]: claim for claim in document.data["claims"]}
    for i, headline in enumerate(document.data.get("headlines") or ()):
        where: Where = ("headlines", i)
        if headline["id"].split(".")[0] != chapter:
            yield document.problem((*where, "id"), f"an id that begins with {chapter}.", repr(headline["id"]))
        if "paper" in headline:
            yield from _figure_problems(document, (*where, "paper"), headline["paper"], document.data["sources"])
        if not headline["claims"] and "why" not in headline:
            yield document.problem((*where, "why"), "text that says why no claim decides it", "nothing")
        for key in ("claims", "beside"):
            for id in headline.get(key) or ():
                if id not in claims:
                    yield document.problem(
                        (*where, key), "ids of claims of this ledger", f"{id!r}{nearest(id, claims)}"
                    )
                elif key == "claims" and (claims[id]["origin"] != "paper" or "construction" in claims[id]):
                    yield document.problem(
                        (*where, key), "claims of the paper, none that holds by construction", repr(id)
                    )
                elif key == "beside" and not any("scale" in e for e in claims[id]["expect"].values()):
                    yield document.problem((*where, key), "claims that state their scale", repr(id))
