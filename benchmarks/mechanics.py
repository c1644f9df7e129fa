"""Accelerations of a Lagrangian network: one pass for a batch against Hessians taken whole.

Run: python benchmarks/mechanics.py [--rounds N] [--out FILE]

One thread, interleaved in one process, median process time, reported as ratios.

Two degrees of freedom, two layers of 128 softplus units within, float64, 256 states. ``LagrangianNet`` writes the
gradient and the two rows of the Hessian that belong to velocities out; ``lagrangian_acceleration`` finds them by
n reverse products for any function; a plain way takes the whole Hessian of each state by ``torch.func``, mapped
over the batch or in a loop of states (there 16 of them, its time times 16). With and without the gradient of a
mean absolute error in the weights, and for the forward pass alone with six degrees of freedom too. All give the
same accelerations, which is checked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.func import grad, hessian, vmap

from contdepth.mechanics import LagrangianNet, lagrangian_acceleration
from contdepth.seeds import generator
from contdepth.timing import cpu_seconds

FEW = 16
"""States in the loop, of 256."""

Way = Callable[[LagrangianNet, Tensor, Tensor], Tensor]


def of_one(net: LagrangianNet, q: Tensor, v: Tensor) -> Tensor:
    """The acceleration of one state from the whole Hessian in (q, v)."""
    n = len(q)

    def total(x: Tensor) -> Tensor:
        found: Tensor = net(x[:n], x[n:])
        return found

    x = torch.cat((q, v))
    full, slope = hessian(total)(x), grad(total)(x)
    return torch.linalg.solve(full[n:, n:], slope[:n] - full[n:, :n] @ v)


def mapped(net: LagrangianNet, q: Tensor, v: Tensor) -> Tensor:
    return vmap(lambda q, v: of_one(net, q, v))(q, v)


def looped(net: LagrangianNet, q: Tensor, v: Tensor) -> Tensor:
    return torch.stack([of_one(net, *one) for one in zip(q[:FEW], v[:FEW], strict=True)])


WAYS: dict[str, tuple[Way, float]] = {
    "written out": (lambda net, q, v: net.acceleration(q, v), 1),
    "n reverse products": (lambda net, q, v: lagrangian_acceleration(net, q, v), 1),
    "whole Hessians, mapped": (mapped, 1),
    "whole Hessians, in a loop": (looped, 256 / FEW),
}


def times(degrees: int, rounds: int, training: bool) -> dict[str, float]:
    """Seconds of each way."""
    net = LagrangianNet(degrees, (128, 128), generator=generator(0, "net")).double()
    q, v = torch.randn(2, 256, degrees, generator=generator(0, "states"), dtype=torch.float64)
    wanted = net.acceleration(q, v).detach()

    def task(way: Way) -> None:
        net.zero_grad()
        if not training:
            with torch.no_grad():
                way(net, q, v)
            return
        way(net, q, v).abs().mean().backward()

    for way, _ in WAYS.values():
        found = way(net, q, v).detach()
        torch.testing.assert_close(found, wanted[: len(found)], rtol=1e-6, atol=1e-6)
    taken = cpu_seconds({name: lambda way=way: task(way) for name, (way, _) in WAYS.items()}, rounds)
    return {name: taken[name] * share for name, (_, share) in WAYS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the ratios as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for title, degrees, training in (
        ("accelerations, 2 degrees of freedom", 2, False),
        ("accelerations and a gradient in the weights, 2 degrees of freedom", 2, True),
        ("accelerations, 6 degrees of freedom", 6, False),
    ):
        taken = times(degrees, arguments.rounds, training)
        found[title] = {f"written out / {name}": taken["written out"] / taken[name] for name in list(taken)[1:]}
        print(f"\n{title}")
        for name, value in found[title].items():
            print(f"  {name:<56}{value:8.4f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
