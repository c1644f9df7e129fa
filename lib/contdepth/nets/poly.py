"""PolyNet-style CIFAR net: a block applies its branch twice, a truncation of the backward Euler step."""

from __future__ import annotations

from torch import Tensor, nn

from contdepth import checks
from contdepth.nets.plan import Plan, cifar_plan
from contdepth.nets.residual import ResidualNet

__all__ = ["PolyNet", "polynet"]


class SharedBasicBranch(nn.Module):
    """F with two 3x3 convolutions shared by both applications; each application has its own batch norms.

    One set of norms would average the statistics of u and F(u), which differ, and evaluation would suffer.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2)) for _ in range(2))

    def forward(self, u: Tensor, application: int) -> Tensor:
        for norm, conv in zip(self.norms[application], self.convs, strict=True):  # type: ignore[call-overload]
            u = conv(norm(u).relu())
        return u


class PolyNet(ResidualNet):
    """u' = u + F(u) + F(F(u)) (``form="sum"``, the paper's reading) or u' = u + F(u + F(u)) (``form="nested"``).

    "sum" truncates (I - F)^{-1} and approximates backward Euler to second order for linear F only; "nested" is one
    fixed-point sweep of the implicit step and does so in general. Blocks that change the shape are plain.
    """

    def __init__(
        self, plan: Plan, *, form: str = "sum", seed: int = 0, in_channels: int = 3, num_classes: int = 10
    ) -> None:
        checks.one_of("form", form, ("sum", "nested"))
        checks.instance("plan", plan, Plan, "cifar_plan(depth) makes one")
        checks.one_of("plan.block", plan.block, ("basic",))
        super().__init__(plan, seed=seed, in_channels=in_channels, num_classes=num_classes)
        self.form = form
        self.twice = [isinstance(shortcut, nn.Identity) for shortcut in self.shortcuts]
        channels = [stage.out for stage in plan.stages for _ in range(stage.blocks)]
        for n, twice in enumerate(self.twice):
            if twice:
                shared = SharedBasicBranch(channels[n])
                for conv, old in zip(shared.convs, self.branches[n], strict=True):  # type: ignore[call-overload]
                    conv.weight = old[2].weight
                self.branches[n] = shared

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, form={self.form!r}"

    def advance(self, n: int, u: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """One block; ``previous`` is not used."""
        if not self.twice[n]:
            return super().advance(n, u, previous)
        f = self.branches[n]
        first = f(u, 0)
        return (u + first + f(first, 1) if self.form == "sum" else u + f(u + first, 1)), u


def polynet(
    depth: int = 20,
    *,
    width: int = 16,
    form: str = "sum",
    in_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> PolyNet:
    """PolyNet with the plan of ``resnet(depth)``: each convolution used twice where the shape allows."""
    plan = cifar_plan(depth, "basic", width=width)
    return PolyNet(plan, form=form, seed=seed, in_channels=in_channels, num_classes=num_classes)
