"""From what a page measured to a verdict: numbers made plain, the kind's rules applied, errors as one
sentence.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from companion.book.ledger import Claim
from companion.errors import CheckError
from companion.evidence.verdict import judge, paired_differences, student_interval, worst

__all__ = ["MIN_SEEDS", "Checked", "assess", "plain_number"]

MIN_SEEDS = 3
"""Least number of seeds for a claim about training."""


@dataclass(frozen=True)
class Checked:
    """A judged claim: ``value`` decides (for training, the mean), ``interval`` is None for single values."""

    id: str
    profile: str
    verdict: str
    value: float
    interval: tuple[float, float] | None
    values: tuple[float, ...] | None
    baseline: tuple[float, ...] | None
    seeds: tuple[int, ...] | None
    expected: str

    def _ipython_display_(self) -> None:
        """Show nothing: ``check`` has displayed its line already, also where it ends a cell."""

    def payload(self) -> dict[str, Any]:
        """Return what goes into the notebook's output metadata: the numbers that were given, as plain JSON."""
        if self.values is None:
            return {"claim": self.id, "profile": self.profile, "value": self.value}
        lists = {key: getattr(self, key) for key in ("values", "baseline", "seeds")}
        given = {key: list(numbers) for key, numbers in lists.items() if numbers is not None}
        return {"claim": self.id, "profile": self.profile, **given}

    def plain(self) -> dict[str, Any]:
        """Return value, interval, seeds, values and baseline as plain JSON, ``None`` where there is none."""
        lists = ("interval", "seeds", "values", "baseline")
        return {
            "value": self.value,
            **{key: None if getattr(self, key) is None else list(getattr(self, key)) for key in lists},
        }


def assess(
    claim: Claim,
    profile: str,
    value: object = None,
    *,
    values: object = None,
    baseline: object = None,
    seeds: object = None,
) -> Checked:
    """Return ``claim`` judged at ``profile``; raise :class:`CheckError` where what was given cannot be
    judged.

    Training claims take one number for each seed (``value`` or ``values``), the ``seeds``, and for a paired
    comparison the ``baseline`` at the same seeds. All others take a single ``value``, or ``values`` of which
    the worst decides.
    """
    expect = claim.expect.get(profile)
    label = f"claim {claim.id}"
    if expect is None or expect.support is None:
        has = f"only {expect.verdict!r}" if expect else "none"
        raise CheckError(f"{label}: expected an expectation at profile {profile} in the ledger, found {has}")
    if value is not None and values is not None:
        raise CheckError(f"{label}: expected either a value or values=, found both")
    if value is None and values is None:
        raise CheckError(f"{label}: expected a value, found none")
    if claim.kind == "training":
        numbers = _numbers(f"{label}, values", values if value is None else value)
        bases = None if baseline is None else _numbers(f"{label}, baseline", baseline)
        kept = _seeds(label, seeds, len(numbers))
        if bases is not None and len(bases) != len(numbers):
            raise CheckError(
                f"{label}, baseline: expected {len(numbers)} numbers, one for each seed, found {len(bases)}"
            )
        judged = numbers if bases is None else paired_differences(numbers, bases)
        low, high = student_interval(judged)
        mean = low if low == high else math.fsum(judged) / len(judged)
        return Checked(
            claim.id,
            profile,
            judge(low, high, expect.support, expect.refute),
            mean,
            (low, high),
            tuple(numbers),
            None if bases is None else tuple(bases),
            kept,
            expect.text,
        )
    for name, given in (("baseline", baseline), ("seeds", seeds)):
        if given is not None:
            raise CheckError(
                f"{label}, {name}: expected it only for a claim of kind training, found kind {claim.kind}"
            )
    if values is not None:
        several = _numbers(f"{label}, values", values)
        decides = worst(several, expect.support)
    else:
        if _is_many(value):
            raise CheckError(f"{label}: expected a single number, found several; use values= to judge every one")
        several, decides = None, plain_number(label, value)
    return Checked(
        claim.id,
        profile,
        judge(decides, decides, expect.support),
        decides,
        None,
        None if several is None else tuple(several),
        None,
        None,
        expect.text,
    )


def plain_number(label: str, value: Any) -> float | int:
    """Return ``value`` (Python, NumPy or a one-element tensor) as a finite int or float; raise
    :class:`CheckError`.
    """
    given = value
    if hasattr(value, "item") and not _is_many(value):
        value = value.item()
    if isinstance(value, (bool, str, bytes, complex)) or value is None:
        raise CheckError(f"{label}: expected a number, found {given!r}")
    try:
        number: float | int = operator.index(value)
    except TypeError:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise CheckError(f"{label}: expected a number, found {given!r}") from None
    try:
        finite = math.isfinite(number)
    except OverflowError:
        raise CheckError(f"{label}: expected a number in the range of floats, found one outside") from None
    if not finite:
        raise CheckError(f"{label}: expected a finite number, found {number}")
    return number


def _is_many(value: object) -> bool:
    size = getattr(value, "numel", None) or getattr(value, "size", None)
    if size is not None:
        return (size() if callable(size) else size) != 1
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _numbers(label: str, values: object) -> list[float | int]:
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes, dict)):
        raise CheckError(f"{label}: expected a list of numbers, found {values!r}")
    numbers = [plain_number(f"{label}[{i}]", value) for i, value in enumerate(values)]
    if not numbers:
        raise CheckError(f"{label}: expected at least one number, found an empty list")
    return numbers


def _seeds(label: str, seeds: object, n: int) -> tuple[int, ...]:
    if seeds is None:
        raise CheckError(f"{label}, seeds: expected the {n} seeds of the runs, found none")
    given = _numbers(f"{label}, seeds", seeds)
    kept = tuple(seed for seed in given if isinstance(seed, int))
    if len(kept) != len(given):
        raise CheckError(f"{label}, seeds: expected whole numbers, found {given}")
    if sorted(kept) != list(range(len(kept))):
        first = "0, 1, 2" if len(kept) < 4 else f"0, 1, …, {len(kept) - 1}"
        raise CheckError(f"{label}, seeds: expected {first}: none is chosen, found {list(kept)}")
    if len(kept) < MIN_SEEDS:
        raise CheckError(
            f"{label}, seeds: expected at least {MIN_SEEDS} for a claim about training, found {len(kept)}"
        )
    if len(kept) != n:
        raise CheckError(f"{label}, values: expected {len(kept)} numbers, one for each seed, found {n}")
    return kept
