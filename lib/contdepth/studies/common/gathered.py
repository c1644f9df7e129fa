"""Results of pieces by arm and by seed, as a page compares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contdepth import checks

__all__ = ["Assembled", "gathered", "seeds_of"]


@dataclass(frozen=True)
class Assembled:
    """What pieces say: ``checks``, claim → keyword arguments of its check, and ``notes``, name → number.

    ``seconds``: the same as ``checks`` for claims whose numbers come from a clock.
    """

    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, dict[str, Any]] = field(default_factory=dict)


def gathered(pieces: Iterable[Mapping[str, Any]], key: str = "arm") -> dict[Any, list[Mapping[str, Any]]]:
    """The results of ``pieces``, each with ``arguments`` and ``result``: argument ``key`` → results by seed.

    Every arm has the seeds 0, 1, …, n − 1, each once, and its results come in their order.

    Raises:
        ValueError: no piece, or arms with other seeds.
    """
    found: dict[Any, dict[int, Mapping[str, Any]]] = {}
    count = 0
    for piece in pieces:
        asked = piece["arguments"]
        found.setdefault(asked[key], {})[asked["seed"]] = piece["result"]
        count += 1
    seeds = sorted(next(iter(found.values()), {}))
    if seeds != list(range(len(seeds))) or not seeds:
        checks.fail("pieces", "the seeds 0, 1, … of every arm", seeds or "none")
    for arm, results in found.items():
        if sorted(results) != seeds:
            checks.fail("pieces", f"the seeds {seeds} of every arm", f"{sorted(results)} of {arm}")
    if count != len(found) * len(seeds):
        checks.fail("pieces", f"{len(found) * len(seeds)}, one for each arm and seed", count)
    return {arm: [results[seed] for seed in seeds] for arm, results in found.items()}


def seeds_of(arms: Mapping[Any, Sequence[object]]) -> list[int]:
    """The seeds behind the results of ``gathered``."""
    return list(range(len(next(iter(arms.values())))))
