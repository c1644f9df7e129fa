"""A stage of trained diffusion by the table of its influence functions and by the sum of 63 Gaussians.

Run: python benchmarks/reaction.py [--rounds N] [--size PIXELS] [--out FILE]

Forward and backward pass of one stage with 24 filters of 5 × 5 on one picture, one thread, both in turn in one
process, median process time; and how far their results are apart. Bound: the table takes at most a fifth.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from contdepth.restoration import ReactionShape, make_reaction
from contdepth.restoration.degrade import to_tensor
from contdepth.restoration.models.reaction import ReactionDiffusion
from contdepth.restoration.photos import centre_crop, photo
from contdepth.timing import cpu_seconds

BOUND = 0.2


def both_passes(net: ReactionDiffusion, f: Tensor) -> Tensor:
    """The restored picture, after the gradient by all parameters was taken."""
    net.zero_grad()
    u = net(f)
    u.square().mean().backward()
    return u.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=96)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    f = to_tensor(centre_crop(photo("camera"), arguments.size))
    nets = {name: make_reaction(ReactionShape(1, 5, refine=places)) for name, places in (("table", 8), ("sum", 0))}
    results = {name: both_passes(net, f) for name, net in nets.items()}
    gap = float((results["table"] - results["sum"]).abs().max())
    taken = cpu_seconds({name: partial(both_passes, net, f) for name, net in nets.items()}, arguments.rounds)
    ratio = taken["table"] / taken["sum"]
    print(f"one stage, 24 filters, {arguments.size} x {arguments.size}, forward and backward")
    print(f"table over sum: {ratio:.3f} of the CPU time (bound {BOUND}), apart by {255 * gap:.1e} grey levels")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"ratio": ratio, "bound": BOUND, "grey levels": 255 * gap}, indent=1))


if __name__ == "__main__":
    main()
