"""PSNR and SSIM against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth.restoration.metrics import psnr, ssim
from contdepth.seeds import generator


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
