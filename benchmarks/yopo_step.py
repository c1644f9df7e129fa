"""One step of adversarial training, side by side: PGD-40, YOPO-5-10 in plain autograd and fused, and their loops.

Run: python benchmarks/yopo_step.py [--rounds N] [--out FILE]

SmallCNN, batch 256, one thread; methods interleaved in one process; median process time, reported as ratios. The
plain version is the algorithm as the paper writes it (``contdepth.studies.yopo.reference``); both give the same
perturbation, printed for one pass (over five, float32 rounding grows; in float64 all five agree). PreActResNet18,
batch 32, against PGD-10: its first layer is affine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contdepth.nets.preact_resnet18 import PreActResNet18
from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust import YOPO, Natural, PGDTraining, Threat
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.yopo.fused import inner_steps_fused
from contdepth.seeds import generator
from contdepth.studies.yopo.reference import reference_gradients
from contdepth.timing import cpu_seconds


def tasks(
    model: nn.Sequential,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    first: int,
    cut: str,
    inner: int,
    pgd_steps: int,
    sigma: str,
) -> tuple[float, dict[str, Callable[[], object]]]:
    """Share of pixels on which YOPO and its plain version agree; steps by name, each adding one batch's gradient.

    The first layer are the ``first`` modules of ``model``, up to the one called ``cut``.
    """
    start = threat.start(x, generator(0, "start"))
    yopo = YOPO(model, first_layer=cut, threat=threat, step_size=sigma, steps=5, inner_steps=inner)
    pgd = PGDTraining(model, threat=threat, steps=pgd_steps, step_size=sigma)
    both = PGDTraining(model, threat=threat, steps=pgd_steps, step_size=sigma, clean_weight=1)

    def plain(passes: int = 5) -> Tensor:
        size, parts = float(yopo.sigma), (model[:first], model[first:])
        return reference_gradients(*parts, x, y, start, threat, step_size=size, steps=passes, inner_steps=inner)

    one_pass = YOPO(model, first_layer=cut, threat=threat, step_size=sigma, steps=1, inner_steps=inner)
    moved = one_pass.gradients(x, y, start).delta
    assert moved is not None
    gap = (plain(1) - moved).abs()
    agree = float((gap <= 1e-6).float().mean())
    return agree, {
        "natural": lambda: Natural(model).gradients(x, y),
        "YOPO": lambda: yopo.gradients(x, y, start),
        "YOPO, plain": plain,
        "PGD": lambda: pgd.gradients(x, y),
        "PGD, clean batch too": lambda: both.gradients(x, y),
    }


def report(title: str, taken: Mapping[str, float], agree: float) -> dict[str, float]:
    """Print and return the ratios."""
    rows = {
        "PGD / YOPO": taken["PGD"] / taken["YOPO"],
        "PGD / YOPO, plain": taken["PGD"] / taken["YOPO, plain"],
        "PGD with clean batch / YOPO, plain": taken["PGD, clean batch too"] / taken["YOPO, plain"],
        "YOPO, plain / YOPO": taken["YOPO, plain"] / taken["YOPO"],
        "YOPO / natural": taken["YOPO"] / taken["natural"],
        "PGD / natural": taken["PGD"] / taken["natural"],
        "equal pixels after one pass": agree,
    }
    print(f"\n{title}")
    for name, value in rows.items():
        print(f"  {name:<36}{value:8.3f}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the ratios as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, float]] = {}
    source = generator(0, "bench")

    x, y = torch.rand(256, 1, 28, 28, generator=source), torch.randint(0, 10, (256,), generator=source)
    threat, model = Threat("3/10"), SmallCNN()
    agree, steps = tasks(model, x, y, threat, first=2, cut="relu1", inner=10, pgd_steps=40, sigma="1/100")
    taken = cpu_seconds(steps, arguments.rounds)
    found["small"] = report("SmallCNN, batch 256: YOPO-5-10 against PGD-40", taken, agree)

    slack = torch.randn(256, 32, 26, 26, generator=source)
    loop: dict[str, Any] = {"x": x, "delta": threat.start(x, source), "slack": slack, "threat": threat}
    loop |= {"step_size": 0.01, "steps": 10}
    loops = {
        "plain": lambda: inner_steps_plain(model[:2], **loop),
        "fused": lambda: inner_steps_fused(model.conv1, True, **loop),  # type: ignore[arg-type]
    }
    taken = cpu_seconds(loops, arguments.rounds)
    found["loop"] = {"plain / fused": taken["plain"] / taken["fused"]}
    print(f"\nTen inner steps, plain / fused{found['loop']['plain / fused']:14.3f}")

    x, y = torch.rand(32, 3, 32, 32, generator=source), torch.randint(0, 10, (32,), generator=source)
    agree, steps = tasks(
        PreActResNet18(), x, y, Threat("8/255"), first=1, cut="conv1", inner=3, pgd_steps=10, sigma="2/255"
    )
    found["preact"] = report("PreActResNet18, batch 32: YOPO-5-3 against PGD-10", cpu_seconds(steps, 3), agree)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
