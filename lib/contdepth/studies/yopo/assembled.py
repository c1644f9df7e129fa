"""What the pieces of the paper's trainings say: arguments of each claim's check, and numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from contdepth import checks
from contdepth.studies.common.arms import Arms, Assembled, Piece, by_arm

__all__ = ["of_cifar", "of_long", "of_mnist", "time_to_equal"]

Results = Sequence[Mapping[str, Any]]
Pieces = Sequence[Piece]
WORST = "audit_autoattack"
"""Right under APGD-CE, APGD-T and Square."""


def of_cifar(pieces: Pieces) -> Assembled:
    """YOPO-5-3, PGD-10, Free-8 and FGSM-RS on CIFAR-10, 36 epochs each: the claims of that contest."""
    arms = by_arm(pieces, matched=False)
    yopo, pgd, free, fast = "YOPO-5-3", "PGD-10", "Free-8", "FGSM-RS"
    own = {
        "full-clean": arms.alone(yopo, "clean"),
        "full-pgd": arms.alone(yopo, "pgd"),
        "full-gap": {**arms.alone(yopo, "pgd_few"), "baseline": arms.of(yopo, WORST)},
        "cifar-against-pgd": arms.paired(yopo, pgd, "pgd"),
        "full-against-worst": arms.paired(yopo, pgd, WORST),
        "full-free": arms.paired(yopo, free, "pgd"),
        "full-fast": arms.paired(fast, yopo, WORST),
    }
    timed = {
        "full-time-equal": {"value": time_to_equal(arms.runs(pgd), arms.runs(yopo)), "seeds": arms.seeds},
        "full-free-time": {"value": ratio(arms.runs(free), arms.runs(yopo), "seconds"), "seeds": arms.seeds},
    }
    return Assembled(named(own), table("full", arms), named(timed))


def of_long(pieces: Pieces, long: Pieces) -> Assembled:
    """PGD-10 by the authors' longer schedule against YOPO-5-3 by theirs: the factor that the paper draws.

    ``pieces``: as for ``of_cifar``; ``long``: those of PGD-10 alone.
    """
    arms, slow = by_arm(pieces, matched=False), by_arm(long, matched=False)
    factors = time_to_equal(slow.runs("PGD-10"), arms.runs("YOPO-5-3"))
    timed = {"full-time": {"value": factors, "seeds": slow.seeds}}
    return Assembled({}, table("long", slow), named(timed))


def of_mnist(pieces: Pieces) -> Assembled:
    """YOPO-5-10 against PGD-40 on MNIST, each by the authors' schedule."""
    arms = by_arm(pieces, matched=False)
    yopo, pgd = "YOPO-5-10", "PGD-40"
    own = {
        "mnist": arms.alone(yopo, "pgd"),
        "mnist-clean": arms.alone(yopo, "clean"),
        "mnist-gap": {**arms.alone(yopo, "pgd_few"), "baseline": arms.of(yopo, "audit_apgd_t")},
        "mnist-against-pgd": arms.paired(yopo, pgd, "pgd"),
    }
    timed = {"mnist-time": {"value": time_to_equal(arms.runs(pgd), arms.runs(yopo)), "seeds": arms.seeds}}
    return Assembled(named(own), table("mnist", arms), named(timed))


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
    return [float(a[key]) / float(b[key]) for a, b in zip(top, bottom, strict=True)]


def same_device(*arms: Results) -> None:
    """Raise unless all results come from devices of one name."""
    names = sorted({one["where"] for results in arms for one in results})
    if len(names) > 1:
        checks.fail("pieces", "seconds of one kind of device", " and ".join(names), "compute one arm again")


def named(own: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The arguments of every check under the claims' full names."""
    return {f"yopo.paper.{claim}": given for claim, given in own.items()}


def table(name: str, arms: Arms) -> dict[str, float]:
    """Means over seeds for the prose: clean, PGD, the three attacks, and minutes of training, arm by arm."""
    found = {}
    for arm in arms.results:
        end = arm.lower().replace("-", "_")
        for key, short in (("clean", "clean"), ("pgd", "pgd"), (WORST, "worst")):
            found[f"{name}_{short}_{end}"] = float(np.mean(arms.of(arm, key)))
        found[f"{name}_minutes_{end}"] = float(np.mean(arms.of(arm, "seconds"))) / 60
    return found
