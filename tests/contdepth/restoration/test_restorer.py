"""DURR put together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from restoration_toys import Blur, Brighter, StopsAt

from contdepth.restoration import restorer as room
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import UnitShape, make_unit, trajectory
from contdepth.restoration.restorer import DURR


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Random grey values away from the ends."""
    return np.random.default_rng(seed).integers(60, 180, shape).astype(np.uint8)


@pytest.mark.parametrize("n, expected", [(0, 0), (1, 1), (3, 3), (6, 6), (9, 6)])
def test_the_policy_decides_how_often(n, expected):
    given = np.full((20, 30), 100, np.uint8)
    policy = StopsAt(n)
    found = DURR(Brighter(), policy).restore(given)
    assert found.steps == expected and found.psnr is None
    assert np.array_equal(found.image, np.round(given + 2.55 * expected).astype(np.uint8))
    assert [s for s, _, _ in policy.seen] == list(range(min(expected + 1, 6))) and len(found.values) == len(
        policy.seen
    )
    for step, x, previous in policy.seen:
        assert x == pytest.approx(100 / 255 + 0.01 * step, abs=1e-6)
        assert previous == pytest.approx(100 / 255 + 0.01 * max(step - 1, 0), abs=1e-6)


def test_a_chosen_number_of_steps_asks_no_policy():
    policy = StopsAt(5)
    found = DURR(Brighter(), policy).restore(np.full((8, 8), 100, np.uint8), steps=2)
    assert found.steps == 2 and found.values == [] and policy.seen == [] and found.image[0, 0] == 105


def test_a_reference_gives_the_whole_curve_and_changes_nothing():
    clean, noisy = picture(16, 17), picture(16, 17, seed=1)
    durr = DURR(Blur(), StopsAt(2))
    alone, both = durr.restore(noisy), durr.restore(noisy, reference=clean)
    assert np.array_equal(alone.image, both.image) and alone.steps == both.steps == 2
    assert len(both.psnr) == 7
    x = torch.from_numpy(noisy / 255.0).float()[None, None]
    y, states = x, [x]
    for _ in range(6):
        states.append(states[-1] + Blur()(states[-1], y))
    expected = [float(psnr(s, torch.from_numpy(clean / 255.0).float()[None, None])) for s in states]
    assert both.psnr == pytest.approx(expected, abs=1e-4)


def test_colour_planes_share_one_stop_and_alpha_stays():
    given = picture(12, 13, 4)
    found = DURR(Brighter(), StopsAt(3)).restore(given)
    assert found.image.shape == given.shape and np.array_equal(found.image[..., 3], given[..., 3])
    assert np.array_equal(found.image[..., :3], np.round(given[..., :3] + 2.55 * 3).astype(np.uint8))


def test_luma_alone_moves_all_colours_alike():
    given = picture(12, 13, 3)
    found = DURR(Brighter(), StopsAt(2), luma=True).restore(given, reference=given)
    assert np.array_equal(found.image, np.round(given + 5.1).astype(np.uint8))
    assert found.psnr[1] == pytest.approx(40, abs=1e-2)
    blurred = DURR(Blur(), StopsAt(1), luma=True).restore(given.astype(np.float32) / 255).image
    change = blurred - given / 255
    assert np.ptp(change, axis=2).max() < 1e-6 and abs(change).max() > 0.01


def noisy(*shape: int) -> np.ndarray:
    """Grey with white noise of 30 grey levels."""
    return np.random.default_rng(0).normal(120, 30, shape).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (31, 50), (3, 3)])
def test_the_policy_is_asked_about_noise_and_about_small_pictures(shape):
    found = DURR(Blur(), StopsAt(2), looks_for="noise").restore(noisy(*shape))
    small = shape[0] < 32
    assert found.steps == 2 and (found.damage is None if small else 20 < found.damage < 35)
    flat = DURR(Brighter(), StopsAt(2), looks_for="noise").restore(np.full(shape, 100, np.uint8))
    assert flat.steps == (2 if small else 0) and flat.damage == (None if small else 0)


