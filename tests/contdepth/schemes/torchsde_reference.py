"""Gradients along given paths by torchsde 0.2.6, which a page compares with ours; run this file to write them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torchsde

import contdepth.studies.depth.stochastic
from contdepth.schemes import BrownianTree
from contdepth.studies.depth.stochastic.problems import GEOMETRIC, WELL, Equation

FILE = Path(contdepth.studies.depth.stochastic.__file__).parent / "torchsde_gradients.json"
PATHS, STEPS = 20, 256
METHODS = {"heun": "heun", "midpoint": "midpoint", "reversible_heun": "adjoint_reversible_heun"}


class Increments(torchsde.BaseBrownian):
    """A tree's path, as torchsde asks for it."""

    levy_area_approximation = "none"

    def __init__(self, tree):
        super().__init__()
        self.tree = tree

    def __call__(self, ta, tb=None, return_U=False, return_A=False):
        return self.tree(tb) - self.tree(ta)

    def __repr__(self):
        return "Increments"

    dtype = property(lambda self: torch.float64)
    device = property(lambda self: torch.device("cpu"))
    shape = property(lambda self: torch.Size(self.tree.size))


class Stated(torch.nn.Module):
    """An equation as torchsde asks for it, with numbers of its own for each path."""

    noise_type, sde_type = "diagonal", "stratonovich"

    def __init__(self, equation: Equation, a: torch.Tensor, b: torch.Tensor):
        super().__init__()
        self.equation, self.a, self.b = equation, torch.nn.Parameter(a.detach()), torch.nn.Parameter(b.detach())

    def f(self, t, u):
        return self.a * self.equation.f(u)

    def g(self, t, u):
        return self.b * self.equation.g(u)


def gradients(equation: Equation, method: str) -> list[list[float]]:
    """Gradients of X(1) in x0, a and b for each path, by torchsde's adjoint."""
    x0, a, b = equation.numbers(PATHS)
    stated = Stated(equation, a, b)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    found = torchsde.sdeint_adjoint(
        stated,
        x0,
        ends,
        bm=Increments(BrownianTree((PATHS, 1))),
        method=method,
        adjoint_method=METHODS[method],
        dt=1 / STEPS,
    )
    return [one.flatten().tolist() for one in torch.autograd.grad(found[-1].sum(), (x0, stated.a, stated.b))]


def reference() -> dict[str, object]:
    """All of it: equations by name, methods, gradients in x0, a and b."""
    found = {one.name: {method: gradients(one, method) for method in METHODS} for one in (GEOMETRIC, WELL)}
    return {"torchsde": torchsde.__version__, "paths": PATHS, "steps": STEPS, "gradients": found}


if __name__ == "__main__":
    FILE.write_text(json.dumps(reference(), indent=1) + "\n", encoding="utf-8")
