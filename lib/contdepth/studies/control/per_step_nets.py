"""Deep BSDE as its authors run it: a network for each step, called in turn; Y_0 and Z_0 are parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from contdepth import seeds
from contdepth.control import BSDE
from contdepth.control.bsde.solve import residuals

__all__ = ["StepNets", "train_step_nets"]


class StepNets(nn.Module):
    """Z_0 as a parameter and, for each later step, batch norms around d -> d + 10 -> d + 10 -> d with ReLU."""

    def __init__(self, dim: int, steps: int, seed: int, began: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        generator = seeds.generator(seed, "step nets")
        self.first = nn.Parameter(torch.empty(dim).uniform_(-0.1, 0.1, generator=generator))
        self.start = nn.Parameter(torch.empty(1).uniform_(*began, generator=generator))
        sizes = [dim, dim + 10, dim + 10, dim]
        self.nets = nn.ModuleList()
        for _ in range(steps - 1):
            parts: list[nn.Module] = [nn.BatchNorm1d(dim, eps=1e-6, momentum=0.01)]
            for k, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
                linear = nn.Linear(a, b, bias=k == 2)
                nn.init.xavier_uniform_(linear.weight, generator=generator)
                if k == 2:
                    nn.init.zeros_(linear.bias)
                parts += [linear, nn.BatchNorm1d(b, eps=1e-6, momentum=0.01), nn.ReLU()]
            self.nets.append(nn.Sequential(*parts[:-1]))
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm1d):
                nn.init.normal_(norm.bias, 0, 0.1, generator=generator)
                nn.init.uniform_(norm.weight, 0.1, 0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Z (1, steps, batch, d) at states ``x`` (steps, batch, d)."""
        later = [net(state) / x.shape[-1] for net, state in zip(self.nets, x[1:], strict=True)]
        return torch.stack([self.first.expand_as(x[0]), *later])[None]


def train_step_nets(
    problem: BSDE,
    steps: int,
    iterations: int,
    seed: int,
    watch: Callable[[int, Tensor], object] | None = None,
    rate: float = 1e-2,
    batch: int = 64,
    began: tuple[float, float] = (0.0, 1.0),
) -> StepNets:
    """Train on the mean square of the residual by Adam, in float64, ``watch`` as ours; return the networks.

    Y_0 is their ``start`` and begins within ``began``. The loss is linearised beyond 50, as the authors'.
    """
    torch.set_default_dtype(torch.float64)
    try:
        model = StepNets(problem.dim, steps, seed, began)
    finally:
        torch.set_default_dtype(torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    generator, root = seeds.generator(seed, "paths"), math.sqrt(problem.horizon / steps)
    sizes = torch.full((steps,), problem.horizon / steps, dtype=torch.float64)
    for k in range(iterations):
        dw = torch.randn(1, steps, batch, problem.dim, generator=generator, dtype=torch.float64) * root
        x = torch.cat((torch.zeros_like(dw[:, :1]), problem.volatility * dw.cumsum(1)), 1)
        found = residuals(problem, model(x[0, :-1]), x, dw, model.start, sizes)
        loss = torch.where(found.abs() < 50, found.square(), 100 * found.abs() - 2500).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if watch is not None:
            watch(k + 1, model.start.detach())
    return model
