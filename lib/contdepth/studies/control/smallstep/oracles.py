"""Checks by independent means: a step taken into the last map, and norms of Jacobians that are built."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.func import jacrev, vmap
from torch.nn.functional import cross_entropy

from contdepth import robust
from contdepth.nets import SmallStepNet
from contdepth.studies.control.smallstep.training import Parts

__all__ = ["absorbed_gap", "norm_error"]


def absorbed_gap(data: Parts, depth: int, h: float, rate: float, steps: int) -> float:
    """Relative distance of outputs after SGD with step h, and with step 1 and h² times the rate for V and c.

    Float64, momentum 0.9, all images at once.
    """
    x, y = data.learn[0].double(), data.learn[1]
    net = SmallStepNet(depth, h).double()
    outputs = []
    for one in (net, net.absorbed()):
        factor = {"second": net.h**2 / one.h**2}
        shifts = torch.ones(2 * depth, 1, 1, 1, dtype=torch.float64)
        shifts[1::2] = net.h**2 / one.h**2
        factor["shifts"] = shifts
        speeds = {name: torch.zeros_like(value) for name, value in one.named_parameters()}
        for _ in range(steps):
            slopes = torch.autograd.grad(cross_entropy(one(x)[0], y), list(one.parameters()))
            with torch.no_grad():
                for (name, value), slope in zip(one.named_parameters(), slopes, strict=True):
                    speeds[name].mul_(0.9).add_(slope * factor.get(name, 1.0))
                    value.sub_(rate * speeds[name])
        outputs.append(one(x).detach())
    return float((outputs[0] - outputs[1]).norm() / outputs[0].norm())


def norm_error(nets: SmallStepNet, x: Tensor, iterations: int) -> float:
    """Largest relative error of ``jacobian_norm`` through all blocks of the first net against dense Jacobians."""
    net = copy.deepcopy(nets).double().requires_grad_(False)
    state = next(net.trajectory(x.double())).detach()

    def through(state: Tensor) -> Tensor:
        for n in range(net.depth):
            state = net.step(n, state)
        return state

    def first(vector: Tensor) -> Tensor:
        return through(vector.expand(len(net.h), 1, -1))[0, 0]

    found = robust.jacobian_norm(through, state, iterations=iterations)[0]
    exact = torch.linalg.matrix_norm(vmap(jacrev(first))(state[0]), 2)
    return float(((found - exact).abs() / exact).max())
