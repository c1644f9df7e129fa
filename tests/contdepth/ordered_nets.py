"""Small nets with trained times, and images for them, for the tests of the nets and of their probes."""

from __future__ import annotations

import torch

from contdepth.data import standardise
from contdepth.meanfield import ordered_pair, ordered_resnet
from contdepth.meanfield.convnet import OrderedResNet
from contdepth.training import Recipe

SHORT = Recipe("short", epochs=2, batch=16, lr=0.1, schedule="one-cycle", pad=1, flip=True)


def images(count: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(5))


def data() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    source = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (72, 1, 8, 8), generator=source, dtype=torch.uint8)
    labels = (pictures[:, 0, :4].float().mean((1, 2)) > pictures[:, 0, 4:].float().mean((1, 2))).long()
    return standardise((pictures[:56], labels[:56]), (pictures[56:], labels[56:]))


def small(times: str = "trained", depth: int = 26, **options: object) -> OrderedResNet:
    """Stages of 4, 3 and 3 particles."""
    return ordered_resnet(depth, width=2, times=times, **({"seed": 1, "time_rate": 0.1} | options))


def moved(net: OrderedResNet) -> OrderedResNet:
    """Times off the grid, order changed in every stage."""
    net.set_times([torch.tensor(t) for t in ([0.7, 0.2, 0.35, 0.9], [0.55, 0.5, 0.8], [0.3, 0.95, 0.1])])
    return net


def randomise(net: torch.nn.Module) -> torch.nn.Module:
    """Running statistics and affine maps of every norm drawn at random, so that no two blocks are alike."""
    source = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for one in (module.running_mean, module.running_var, module.weight, module.bias):
                    one.copy_(0.5 + torch.rand(one.shape, generator=source))
    return net


def tiny(*, seed: int) -> dict[str, OrderedResNet]:
    return ordered_pair(20, width=2, in_channels=1, num_classes=2, time_rate=10.0, seed=seed)
