"""The paper's restorer in pieces: the full unit with one seed, and the policy that stops it, judged on a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import RestorationUnit, UnitShape, trajectory
from contdepth.restoration.stopping.bank import BankPlan, make_bank
from contdepth.restoration.stopping.dqn import DQNPlan, train_dqn
from contdepth.restoration.stopping.policy import PolicyUnit, make_policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.rules import best_fixed, fit_line, oracle
from contdepth.restoration.training.plan import TrainingPlan, make_model
from contdepth.restoration.training.schedule import LoopSchedule
from contdepth.restoration.training.train import train
from contdepth.studies.common.full_set import damaged, one_by_one, test_pictures
from contdepth.studies.durr.blocks import stop_lazily
from contdepth.training.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["full_plan", "policy", "unit"]

SHAPE = UnitShape("unet", 32, activation="prelu")
SHAPES = {"gaussian": SHAPE, "jpeg": replace(SHAPE, start="kaiming")}
FULL = {
    "gaussian": TrainingPlan(
        SHAPES["gaussian"], schedule=LoopSchedule((2, 3, 4, 5)), iterations=50000, batch=64, patch=64, rate=1e-3
    ),
    "jpeg": TrainingPlan(
        SHAPES["jpeg"],
        degradation="jpeg",
        levels=(10, 20, 30),
        schedule=LoopSchedule((4, 3, 2)),
        iterations=40000,
        batch=66,
        patch=64,
        rate=1e-3,
    ),
}
"""Task → plan of the full layout; those of ``catalogue.PAPER``."""
SEEN = {"gaussian": (25, 55), "jpeg": (10, 30)}
"""Levels between which a policy learns: those of the unit's training."""
EVERY = 500
"""Steps of a unit's training from one checkpoint to the next."""


def full_plan(task: str, seed: int, width: int = SHAPE.width, **changes: Any) -> TrainingPlan:
    """The plan of the full unit for ``task`` with ``seed``; ``width`` and ``changes`` make it smaller."""
    plan = FULL[checks.one_of("task", task, tuple(FULL))]
    shape = replace(SHAPES[task], width=width)
    return replace(plan, shape=shape, seed=seed, **changes)


def unit(
    *,
    task: str,
    seed: int,
    width: int = 32,
    changes: Mapping[str, Any] | None = None,
    device: str = "cuda",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train the full unit for ``task``, ``"gaussian"`` or ``"jpeg"``, with one seed.

    Returns its ``weights``; ``losses_db`` (−PSNR, means over 50 steps), ``seconds`` and ``steps`` of the training.
    ``changes``: other values of the plan's fields. A training that was stopped goes on from ``checkpoint``.
    """
    plan = full_plan(task, seed, width, **(changes or {}))
    kept = None if checkpoint is None else Path(checkpoint) / "unit.pt"
    done = train(plan, checkpoint=kept, every=EVERY, device=device)
    weights = {name: value.detach().cpu().contiguous() for name, value in done.model.state_dict().items()}
    return {
        "losses_db": np.round(done.losses, 4),
        "seconds": done.seconds,
        "steps": done.steps,
        "weights": weights,
    }


def policy(
    *,
    task: str,
    seed: int,
    given: Mapping[str, Any],
    dataset: str,
    levels: Sequence[float],
    width: int = 32,
    horizon: int = 10,
    episodes: int = 512,
    updates: int = 8000,
    warm_up: int = 1000,
    data: str = "train400",
    limit: int | None = None,
    device: str = "cuda",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Learn when to stop the unit that is ``given``, by deep Q-learning, and judge both on a whole test set.

    ``dataset``, ``limit``: see ``test_pictures``; ``levels``: of its damage. The bank of ``episodes`` crops has
    levels between those of the unit's training. Returns, for L levels and m pictures, ``psnr`` of X_0 … X_N,
    ``(L, N + 1, m)``, ``stops`` ``(L, m)``, ``levels``; of the bank, ``fixed``, the best single step, and
    ``slope`` and ``intercept`` of the line from level to the oracle's step; ``returns`` of the training.

    A call that was stopped goes on from ``checkpoint``: the policy begins anew until it is learnt, pictures that
    are done stay so.
    """
    where = devices.named("device", device)
    restorer = make_model(full_plan(task, seed, width))
    restorer.load_state_dict(given["unit"]["weights"])
    restorer = restorer.to(where, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    low, high = SEEN[task]
    plan = BankPlan(task, low, high, episodes, horizon, data=data, seed=seed)
    learner = DQNPlan(
        updates,
        target_every=max(1, updates // 10),
        epsilon_updates=max(1, updates // 2),
        warm_up=warm_up,
        seed=seed,
    )
    folder = None if checkpoint is None else Path(checkpoint)
    chosen, said = learnt(restorer, plan, learner, folder)

    def entry(number: int, clean: Tensor) -> dict[str, Any]:
        return judged(restorer, chosen, clean.to(where), damaged(task, clean, levels, number).to(where), horizon)

    rows = one_by_one(test_pictures(dataset, limit), entry, None if folder is None else folder / "pictures.json")
    return {
        "psnr": np.round(np.stack([row["psnr"] for row in rows], axis=-1), 4),
        "stops": np.stack([row["stops"] for row in rows], axis=-1),
        "levels": list(levels),
        **said,
    }


def learnt(
    restorer: RestorationUnit, plan: BankPlan, learner: DQNPlan, folder: Path | None
) -> tuple[PolicyUnit, dict[str, Any]]:
    """The policy in eval mode and what is told of its bank; from ``folder`` if it was learnt before a stop."""
    chosen = make_policy(plan.steps, learner.seed).to(devices.of(restorer))
    identity = {"bank": plan.resolved(), "dqn": learner.resolved()}
    stored = None if folder is None else load_checkpoint(folder / "policy.pt", identity)
    if stored is None:
        bank = make_bank(restorer, plan)
        history = train_dqn(chosen, bank, learner)
        stored = {"policy": chosen.state_dict(), "said": {**told(bank), "returns": history.returns}}
        if folder is not None:
            save_checkpoint(folder / "policy.pt", identity, stored)
    chosen.load_state_dict(stored["policy"])
    return chosen.eval(), stored["said"]


def told(bank: Rollouts) -> dict[str, Any]:
    """The best single step of the bank, and the line from its levels to the steps of the oracle."""
    line = fit_line(bank.levels.cpu(), oracle(bank.losses).cpu())
    return {"fixed": best_fixed(bank.losses), "slope": line.slope, "intercept": line.intercept}


def judged(
    restorer: RestorationUnit, chosen: PolicyUnit, clean: Tensor, y: Tensor, steps: int
) -> dict[str, list[Any]]:
    """One picture at each level: ``psnr`` ``(L, N + 1)`` and the ``stops`` ``(L,)`` of the policy, as lists."""
    iterates = trajectory(restorer, y, steps)
    return {"psnr": psnr(iterates, clean).T.tolist(), "stops": stop_lazily(chosen, iterates).tolist()}
