"""One GPU: steps as they are called against steps that are recorded and replayed, and runs side by side.

Run: python benchmarks/gpu.py [--device cuda] [--quick] [--only NAME …] [--out FILE]

Milliseconds a step are differences between a long and a short run of the same training, so what the first steps
cost cancels: compiling, recording, warming up. The called steps are those of the same loop on the same device with
recording switched off. ``--device cpu --quick`` runs everything on small sizes without a GPU (nothing is recorded
there); without a GPU the rest says so in one line.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from contdepth import devices
from contdepth.nets import PreActResNet18, SmallCNN, lm_resnet
from contdepth.pde import PDENet2
from contdepth.pde.simulate import burgers_data
from contdepth.restoration import DURR
from contdepth.restoration.photos import TRAIN, photo
from contdepth.robust import YOPO, PGDTraining, Threat
from contdepth.robust import train as robust_train
from contdepth.schemes import ForwardEuler, integrate
from contdepth.seeds import generator
from contdepth.training import Recipe, fit, fit_together

RECIPE = Recipe("bench", epochs=1, batch=128, lr=0.05, pad=4, flip=True, precision="bf16", test_every=10**6)


def called() -> AbstractContextManager[Any]:
    """Inside, no step is recorded."""
    return mock.patch.dict(devices.RECORDERS, clear=True)


def seconds(task: Callable[[int], object], device: torch.device, short: int, long: int) -> float:
    """Seconds of one unit of ``task(units)``: the difference of two runs, each the faster of two, divided."""
    taken: dict[int, float] = {}
    for units in (short, long, short, long):
        began = clock(device)
        task(units)
        taken[units] = min(taken.get(units, math.inf), clock(device) - began)
    return (taken[long] - taken[short]) / (long - short)


def clock(device: torch.device) -> float:
    devices.now(device)  # all work is done
    return time.perf_counter()


def images(count: int, channels: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    source = generator(0, "bench/images")
    x = torch.rand(count, channels, size, size, generator=source)
    return x.to(device), torch.randint(10, (count,), generator=source).to(device)


def residual_nets(device: torch.device, quick: bool) -> dict[str, float]:
    """One step of ``fit``, milliseconds: LM-ResNet, batch 128, bf16, crops and flips."""
    rows: dict[str, float] = {}
    count = 256 if quick else 50 * 128
    steps, (x, y) = count // 128, images(count, 3, 32, device)
    for depth in (8,) if quick else (20, 56, 164):
        block = "basic" if depth < 164 else "bottleneck"

        def run(epochs: int, seeds: int = 1) -> None:
            settings = replace(RECIPE, epochs=epochs)
            given = {"train": (x, y), "test": (x[:8], y[:8]), "recipe": settings, "progress": False}
            runs = [{"model": lm_resnet(depth, block, seed=seed), "seed": seed, **given} for seed in range(seeds)]  # noqa: B023
            fit_together(runs, device=device) if seeds > 1 else fit(**runs[0], device=device)  # type: ignore[arg-type]

        name = f"LM-ResNet-{depth}"
        ends = (2, 4) if quick else (2, 8)
        with called():
            rows[f"{name} called"] = 1e3 * seconds(run, device, *ends) / steps
        rows[f"{name} replayed"] = 1e3 * seconds(run, device, *ends) / steps
        if depth < 56:
            side = 2 if quick else 4
            together = seconds(lambda epochs, side=side: run(epochs, side), device, *ends)  # type: ignore[misc]
            rows[f"{name} replayed, a run of {side} side by side"] = 1e3 * together / steps / side
    return rows


def adversarial(device: torch.device, quick: bool) -> dict[str, float]:
    """One step of adversarial training, milliseconds, and the ratios PGD / YOPO."""
    rows: dict[str, float] = {}
    cases: list[tuple[str, Callable[[], nn.Module], int, int, int, str, int, int, str, str]] = [
        ("PreActResNet18", PreActResNet18, 3, 32, 256, "conv1", 10, 3, "8/255", "2/255"),
        ("PreActResNet18", PreActResNet18, 3, 32, 1024, "conv1", 10, 3, "8/255", "2/255"),
        ("SmallCNN", SmallCNN, 1, 28, 256, "relu1", 40, 10, "3/10", "1/100"),
    ]
    for name, make, channels, size, batch, cut, pgd_steps, inner, epsilon, sigma in cases[2:] if quick else cases:
        batch = 8 if quick else batch
        data = images(8 * batch, channels, size, device)
        recipe = Recipe("bench", epochs=1, batch=batch, lr=0.01, pad=4 if channels == 3 else 0, flip=channels == 3)

        def run(method: str, steps: int) -> None:
            model = make().to(device, memory_format=torch.channels_last)  # noqa: B023
            common: dict[str, Any] = {"threat": Threat(epsilon), "step_size": sigma}  # noqa: B023
            if method == "YOPO":
                rule: Any = YOPO(model, first_layer=cut, steps=5, inner_steps=inner, **common)  # noqa: B023
            else:
                rule = PGDTraining(model, steps=pgd_steps, **common)  # noqa: B023
            robust_train(rule, data, recipe, seed=0, steps=steps, progress=False)  # noqa: B023

        ends = (6, 8) if quick else (10, 50)
        for method in (f"PGD-{pgd_steps}", "YOPO"):
            title = f"{name}, batch {batch}, {method if method != 'YOPO' else f'YOPO-5-{inner}'}"
            with called():
                rows[f"{title} called"] = 1e3 * seconds(lambda n, m=method: run(m, n), device, *ends)  # type: ignore[misc]
            rows[f"{title} replayed"] = 1e3 * seconds(lambda n, m=method: run(m, n), device, *ends)  # type: ignore[misc]
        for how in ("called", "replayed"):
            pgd, yopo = (
                rows[f"{name}, batch {batch}, {method} {how}"]
                for method in (f"PGD-{pgd_steps}", f"YOPO-5-{inner}")
            )
            rows[f"{name}, batch {batch}, PGD / YOPO {how} (ratio)"] = pgd / yopo
    return rows


def equations(device: torch.device, quick: bool) -> dict[str, float]:
    """One evaluation of PDE-Net 2.0's loss and gradient with six blocks, milliseconds, float64."""
    samples, grid, blocks = (2, 12, 2) if quick else (28, 32, 6)
    data = burgers_data(samples, blocks, grid=grid, fine=4 * grid, late=0.0).permute(0, 3, 4, 1, 2)
    spacing = 2 * math.pi / grid
    rows: dict[str, float] = {}
    ways = {"on the CPU": ("cpu", True), "called": (str(device), False), "replayed": (str(device), True)}
    for way, (where, recorded) in ways.items():

        def run(iterations: int) -> None:
            net = PDENet2(blocks=(blocks,), iterations=iterations, device=where, optimiser="adam")  # noqa: B023
            net.fit([u.numpy() for u in data], dt=0.01, dx=(spacing, spacing), names=("u", "v"))

        with nullcontext() if recorded else called():
            rows[f"closure, {blocks} blocks, {way}"] = 1e3 * seconds(
                run, torch.device(where), 8, 12 if quick else 40
            )
    return rows