def test_one_noisy_colour_is_enough():
    given = np.full((64, 64, 3), 120, np.uint8)
    given[..., 2] = noisy(64, 64)
    assert DURR(Blur(), StopsAt(1), looks_for="noise").restore(given).steps == 1


def test_a_step_that_removes_more_than_the_noise_is_not_taken():
    ramp = np.linspace(40, 200, 64)[:, None] * np.ones(64)
    strong = ramp + 30 * np.sin(np.arange(64) * 2 * np.pi / 6)
    given = (strong + np.random.default_rng(0).normal(0, 3, (64, 64))).astype(np.uint8)
    assert DURR(Blur(), StopsAt(1), looks_for="noise").restore(given).steps == 0
    assert DURR(Blur(), StopsAt(1)).restore(given).steps == 1


def test_chosen_steps_are_taken_whatever_the_picture_shows():
    found = DURR(Brighter(), StopsAt(2), looks_for="noise").restore(np.full((40, 40), 100, np.uint8), steps=3)
    assert found.steps == 3 and found.damage is None


@pytest.mark.parametrize("luma", [False, True])
def test_what_is_hidden_changes_nothing_that_is_seen(luma):
    given, other = picture(40, 41, 4), picture(40, 41, 4, seed=1)
    given[:, 20:, 3] = 0
    other[..., 3] = given[..., 3]
    other[:, :20] = given[:, :20]
    durr = DURR(Blur(), StopsAt(2), luma=luma)
    one, two = durr.restore(given, reference=other), durr.restore(other, reference=given)
    assert np.array_equal(one.image[:, :20], two.image[:, :20]) and one.psnr == two.psnr
    assert one.psnr[0] == np.inf and np.isfinite(one.psnr[1])
    other[:, 0, :3] = given[:, 0, :3] + 10
    assert durr.restore(given, reference=other).psnr[0] == pytest.approx(
        -20 * np.log10(10 / 255) + 10 * np.log10(20)
    )
    assert np.array_equal(one.image[:, 20:], given[:, 20:]) and not np.array_equal(
        one.image[:, :20], given[:, :20]
    )


@pytest.mark.parametrize("layout", ["compact", "unet"])
def test_tiles_change_nothing(layout, monkeypatch):
    unit = make_unit(UnitShape(layout, 4), 0)
    with torch.no_grad():
        for p in unit.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    durr = DURR(unit, StopsAt(2))
    x = torch.rand(1, 1, 131, 94, generator=torch.Generator().manual_seed(0))
    whole = trajectory(unit, x, 1)[1]
    monkeypatch.setattr(room, "TILE", 40)
    torch.testing.assert_close(durr.step(x, x), whole, rtol=0, atol=2e-5)
    monkeypatch.setattr(room, "REACH", 8)
    assert (durr.step(x, x) - whole).abs().max() > 1e-3


@pytest.mark.parametrize(
    "given, words",
    [
        (np.full((8, 8), np.nan), "finite"),
        (np.zeros((0, 8), np.uint8), "empty|pixel"),
        (np.full((8, 8), 200.0), "255"),
        (np.zeros((8, 8, 2), np.uint8), "channel|shape"),
        ("photo.png", "array|picture|image"),
    ],
)
def test_bad_pictures(given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        DURR(Brighter(), StopsAt(1)).restore(given)


def test_bad_arguments():
    durr = DURR(Brighter(), StopsAt(1))
    with pytest.raises(ValueError, match="reference"):
        durr.restore(picture(8, 8), reference=picture(8, 9))
    with pytest.raises(ValueError, match="steps"):
        durr.restore(picture(8, 8), steps=7)
    with pytest.raises(TypeError, match="unit: expected a RestorationUnit"):
        DURR(torch.nn.Identity(), StopsAt(1))
    with pytest.raises(TypeError, match="policy: expected a Policy"):
        DURR(Brighter(), torch.nn.Identity())
    with pytest.raises(ValueError, match="looks_for: expected one of 'noise', 'blocks', None"):
        DURR(Brighter(), StopsAt(1), looks_for="rain")
    with pytest.raises(ValueError, match="gaussian"):
        DURR.load("rain")
