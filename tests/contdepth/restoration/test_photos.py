"""Photographs inside the wheels, standard sets without Lena, and published rows of JPEG."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from restoration_pictures import bundled, data

from contdepth.data import pictures
from contdepth.restoration import photos
from contdepth.restoration.degrade import jpeg, luma, to_tensor
from contdepth.restoration.metrics import psnr, ssim


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
