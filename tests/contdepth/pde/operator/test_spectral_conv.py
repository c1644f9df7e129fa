"""The spectral convolution: against sums written out, on all grids, with shifts, on odd input."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth.pde import SpectralConv


def _drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def _layer(modes, inputs=2, outputs=3, seed=0):
    layer = SpectralConv(inputs, outputs, modes, generator=_drawn(seed)).double()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=_drawn(seed + 1), dtype=torch.float64))
    return layer


def _field(*shape, seed=5):
    return torch.randn(shape, generator=_drawn(seed), dtype=torch.float64)


def _waves(n, m):
    return torch.tensor([*range(m), *range(1 - m, 0)]).double(), torch.arange(n, dtype=torch.float64) / n


def _convolved_line(layer, v):
    """The sum over points with the kernel written out, one wave after the other."""
    n, (m,) = v.shape[-1], layer.modes
    x = torch.arange(n, dtype=torch.float64) / n
    apart = 2 * math.pi * (x[:, None] - x)
    out = v.new_zeros(len(v), layer.outputs, n)
    for k in range(m):
        real, imaginary = layer.weight[:, :, k, 0], layer.weight[:, :, k, 1]
        cosine, sine = (torch.einsum("xy,biy->bix", f(k * apart), v) / n for f in (torch.cos, torch.sin))
        share = 1 if k == 0 else 2
        out = out + share * torch.einsum("io,bix->box", real, cosine)
        out = out - share * torch.einsum("io,bix->box", imaginary, sine)
    return out


def _convolved_plane(layer, v):
    """All waves of both signs, as complex sums; the real part counts."""
    (p, q), (m, last) = v.shape[2:], layer.modes
    k, x = _waves(p, m)
    r, y = torch.arange(last).double(), torch.arange(q, dtype=torch.float64) / q
    first, second = (torch.exp(2j * math.pi * (a[:, None] * b)) for a, b in ((k, x), (r, y)))
    waves = torch.einsum("bixy,kx,ry->bikr", v + 0j, first.conj(), second.conj()) / (p * q)
    weight = torch.view_as_complex(layer.weight.detach())
    share = torch.where(r == 0, 1.0, 2.0).double()
    return torch.einsum("bikr,iokr,r,kx,ry->boxy", waves, weight, share + 0j, first, second).real


@pytest.mark.parametrize("n", [8, 9, 10, 15, 16])
def test_a_line_is_the_convolution_written_out(n):
    layer, v = _layer(4), _field(2, 2, n)
    torch.testing.assert_close(layer(v), _convolved_line(layer, v), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 8), (7, 9), (9, 8), (12, 11)])
def test_a_plane_is_the_convolution_written_out(shape):
    layer, v = _layer((3, 4)), _field(2, 2, *shape)
    torch.testing.assert_close(layer(v), _convolved_plane(layer, v), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("modes", [1, (1, 1), (1, 3), (3, 1)])
def test_one_mode_along_an_axis_is_its_mean(modes):
    layer = _layer(modes)
    v = _field(2, 2, *([7, 6] if isinstance(modes, tuple) else [7]))
    axes = [axis for axis, m in enumerate(layer.modes, 2) if m == 1]
    torch.testing.assert_close(layer(v), layer(v.mean(axes, keepdim=True).expand_as(v)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [64, 65, 127, 128, 256])
def test_a_function_of_few_waves_has_the_same_image_on_every_grid(n):
    """Waves up to 15, of which 8 are kept: at 32 points and at all others."""

    def function(points):
        x = torch.arange(points, dtype=torch.float64) / points
        return sum(torch.cos(2 * math.pi * k * x + k) / (1 + k) for k in range(16)).expand(1, 2, -1)

    layer = _layer(8)
    coarse, fine = layer(function(32)), layer(function(n))
    same = math.gcd(32, n)
    at = coarse[..., :: 32 // same], fine[..., :: n // same]
    torch.testing.assert_close(*at, rtol=0, atol=1e-12)


def test_the_highest_wave_of_an_even_grid_is_dropped():
    layer = _layer(4)
    v = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(4).expand(1, 2, 8)
    assert float(layer(v).detach().abs().max()) < 1e-15
    plane = v[..., None].expand(1, 2, 8, 9)
    assert float(_layer((4, 4))(plane).detach().abs().max()) < 1e-15


@pytest.mark.parametrize(("modes", "shape"), [(4, (11,)), ((3, 4), (7, 10))])
def test_it_commutes_with_shifts(modes, shape):
    layer, v = _layer(modes), _field(2, 2, *shape)
    axes = tuple(range(2, v.ndim))
    moved = tuple(range(3, 3 + len(axes)))
    torch.testing.assert_close(layer(v.roll(moved, axes)), layer(v).roll(moved, axes), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("modes", "shape"), [(3, (6,)), ((2, 3), (5, 6))])
def test_gradients_are_those_of_finite_differences(modes, shape):
    layer, v = _layer(modes, 2, 1), _field(1, 2, *shape).requires_grad_()

    def image(weight, v):
        return torch.func.functional_call(layer, {"weight": weight}, (v,))

    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(image, (weight, v), eps=1e-6, atol=1e-8)


def test_partners_in_the_first_column_share_their_weights():
    """R_{-k} = conj(R_k) where both are stored, so that a plane of real numbers has a real image."""
    found = _layer((3, 4)).multiplier()[:, :, :, 0]
    assert torch.equal(found, found[:, :, [0, 4, 3, 2, 1]].conj())


def test_the_first_weights_are_uniform_and_follow_the_generator():
    one, two = (SpectralConv(20, 10, 30, generator=_drawn(3)).weight.detach() for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (20, 10, 30, 2)
    assert 0 <= float(one.min()) < 1e-5 < 0.00499 < float(one.max()) <= 1 / 200
    assert abs(float(one.mean()) - 1 / 400) < 2e-5


@pytest.mark.parametrize(
    ("modes", "v", "sentence"),
    [
        (4, torch.zeros(1, 2, 7), "v: expected at least 8 points on axis 2 for 4 modes, found 7"),
        ((4, 3), torch.zeros(1, 2, 8, 5), "v: expected at least 6 points on axis 3 for 3 modes, found 5"),
        (4, torch.zeros(1, 3, 8), "v: expected 2 channels on axis 1"),
        (4, torch.zeros(2, 8), "v: expected a tensor with 3 dimensions"),
        (4, torch.zeros(1, 2, 8).double(), "v: expected dtype torch.float32, found torch.float64"),
    ],
)
def test_fields_that_do_not_fit_are_named(modes, v, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        SpectralConv(2, 3, modes)(v)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("modes", [0, (4, 0), (1, 2, 3), (), 2.0, "4", True, [1.5]])
def test_modes_that_are_none_are_named(modes):
    with pytest.raises((TypeError, ValueError), match="modes"):
        SpectralConv(1, 1, modes)
