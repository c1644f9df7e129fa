"""What pieces of the trainings say, against results whose answer is known by hand."""

from __future__ import annotations

import pytest

from contdepth.studies.yopo.assembled import of_cifar, of_long, of_mnist, time_to_equal

SEEDS = (0, 1, 2)


def result(clean=80.0, pgd=40.0, worst=38.0, seconds=60.0, looks=(10, 30, 40), where="one device", shift=0):
    count = len(looks)
    return {
        "clean": clean + shift, "pgd": pgd + shift, "pgd_few": pgd + 1 + shift, "audit_autoattack": worst + shift,
        "audit_apgd_t": worst + 0.5 + shift,
        "seconds": seconds, "looks": list(looks), "where": where,
        "look_seconds": [seconds * (place + 1) / count for place in range(count)],
    }  # fmt: skip


def arm(name, **options):
    return [{"arguments": {"arm": name, "seed": s}, "result": result(**options, shift=s)} for s in SEEDS]


def contest():
    return [
        *arm("YOPO-5-3"), *arm("PGD-10", pgd=43.0, worst=41.0, seconds=90.0),
        *arm("Free-8", pgd=39.0, seconds=84.0), *arm("FGSM-RS", worst=36.0, seconds=20.0),
    ]  # fmt: skip


def test_time_to_equal_accuracy_is_that_of_the_first_look_there():
    fast = [result(seconds=40.0, looks=(10, 35, 41, 38))]
    slow = [result(seconds=120.0, looks=(20, 20, 30, 39, 42, 45))]
    assert time_to_equal(slow, fast) == [pytest.approx(100 / 30)], "41 at 30 s; 42, the first above it, at 100 s"
    assert time_to_equal(fast, slow) == [pytest.approx(30 / 100)]
    never = [result(seconds=60.0, looks=(5, 6, 6))]
    assert time_to_equal(never, fast) == [pytest.approx(40 / 10)], "the lower of the two best looks, 6"


def test_seconds_of_two_devices_are_not_compared():
    with pytest.raises(ValueError, match="pieces: expected seconds of one kind of device, found a and b"):
        time_to_equal([result(where="b")], [result(where="a")])


def test_claims_of_cifar():
    found = of_cifar(contest())
    assert all(one["seeds"] == SEEDS for one in found.checks.values())

    def difference(claim):
        one = found.checks[f"yopo.paper.{claim}"]
        return [a - b for a, b in zip(one["value"], one["baseline"], strict=True)]

    assert found.checks["yopo.paper.full-clean"]["value"].tolist() == [80, 81, 82]
    assert found.checks["yopo.paper.full-pgd"]["value"].tolist() == [40, 41, 42]
    assert difference("full-gap") == [3, 3, 3] and difference("cifar-against-pgd") == [-3, -3, -3]
    assert difference("full-against-worst") == [-3, -3, -3]
    assert difference("full-free") == [1, 1, 1] and difference("full-fast") == [-2, -2, -2]
    assert found.seconds == {
        "yopo.paper.full-time-equal": {"value": [1.5] * 3, "seeds": SEEDS},
        "yopo.paper.full-free-time": {"value": [1.4] * 3, "seeds": SEEDS},
    }
    assert found.notes["full_clean_yopo_5_3"] == 81 and found.notes["full_minutes_pgd_10"] == 1.5
    assert len(found.notes) == 4 * 4 and all(name.isidentifier() for name in found.notes)


def test_the_longer_schedule_against_the_shorter():
    found = of_long(contest(), arm("PGD-10", seconds=270.0, looks=(10, 20, 30, 35, 40, 41)))
    assert found.seconds == {"yopo.paper.full-time": {"value": [225 / 60] * 3, "seeds": SEEDS}}
    assert not found.checks
    assert set(found.notes) == {f"long_{key}_pgd_10" for key in ("clean", "pgd", "worst", "minutes")}


def test_claims_of_mnist():
    found = of_mnist([*arm("YOPO-5-10", pgd=96.0), *arm("PGD-40", pgd=96.5, seconds=300.0)])
    one = found.checks["yopo.paper.mnist-against-pgd"]
    assert [a - b for a, b in zip(one["value"], one["baseline"], strict=True)] == [-0.5] * 3
    assert found.seconds["yopo.paper.mnist-time"]["value"] == [5.0] * 3
    own = {claim: found.checks[f"yopo.paper.mnist{claim}"] for claim in ("", "-clean", "-gap")}
    assert own[""]["value"].tolist() == [96, 97, 98] and own["-clean"]["value"].tolist() == [80, 81, 82]
    assert [a - b for a, b in zip(own["-gap"]["value"], own["-gap"]["baseline"], strict=True)] == [58.5] * 3
