"""Files in as few parts of a given size as a simple rule finds."""

from __future__ import annotations

from collections.abc import Mapping

from companion.errors import CompanionError

__all__ = ["MIB", "divided"]

MIB = 2**20


def divided(first: int, sizes: Mapping[str, int], mib: float) -> dict[str, int]:
    """Return name -> number of the part, from 1, such that no part is over ``mib`` MiB.

    ``first`` bytes are in part 1. The largest file is placed first, each in the emptiest part; there are as few
    parts as that allows. Raises :class:`CompanionError` where a file, or what must be in part 1, is larger than a
    part.
    """
    limit = int(mib * MIB)
    for what, size in {"the code": first, **sizes}.items():
        if size > limit:
            raise CompanionError(f"--mib: expected at least {size / MIB:.1f} for {what}, found {mib:g}")
    for parts in range(1, len(sizes) + 2):
        filled, found = [first, *[0] * (parts - 1)], {}
        for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
            place = filled.index(min(filled))
            filled[place] += size
            found[name] = place + 1
        if max(filled) <= limit:
            return found
    raise AssertionError("a part for each file is enough")
