"""Results of pieces, arm by arm and seed after seed, where the arms are matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contdepth import checks

__all__ = ["Arms", "by_arm"]

Piece = Mapping[str, Any]
"""``arguments`` and ``result`` of a piece."""


@dataclass(frozen=True)
class Arms:
    """``results[arm]``: what the pieces of an arm returned, in the order of ``seeds``."""

    seeds: tuple[int, ...]
    results: dict[str, tuple[Mapping[str, Any], ...]]

    def of(self, arm: str, name: str, *at: int) -> np.ndarray:
        """The entry ``name`` of an arm's results, of an array what stands ``at`` those places: (seeds, …)."""
        checks.one_of("arm", arm, tuple(self.results))
        found = np.array([one[name] for one in self.results[arm]], dtype=float)
        place: Any = (slice(None), *at)
        return found[place]

    def alone(self, arm: str, name: str, *at: int) -> dict[str, Any]:
        """``value`` and ``seeds`` of one arm, each an entry for each seed."""
        return {"value": self.of(arm, name, *at), "seeds": self.seeds}

    def paired(self, arm: str, baseline: str, name: str, *at: int) -> dict[str, Any]:
        """The same with the ``baseline`` at the same seeds."""
        return {**self.alone(arm, name, *at), "baseline": self.of(baseline, name, *at)}


def by_arm(pieces: Sequence[Piece]) -> Arms:
    """Sort ``pieces`` by their arguments ``arm`` and ``seed``.

    The numbers that a result lists under ``same`` (of data, order of the data, first weights) are those that the
    arms of one seed have in common; they may differ by rounding, since they are computed again on each machine.

    Raises:
        ValueError: no piece; pieces with other arguments than the first, arm and seed aside; a seed that an arm
            lacks or has twice; arms of a seed that are not matched.
    """
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    settings = [{k: v for k, v in piece["arguments"].items() if k not in ("arm", "seed")} for piece in pieces]
    for one in settings:
        if one != settings[0]:
            checks.fail("pieces", f"one comparison, with the arguments {settings[0]}", one)
    for piece in pieces:
        arm, seed = piece["arguments"]["arm"], piece["arguments"]["seed"]
        if seed in found.setdefault(arm, {}):
            checks.fail("pieces", f"one of arm {arm} with seed {seed}", "two")
        found[arm][seed] = piece["result"]
    if not found:
        checks.fail("pieces", "at least one", "none")
    first, *others = found
    seeds = tuple(sorted(found[first]))
    for arm in others:
        if set(found[arm]) != set(seeds):
            checks.fail("pieces", f"the seeds {list(seeds)} of arm {first} in arm {arm}", sorted(found[arm]))
        for seed in seeds:
            _require_same(first, arm, seed, found[first][seed]["same"], found[arm][seed]["same"])
    return Arms(seeds, {arm: tuple(runs[seed] for seed in seeds) for arm, runs in found.items()})


def _require_same(arm: str, other: str, seed: int, ours: Sequence[float], theirs: Sequence[float]) -> None:
    if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=1e-6, atol=0):
        checks.fail(
            "pieces",
            f"matched arms {arm} and {other} at seed {seed}, with the same {list(ours)}",
            list(theirs),
            "compute both again with one version of the code",
        )
