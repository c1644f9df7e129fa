"""The arms of the contest, built from one seed with equal weights, and trained on digits by one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contdepth.data import pixels
from contdepth.nets import DampedNet, ResidualNet, damped_resnet, resnet
from contdepth.training import DivergenceError, fit, recipe

__all__ = ["ARMS", "Images", "Plan", "build", "images", "rates_of", "trained", "without_norms"]

ARMS = ("ResNet", "In", "lambda-In", "fixed")
"""ResNet; In-ResNet and λ-In-ResNet with learned damping; In-ResNet with λ = 0.25 in every damped block."""


@dataclass(frozen=True)
class Plan:
    """What a training is: layers, channels of the first stage, epochs, peak rate, weight decay, batch norms.

    ``branch``: without norms, the factor of every branch's last convolution at the start; ``learn``,
    ``tests``: how many images are learnt from and judged on.
    """

    depth: int = 26
    width: int = 8
    epochs: int = 8
    rate: float = 0.1
    decay: float = 5e-4
    norms: bool = True
    branch: float = 1.0
    learn: int = 1348
    tests: int = 449


@dataclass(frozen=True)
class Images:
    """Digits in [0, 1], (N, 1, 8, 8), and labels (N,): of the part to learn from and of the one to judge on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def images(learn: int = 1348, tests: int = 449, *, held_out: bool = False) -> Images:
    """The first ``learn`` digits of the learning part and the first ``tests`` of the test part.

    ``held_out``: every fifth image of the learning part is judged on in place of the test part, and all of them.
    """
    (x, y), (test_x, test_y) = pixels("digits", "train", learn), pixels("digits", "test", tests)
    if held_out:
        chosen = torch.arange(len(x)) % 5 == 4
        test_x, test_y, x, y = x[chosen], y[chosen], x[~chosen], y[~chosen]
    return Images(x, y, test_x, test_y)


def build(arm: str, plan: Plan, seed: int, damping: float = 0.25) -> ResidualNet:
    """The net of one of ``ARMS``; ``damping`` is that of "fixed"."""
    options: dict[str, Any] = {"width": plan.width, "in_channels": 1, "seed": seed}
    model: ResidualNet
    if arm == "ResNet":
        model = resnet(plan.depth, **options)
    else:
        kind = "lambda-in" if arm == "lambda-In" else "in"
        model = damped_resnet(plan.depth, model=kind, damping=damping if arm == "fixed" else None, **options)
    return model if plan.norms else without_norms(model, plan.branch)


@torch.no_grad()
def without_norms(model: ResidualNet, branch: float) -> ResidualNet:
    """``model`` with every batch norm replaced by the identity; last convolutions of branches times ``branch``."""
    for one in model.branches:
        list(one.modules())[-1].weight.mul_(branch)  # type: ignore[operator]
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return model


def trained(model: ResidualNet, data: Images, plan: Plan, seed: int) -> ResidualNet:
    """``model`` after its epochs, in evaluation mode; weights are 0 where the loss was no number any more."""
    changes = {"epochs": plan.epochs, "lr": plan.rate, "weight_decay": plan.decay, "test_every": plan.epochs}
    rule = recipe("digits", **changes)
    sets = (data.x, data.y), (data.test_x, data.test_y)
    try:
        fit(model, *sets, rule, seed=seed, progress=False)
    except DivergenceError:
        with torch.no_grad():
            for part in (*model.parameters(), *model.buffers()):
                part.zero_()
    return model.eval()


def rates_of(models: Sequence[ResidualNet]) -> Tensor:
    """λ of the damped blocks after training, (nets, damped blocks)."""
    return torch.stack([model.damping.detach() for model in models if isinstance(model, DampedNet)])
