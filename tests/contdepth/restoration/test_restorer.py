"""A user's picture in and out: the restorer, the command, curves, banks and the picture to drag."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from contdepth.restoration import restorer as room
from contdepth.restoration.__main__ import main
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import RestorationUnit, UnitShape, make_unit, trajectory
from contdepth.restoration.restorer import DURR
from contdepth.restoration.stopping.bank import BankPlan, make_bank, random_crops
from contdepth.restoration.stopping.policy import Policy
from contdepth.schemes import ForwardEuler
from contdepth.studies.durr.curves import best_step, best_stop_gain, noisy_copies, step_curves
from contdepth.studies.durr.explorer import explorer


class Brighter(RestorationUnit):
    """Each step adds a hundredth."""

    def forward(self, x, y):
        return torch.full_like(x, 0.01)


class Blur(RestorationUnit):
    """Each step goes a third of the way to a local mean of the observation."""

    def forward(self, x, y):
        mean = torch.nn.functional.avg_pool2d(y, 9, stride=1, padding=4, count_include_pad=False)
        return (mean - x) / 3


class StopsAt(Policy):
    """Continues before step ``n``; remembers what it saw."""

    def __init__(self, n: int, horizon: int = 6) -> None:
        super().__init__()
        self.horizon, self.n, self.seen = horizon, n, []

    def forward(self, x, y, previous, step):
        self.seen.append((int(step[0]), float(x.mean()), float(previous.mean())))
        return torch.full((len(x),), float(self.n) - float(step[0]))


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


def test_curves_are_psnr_of_the_iterates():
    unit, clean = Blur(), torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    noisy = noisy_copies(clean, [10, 30], seed=0)
    curves = step_curves(unit, clean, noisy, 3)
    assert curves.shape == (2, 4, 2)
    for level in range(2):
        expected = psnr(trajectory(unit, noisy[level], 3), clean)
        torch.testing.assert_close(curves[level].double(), expected.double(), rtol=0, atol=1e-4)
    euler = step_curves(unit, clean, noisy, 3, scheme=ForwardEuler())
    assert torch.equal(curves, euler)
    half = step_curves(unit, clean, noisy, 6, scheme=ForwardEuler(), h=0.5)
    assert not torch.equal(half[:, 2], curves[:, 1]) and torch.equal(half[:, 0], curves[:, 0])


def test_levels_share_one_draw_of_the_noise():
    clean = torch.full((3, 1, 8, 8), 0.5)
    a, b = noisy_copies(clean, [10, 30], seed=0) - clean
    torch.testing.assert_close(3 * a, b, rtol=0, atol=1e-6)
    assert not torch.equal(a, (noisy_copies(clean, [10], seed=1) - clean)[0])


def test_best_steps_and_what_they_gain():
    curves = torch.tensor([[20.0, 25, 24, 20], [15, 18, 21, 22]])[..., None]
    assert best_step(curves).tolist() == [1, 3]
    gain, single = best_stop_gain(curves)
    assert single == 2 and gain == pytest.approx((25 + 22 - 24 - 21) / 2)
    assert best_stop_gain(curves, 0)[0] == pytest.approx((5 + 7) / 2)


def test_banks_are_reproducible_and_in_range():
    plan = BankPlan(low=20, high=40, episodes=3, steps=2, patch=32, data="photos")
    bank, again = make_bank(Blur(), plan), make_bank(Blur(), plan)
    assert torch.equal(bank.states, again.states) and bank.states.shape == (3, 3, 32, 32)
    assert ((bank.levels >= 20) & (bank.levels <= 40)).all() and len(bank.levels.unique()) == 3
    clean = random_crops(plan)
    noise = (bank.observations.float() - clean[:, 0]).std(dim=(1, 2)) * 255
    torch.testing.assert_close(noise, bank.levels, rtol=0.15, atol=0)
    coded = make_bank(Blur(), BankPlan("jpeg", 10, 12, episodes=4, steps=1, patch=32, data="photos"))
    assert set(coded.levels.tolist()) <= {10, 11, 12}
    for low, high in ((0, 10), (10, 150), (10.5, 20)):
        with pytest.raises((TypeError, ValueError), match="low|high"):
            BankPlan("jpeg", low, high)
    with pytest.raises(ValueError, match="patch: expected at most"):
        make_bank(Blur(), BankPlan(patch=4096, episodes=2, data="photos"))


def test_the_picture_to_drag_has_its_data_and_no_other_host():
    curves = {"a < b": torch.tensor([[1.0, 2.123], [3, 4]]), "second": torch.ones(2, 2)}
    html = explorer(
        "one", curves, torch.zeros(2, 2, 8, 8), [15, 25.5], colours=["#000", "#fff"], alt='a "b"', plot="p"
    )
    data = json.loads(re.search(r"var d = (\{.*?\}), root", html).group(1).replace("<\\/", "</"))
    assert data["levels"] == [15, 25.5] and data["steps"] == 1 and data["curves"]["a < b"] == [[1, 2.12], [3, 4]]
    assert len(data["crops"]) == 2 and all(len(row) == 2 for row in data["crops"])
    assert "http" not in html and "__" not in html and 'alt="a &quot;b&quot;"' in html
    with pytest.raises(ValueError, match="curves"):
        explorer(
            "one", {"a": torch.ones(2, 3)}, torch.zeros(2, 2, 8, 8), [1, 2], colours=["#000"], alt="", plot=""
        )
