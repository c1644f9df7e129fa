"""What the pieces of the paper's trainings say: arguments of each claim's check, and numbers beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.studies.common.gathered import Assembled, gathered, seeds_of

__all__ = ["of_cifar", "of_long", "of_mnist", "time_to_equal"]

Results = Sequence[Mapping[str, Any]]
Pieces = Iterable[Mapping[str, Any]]
WORST = "audit_autoattack"
"""Right under APGD-CE, APGD-T and Square."""


def of_cifar(pieces: Pieces) -> Assembled:
    """YOPO-5-3, PGD-10, Free-8 and FGSM-RS on CIFAR-10, 36 epochs each: the claims of that contest."""
    arms = gathered(pieces)
    yopo, pgd, free, fast = (arms[name] for name in ("YOPO-5-3", "PGD-10", "Free-8", "FGSM-RS"))
    own: dict[str, dict[str, Any]] = {
        "full-clean": {"value": of(yopo, "clean")},
        "full-pgd": {"value": of(yopo, "pgd")},
        "full-gap": {"value": of(yopo, "pgd_few"), "baseline": of(yopo, WORST)},
        "cifar-against-pgd": {"value": of(yopo, "pgd"), "baseline": of(pgd, "pgd")},
        "full-against-worst": {"value": of(yopo, WORST), "baseline": of(pgd, WORST)},
        "full-free": {"value": of(yopo, "pgd"), "baseline": of(free, "pgd")},
        "full-fast": {"value": of(fast, WORST), "baseline": of(yopo, WORST)},
    }
    timed = {
        "full-time-equal": {"value": time_to_equal(pgd, yopo)},
        "full-free-time": {"value": ratio(free, yopo, "seconds")},
    }
    return Assembled(by_seed(own, arms), table("full", arms), by_seed(timed, arms))


def of_long(pieces: Pieces, long: Pieces) -> Assembled:
    """PGD-10 by the authors' longer schedule against YOPO-5-3 by theirs: the factor that the paper draws.

    ``pieces``: as for ``of_cifar``; ``long``: those of PGD-10 alone.
    """
    arms, slow = gathered(pieces), gathered(long)
    pgd, yopo = slow["PGD-10"], arms["YOPO-5-3"]
    timed = {"full-time": {"value": time_to_equal(pgd, yopo)}}
    return Assembled({}, table("long", slow), by_seed(timed, slow))


def of_mnist(pieces: Pieces) -> Assembled:
    """YOPO-5-10 against PGD-40 on MNIST, each by the authors' schedule."""
    arms = gathered(pieces)
    yopo, pgd = arms["YOPO-5-10"], arms["PGD-40"]
    own: dict[str, dict[str, Any]] = {
        "mnist": {"value": of(yopo, "pgd")},
        "mnist-clean": {"value": of(yopo, "clean")},
        "mnist-gap": {"value": of(yopo, "pgd_few"), "baseline": of(yopo, "audit_apgd_t")},
        "mnist-against-pgd": {"value": of(yopo, "pgd"), "baseline": of(pgd, "pgd")},
    }
    timed = {"mnist-time": {"value": time_to_equal(pgd, yopo)}}
    return Assembled(by_seed(own, arms), table("mnist", arms), by_seed(timed, arms))


def time_to_equal(slow: Results, fast: Results) -> list[float]:
    """Seconds to equal accuracy, ``slow`` over ``fast``, one factor for each seed.

    The accuracy is the lower one of the two best looks, so that both arms get there; a time is that of the first
    look at which an arm does.

    Raises:
        ValueError: the two were trained on devices of different names.
    """
    same_device(slow, fast)
    factors = []
    for pair in zip(slow, fast, strict=True):
        level = min(max(one["looks"]) for one in pair)
        times = [one["look_seconds"][int(np.argmax(np.array(one["looks"]) >= level))] for one in pair]
        factors.append(times[0] / times[1])
    return factors


def ratio(top: Results, bottom: Results, key: str) -> list[float]:
    """``key`` of the one over that of the other, seed by seed, on devices of one name."""
    same_device(top, bottom)
    return [a / b for a, b in zip(of(top, key), of(bottom, key), strict=True)]


def same_device(*arms: Results) -> None:
    """Raise unless all results come from devices of one name."""
    names = sorted({one["where"] for results in arms for one in results})
    if len(names) > 1:
        checks.fail("pieces", "seconds of one kind of device", " and ".join(names), "compute one arm again")


def of(results: Results, key: str) -> list[float]:
    """One number of each result."""
    return [float(one[key]) for one in results]


def by_seed(own: Mapping[str, dict[str, Any]], arms: Mapping[Any, Results]) -> dict[str, dict[str, Any]]:
    """The arguments of every check with the seeds, under the claims' full names."""
    return {f"yopo.paper.{claim}": {**given, "seeds": seeds_of(arms)} for claim, given in own.items()}


def table(name: str, arms: Mapping[str, Results]) -> dict[str, float]:
    """Means over seeds for the prose: clean, PGD, the three attacks, and minutes of training, arm by arm."""
    found = {}
    for arm, results in arms.items():
        end = arm.lower().replace("-", "_")
        for key, short in (("clean", "clean"), ("pgd", "pgd"), (WORST, "worst")):
            found[f"{name}_{short}_{end}"] = float(np.mean(of(results, key)))
        found[f"{name}_minutes_{end}"] = float(np.mean(of(results, "seconds"))) / 60
    return found
