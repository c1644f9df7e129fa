"""Noise, JPEG and luma: moments, repeats, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from restoration_pictures import LEVELS
from torch import Tensor

from contdepth.restoration import classical
from contdepth.restoration.degrade import blind, gaussian, jpeg, luma, to_tensor
from contdepth.restoration.metrics import psnr
from contdepth.seeds import generator


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
