"""Results of pieces, arm by arm and seed after seed, and what a page says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contdepth import checks

__all__ = ["Arms", "Assembled", "Piece", "by_arm"]

Piece = Mapping[str, Any]
"""``arguments`` and ``result`` of a piece."""


@dataclass(frozen=True)
class Assembled:
    """What pieces say: ``checks``, claim → keyword arguments of its check, and ``notes``, name → number.

    ``seconds``: the same as ``checks`` for claims whose numbers come from a clock.
    """

    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arms:
    """``results[arm]``: what the pieces of an arm returned, in the order of ``seeds``."""

    seeds: tuple[int, ...]
    results: dict[str, tuple[Mapping[str, Any], ...]]

    def runs(self, arm: str) -> tuple[Mapping[str, Any], ...]:
        """The results of one arm, seed after seed."""
        return self.results[checks.one_of("arm", arm, tuple(self.results))]

    def of(self, arm: str, name: str, *at: int) -> np.ndarray:
        """The entry ``name`` of an arm's results, of an array what stands ``at`` those places: (seeds, …)."""
        found = np.array([one[name] for one in self.runs(arm)], dtype=float)
        place: Any = (slice(None), *at)
        return found[place]

    def alone(self, arm: str, name: str, *at: int) -> dict[str, Any]:
        """``value`` and ``seeds`` of one arm, each an entry for each seed."""
        return {"value": self.of(arm, name, *at), "seeds": self.seeds}

    def paired(self, arm: str, baseline: str, name: str, *at: int) -> dict[str, Any]:
        """The same with the ``baseline`` at the same seeds."""
        return {**self.alone(arm, name, *at), "baseline": self.of(baseline, name, *at)}


def by_arm(pieces: Sequence[Piece], *, key: str = "arm", matched: bool = True) -> Arms:
    """Sort ``pieces`` by their arguments ``key`` and ``seed``: every arm has the seeds 0, 1, …, each once.

    The numbers that a result lists under ``same`` (of data, order of the data, first weights) are those that the
    arms of one seed have in common; they may differ by rounding, since they are computed again on each machine.
    ``matched=False``: for pieces that list none.

    Raises:
        ValueError: no piece; pieces with other arguments than the first, arm and seed aside; a seed that an arm
            lacks or has twice; arms of a seed that are not matched.
    """
    found = _sorted(pieces, key)
    first, *others = found
    seeds = tuple(range(len(found[first])))
    for arm, runs in found.items():
        if sorted(runs) != list(seeds):
            checks.fail("pieces", f"the seeds {list(seeds)} of every arm", f"{sorted(runs)} of {arm}")
    if matched:
        for arm in others:
            for seed in seeds:
                _require_same(seed, {one: found[one][seed] for one in (first, arm)})
    return Arms(seeds, {arm: tuple(runs[seed] for seed in seeds) for arm, runs in found.items()})


def _sorted(pieces: Sequence[Piece], key: str) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Arm → seed → result of the pieces of one comparison."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    settings = [{k: v for k, v in piece["arguments"].items() if k not in (key, "seed")} for piece in pieces]
    for one in settings:
        if one != settings[0]:
            checks.fail("pieces", f"one comparison, with the arguments {settings[0]}", one)
    for piece in pieces:
        arm, seed = piece["arguments"][key], piece["arguments"]["seed"]
        if seed in found.setdefault(arm, {}):
            checks.fail("pieces", f"one of {key} {arm} with seed {seed}", "two")
        found[arm][seed] = piece["result"]
    if not found:
        checks.fail("pieces", "at least one", "none")
    return found


def _require_same(seed: int, both: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two arms whose results at ``seed`` have other numbers in common, or list none."""
    for arm, one in both.items():
        if "same" not in one:
            checks.fail("pieces", "the entry same in every result", f"none in that of {arm} at seed {seed}")
    ours, theirs = (one["same"] for one in both.values())
    if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=1e-6, atol=0):
        checks.fail(
            "pieces",
            f"matched arms {' and '.join(both)} at seed {seed}, with the same {list(ours)}",
            list(theirs),
            "compute both again with one version of the code",
        )
