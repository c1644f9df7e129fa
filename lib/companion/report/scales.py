"""How large a run is beside the paper's: images, resolution, epochs, seeds, compute; the smallest part counts."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any

from companion.book.ledger import NO_SCALE, Claim, Ledger, Scale
from companion.book.pages import Page
from companion.errors import DocumentError, nearest

__all__ = ["SMALL", "Share", "shares"]

SMALL = 0.1
"""Below this share of the paper's scale a verdict is called small."""


@dataclass(frozen=True)
class Share:
    """A scale with its numbers: part -> (ours, the paper's)."""

    name: str
    parts: Mapping[str, tuple[float, float]]
    note: str = ""

    @property
    def value(self) -> float:
        """The smallest of ours over the paper's, at most 1."""
        return min(1.0, *(ours / theirs for ours, theirs in self.parts.values()))

    @property
    def smallest(self) -> str:
        """The part that decides."""
        return min(self.parts, key=lambda part: self.parts[part][0] / self.parts[part][1])

    @property
    def small(self) -> bool:
        """Whether it is below a tenth."""
        return self.value < SMALL


def shares(ledger: Ledger, claim: Claim, page: Page | None) -> dict[str, Share]:
    """Return profile -> share for the profiles at which the ledger names a scale of the claim.

    A profile ``paper`` that names none is left out: it is the paper's own setting. Raises
    :class:`DocumentError` where a part names no parameter of the page.
    """
    named = {profile: e.scale for profile, e in claim.expect.items() if e.scale not in (None, NO_SCALE)}
    if not named:
        return {}
    if page is None:
        raise DocumentError([f"claim {claim.id}: expected a page that its scale speaks of, found none"])
    return {
        profile: _share(ledger.scales[name], claim, page.parameters(profile))
        for profile, name in named.items()
        if name is not None
    }


def _share(scale: Scale, claim: Claim, parameters: Mapping[str, Any]) -> Share:
    parts = {}
    for part, (ours, theirs) in scale.parts.items():
        if isinstance(ours, str):
            ours = _parameter(scale, claim, parameters, ours)
        parts[part] = (float(ours), float(theirs))
    return Share(scale.name, parts, scale.note)


def _parameter(scale: Scale, claim: Claim, parameters: Mapping[str, Any], name: str) -> float:
    where = f"scale {scale.name}, used by claim {claim.id}"
    if name not in parameters:
        raise DocumentError(
            [f"{where}: expected a parameter of page {claim.page}, found {name!r}{nearest(name, parameters)}"]
        )
    value = parameters[name]
    number = len(value) if isinstance(value, Sized) and not isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number <= 0:
        raise DocumentError([f"{where}: expected a number above 0 or a list for {name}, found {value!r}"])
    return float(number)
