"""The three networks of adversarial training: sizes, multiply-adds, shapes, seeds."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from contdepth.nets import parameter_count
from contdepth.nets.preact_resnet18 import PreActBlock, PreActResNet18
from contdepth.nets.small_cnn import SmallCNN
from contdepth.nets.wide_resnet import WideResNet
from contdepth.seeds import generator

FULL = {"small": (SmallCNN, (1, 28)), "preact": (PreActResNet18, (3, 32)), "wide": (WideResNet, (3, 32))}
SMALL = {
    "small": lambda **k: SmallCNN(size=14, channels=(2, 3, 4, 5), hidden=6, **k),
    "padded": lambda **k: SmallCNN(size=8, channels=(2, 3, 4, 5), hidden=6, **k),
    "plain": lambda **k: SmallCNN(size=28, channels=(2, 3, 4, 5), hidden=6, **k),
    "preact": lambda **k: PreActResNet18(width=2, **k),
    "wide": lambda **k: WideResNet(10, 1, **k),
}
SIZES = {"small": 14, "padded": 8, "plain": 28, "preact": 32, "wide": 32}


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=generator(1, "images"))


def mmac(run) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2e6


def test_parameter_counts() -> None:
    assert parameter_count(SmallCNN()) == 312_202
    assert parameter_count(PreActResNet18()) == 11_171_146
    wide = WideResNet()
    assert parameter_count(wide) == 46_160_474
    unused = sum(parameter_count(wide.get_submodule(f"block{n}")) for n in range(1, 6))
    assert parameter_count(wide) + unused == pytest.approx(48.26e6, abs=5e3)


@pytest.mark.parametrize(
    ("name", "forward", "first", "share", "trained", "attacked"),
    [
        ("small", 9.952, 0.1947, 0.01956, 2.980, 2.0),
        ("preact", 555.4, 1.7695, 0.00319, 2.997, 2.0),
        ("wide", 6658.9, 0.4424, 0.000066, 3.0, 2.0),
    ],
)
def test_multiply_adds(
    name: str, forward: float, first: float, share: float, trained: float, attacked: float
) -> None:
    """For one image: forward, first layer; forward and backward for the weights, for the image alone."""
    make, (channels, size) = FULL[name]
    model = make().to("meta")
    x = torch.empty(2, channels, size, size, device="meta")
    y = torch.zeros(2, dtype=torch.int64, device="meta")
    full, layer = mmac(lambda: model(x)) / 2, mmac(lambda: model.conv1(x)) / 2
    assert full == pytest.approx(forward, rel=1e-3)
    assert layer == pytest.approx(first, rel=1e-3)
    assert layer / full == pytest.approx(share, rel=1e-2)
    assert mmac(lambda: cross_entropy(model(x), y).backward()) / 2 / full == pytest.approx(trained, rel=1e-3)
    model.requires_grad_(False)
    x.requires_grad_()
    assert mmac(lambda: cross_entropy(model(x), y).backward()) / 2 / full == pytest.approx(attacked, rel=1e-3)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_and_gradients(name: str, channels: int) -> None:
    model = SMALL[name](in_channels=channels, num_classes=7, seed=2)
    out = model(images(3, channels, SIZES[name], SIZES[name]))
    assert out.shape == (3, 7)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_weights_come_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = SMALL[name](seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = SMALL[name](seed=4).state_dict(), SMALL[name](seed=5).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", SMALL)
def test_stages_by_name_and_slice_make_up_the_net(name: str) -> None:
    model = SMALL[name](in_channels=1, seed=2).eval()
    x = images(2, 1, SIZES[name], SIZES[name])
    cut = 2 if "relu1" in dict(model.named_children()) else 1
    before = x.clone()
    between = model[:cut](x)
    kept = between.clone()
    assert torch.equal(model[cut:](between), model(x))
    assert torch.equal(between, kept) and torch.equal(x, before)
    assert isinstance(model[0], nn.Conv2d) and model[0] is model.conv1


def test_small_cnn_is_the_official_layout() -> None:
    model = SmallCNN()
    kinds = [type(stage).__name__ for stage in model if not isinstance(stage, nn.ReLU)]
    assert kinds == ["Conv2d", "Conv2d", "MaxPool2d", "Conv2d", "Conv2d", "MaxPool2d", "Flatten"] + ["Linear"] * 3
    assert model[:-5](images(2, 1, 28, 28)).shape == (2, 64 * 4 * 4)
    for conv in (model.conv1, model.conv2, model.conv4):
        deviation = (2 / (9 * conv.in_channels)) ** 0.5
        assert conv.weight.std().item() == pytest.approx(deviation, rel=0.1)
        assert not conv.bias.any()
    assert not any(stage.inplace for stage in model if isinstance(stage, nn.ReLU))
    official = SmallCNN(dropout=0.5, zero_last=True)
    assert isinstance(official.dropout, nn.Dropout) and parameter_count(official) == 312_202
    assert not official(images(2, 1, 28, 28)).any()


def test_block_is_its_formula() -> None:
    block = PreActBlock(3, 4, 2).double().eval()
    u = images(2, 3, 6, 6).double()
    active = (u / (1 + 1e-5) ** 0.5).relu()
    inner = (block.conv1(active) / (1 + 1e-5) ** 0.5).relu()
    expected = nn.functional.conv2d(active[:, :, ::2, ::2], block.shortcut.weight) + block.conv2(inner)
    assert torch.allclose(block(u), expected, rtol=0, atol=1e-12)
    same = PreActBlock(3, 3).eval()
    nn.init.zeros_(same.conv2.weight)
    assert same.shortcut is None and torch.equal(same(u.float()), u.float())


def test_strides_and_widths() -> None:
    def shapes(model: nn.Sequential) -> list[tuple[int, int]]:
        u, found = images(1, 3, 32, 32), []
        for name, stage in model.named_children():
            u = stage(u)
            if name.startswith("block"):
                found.append((u.shape[1], u.shape[3]))
        return found

    pairs = ((2, 32), (4, 16), (8, 8), (16, 4))
    assert shapes(PreActResNet18(width=2).eval()) == [pair for pair in pairs for _ in range(2)]
    assert shapes(WideResNet(16, 2).eval()) == [pair for pair in ((32, 32), (64, 16), (128, 8)) for _ in range(2)]


def test_last_block_meets_the_mean_without_norm_in_preact_and_with_norm_in_wide() -> None:
    names = [list(dict(SMALL[name]().named_children())) for name in ("preact", "wide")]
    assert names[0][-4:] == ["block8", "pool", "flatten", "linear"]
    assert names[1][-6:] == ["block3", "norm", "relu", "pool", "flatten", "linear"]


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="depth: expected 6n \\+ 4, found 20; the nearest are 16 and 22"):
        WideResNet(20, 1)
    with pytest.raises(ValueError, match="channels: expected four numbers"):
        SmallCNN(channels=(1, 2, 3))
    with pytest.raises(ValueError, match="size: expected a number >= 4"):
        SmallCNN(size=3)
    with pytest.raises(ValueError, match="x: expected shape \\(2, 1, 14, 14\\)"):
        SMALL["small"]()(images(2, 1, 28, 28))
    with pytest.raises(ValueError, match="x: expected shape \\(2, 3, 32, 32\\)"):
        SMALL["wide"]()(images(2, 1, 32, 32))
    with pytest.raises(ValueError, match="x: expected a tensor with 4 dimensions"):
        SMALL["preact"]()(images(3, 32, 32))
