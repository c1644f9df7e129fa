"""Denoising one photograph, side by side: the unit stopped by the noise estimate, BM3D, and non-local means.

Run: python benchmarks/restore.py [--rounds N] [--size PIXELS] [--out FILE]

The middle of *camera*, one thread, methods interleaved in one process, median process time: seconds a megapixel,
their ratios to the unit, and the PSNR each reaches. BM3D needs the extra ``peers``; without it two run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from contdepth.restoration import classical
from contdepth.restoration.degrade import to_tensor
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import load_model
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.photos import centre_crop, photo
from contdepth.studies.durr.contest import unit_by_noise_level
from contdepth.studies.durr.curves import noisy_copies
from contdepth.timing import cpu_seconds

LEVELS = (25, 55)
STEPS = 10


def restored(unit: RestorationUnit, noisy: Tensor) -> Tensor:
    return unit_by_noise_level(unit, noisy, STEPS)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    unit = load_model("gaussian").model
    assert isinstance(unit, RestorationUnit)
    clean = to_tensor(centre_crop(photo("camera"), arguments.size))
    megapixels = clean.numel() / 1e6
    found: dict[int, dict[str, dict[str, float]]] = {}
    for level, noisy in zip(LEVELS, noisy_copies(clean, LEVELS, 0), strict=True):
        methods: dict[str, Callable[[], Tensor]] = {
            "unit": partial(restored, unit, noisy),
            "NLM": partial(classical.nlm, noisy, level),
        }
        if find_spec("bm3d"):
            methods["BM3D"] = partial(classical.bm3d, noisy, level)
        taken = cpu_seconds(methods, arguments.rounds)
        print(f"\nσ = {level}, {arguments.size} x {arguments.size}     s/megapixel    over the unit    PSNR (dB)")
        found[level] = {}
        for name, restore in methods.items():
            row = {
                "seconds_per_megapixel": taken[name] / megapixels,
                "over_unit": taken[name] / taken["unit"],
                "psnr": float(psnr(restore(), clean)),
            }
            found[level][name] = row
            print(f"  {name:<20}" + "".join(f"{value:16.2f}" for value in row.values()))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
