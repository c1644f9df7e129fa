"""The stored models: the plan of each, and the command that trains it again.

``python -m contdepth.studies.durr.catalogue NAME…`` trains (or goes on with) models; without names it lists them.
The weights of a repeated run are the same to the bit on the same machine; the files differ in the seconds they
record.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from contdepth import checks
from contdepth.restoration.models.dncnn import DnCNNShape
from contdepth.restoration.models.stored import save_model
from contdepth.restoration.models.tnrd import TNRDShape
from contdepth.restoration.models.unit import UnitShape
from contdepth.restoration.stopping.bank import BankPlan
from contdepth.restoration.stopping.dqn import DQNPlan
from contdepth.restoration.stopping.stored_policy import PolicyPlan, save_policy, train_policy
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.schedule import LoopSchedule
from contdepth.restoration.training.train import train

__all__ = ["PAPER", "PLANS", "POLICIES"]

LOOPS = {
    "refined": LoopSchedule((2, 3, 4, 5)),
    "naive4": LoopSchedule((4, 4, 4, 4)),
    "naive8": LoopSchedule((8, 8, 8, 8)),
    "random": LoopSchedule((8, 8, 8, 8), random_up_to=8),
}
EVALUATIONS = 8750  # of the unit on a batch, for every arm of the study of schedules
SEEDS = (0, 1, 2)


def study() -> dict[str, TrainingPlan]:
    """Small units: the same evaluations under each schedule, and without constants under the refined one."""
    arms = {name: (loops, True) for name, loops in LOOPS.items()} | {"biasfree": (LOOPS["refined"], False)}
    return {
        f"{name}-{seed}": TrainingPlan(
            UnitShape(bias=bias), schedule=loops, iterations=int(EVALUATIONS / loops.mean), seed=seed
        )
        for seed in SEEDS
        for name, (loops, bias) in arms.items()
    }


GAUSSIAN = TrainingPlan(UnitShape(width=48), schedule=LOOPS["refined"], iterations=14000)
DNCNN = TrainingPlan(DnCNNShape(), rate=1e-3, iterations=1300)
PLANS = {
    "gaussian": GAUSSIAN,
    **{f"gaussian-{seed}": replace(GAUSSIAN, seed=seed) for seed in SEEDS[1:]},
    **study(),
    "jpeg": TrainingPlan(
        UnitShape(start="kaiming"),
        degradation="jpeg",
        levels=(10, 20, 30),
        schedule=LoopSchedule((4, 3, 2)),
        batch=24,
        rate=1e-3,
        iterations=3500,
    ),
    "dncnn": DNCNN,
    "dncnn-long": replace(DNCNN, iterations=5500),
    "tnrd": TrainingPlan(TNRDShape(), levels=(25,), batch=8, rate=5e-3, precision="fp32", iterations=300),
}
"""Name → plan of each stored model and further training; ``dncnn-long`` has a unit ``gaussian``'s CPU time."""

POLICIES = {
    "policy-gaussian": PolicyPlan("gaussian", BankPlan(low=5, high=80, episodes=400), DQNPlan()),
    "policy-jpeg": PolicyPlan("jpeg", BankPlan("jpeg", low=5, high=60, episodes=400, steps=8), DQNPlan()),
}
"""Name → plan of every stored policy, for a user's own pictures: levels wider than the units were trained on."""

UNET = UnitShape("unet", 32, activation="prelu")
FULL = TrainingPlan(
    UNET,
    schedule=LOOPS["refined"],
    iterations=50000,
    batch=64,
    patch=64,
    rate=1e-3,
)
PAPER = {
    "gaussian": FULL,
    **{f"gaussian-{seed}": replace(FULL, seed=seed) for seed in SEEDS[1:]},
    "gaussian-low": replace(
        FULL, levels=(10, 15, 25, 35, 45, 55), schedule=LoopSchedule((1, 1, 2, 3, 4, 5)), batch=96
    ),
    "naive8": replace(FULL, schedule=LOOPS["naive8"], iterations=22000),
    "biasfree": replace(FULL, shape=replace(UNET, bias=False)),
    "jpeg": replace(PLANS["jpeg"], shape=replace(UNET, start="kaiming"), batch=66, patch=64, iterations=40000),
}
"""The same with the full layout, for a GPU, not trained here; ``gaussian-low`` begins at σ = 10 with one step."""


def main(arguments: list[str] | None = None) -> None:
    """Train the named models one after the other, each with a checkpoint that it goes on from."""
    parser = argparse.ArgumentParser(prog="python -m contdepth.studies.durr.catalogue", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join((*PLANS, *POLICIES)))
    parser.add_argument("--folder", type=Path, default=Path("weights"), help="where weights go (default: weights)")
    parser.add_argument("--checkpoints", type=Path, default=Path("_build/restoration"), help="where runs are kept")
    parser.add_argument("--paper", action="store_true", help="the full layout's plans")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args(arguments)
    plans: Mapping[str, TrainingPlan | PolicyPlan] = PAPER if asked.paper else {**PLANS, **POLICIES}
    for name in asked.names:
        if name not in plans:
            parser.error(f"NAME: expected one of {', '.join(plans)}, found {name}")
    torch.set_num_threads(checks.integer("threads", asked.threads, at_least=1))
    if not asked.names:
        print(*plans, sep="\n")
    for name in asked.names:
        plan = plans[name]
        if isinstance(plan, PolicyPlan):
            print(save_policy(name, train_policy(plan, device=asked.device), asked.folder))
            continue
        kept = asked.checkpoints / f"{'paper-' if asked.paper else ''}{name}.pt"
        print(save_model(name, train(plan, checkpoint=kept, device=asked.device), asked.folder))


if __name__ == "__main__":
    main()
