"""DURR put together, from Python and from the command line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from restoration_toys import Blur, Brighter, StopsAt

from contdepth.restoration import restorer as room
from contdepth.restoration.__main__ import main
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


def test_phone_pictures_are_turned_and_tiffs_lose_nothing(tmp_path, toy):
    flat = Image.fromarray(picture(10, 14))
    tags = flat.getexif()
    tags[0x0112] = 6  # a quarter turn
    flat.save(tmp_path / "phone.png", exif=tags)
    assert main([str(tmp_path / "phone.png"), "--out", str(tmp_path / "a.tif")]) == 0
    with Image.open(tmp_path / "a.tif") as found:
        assert found.size == (10, 14)
        assert np.array_equal(np.asarray(found), np.round(np.rot90(picture(10, 14), -1) + 5.1).astype(np.uint8))


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
    with pytest.raises(ValueError, match="gaussian"):
        DURR.load("rain")


@pytest.fixture
def toy(monkeypatch):
    """The command with a toy restorer in place of the stored ones."""
    monkeypatch.setattr(DURR, "load", classmethod(lambda cls, name="gaussian": cls(Brighter(), StopsAt(2))))


def test_the_command_restores_a_file(tmp_path, capsys, toy):
    Image.fromarray(picture(10, 12, 3)).save(tmp_path / "photo.png")
    assert main([str(tmp_path / "photo.png")]) == 0
    with Image.open(tmp_path / "photo-restored.png") as found:
        assert np.array_equal(np.asarray(found), np.round(picture(10, 12, 3) + 5.1).astype(np.uint8))
    assert "photo-restored.png: 2 steps" in capsys.readouterr().out
    reference = str(tmp_path / "photo.png")
    assert main([reference, "--reference", reference, "--steps", "1", "--out", str(tmp_path / "b.tif")]) == 0
    out = capsys.readouterr().out
    assert "b.tif: 1 steps" in out and "PSNR by step (dB): inf" in out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["absent.png"], "picture: expected a picture file, found no file"),
        (["text.png"], "picture: expected a picture file that Pillow can read"),
        (["photo.png", "--out", "x.jpg"], "--out: expected a .png or .tif file"),
        (["photo.png", "--steps", "99"], "steps: expected"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, tmp_path, capsys, toy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(8, 8)).save("photo.png")
    (tmp_path / "text.png").write_text("no picture")
    assert main(arguments) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "photo-restored.png").exists()
