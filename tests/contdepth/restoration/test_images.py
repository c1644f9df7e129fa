"""Measures, degradations, bundled photographs, classical denoisers, a user's picture, and tiles."""

from __future__ import annotations

import math
import os
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from contdepth.data import pictures
from contdepth.restoration import classical, photos
from contdepth.restoration.degrade import blind, gaussian, jpeg, luma, to_tensor
from contdepth.restoration.metrics import psnr, ssim
from contdepth.restoration.models.unit import UnitShape, make_unit
from contdepth.restoration.picture import read_picture
from contdepth.restoration.tiling import tiled
from contdepth.seeds import generator

LEVELS = (25, 35, 45, 55, 65, 75)
data = pytest.mark.skipif(not os.environ.get("CONTDEPTH_DATA"), reason="CONTDEPTH_DATA is not set")


@pytest.fixture(scope="module")
def camera() -> Tensor:
    return to_tensor(photos.photo("camera"))


@pytest.fixture(scope="module")
def crop() -> Tensor:
    return to_tensor(photos.centre_crop(photos.photo("camera"), 256))


def legacy_noise(level: float) -> Tensor:
    """The noise of the published figures of this chapter's baselines: NumPy's seed 0 at every level."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32) * level / 255)


def bundled(file: str) -> np.ndarray:
    """The pixels of a file of scikit-image."""
    with files("skimage.data").joinpath(file).open("rb") as source, Image.open(source) as picture:
        return np.asarray(picture)


# --- measures


def test_psnr_of_a_constant_error() -> None:
    clean = torch.full((3, 1, 4, 5), 0.5)
    shift = torch.tensor([0.1, 0.01, 0.0]).view(3, 1, 1, 1)
    assert psnr(clean + shift, clean)[:2].tolist() == pytest.approx([20, 40], abs=1e-4)
    assert psnr(clean, clean).tolist() == [math.inf] * 3
    assert psnr(clean, clean).dtype == torch.float64


def test_psnr_clips_the_output_only_if_asked() -> None:
    clean = torch.ones(1, 1, 2, 2)
    over = clean + 0.1
    assert psnr(over, clean).item() == math.inf
    assert psnr(over, clean, clip=False).item() == pytest.approx(20, abs=1e-4)
    half = torch.tensor([[[[1.5, 0.5]]]])
    expected = -10 * math.log10((0 + 0.25) / 2)
    assert psnr(half, torch.ones(1, 1, 1, 2)).item() == pytest.approx(expected)


def test_psnr_broadcasts_a_trajectory() -> None:
    clean = torch.rand(3, 1, 6, 7, generator=generator(0, "clean"))
    states = torch.rand(4, 3, 1, 6, 7, generator=generator(0, "states"))
    values = psnr(states, clean)
    assert values.shape == (4, 3)
    for k in range(4):
        for n in range(3):
            square = np.mean((states[k, n].numpy().astype(float) - clean[n].numpy()) ** 2)
            assert values[k, n].item() == pytest.approx(-10 * math.log10(square), abs=1e-6)
    assert torch.isnan(psnr(states * torch.nan, clean)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_psnr_takes_every_precision(dtype: torch.dtype) -> None:
    clean = torch.full((1, 1, 64, 64), 0.5, dtype=dtype)
    assert psnr(clean + 0.25, clean).item() == pytest.approx(20 * math.log10(4), abs=1e-6)
    restored, clean = (torch.rand(1, 1, 32, 32, generator=generator(0, p)).to(dtype) for p in ("r", "c"))
    assert psnr(restored, clean).item() == pytest.approx(psnr(restored.double(), clean.double()).item(), abs=1e-6)


def test_ssim_is_the_formula_of_one_window() -> None:
    """At the centre of an 11 × 11 image only one window fits, and the mean is over that pixel."""
    x, y = (torch.rand(1, 1, 11, 11, generator=generator(0, p), dtype=torch.float64) for p in "xy")
    axis = torch.arange(-5.0, 6.0, dtype=torch.float64)
    weight = torch.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    weight = weight / weight.sum()
    mx, my = (weight * x[0, 0]).sum(), (weight * y[0, 0]).sum()
    vx, vy = ((weight * v[0, 0] ** 2).sum() - m**2 for v, m in ((x, mx), (y, my)))
    cov = (weight * x[0, 0] * y[0, 0]).sum() - mx * my
    a, b = 0.01**2, 0.03**2
    expected = (2 * mx * my + a) * (2 * cov + b) / ((mx**2 + my**2 + a) * (vx + vy + b))
    assert ssim(x, y).item() == pytest.approx(expected.item(), abs=1e-9)
    assert ssim(torch.cat([x, y]), torch.cat([x, x])).tolist() == pytest.approx([1, ssim(y, x).item()])


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_measures_refuse_what_is_no_image(measure) -> None:
    clean = torch.rand(2, 1, 16, 16, generator=generator(0, "clean"))
    for bad, error, words in (
        (clean.numpy(), TypeError, "torch.Tensor"),
        ((clean * 255).to(torch.uint8), TypeError, "floating-point"),
        (clean.to(torch.complex64), TypeError, "real numbers"),
        (clean.expand(2, 3, 16, 16), ValueError, "one channel"),
        (clean[:0], ValueError, "at least one image"),
        (clean[..., :15], ValueError, "height and width"),
        (clean[0, 0], ValueError, "one channel"),
        (clean[[0, 1, 0]], ValueError, "leading axes"),
    ):
        with pytest.raises(error, match=words):
            measure(bad, clean)
    with pytest.raises(ValueError, match="divide 8-bit pixels by 255"):
        measure(clean, clean * 255)
    with pytest.raises(ValueError, match="values from nan"):
        measure(clean, clean * torch.nan)


def test_ssim_needs_a_whole_window() -> None:
    with pytest.raises(ValueError, match="sides of at least 11"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))


# --- degradations


def test_noisy_psnr_is_the_level_without_clipping_and_more_with(camera: Tensor) -> None:
    gains = []
    for level in LEVELS:
        noisy = gaussian(camera, level, generator(0, "noise"))
        assert psnr(noisy, camera, clip=False).item() == pytest.approx(20 * math.log10(255 / level), abs=0.05)
        gains.append((psnr(noisy, camera) - psnr(noisy, camera, clip=False)).item())
    assert min(gains) > 0.3 and gains == sorted(gains)


def test_noise_has_its_moments_and_its_own_level_for_every_image() -> None:
    clean = torch.full((3, 1, 300, 300), 0.5)
    noise = 255 * (gaussian(clean, torch.tensor([0.0, 10.0, 50.0]), generator(3, "noise")) - clean)
    assert noise.std(dim=(1, 2, 3)).tolist() == pytest.approx([0, 10, 50], rel=0.01)
    assert noise.mean(dim=(1, 2, 3)).abs().max() < 0.5
    neighbour = torch.corrcoef(torch.stack([noise[2, 0, :, 1:].flatten(), noise[2, 0, :, :-1].flatten()]))[0, 1]
    images = torch.corrcoef(noise[1:].flatten(1))[0, 1]
    assert abs(neighbour) < 0.02 and abs(images) < 0.02


def test_noise_repeats_by_generator() -> None:
    clean = torch.rand(2, 1, 8, 8, generator=generator(0, "clean"))
    first, again, other = (gaussian(clean, 25, generator(s, "noise")) for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    drawn = torch.randn(clean.shape, generator=generator(0, "noise"))
    assert torch.allclose(255 * (first - clean), 25 * drawn, atol=1e-4)
    assert gaussian(clean.double(), 25, generator(0, "noise")).dtype == torch.float64


def test_blind_levels_are_uniform() -> None:
    noisy, levels = blind(torch.full((2000, 1, 16, 16), 0.5), 25, 55, generator(0, "noise"))
    assert levels.min() >= 25 and levels.max() <= 55
    quartiles = torch.quantile(levels, torch.tensor([0.25, 0.5, 0.75]))
    assert quartiles.tolist() == pytest.approx([32.5, 40, 47.5], abs=1.5)
    ratio = 255 * (noisy - 0.5).std(dim=(1, 2, 3)) / levels
    assert ratio.mean().item() == pytest.approx(1, abs=0.01) and ratio.std() < 0.06


@pytest.mark.parametrize(
    ("level", "error", "words"),
    [
        (-1, ValueError, ">= 0"),
        (math.nan, ValueError, "finite"),
        (True, TypeError, "real number"),
        ("25", TypeError, "real number"),
        (torch.tensor([25.0]), ValueError, r"shape \(2,\)"),
        (torch.tensor([25.0, -1.0]), ValueError, ">= 0"),
        (torch.tensor([25.0, math.inf]), ValueError, "finite"),
    ],
)
def test_bad_levels(level, error, words) -> None:
    clean = torch.full((2, 1, 8, 8), 0.5)
    with pytest.raises(error, match=words):
        gaussian(clean, level, generator(0, "noise"))
    with pytest.raises(error, match=words):
        classical.tv(clean, level)


def test_noise_refuses_a_global_generator_and_large_pixels() -> None:
    clean = torch.full((2, 1, 8, 8), 0.5)
    with pytest.raises(TypeError, match="torch.Generator"):
        gaussian(clean, 25, None)
    with pytest.raises(TypeError, match="torch.Generator"):
        blind(clean, 25, 55, 0)
    with pytest.raises(ValueError, match="divide 8-bit pixels by 255"):
        gaussian(clean * 255, 25, generator(0, "noise"))
    with pytest.raises(ValueError, match="high"):
        blind(clean, 55, 25, generator(0, "noise"))


def test_jpeg_of_camera(camera: Tensor) -> None:
    figures = [psnr(jpeg(camera, q), camera).item() for q in (5, 10, 20, 30, 40)]
    assert figures == pytest.approx([26.32, 28.43, 30.24, 31.26, 31.97], abs=0.1)


def test_jpeg_is_eight_bit_grey_and_of_each_image_alone(crop: Tensor) -> None:
    both = torch.cat([crop, crop.flip(-1)])
    out = jpeg(both, [10, 90])
    assert out.shape == both.shape and out.dtype == both.dtype
    assert torch.equal(out[:1], jpeg(crop, 10)) and torch.equal(out[1:], jpeg(crop.flip(-1), 90))
    assert torch.equal(out, (out * 255).round() / 255)
    for qualities in (torch.tensor([10, 90]), np.array([10, 90]), (10, 90)):
        assert torch.equal(out, jpeg(both, qualities))
    flat = torch.full((1, 1, 9, 13), 100 / 255)
    assert torch.equal(jpeg(flat + 0.4 / 255, 100), flat) and torch.equal(jpeg(flat - 0.4 / 255, 100), flat)


@pytest.mark.parametrize(
    ("quality", "error", "words"),
    [
        (0, ValueError, ">= 1"),
        (101, ValueError, "<= 100"),
        (10.0, TypeError, "integer"),
        ([10], ValueError, "one value or 2"),
        ([10, 0], ValueError, ">= 1"),
    ],
)
def test_bad_quality(quality, error, words) -> None:
    with pytest.raises(error, match=words):
        jpeg(torch.zeros(2, 1, 8, 8), quality)


def test_luma_is_the_studio_range() -> None:
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert luma(colours).tolist() == [[235, 16, 81, 145, 41]]
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert luma(ramp).dtype == np.uint8 and set(np.diff(luma(ramp)[0].astype(int))) == {0, 1}


@pytest.mark.parametrize(
    ("call", "pixels", "error"),
    [
        (luma, np.zeros((4, 4), np.uint8), ValueError),
        (luma, np.zeros((4, 4, 4), np.uint8), ValueError),
        (luma, np.zeros((4, 4, 3)), TypeError),
        (to_tensor, np.zeros((4, 4, 3), np.uint8), ValueError),
        (to_tensor, np.zeros((4, 4), np.float32), TypeError),
        (to_tensor, np.zeros((0, 4), np.uint8), ValueError),
        (to_tensor, [[1]], TypeError),
    ],
)
def test_pixels_of_another_kind(call, pixels, error) -> None:
    with pytest.raises(error):
        call(pixels)


# --- photographs


def test_test_and_training_photographs_are_apart() -> None:
    assert not set(photos.TEST) & set(photos.TRAIN)
    assert set(photos.TEST) == {"camera", "chelsea", "coffee", "motorcycle"} and len(photos.TRAIN) == 13
    paths = [photos.FILES[name] for name in photos.TEST + photos.TRAIN]
    assert len(set(paths)) == len(paths) and set(photos.FILES) == set(photos.TEST + photos.TRAIN)


def test_no_training_photograph_shows_a_test_photograph() -> None:
    """Correlation of 48 × 48 thumbnails; the other view of the stereo pair, which is not offered, would show."""

    def thumbnail(picture: Image.Image) -> np.ndarray:
        small = np.asarray(picture.convert("L").resize((48, 48)), dtype=float)
        return (small - small.mean()) / small.std()

    train = {n: thumbnail(Image.fromarray(photos.photo(n))) for n in photos.TRAIN}
    for name in photos.TEST:
        mine = thumbnail(Image.fromarray(photos.photo(name)))
        assert max(float((mine * other).mean()) for other in train.values()) < 0.6
    right = thumbnail(Image.fromarray(bundled("motorcycle_right.png")))
    assert float((right * thumbnail(Image.fromarray(photos.photo("motorcycle")))).mean()) > 0.6


def test_photographs_are_grey_full_range_luma() -> None:
    expected = bundled("chelsea.png").astype(float) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(photos.photo("chelsea") - expected).max() <= 0.5 + 1e-3
    for name in photos.TEST + photos.TRAIN:
        pixels = photos.photo(name)
        assert pixels.ndim == 2 and pixels.dtype == np.uint8 and min(pixels.shape) >= 256
    with pytest.raises(ValueError, match="lena"):
        photos.photo("lena")


def test_crops_are_central() -> None:
    pixels = np.arange(7 * 10, dtype=np.uint8).reshape(7, 10)
    assert photos.centre_crop(pixels, 4).tolist() == pixels[1:5, 3:7].tolist()
    names, images = photos.test_crops()
    assert names == photos.TEST and images.shape == (4, 1, 256, 256) and images.dtype == torch.float32
    camera = photos.photo("camera")[128:384, 128:384]
    assert np.array_equal((images[0, 0] * 255).round().numpy(), camera)
    with pytest.raises(ValueError, match="<= 7"):
        photos.centre_crop(pixels, 8)
    with pytest.raises(ValueError, match="shape"):
        photos.centre_crop(np.zeros((9, 9, 3), np.uint8), 4)


@pytest.mark.data
@data
def test_standard_sets_leave_lena_out() -> None:
    for name, count in (("set12", 11), ("classic5", 4), ("live1", 29)):
        kept, whole = photos.standard(name), pictures(name)
        assert len(kept) == count
        assert {p.name for p in whole} - {p.name for p in kept} <= {"08", "lena"}
    lena = next(p.pixels for p in pictures("classic5") if p.name == "lena")
    for name in ("set12", "classic5"):
        same = [p.pixels for p in photos.standard(name) if p.pixels.shape == lena.shape]
        assert all(np.corrcoef(lena.ravel(), p.ravel())[0, 1] < 0.9 for p in same)


PUBLISHED = {
    "classic5": ((27.82, 0.7595), (30.12, 0.8344), (31.48, 0.8666), (32.43, 0.8849)),
    "live1": ((27.77, 0.7730), (30.07, 0.8512), (31.41, 0.8851), (32.35, 0.9041)),
}


@pytest.mark.data
@data
@pytest.mark.parametrize(("name", "rows"), PUBLISHED.items())
def test_published_jpeg_rows(name: str, rows: tuple) -> None:
    """The means over the whole sets, as published; on Classic5 that takes all five pictures."""
    images = [to_tensor(luma(p.pixels) if p.pixels.ndim == 3 else p.pixels) for p in pictures(name)]
    for quality, (decibel, similarity) in zip((10, 20, 30, 40), rows, strict=True):
        decoded = [jpeg(image, quality) for image in images]
        pairs = list(zip(decoded, images, strict=True))
        assert np.mean([psnr(d, c).item() for d, c in pairs]) == pytest.approx(decibel, abs=0.05)
        if quality == 10:
            assert np.mean([ssim(d, c).item() for d, c in pairs]) == pytest.approx(similarity, abs=0.001)


@pytest.mark.data
@data
def test_full_range_luma_is_another_protocol() -> None:
    images = [to_tensor(np.asarray(Image.fromarray(p.pixels).convert("L"))) for p in pictures("live1")]
    assert np.mean([psnr(jpeg(c, 10), c).item() for c in images]) == pytest.approx(27.02, abs=0.05)


# --- classical denoisers

TABLE = {
    "nlm": (28.50, 26.82, 25.48, 24.39, 23.49, 22.73),
    "tv": (28.05, 26.63, 25.54, 24.66, 23.91, 23.27),
    "bm3d": (29.58, 28.19, 27.11, 26.26, 25.53, 24.90),
}


@pytest.mark.parametrize("name", ["nlm", "tv"])
def test_figures_on_the_camera_crop(crop: Tensor, name: str) -> None:
    figures = [psnr(getattr(classical, name)(crop + legacy_noise(s), s), crop).item() for s in LEVELS]
    assert figures == pytest.approx(TABLE[name], abs=0.02)


def test_wavelet_figures_on_camera(camera: Tensor) -> None:
    figures = [psnr(classical.wavelet(gaussian(camera, s, generator(0, "n")), s), camera).item() for s in LEVELS]
    assert figures == pytest.approx((27.01, 25.71, 24.89, 24.28, 23.76, 23.34), abs=0.1)


@pytest.mark.slow
def test_bm3d_figures_on_the_camera_crop(crop: Tensor) -> None:
    pytest.importorskip("bm3d")
    restored = classical.bm3d(crop + legacy_noise(45), 45)
    assert restored.shape == crop.shape and restored.dtype == torch.float32
    assert psnr(restored, crop).item() == pytest.approx(TABLE["bm3d"][2], abs=0.02)


def test_bm3d_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(ImportError, match=r"contdepth\[peers\]"):
        classical.bm3d(torch.zeros(1, 1, 16, 16), 25)


@pytest.mark.parametrize("name", ["nlm", "tv", "wavelet"])
def test_denoisers_work_on_each_image_alone_and_clip_nothing(crop: Tensor, name: str) -> None:
    denoise = getattr(classical, name)
    clean = torch.cat([crop, crop.flip(-1)])[..., :65, :47]
    levels = torch.tensor([15.0, 60.0])
    noisy = gaussian(clean, levels, generator(0, "noise"))
    out = denoise(noisy, levels)
    assert out.shape == noisy.shape and out.dtype == torch.float32
    assert torch.equal(out[1:], denoise(noisy[1:], 60)) and torch.equal(out[:1], denoise(noisy[:1], 15))
    assert (psnr(out, clean) > psnr(noisy, clean) + 1).all()
    shifted = denoise(noisy + 3, levels) - 3
    assert torch.allclose(shifted, out, atol=1e-4)
    assert torch.equal(denoise(noisy, 0), noisy)
    assert denoise(noisy.double(), levels).dtype == torch.float32


@pytest.mark.parametrize("name", ["nlm", "tv", "wavelet"])
@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (5, 4), (3, 40)])
def test_denoisers_take_tiny_images(name: str, shape: tuple[int, int]) -> None:
    noisy = torch.rand(2, 1, *shape, generator=generator(0, "tiny"))
    out = getattr(classical, name)(noisy, 20)
    assert out.shape == noisy.shape and torch.isfinite(out).all()


@pytest.mark.parametrize("name", ["bm3d", "nlm", "tv", "wavelet"])
def test_denoisers_refuse_bad_images(name: str) -> None:
    pytest.importorskip("bm3d")
    denoise, image = getattr(classical, name), torch.ones(1, 1, 16, 16)
    with pytest.raises(ValueError, match="finite"):
        denoise(image * torch.nan, 25)
    with pytest.raises(ValueError, match="one channel"):
        denoise(image.expand(1, 3, 16, 16), 25)
    with pytest.raises(ValueError, match="4 dimensions"):
        denoise(image[0], 25)
    with pytest.raises(ValueError, match="sides of at least"):
        denoise(image[..., :1], 25)


def test_noise_level_of_noise_alone_and_of_a_photograph(camera: Tensor) -> None:
    flat = torch.full((2, 1, 256, 256), 0.5)
    levels = torch.tensor([5.0, 60.0])
    found = classical.noise_level(gaussian(flat, levels, generator(0, "noise")))
    assert found.shape == (2,) and found.tolist() == pytest.approx(levels.tolist(), rel=0.03)
    for level in (25, 55, 75):
        noisy = gaussian(camera, level, generator(0, "noise"))
        assert classical.noise_level(noisy).item() == pytest.approx(level, abs=1)
    assert classical.noise_level(flat).max() < 1e-9 and classical.noise_level(0 * flat).tolist() == [0, 0]
    with pytest.raises(ValueError, match="at least 8"):
        classical.noise_level(flat[..., :7])


# --- a user's picture


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
    for k in range(3):
        assert np.allclose(picture.planes[k, 0].numpy(), pixels[..., k] / 255)
    out = picture.back(1 - picture.planes)
    assert np.array_equal(out[..., 3], pixels[..., 3]) and np.array_equal(out[..., :3], 255 - pixels[..., :3])


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
        (Image.new("CMYK", (4, 4)), ValueError, "convert"),
        (Image.new("1", (4, 4)), ValueError, "mode 1"),
        (Image.new("F", (4, 4)), ValueError, "mode F"),
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


# --- tiles

RADIUS = 1 + 3 + 1


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """Receptive radius 5; positive weights, so that no pixel in reach is without influence."""
    body = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=3, dilation=3), nn.Tanh(),
        nn.Conv2d(3, 1, 3, padding=1),
    ).double()  # fmt: skip
    source = generator(0, "net")
    for parameter in body.parameters():
        parameter.data = 0.2 * torch.rand(parameter.shape, generator=source, dtype=torch.float64)
    return body


def image(height: int, width: int, count: int = 1) -> Tensor:
    return torch.rand(count, 1, height, width, generator=generator(0, "image"), dtype=torch.float64)


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), tile=st.integers(1, 45), extra=st.integers(0, 3),
    count=st.integers(1, 2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_tiles_are_the_whole_image(net: nn.Module, height, width, tile, extra, count) -> None:
    if height * width > 50 * tile * tile:
        tile += 5
    y = image(height, width, count)
    with torch.no_grad():
        whole = net(y)
    assert torch.allclose(tiled(net, y, tile, RADIUS + extra), whole, rtol=0, atol=1e-12)


def test_one_pixel_less_of_context_shows(net: nn.Module) -> None:
    y = image(31, 31)
    with torch.no_grad():
        difference = (tiled(net, y, 10, RADIUS - 1) - net(y)).abs()[0, 0]
    assert difference.max() > 1e-4
    inner = [i for i in range(31) if i % 10 not in (0, 9)]
    assert difference[inner][:, inner].max() < 1e-12


def test_windows_have_context_and_end_with_the_image() -> None:
    sizes = []

    def spy(window: Tensor) -> Tensor:
        sizes.append(tuple(window.shape[-2:]))
        return window

    y = image(25, 7)
    assert torch.equal(tiled(spy, y, 10, 3), y)
    assert sizes == [(13, 7), (16, 7), (8, 7)]


@given(height=st.integers(1, 60), width=st.integers(1, 60), tile=st.integers(1, 20), overlap=st.integers(0, 25))
@settings(max_examples=60, deadline=None)
def test_every_pixel_is_kept_once(height, width, tile, overlap) -> None:
    y = torch.arange(float(height * width)).view(1, 1, height, width)
    assert torch.equal(tiled(lambda window: window, y, tile, overlap), y)


@pytest.mark.parametrize("layout", ["compact", "unet"])
@pytest.mark.parametrize("size", [(97, 130), (64, 64), (33, 141)])
def test_one_step_of_a_unit_needs_32_pixels(layout: str, size: tuple[int, int]) -> None:
    unit = make_unit(UnitShape(layout, width=4), seed=0).double()
    for index, parameter in enumerate(unit.parameters()):
        draw = torch.rand(parameter.shape, generator=generator(index, "weights"), dtype=torch.float64)
        parameter.data = 0.1 * draw if parameter.ndim > 1 else 0.1 * draw - 0.05
    y = image(*size)

    def step(window: Tensor) -> Tensor:
        return unit.step(window, window)

    with torch.no_grad():
        whole = step(y)
    scale = whole.abs().max()
    assert (tiled(step, y, 32, 32) - whole).abs().max() < 1e-12 * scale
    if size != (64, 64):
        assert (tiled(step, y, 32, 16) - whole).abs().max() > 1e-9 * scale


def test_tiles_keep_leading_axes_and_need_no_gradient(net: nn.Module) -> None:
    y = image(21, 18, 2).requires_grad_()
    out = tiled(lambda w: torch.stack([w, net(w), w.square()]), y, 8, RADIUS)
    assert out.shape == (3, 2, 1, 21, 18) and not out.requires_grad
    assert torch.equal(out[2], y.detach().square())


def test_tiles_refuse_bad_arguments(net: nn.Module) -> None:
    y = image(9, 9)
    for arguments, error, words in (
        ((net, y[0]), ValueError, "4 dimensions"),
        ((net, y[:, :, :0]), ValueError, "at least one image"),
        ((net, (y * 255).to(torch.uint8)), TypeError, "floating-point"),
        ((net, y, 0), ValueError, "tile"),
        ((net, y, 8, -1), ValueError, "overlap"),
        ((net, y, 8.0), TypeError, "tile"),
        ((lambda w: w[..., 1:], y), ValueError, "height and width"),
        ((lambda w: None, y), TypeError, "torch.Tensor"),
    ):
        with pytest.raises(error, match=words):
            tiled(*arguments)
