"""What the step stands on, by other means: solutions by SciPy, gradients by central differences."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import root
from torch import Tensor, nn

from contdepth.nets import Dissipative, implicit_euler
from contdepth.seeds import generator
from contdepth.studies.control.implicit.nets import Generic

__all__ = ["gradient_error", "solution_error"]

STEPS = (0.5, 2.0, 5.0)


class Damped(nn.Module):
    """A usual block less the state. With ‖A‖ = ‖W‖ = 1 it is dissipative too, with a Jacobian not symmetric."""

    def __init__(self, block: Generic) -> None:
        super().__init__()
        self.block = block

    def forward(self, y: Tensor) -> Tensor:
        return self.block(y) - y


def fields(count: int) -> list[tuple[nn.Module, Tensor]]:
    """Random fields of both kinds in five dimensions, each with three states."""
    found: list[tuple[nn.Module, Tensor]] = []
    for k in range(count):
        source = generator(k, "field")

        def draw(*shape: int, source: torch.Generator = source) -> Tensor:
            return torch.randn(*shape, generator=source, dtype=torch.float64)

        found.append((Dissipative(0.7 * draw(7, 5), draw(7)), draw(3, 5)))
        out, into = (part / torch.linalg.matrix_norm(part, 2) for part in (draw(5, 6), draw(6, 5)))
        found.append((Damped(Generic(out, into, draw(6))), draw(3, 5)))
    return found


def solution_error(count: int) -> float:
    """Largest distance of a solution from SciPy's, over fields, states and steps."""
    worst = 0.0
    for field, x in fields(count):
        for h in STEPS:
            with torch.no_grad():
                y = implicit_euler(field, x, h).state.numpy()

                def residual(v: np.ndarray, one: Tensor, field: nn.Module = field, h: float = h) -> np.ndarray:
                    return v - one.numpy() - h * field(torch.from_numpy(v)).numpy()

                solved = [root(residual, one.numpy(), args=(one,), tol=1e-13).x for one in x]
            worst = max(worst, float(np.abs(y - np.array(solved)).max()))
    return worst


def gradient_error(count: int) -> float:
    """Largest distance of a slope through the solution from a central difference, in states and weights."""
    worst = 0.0
    for field, x in fields(count):
        into = [x.requires_grad_(), *field.parameters()]
        for h in STEPS:
            slopes = torch.autograd.grad(implicit_euler(field, x, h).state.sin().sum(), into)
            for part, slope in zip(into, slopes, strict=True):
                ends = []
                with torch.no_grad():
                    for size in (2e-5, -4e-5, 3e-5, -2e-5):  # at 2, -2, 1, -1 times 1e-5
                        part += size
                        ends.append(float(implicit_euler(field, x, h).state.sin().sum()))
                    part += 1e-5
                measured = (8 * (ends[2] - ends[3]) - (ends[0] - ends[1])) / 12e-5
                worst = max(worst, abs(measured - float(slope.sum())))
    return worst