def fixed_steps(device: torch.device, quick: bool) -> dict[str, float]:
    """100 steps of Euler on a million states, milliseconds, beside torchdiffeq where it is installed."""
    u, grid = torch.ones(10**3 if quick else 10**6, device=device), torch.linspace(0, 1, 101, device=device)
    tasks: dict[str, Callable[[], object]] = {
        "100 Euler steps": lambda: integrate(lambda t, u: -u, u, grid, ForwardEuler())
    }
    try:
        from torchdiffeq import odeint
    except ImportError:
        pass
    else:
        tasks["100 Euler steps, torchdiffeq"] = lambda: odeint(lambda t, u: -u, u, grid, method="euler")
    return {
        name: 1e3 * seconds(lambda n, t=task: [t() for _ in range(n)], device, 2, 12)  # type: ignore[misc]
        for name, task in tasks.items()
    }


def restorer(device: torch.device, quick: bool) -> dict[str, float]:
    """Where the policy stops on the device and on the CPU, and the largest difference of the pictures."""
    clean = torch.from_numpy(photo(TRAIN[0])[:180, :180].copy()).double() / 255
    noise = torch.randn(clean.shape, generator=generator(0, "bench/noise"), dtype=torch.float64) * 40 / 255
    picture = (clean + noise).clamp(0, 1).numpy()
    here, there = (DURR.load(device=where).restore(picture) for where in ("cpu", device))
    gap = abs(here.image.astype(float) - there.image.astype(float)).max()
    return {"steps on the CPU": here.steps, "steps on the device": there.steps, "largest difference": float(gap)}


PARTS = {
    "residual_nets": residual_nets,
    "adversarial": adversarial,
    "equations": equations,
    "fixed_steps": fixed_steps,
    "restorer": restorer,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, help="write the table as JSON, after every part")
    asked = parser.parse_args()
    try:
        device = devices.named("device", asked.device)
    except ValueError as error:
        print(f"nothing measured: {error}")
        return
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    table: dict[str, dict[str, float]] = {}
    for name in asked.only:
        table[name] = PARTS[name](device, asked.quick)
        print(f"\n{name}")
        for row, value in table[name].items():
            print(f"  {row:<64}{value:10.3f}", flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
