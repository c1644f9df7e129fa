"""What the two models are by construction: their ends, and Euler's factor where branches are linear."""

from __future__ import annotations

import torch
from torch import nn

from contdepth.nets import DAMPED_MODELS, DampedNet, damped_resnet, resnet
from contdepth.nets.plan import Plan, Stage
from contdepth.schemes import ForwardEuler, amplification
from contdepth.seeds import generator

__all__ = ["end_gap", "factor_gap"]


class Line(nn.Module):
    """f(u) = ``slope`` u."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        return self.slope * u


@torch.no_grad()
def end_gap(depth: int = 26) -> float:
    """Largest difference of logits, float64: λ = 0 from the ResNet, and λ = 1 from the same blocks without skips.

    At λ = 1 a damped block of the λ-In-ResNet is 2 f.
    """
    x, gaps = torch.rand(6, 1, 8, 8, generator=generator(0, "images"), dtype=torch.float64), []
    plain = resnet(depth, width=4, in_channels=1, seed=1).double().eval()
    for model in DAMPED_MODELS:
        net = damped_resnet(depth, width=4, in_channels=1, seed=1, model=model, damping=0.0).double().eval()
        gaps.append((net(x) - plain(x)).abs().max())
        net.fixed.fill_(1.0)
        u = plain.stem(x)
        for n, (branch, shortcut) in enumerate(zip(plain.branches, plain.shortcuts, strict=True)):
            skips = n == 0 or not isinstance(shortcut, nn.Identity)
            u = shortcut(u) + branch(u) if skips else (1 if model == "in" else 2) * branch(u)
        gaps.append((net(x) - plain.head(u)).abs().max())
    return float(max(gaps))


@torch.no_grad()
def factor_gap(blocks: int = 9) -> float:
    """Largest relative distance of u_L/u_0 from Euler's factor to the power of damped blocks, f(u) = a u, float64.

    The factor is that of u' = -λ u + a u, or of u' = -λ u + (1 + λ) a u for λ-In; a = 0 leaves (1 - λ)^L.
    """
    x, gaps = torch.rand(2, 1, 8, 8, generator=generator(0, "images"), dtype=torch.float64), []
    plan = Plan("line", "basic", 2, (Stage(blocks, 2, 2, 1),))
    for model in DAMPED_MODELS:
        for slope in (0.0, -0.5, 0.75):
            for rate in (0.25, 1.0, 1.875):
                net = DampedNet(plan, model=model, damping=rate, in_channels=1).double().eval()
                net.branches = nn.ModuleList(Line(slope) for _ in range(blocks))
                *_, last = states = list(net.trajectory(x))
                z = -rate + slope * (1 if model == "in" else 1 + rate)
                factor = amplification(ForwardEuler(), torch.tensor(z, dtype=torch.float64)).real.item()
                wanted = states[1] * factor ** (blocks - 1)
                gaps.append((last - wanted).abs().max() / states[1].abs().max() / max(1, abs(factor) ** blocks))
    return float(max(gaps))
