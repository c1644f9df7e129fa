"""Classical denoisers: figures on *camera*, each image alone, and what is refused."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from restoration_pictures import LEVELS, legacy_noise
from torch import Tensor

from contdepth.restoration import classical
from contdepth.restoration.degrade import gaussian
from contdepth.restoration.metrics import psnr
from contdepth.seeds import generator

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


@pytest.mark.parametrize("shape", [(31, 31), (31, 64), (64, 31)])
def test_bm3d_refuses_small_images_before_its_package_sees_them(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = types.SimpleNamespace(bm3d=lambda image, sigma: image)
    monkeypatch.setitem(sys.modules, "bm3d", package)
    with pytest.raises(ValueError, match="noisy: expected sides of at least 32 pixels, found shape"):
        classical.bm3d(torch.rand(1, 1, *shape, generator=generator(0, "small")), 25)
    assert classical.bm3d(torch.zeros(1, 1, 32, 33), 25).shape == (1, 1, 32, 33)


@pytest.mark.parametrize("name", ["bm3d", "nlm", "tv", "wavelet"])
def test_denoisers_refuse_bad_images(name: str) -> None:
    pytest.importorskip("bm3d")
    denoise, image = getattr(classical, name), torch.ones(1, 1, 32, 32)
    with pytest.raises(ValueError, match="finite"):
        denoise(image * torch.nan, 25)
    with pytest.raises(ValueError, match="one channel"):
        denoise(image.expand(1, 3, 32, 32), 25)
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
