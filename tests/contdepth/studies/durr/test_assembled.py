"""What pieces of unit, policy and rivals say, against results whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from contdepth.studies.durr.assembled import AR_CNN, DNCNN_3, of_deblocking, of_denoising, of_rivals

NOISE, QUALITIES = [25, 35, 45, 55, 65, 75], [10, 20, 30, 40]


def run(levels, base, seed):
    """Two pictures, three steps: the first is best after one step, the second after two, as the policy knows."""
    psnr = np.zeros((len(levels), 3, 2))
    psnr[..., 0], psnr[..., 1] = [20, 30, 26], [20, 26, 32]
    psnr += np.array([base[level] for level in levels])[:, None, None] - 31 + seed
    return {"psnr": psnr, "stops": np.array([[1, 2]] * len(levels)), "levels": levels}


def policies(task, levels, base):
    return [{"arguments": {"task": task, "seed": seed}, "result": run(levels, base, seed)} for seed in range(3)]


def denoising():
    return policies("gaussian", NOISE, {level: 40 - level / 10 for level in NOISE})


def rivals(method, ahead, levels=NOISE, count=2):
    return [
        {
            "arguments": {"method": method, "level": level},
            "result": {
                "psnr": [float(v) for v in [39 - level / 10 - ahead, 41 - level / 10 - ahead][:count]],
                "estimates": [14.0, 6.0][:count],
            },
        }
        for level in levels
    ]


def test_denoising_is_judged_where_the_policy_stops():
    found = of_denoising(denoising())
    for level in NOISE:
        one = found.checks[f"durr.stopping.paper-{level}"]
        assert one["seeds"] == (0, 1, 2)
        assert one["value"] == pytest.approx([40 - level / 10 + seed for seed in range(3)])
    assert found.checks["durr.stopping.full-fixed"]["value"] == pytest.approx([2, 2, 2]), "31 against 29"
    assert found.notes == {f"full_stops_{level}": 1.5 for level in NOISE}


def test_a_fixed_number_of_steps_is_judged_on_trained_levels_alone():
    pieces = denoising()
    for piece in pieces:
        piece["result"]["psnr"][4:] += np.array([0, 0, 50])[:, None]
    found = of_denoising(pieces)
    assert found.checks["durr.stopping.full-fixed"]["value"] == pytest.approx([2, 2, 2])


def test_deblocking_beside_published_rows():
    found = of_deblocking(policies("jpeg", QUALITIES, {q: AR_CNN[q] + 0.1 for q in QUALITIES}))
    for quality in QUALITIES:
        one = found.checks[f"durr.deblocking.full-{quality}"]
        assert one["value"] == pytest.approx([0.1, 1.1, 2.1]) and one["seeds"] == (0, 1, 2)
    behind = np.mean([AR_CNN[q] + 0.1 - DNCNN_3[q] for q in (10, 20, 30)])
    assert found.checks["durr.deblocking.full-dncnn"]["value"] == pytest.approx([behind + s for s in range(3)])


def test_rivals_are_met_picture_by_picture():
    found = of_rivals(denoising(), rivals("BM3D", 0.5) + rivals("DnCNN-B", -0.25))
    for claim, gap in (("bm3d", 0.5), ("dncnn", -0.25)):
        for end in ("", "-unseen"):
            one = found.checks[f"durr.rivals.full-{claim}{end}"]
            assert one["value"] == pytest.approx([gap, gap + 1, gap + 2]) and one["seeds"] == (0, 1, 2)
    assert found.notes["full_bm3d_25"] == pytest.approx(37) and found.notes["full_dncnn_b_75"] == 32.75


def test_estimates_of_the_noise_stop_the_unit_as_well():
    """One step at 14, none at 6: 30 and 20 of the two pictures, where the policy has 30 and 32."""
    found = of_rivals(denoising(), rivals("BM3D", 0) + rivals("DnCNN-B", 0))
    for level in NOISE[1:]:
        one = found.checks[f"durr.rivals.paper-{level}"]
        assert one["value"] == pytest.approx([34 - level / 10 + seed for seed in range(3)])
    assert "durr.rivals.paper-25" not in found.checks


def test_levels_are_averaged_over_those_of_the_claim():
    unequal = rivals("BM3D", 0.5, NOISE[:4]) + rivals("BM3D", 3, NOISE[4:])
    found = of_rivals(denoising(), unequal + rivals("DnCNN-B", 0))
    assert found.checks["durr.rivals.full-bm3d"]["value"] == pytest.approx([0.5, 1.5, 2.5])
    assert found.checks["durr.rivals.full-bm3d-unseen"]["value"] == pytest.approx([3, 4, 5])


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (rivals("BM3D", 0, NOISE[1:]) + rivals("DnCNN-B", 0), "results at level 25"),
        (rivals("BM3D", 0, count=1) + rivals("DnCNN-B", 0), "2 pictures, as the unit has, found 1"),
        (rivals("BM3D", 0), "rivals: expected one of 'BM3D'"),
    ],
    ids=["a level is missing", "other pictures", "a method is missing"],
)
def test_rivals_that_do_not_fit_are_refused(others, said):
    with pytest.raises(ValueError, match=said):
        of_rivals(denoising(), others)
