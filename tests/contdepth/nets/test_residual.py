"""ResNet and relatives: shapes, plans, stochastic depth, inverses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from contdepth.nets import (
    FractalNet,
    ReversibleBlock,
    RevNet,
    lm_resnext,
    matched_pair,
    polynet,
    resnet,
)
from contdepth.nets.fractalnet import Fractal

MAKERS = {
    "resnet": lambda **k: resnet(20, width=4, **k),
    "bottleneck": lambda **k: resnet(29, "bottleneck", width=4, **k),
    "resnext": lambda **k: lm_resnext(2, 2, base=4, **k),
    "poly": lambda **k: polynet(20, width=4, **k),
    "nested": lambda **k: polynet(14, width=4, form="nested", **k),
    "fractal": lambda **k: FractalNet(3, width=4, **k),
    "revnet": lambda **k: RevNet(2, width=4, **k),
}


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3)])
def test_image_sizes_and_gradients(name: str, size: int, channels: int) -> None:
    model = MAKERS[name](in_channels=channels, num_classes=7, seed=2)
    out = model(noise(3, channels, size, size))
    assert out.shape == (3, 7)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(ValueError, match="x: expected a tensor with 4 dimensions"):
        model(noise(3, size, size))


@pytest.mark.parametrize("name", MAKERS)
def test_weights_come_from_the_seed_alone(name: str) -> None:
    a, b, c = (MAKERS[name](seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


def test_initial_deviation_is_that_of_the_authors_code() -> None:
    weight = resnet(20, width=64).branches[0][0][2].weight
    assert weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


def test_strides_and_widths() -> None:
    states = list(resnet(20).trajectory(noise(1, 3, 32, 32)))
    assert [tuple(u.shape[1:]) for u in states[::3]] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]
    states = list(resnet(29, "bottleneck").trajectory(noise(1, 3, 32, 32)))
    assert [u.shape[1] for u in states] == [16, 64, 64, 64, 128, 128, 128, 256, 256, 256]


def test_a_depth_that_does_not_exist_names_its_neighbours() -> None:
    with pytest.raises(
        ValueError, match=r"depth: expected 6n \+ 2 for basic blocks, found 21; the nearest are 20 and 26"
    ):
        resnet(21)
    with pytest.raises(ValueError, match="block: expected one of 'basic', 'bottleneck'"):
        resnet(20, "wide")
    with pytest.raises(ValueError, match="survival: expected a number > 0"):
        resnet(20, survival=0.0)


def test_euler_step_is_state_plus_branch() -> None:
    model = resnet(20, width=4).eval()
    u = list(model.trajectory(noise(2, 3, 8, 8)))
    torch.testing.assert_close(u[2] - u[1], model.branches[1](u[1]), atol=1e-5, rtol=0)


def test_survival_falls_linearly_to_the_last_block() -> None:
    model = resnet(20, width=4, survival=0.5)
    assert model.survival == pytest.approx([1 - l / 18 for l in range(1, 10)])
    assert model.survival[-1] == 0.5


def test_stochastic_depth_keeps_the_mean_update() -> None:
    """Mean of 4000 draws of one block against f: the draws have deviation |f| sqrt((1-p)/p), p = 1/2."""
    model = resnet(20, width=2, survival=0.5).train()
    model.branches[8] = nn.Identity()
    torch.manual_seed(0)
    u = torch.ones(1, 1, 1, 1)
    draws = torch.tensor([float(model.residual(8, u)) for _ in range(4000)])
    assert set(draws.tolist()) == {0.0, 2.0}
    assert abs(draws.mean().item() - 1) < 4 / 4000**0.5
    assert float(model.eval().residual(8, u)) == 1.0


def test_poly_forms() -> None:
    for form in ("sum", "nested"):
        model = polynet(14, width=4, form=form).eval()
        u = list(model.trajectory(noise(2, 3, 8, 8)))
        f = model.branches[1]
        inner = f(u[1], 0)
        expected = u[1] + inner + f(inner, 1) if form == "sum" else u[1] + f(u[1] + inner, 1)
        assert model.twice == [True, True, False, True, False, True]
        torch.testing.assert_close(u[2], expected)


def test_polynet_shares_the_convolutions_of_a_resnet_of_its_seed() -> None:
    poly, plain = polynet(14, width=4, seed=3), resnet(14, width=4, seed=3)
    assert torch.equal(poly.branches[1].convs[1].weight, plain.branches[1][1][2].weight)


def test_fractal_recursion_and_path_lengths() -> None:
    fractal = Fractal(4, 4, 3).eval()
    x = noise(2, 4, 8, 8)
    torch.testing.assert_close(fractal(x), 0.5 * fractal.long[1](fractal.long[0](x)) + 0.5 * fractal.short(x))
    assert sum(isinstance(m, nn.Conv2d) for m in fractal.modules()) == 2**3 - 1


def test_revnet_runs_backwards() -> None:
    model = RevNet(3, width=4, seed=0).eval()
    u = noise(2, 4, 16, 16)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        last = model.features(u)
        assert (last.flatten(1).norm(dim=1) - u.flatten(1).norm(dim=1)).abs().min() > 1
        assert (model.inverse(last) - u).abs().max() < 1e-5 * last.abs().max()
        exact = model.double()
        assert (exact.inverse(exact.features(u.double())) - u).abs().max() < 1e-12 * last.abs().max()


def test_reversible_block_equations() -> None:
    block = ReversibleBlock(6).eval()
    u = noise(1, 6, 4, 4)
    x, y = u[:, :3], u[:, 3:]
    new_x = x + block.f(y)
    torch.testing.assert_close(block(u), torch.cat((new_x, y + block.g(new_x)), 1))


def test_revnet_refuses_sizes_it_cannot_fold() -> None:
    with pytest.raises(ValueError, match="height and width divisible by 4"):
        RevNet(1)(noise(1, 3, 30, 30))
    with pytest.raises(ValueError, match="width: expected an even number, found 5"):
        RevNet(1, width=5)


def test_resnext_pair_is_matched() -> None:
    pair = matched_pair(29, "resnext", seed=1, cardinality=2, group_width=2, base=4)
    ours, theirs = (model.state_dict() for model in pair.values())
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
