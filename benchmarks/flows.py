"""Flows of densities, side by side: what a way back keeps, and what a Laplacian costs.

Run: python benchmarks/flows.py [--rounds N] [--out FILE]

One thread, interleaved in one process, median process time, reported as ratios.

Residual block of 64 numbers, two layers of 128 within, batch 128, float32: bytes that autograd keeps for the
gradient of one logarithm of a determinant, and time of value and gradient, of a plain series of 10 terms and of
Russian roulette with the Neumann gradient, with at least as many terms and with the paper's law.

Ising model, 8 x 8: one step of training (batch 32, 128 hidden units, two steps of RK4, Adam left out) with the
Laplacian in one pass with the gradient, by 64 products of the closed gradient, the same as one batch of them, and
by 64 products of a gradient that autograd finds. All give the same loss, which is checked.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from contdepth.flows import (
    ContinuousFlow,
    DualIsing,
    MongeAmpereFlow,
    NumberOfTerms,
    Potential,
    RouletteLogDet,
    SeriesLogDet,
    lipschitz_net,
)
from contdepth.seeds import generator
from contdepth.studies.common.kept_bytes import bytes_kept
from contdepth.timing import cpu_seconds


def determinants(rounds: int) -> dict[str, float]:
    """Ratios of memory and time to the plain series of ten terms."""
    torch.manual_seed(0)
    g = lipschitz_net((64, 128, 128, 64), 0.9).eval()
    x = torch.randn(128, 64, generator=generator(0, "x"))
    ways = {
        "plain series, 10 terms": SeriesLogDet(10),
        "Neumann, 10 terms and more": RouletteLogDet(NumberOfTerms(certain=10)),
        "Neumann, 3 terms and more": RouletteLogDet(),
        "roulette back through 10 and more": RouletteLogDet(NumberOfTerms(certain=10), gradient="backprop"),
    }

    def value(how: SeriesLogDet | RouletteLogDet) -> Tensor:
        return how(g, x, generator(1, "probes")).log_det.mean()

    def step(how: SeriesLogDet | RouletteLogDet) -> None:
        g.zero_grad()
        value(how).backward()

    taken = cpu_seconds({name: lambda how=how: step(how) for name, how in ways.items()}, rounds)
    bytes_of = {name: bytes_kept(lambda how=how: value(how)) for name, how in ways.items()}
    plain = "plain series, 10 terms"
    found = {f"memory: {name} / plain": bytes_of[name] / bytes_of[plain] for name in ways}
    return found | {f"time: {name} / plain": taken[name] / taken[plain] for name in ways}


class Batched(ContinuousFlow):
    """The trace from all products as one batch."""

    def _rates(self, x: Tensor, generator: torch.Generator | None) -> Any:
        velocity: Any = self.f

        def rates(t: Tensor, u: Tensor) -> Tensor:
            x, gradient = u[..., :-1], velocity.potential.gradient
            full = vmap(jacrev(gradient))(x)
            return torch.cat([gradient(x), full.diagonal(dim1=1, dim2=2).sum(1, keepdim=True)], dim=1)

        return rates


def laplacians(rounds: int) -> dict[str, float]:
    """Ratios of one step of training to that with the fused Laplacian."""
    model, shape = DualIsing(8), {"time": 1.0, "steps": 2}
    phi = Potential(64, 128, activation="log cosh", generator=generator(0, "phi"))
    held = list(phi.parameters())
    plain: Callable[[Tensor], Tensor] = lambda x: phi(x)  # noqa: E731
    fused = MongeAmpereFlow(phi, 64, **shape)
    ways: dict[str, nn.Module] = {
        "fused": fused,
        "64 products": MongeAmpereFlow(phi, 64, trace="exact", **shape),
        "64 products, one batch": Batched(fused.f, 64, steps=2),
        "64 products by autograd": MongeAmpereFlow(plain, 64, trace="exact", parameters=held, **shape),
    }

    def loss(flow: Any) -> Tensor:
        drawn = flow.draw(32, generator(1, "z"))
        return (drawn.log_density + model.energy(drawn.x)).mean()

    def step(flow: Any) -> None:
        phi.zero_grad()
        loss(flow).backward()

    values = [loss(flow) for flow in ways.values()]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], rtol=1e-5, atol=1e-4)
    taken = cpu_seconds({name: lambda flow=flow: step(flow) for name, flow in ways.items()}, rounds)
    found = {f"time: fused / {name}": taken["fused"] / taken[name] for name in list(ways)[1:]}
    bytes_of = {name: bytes_kept(lambda flow=flow: loss(flow)) for name, flow in list(ways.items())[:2]}
    return found | {"memory: fused / 64 products": bytes_of["fused"] / bytes_of["64 products"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the ratios as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {"determinants": determinants(arguments.rounds), "laplacians": laplacians(arguments.rounds)}
    for title, rows in found.items():
        print(f"\n{title}")
        for name, value in rows.items():
            print(f"  {name:<56}{value:8.3f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
