"""Tiles are the whole image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from contdepth.restoration.models.unit import UnitShape, make_unit
from contdepth.restoration.tiling import tiled
from contdepth.seeds import generator

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
