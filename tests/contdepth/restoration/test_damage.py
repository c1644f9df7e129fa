"""How much noise and how much blocking a picture shows, and what the stored restorers leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contdepth.restoration.damage import BLOCKS, blocking, calm_noise
from contdepth.restoration.degrade import gaussian, jpeg, to_tensor
from contdepth.restoration.metrics import psnr
from contdepth.restoration.photos import centre_crop, photo
from contdepth.restoration.restorer import DURR
from contdepth.seeds import generator

PLAYED = ("camera", "coffee", "grass", "brick")


def cut(name: str, size: int = 192) -> Tensor:
    return to_tensor(centre_crop(photo(name), size))


def board(period: int, low: int = 50, high: int = 200) -> np.ndarray:
    """A checkerboard of squares of ``period`` pixels."""
    place = np.arange(128) // period
    return np.where((place[:, None] + place) % 2, low, high).astype(np.uint8)


def dithered() -> np.ndarray:
    """A ramp in four greys by an ordered 4 × 4 dither."""
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    ramp = np.linspace(0.2, 2.8, 128)[:, None] * np.ones(128)
    return (40 + 50 * np.floor(ramp + np.tile(order, (32, 32)))).astype(np.uint8)


def drawn() -> np.ndarray:
    """Dark strokes on light paper, without grey between."""
    out = np.full((128, 160), 230, np.uint8)
    for row in range(10, 120, 14):
        out[row : row + 7 : 6, 8:150] = 20
        out[row : row + 7, 8:150:5] = 20
    return out


PATTERNS = {f"board {k}": board(k) for k in (1, 2, 3, 4, 6, 8, 16)} | {
    "black and white board": board(2, 0, 255),
    "stripes": np.tile(np.array([60, 190], np.uint8), (96, 48)),
    "dither": dithered(),
    "strokes": drawn(),
    "flat": np.full((64, 64), 90, np.uint8),
    "black": np.zeros((64, 64), np.uint8),
}


@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.parametrize("level", [15, 25, 50])
def test_noise_is_found_and_not_overrated(name: str, level: float) -> None:
    found = calm_noise(gaussian(cut(name), level, generator(0, "noise")))
    assert found.shape == (1,) and 0.75 * level < float(found) < 1.35 * level


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_no_noise(name: str) -> None:
    assert float(calm_noise(to_tensor(PATTERNS[name]))) < (6 if name == "dither" else 1)


@pytest.mark.parametrize("level", [60, 90, 120])
def test_strong_noise_is_found_though_it_is_clipped_everywhere(level: float) -> None:
    clean = cut("camera")
    noisy = gaussian(clean, level, generator(0, "noise")).clamp(0, 1)
    assert 0.3 * level < float(calm_noise(noisy)) < 1.2 * level
    assert DURR.load("gaussian").restore(noisy[0, 0].numpy()).steps > 0


def test_a_picture_of_black_and_white_alone_has_no_noise() -> None:
    spots = gaussian(torch.full((1, 1, 128, 128), 0.5), 100, generator(0, "noise")).round().clamp(0, 1)
    assert float(calm_noise(spots)) == 0


def test_noise_on_a_board_is_found() -> None:
    noisy = gaussian(to_tensor(board(1)), 25, generator(0, "noise"))
    assert float(calm_noise(noisy)) == pytest.approx(25, rel=0.25)


def test_clipped_and_hidden_places_do_not_speak() -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    clean[..., 128:] = 0
    noisy = gaussian(clean, 25, generator(0, "noise")).clamp(0, 1)
    assert float(calm_noise(noisy)) == pytest.approx(25, rel=0.25)
    noisy[..., :128, :] = 0.5
    assert float(calm_noise(noisy)) < 1
    seen = np.zeros((256, 256), bool)
    seen[128:] = True
    assert float(calm_noise(noisy, seen)) == pytest.approx(25, rel=0.25)
    assert float(calm_noise(noisy, ~seen & False)) == 0


@pytest.mark.parametrize("name", PLAYED)
def test_blocks_are_found_wherever_the_grid_lies(name: str) -> None:
    clean = cut(name)
    assert blocking(clean) < BLOCKS and blocking(jpeg(clean, 95)) < BLOCKS
    coded = jpeg(clean, 10)
    assert blocking(coded) > BLOCKS
    for top, left in ((1, 0), (3, 3), (7, 7)):
        assert blocking(coded[..., top:, left:]) > blocking(clean)
    assert blocking(coded[..., 5:, 5:]) == pytest.approx(blocking(coded), rel=0.1)


def test_flat_pictures_have_no_blocks() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert blocking(ramp) == blocking(torch.full((1, 1, 40, 40), 0.3)) == 1


@pytest.fixture(scope="module", params=["gaussian", "jpeg"])
def stored(request: pytest.FixtureRequest) -> DURR:
    return DURR.load(request.param)


def untouched() -> dict[str, np.ndarray]:
    """Pictures with nothing to do."""
    clean = cut("camera", 128)
    grey = (clean[0, 0].numpy() * 255).astype(np.uint8)
    drawn = np.random.default_rng(0)
    return PATTERNS | {
        "photo": grey,
        "grass": (cut("grass")[0, 0].numpy() * 255).astype(np.uint8),
        "colour": np.dstack([grey, grey[::-1], grey.T]),
        "float64": grey / 255,
        "JPEG 95": jpeg(clean, 95)[0, 0].numpy(),
        "12 bits in uint16": (grey.astype(np.uint16) * 16 + drawn.integers(0, 16, grey.shape)).astype(np.uint16),
        "sigma 2": gaussian(clean, 2, generator(0, "noise")).clamp(0, 1)[0, 0].numpy(),
        "sigma 5": gaussian(clean, 5, generator(0, "noise")).clamp(0, 1)[0, 0].numpy(),
        "hidden noise": np.dstack([drawn.integers(0, 256, (64, 64, 3)), np.zeros((64, 64))]).astype(np.uint8),
    }


@pytest.mark.parametrize("name", untouched())
def test_a_picture_with_nothing_to_do_comes_back(name: str, stored: DURR) -> None:
    given = untouched()[name]
    found = stored.restore(given)
    assert found.steps == 0 and found.values == [] and found.damage is not None
    assert np.array_equal(found.image, given) or np.allclose(found.image, given, atol=1e-7)


@pytest.mark.parametrize("name", PLAYED)
@pytest.mark.parametrize("level", [5, 15, 25])
def test_noise_is_never_made_worse(name: str, level: float) -> None:
    clean = cut(name)
    noisy = gaussian(clean, level, generator(1, "noise"))
    found = DURR.load("gaussian").restore(noisy[0, 0].numpy().clip(0, 1), reference=clean[0, 0].numpy())
    assert found.psnr is not None and found.psnr[found.steps] >= found.psnr[0]
    assert found.steps > 0 or level == 5


def test_blocks_are_still_removed() -> None:
    clean, restorer = cut("camera"), DURR.load("jpeg")
    coded = jpeg(clean, 20)[0, 0].numpy()
    found = restorer.restore(coded)
    assert found.steps > 0 and found.damage >= BLOCKS
    assert psnr(torch.from_numpy(found.image)[None, None], clean) > psnr(jpeg(clean, 20), clean) + 0.3
