"""From what a page measured to a verdict: numbers made plain, the kind's rules applied, errors as one
sentence.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from companion.book.ledger import Claim, Expectation
from companion.errors import CheckError
from companion.evidence.verdict import (
    exact_interval,
    judge,
    paired_differences,
    student_interval,
    worst,
)

__all__ = ["MIN_SEEDS", "Checked", "assess", "plain_number"]

MIN_SEEDS = 3
"""Least number of seeds for a claim about training."""


@dataclass(frozen=True)
class Checked:
    """A judged claim: ``value`` decides (for training the mean, for a proportion the share), ``interval`` is None
    for single values and where all seeds gave the same; ``successes`` are those of a proportion, and of how many;
    ``open_because`` says why the numbers decide nothing whatever they are.
    """

    id: str
    profile: str
    verdict: str
    value: float
    interval: tuple[float, float] | None
    values: tuple[float, ...] | None
    baseline: tuple[float, ...] | None
    seeds: tuple[int, ...] | None
    expected: str
    successes: tuple[int, int] | None = None
    open_because: str | None = None

    def _ipython_display_(self) -> None:
        """Show nothing: ``check`` has displayed its line already, also where it ends a cell."""

    @property
    def on_interval(self) -> bool:
        """Whether the interval decides: there is one, and nothing else leaves the claim open."""
        return self.interval is not None and self.open_because is None

    def payload(self) -> dict[str, Any]:
        """Return what goes into the notebook's output metadata: the numbers that were given, as plain JSON."""
        if self.values is None:
            given = self.value if self.successes is None else self.successes[0]
            return {"claim": self.id, "profile": self.profile, "value": given}
        lists = {key: getattr(self, key) for key in ("values", "baseline", "seeds")}
        kept = {key: list(numbers) for key, numbers in lists.items() if numbers is not None}
        return {"claim": self.id, "profile": self.profile, **kept}

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
    comparison the ``baseline`` at the same seeds. Proportions take 0 or 1 for each of the ``seeds``, or one count
    where the ledger says of how many. All others take a single ``value``, or ``values`` of which the worst
    decides.
    """
    expect = claim.expect.get(profile)
    support = None if expect is None else expect.support
    label = f"claim {claim.id}"
    if expect is None or support is None:
        has = f"only {expect.verdict!r}" if expect else "none"
        raise CheckError(f"{label}: expected an expectation at profile {profile} in the ledger, found {has}")
    if value is not None and values is not None:
        raise CheckError(f"{label}: expected either a value or values=, found both")
    if value is None and values is None:
        raise CheckError(f"{label}: expected a value, found none")
    if claim.kind == "training":
        return _trained(claim, profile, expect, values if value is None else value, baseline, seeds)
    if claim.kind == "proportion":
        return _proportion(claim, profile, expect, value, values, baseline, seeds)
    for name, given in (("baseline", baseline), ("seeds", seeds)):
        if given is not None:
            raise CheckError(
                f"{label}, {name}: expected it only for a claim of kind training or proportion, found kind "
                f"{claim.kind}"
            )
    if values is not None:
        several = _numbers(f"{label}, values", values)
        decides = worst(several, support)
    else:
        if _is_many(value):
            raise CheckError(f"{label}: expected a single number, found several; use values= to judge every one")
        several, decides = None, plain_number(label, value)
    verdict = judge(decides, decides, support, words=claim.words)
    kept = None if several is None else tuple(several)
    return _with_few(
        claim, expect, Checked(claim.id, profile, verdict, decides, None, kept, None, None, expect.text)
    )


def _trained(
    claim: Claim, profile: str, expect: Expectation, values: object, baseline: object, seeds: object
) -> Checked:
    """Judge the mean over seeds, of the paired differences where there is a baseline."""
    label = f"claim {claim.id}"
    numbers = _numbers(f"{label}, values", values)
    bases = None if baseline is None else _numbers(f"{label}, baseline", baseline)
    kept = _seeds(label, seeds, len(numbers))
    if bases is not None and len(bases) != len(numbers):
        raise CheckError(
            f"{label}, baseline: expected {len(numbers)} numbers, one for each seed, found {len(bases)}"
        )
    judged = numbers if bases is None else paired_differences(numbers, bases)
    interval = student_interval(judged)
    if interval is None:
        mean, verdict, why = judged[0], claim.words[2], f"all {len(judged)} seeds gave the same"
    else:
        mean, verdict, why = math.fsum(judged) / len(judged), _judge(claim, expect, interval), None
    paired = None if bases is None else tuple(bases)
    found = Checked(
        claim.id,
        profile,
        verdict,
        mean,
        interval,
        tuple(numbers),
        paired,
        kept,
        expect.text,
        open_because=why,
    )
    return _with_few(claim, expect, found)


def _proportion(
    claim: Claim,
    profile: str,
    expect: Expectation,
    value: object,
    values: object,
    baseline: object,
    seeds: object,
) -> Checked:
    """Judge a share of seeds: 0 or 1 for each of them, or one count with the ledger's ``trials``."""
    label = f"claim {claim.id}"
    if baseline is not None:
        raise CheckError(f"{label}, baseline: expected none for a claim of kind proportion, found one")
    if expect.trials is not None:
        if values is not None or seeds is not None or _is_many(value):
            raise CheckError(f"{label}: expected one count, of {expect.trials} trials, found several numbers")
        number = plain_number(label, value)
        if not isinstance(number, int) and not float(number).is_integer() or not 0 <= number <= expect.trials:
            raise CheckError(f"{label}: expected a count from 0 to {expect.trials}, found {number}")
        count, trials, ones, kept = int(number), expect.trials, None, None
    else:
        ones = tuple(_numbers(f"{label}, values", values if value is None else value))
        if wrong := [one for one in ones if one not in (0, 1)]:
            raise CheckError(f"{label}, values: expected 0 or 1 for each seed, found {wrong[0]}")
        kept = _seeds(label, seeds, len(ones))
        count, trials = int(sum(ones)), len(ones)
    interval = exact_interval(count, trials)
    return Checked(
        claim.id,
        profile,
        _judge(claim, expect, interval),
        count / trials,
        interval,
        ones,
        None,
        kept,
        expect.text,
        successes=(count, trials),
    )


def _judge(claim: Claim, expect: Expectation, interval: tuple[float, float]) -> str:
    assert expect.support is not None
    return judge(*interval, expect.support, expect.refute, claim.words)


def _with_few(claim: Claim, expect: Expectation, found: Checked) -> Checked:
    """Return the check, undecided where too few networks were trained for it."""
    few = expect.trainings
    if few is None or few >= MIN_SEEDS:
        return found
    why = f"{few} training{'s' * (few > 1)} of the network, and {MIN_SEEDS} are the least that can tell"
    return replace(found, verdict=claim.words[2], open_because=why)


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
