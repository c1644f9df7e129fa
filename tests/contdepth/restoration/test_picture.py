"""A user's own picture: what comes in comes back, and what is no picture is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from contdepth.restoration.picture import read_picture


def kinds() -> dict[str, np.ndarray | Image.Image]:
    draw = np.random.default_rng(0)
    eight = draw.integers(0, 256, (13, 9, 4), dtype=np.uint8)
    sixteen = draw.integers(0, 65536, (13, 9), dtype=np.uint16)
    out = {
        "uint8 grey": eight[..., 0],
        "uint8 (h, w, 1)": eight[..., :1],
        "uint8 rgb": eight[..., :3],
        "uint8 rgba": eight,
        "uint16 grey": sixteen,
        "uint16 big-endian": sixteen.astype(">u2"),
        "uint16 rgb": draw.integers(0, 65536, (5, 3, 3), dtype=np.uint16),
        "float32": draw.random((13, 9, 3), dtype=np.float32),
        "float16": draw.random((13, 9)).astype(np.float16),
        "one pixel": eight[:1, :1, 0],
        "reversed": eight[::-1, ::2, :3],
        "fortran": np.asfortranarray(eight[..., :3]),
        "PIL L": Image.fromarray(eight[..., 0]),
        "PIL LA": Image.fromarray(eight[..., 0]).convert("LA"),
        "PIL RGB": Image.fromarray(eight[..., :3]),
        "PIL RGBA": Image.fromarray(eight),
        "PIL I;16": Image.fromarray(sixteen),
    }
    return out


@pytest.mark.parametrize("kind", kinds())
def test_a_picture_comes_back_as_it_was(kind: str) -> None:
    source = kinds()[kind]
    picture = read_picture(source)
    planes, back = picture.planes, picture.back(picture.planes)
    assert planes.dtype == torch.float32 and planes.min() >= 0 and planes.max() <= 1
    assert type(back) is type(source)
    if isinstance(source, Image.Image):
        assert back.mode == source.mode and back.size == source.size
    else:
        assert back.dtype == source.dtype and back.shape == source.shape
    assert np.array_equal(np.asarray(back), np.asarray(source))


def test_planes_are_the_channels_without_opacity() -> None:
    pixels = kinds()["uint8 rgba"]
    picture = read_picture(pixels)
    assert picture.planes.shape == (3, 1, 13, 9)
    seen = pixels[..., 3] > 0
    for k in range(3):
        assert np.allclose(picture.planes[k, 0].numpy()[seen], pixels[seen, k] / 255)
    out = picture.back(1 - picture.planes)
    assert np.array_equal(out[..., 3], pixels[..., 3])
    assert np.array_equal(out[seen, :3], 255 - pixels[seen, :3])


def test_every_sixteen_bit_value_survives() -> None:
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = read_picture(pixels)
    assert np.array_equal(picture.back(picture.planes), pixels)
    assert picture.planes.max() == 1


def test_back_rounds_and_clips() -> None:
    picture = read_picture(np.zeros((1, 4), np.uint8))
    planes = torch.tensor([[[[-0.5, 0.6 / 255, 1.4 / 255, 7.0]]]])
    assert picture.back(planes).tolist() == [[0, 1, 1, 255]]
    assert read_picture(np.zeros((1, 4))).back(planes).tolist()[0][::3] == [0, 1]
    assert picture.back(planes.half()).dtype == np.uint8


def test_reading_does_not_share_memory() -> None:
    pixels = np.full((4, 4, 4), 0.25, np.float32)
    picture = read_picture(pixels)
    picture.planes.zero_()
    assert (pixels == 0.25).all()
    pixels[...] = 1
    assert (picture.alpha == 0.25).all() and (picture.planes == 0).all()


def test_palettes_and_colour_keys_become_channels() -> None:
    rgb = Image.fromarray(np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, axis=2))
    assert read_picture(rgb.quantize(64)).mode == "RGB"
    for image, mode in ((rgb, "RGBA"), (rgb.convert("L"), "LA"), (rgb.quantize(64), "RGBA")):
        image.info["transparency"] = (5, 5, 5) if image.mode == "RGB" else 5
        picture = read_picture(image)
        back = picture.back(picture.planes)
        assert back.mode == mode and "transparency" not in back.info
        assert (picture.alpha == 0).sum() == 1
    sixteen = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8))
    sixteen.info["transparency"] = 5
    picture = read_picture(sixteen)
    assert picture.back(picture.planes).info == {}


def test_the_colour_profile_stays() -> None:
    image = Image.new("RGB", (3, 2))
    image.info["icc_profile"] = b"profile"
    picture = read_picture(image)
    assert picture.back(picture.planes).info["icc_profile"] == b"profile"


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (np.full((4, 4), 200.0), ValueError, "divide 0…255 pixels by 255"),
        (np.full((4, 4), -0.1), ValueError, "from -0.1"),
        (np.array([[0.1, np.nan]]), ValueError, r"nan at index \(0, 1\)"),
        (np.array([[0.1], [np.inf]]), ValueError, r"inf at index \(1, 0\)"),
        (np.zeros((4, 4), complex), TypeError, "real part"),
        (np.zeros((4, 4), bool), TypeError, "two-valued"),
        (np.zeros((4, 4), np.int64), TypeError, "astype"),
        (np.zeros((4, 4), np.uint32), TypeError, "uint32"),
        (np.zeros((4, 4), object), TypeError, "object"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, "1, 3 or 4 channels"),
        (np.zeros((3, 40, 40), np.uint8), ValueError, "moveaxis"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, "one picture"),
        (np.zeros(4, np.uint8), ValueError, "one picture"),
        (np.zeros((0, 4), np.uint8), ValueError, "at least one pixel"),
        (np.zeros((4, 0, 3)), ValueError, "at least one pixel"),
        (np.ma.masked_array(np.zeros((4, 4), np.uint8)), TypeError, "filled"),
        (torch.zeros(4, 4), TypeError, "NumPy array or a PIL image"),
        ([[0, 1]], TypeError, "asarray"),
        ("photo.png", TypeError, "PIL.Image.open"),
        (Image.new("CMYK", (4, 4)), ValueError, r'convert\("RGB"\)'),
        (Image.new("1", (4, 4)), ValueError, "mode 1"),
        (Image.new("L", (0, 4)), ValueError, "at least one pixel"),
    ],
)
def test_what_is_no_picture(source, error, words) -> None:
    with pytest.raises(error, match=words):
        read_picture(source)


def test_back_refuses_other_planes() -> None:
    picture = read_picture(np.zeros((4, 5, 3), np.uint8))
    for bad, error in (
        (torch.zeros(1, 1, 4, 5), ValueError),
        (torch.full((3, 1, 4, 5), torch.nan), ValueError),
        (torch.zeros(3, 1, 4, 5, dtype=torch.int64), TypeError),
        (torch.zeros(3, 1, 4, 5, dtype=torch.complex64), TypeError),
        (np.zeros((3, 1, 4, 5)), TypeError),
    ):
        with pytest.raises(error):
            picture.back(bad)


def deep(mode: str) -> Image.Image:
    """A picture of more than 8 bits, with 64 values."""
    values = np.arange(64).reshape(8, 8) * 1000
    return {
        "I": lambda: Image.fromarray(values.astype(np.int32)),
        "F": lambda: Image.fromarray((values / 65535).astype(np.float32)),
        "I;16L": lambda: Image.fromarray(values.astype(np.uint16)).convert("I").convert("I;16L"),
        "1": lambda: Image.fromarray(values > 30000),
        "PA": lambda: Image.fromarray((values // 1000).astype(np.uint8)).convert("P").convert("PA"),
        "La": lambda: Image.fromarray((values // 1000).astype(np.uint8)).convert("LA").convert("La"),
    }[mode]()


@pytest.mark.parametrize("mode", ["I", "F", "I;16L", "1", "PA", "La"])
def test_the_advice_keeps_every_value(mode: str) -> None:
    image = deep(mode)
    with pytest.raises(ValueError, match=f"found mode {mode}") as refusal:
        read_picture(image)
    advice = re.search(r"np\.asarray\(image\)(\.astype\(np\.uint16\))?|\.convert\(.*\)", str(refusal.value))
    assert advice is not None
    code = advice[0] if advice[0].startswith("np") else "image" + advice[0]
    picture = read_picture(eval(code, {"np": np, "image": image}))
    assert len(picture.planes.unique()) == (2 if mode == "1" else 64)


@pytest.mark.parametrize(("highest", "name"), [(255, "uint8"), (65535, "uint16")])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_the_advice_for_wide_integers_keeps_their_values(highest: int, name: str, dtype: type) -> None:
    with pytest.raises(TypeError, match=rf"{name}.* if .*0…{highest}"):
        read_picture(np.full((4, 4), highest, dtype))


def clean(*shape: int) -> np.ndarray:
    """A smooth picture from black to white, float64 in [0, 1]."""
    ramp = np.linspace(0, 1, shape[0])[:, None] * np.ones(shape[1])
    return ramp if len(shape) == 2 else np.repeat(ramp[..., None], shape[2], axis=2)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (9, 8)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_white_noise_may_overshoot(sigma: float, shape: tuple[int, ...], dtype: type) -> None:
    noisy = (clean(*shape) + np.random.default_rng(0).normal(0, sigma, shape)).astype(dtype)
    assert noisy.min() < 0 and noisy.max() > 1
    picture = read_picture(noisy)
    assert np.allclose(picture.planes[0, 0], noisy.reshape(*shape[:2], -1)[..., 0])
    back = picture.back(picture.planes)
    assert back.dtype == dtype and np.allclose(back, noisy.clip(0, 1))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (2 * clean(40, 40) - 1, "np.clip"),
        ((2 * clean(40, 40) - 1) + np.random.default_rng(0).normal(0, 0.2, (40, 40)), "np.clip"),
        (1.2 * clean(40, 40) - 0.4 + np.random.default_rng(0).normal(0, 0.2, (40, 40)), "np.clip"),
        ((clean(40, 40) - 0.5) / 0.3, "bring black to 0"),
        (np.round(3 * clean(40, 40)), "divide 0…255 pixels by 255"),
        (4 * clean(40, 40), "divide 0…255 pixels by 255"),
        (1.03 * clean(40, 40), "np.clip"),
        (clean(40, 40) + np.eye(40), "np.clip"),
        (np.dstack([clean(40, 40, 3), np.full((40, 40), 1.5)]), "opacity in"),
    ],
    ids=[
        "-1 to 1",
        "-1 to 1 and noise",
        "shifted and noise",
        "standardised",
        "dark grey levels",
        "0 to 4",
        "ringing",
        "line",
        "opacity",
    ],
)
def test_what_noise_does_not_explain_is_refused(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_picture(pixels)


def half_hidden(shape: tuple[int, ...], dtype: type, seed: int) -> np.ndarray:
    """A smooth picture whose right half has no opacity, with random colours under it."""
    scale = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    pixels = np.dstack([clean(*shape, 3) * 0.5 + 0.2, np.ones(shape)])
    hidden = np.arange(shape[1]) >= shape[1] // 2
    pixels[:, hidden, :3] = np.random.default_rng(seed).random((shape[0], int(hidden.sum()), 3))
    pixels[:, hidden, 3] = 0
    return (pixels * scale).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_hidden_colours_come_back_and_reach_nothing(dtype: type) -> None:
    one, other = (half_hidden((12, 14), dtype, seed) for seed in range(2))
    first, second = read_picture(one), read_picture(other)
    assert torch.equal(first.planes, second.planes)
    assert torch.equal(first.planes[..., 7:], first.planes[..., 6:7].expand(-1, -1, -1, 7))
    assert np.array_equal(first.back(first.planes), one)
    changed = first.back(1 - first.planes)
    assert np.array_equal(changed[:, 7:], one[:, 7:]) and not np.array_equal(changed[:, :7], one[:, :7])


def test_hidden_grey_and_wholly_hidden_pictures() -> None:
    grey = Image.fromarray(half_hidden((12, 14), np.uint8, 0)).convert("LA")
    picture = read_picture(grey)
    assert np.array_equal(np.asarray(picture.back(picture.planes)), np.asarray(grey))
    assert picture.seen.sum() == 12 * 7
    assert torch.equal(picture.planes[..., 7:], picture.planes[..., 6:7].expand(-1, -1, -1, 7))
    nothing = half_hidden((12, 14), np.uint8, 0)[:, 7:]
    picture = read_picture(nothing)
    assert np.array_equal(picture.back(1 - picture.planes), nothing)
