"""The published net at its own scale: Train400, one noise level, the whole of BSD68, one training a piece."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contdepth import devices
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.reaction import ReactionDiffusion, ReactionShape, make_reaction
from contdepth.restoration.models.tnrd import TNRDShape
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.train import learning_rate, level_loss
from contdepth.studies.common.full_set import damaged, one_by_one, test_pictures
from contdepth.training.checkpoint import Checkpointing, identity_of, save_checkpoint
from contdepth.training.loop import check_loss

__all__ = ["reaction_arm", "slowed"]

EVERY = 50
"""Steps from one checkpoint to the next."""

SPEEDS = (0.3, 10.0, 1.0)
"""Rates of influence functions, filters and λ over the plan's: the Gaussians' weights are the smallest."""


def reaction_arm(
    *,
    level: float,
    seed: int,
    size: int = 5,
    stages: int = 5,
    iterations: int = 800,
    batch: int = 8,
    patch: int = 48,
    rate: float = 3e-3,
    data: str = "train400",
    dataset: str = "bsd68",
    limit: int | None = None,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train all ``stages`` together by Adam on patches with noise of ``level``; restore each picture of a set.

    All size² − 1 filters, from the start as Perona–Malik. Noise is not clipped, results are. Returns ``noisy``
    ``(pictures,)`` and ``psnr`` ``(stages, pictures)`` of u_1 … u_T in dB, ``losses_db`` (−PSNR, a mean over
    fifty steps each), ``reactions`` λ_t, ``seconds`` and the ``weights``. A call that was stopped goes on from
    ``checkpoint``.
    """
    where = devices.named("device", device)
    plan = TrainingPlan(
        TNRDShape(stages, size),
        levels=(level,),
        iterations=iterations,
        batch=batch,
        patch=patch,
        rate=rate,
        precision="fp32",
        data=data,
        seed=seed,
    )
    folder = None if checkpoint is None else Path(checkpoint)
    began = time.perf_counter()
    net, losses = trained(plan, where, None if folder is None else folder / "training.pt")

    def entry(number: int, clean: Tensor) -> dict[str, Any]:
        noisy = damaged("gaussian", clean, [level], number)
        with torch.inference_mode():
            found = [float(psnr(u.cpu(), clean)) for u in net.states(noisy.to(where))]
        return {"noisy": float(psnr(noisy, clean, clip=False)), "psnr": found}

    rows = one_by_one(test_pictures(dataset, limit), entry, None if folder is None else folder / "pictures.json")
    return {
        "noisy": np.round([row["noisy"] for row in rows], 4),
        "psnr": np.round(np.array([row["psnr"] for row in rows]).T, 4),
        "losses_db": np.round(losses, 4),
        "reactions": np.round([float(stage.reaction.detach()) for stage in net.stages], 5),  # type: ignore[operator, arg-type]
        "seconds": time.perf_counter() - began,
        "weights": {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()},
    }


def trained(plan: TrainingPlan, where: torch.device, path: Path | None) -> tuple[ReactionDiffusion, list[float]]:
    """A net of the plan's stages and size after its steps of Adam, and the mean losses of each fifty of them."""
    shape: TNRDShape = plan.shape  # type: ignore[assignment]
    net = make_reaction(ReactionShape(shape.stages, shape.size)).to(where)
    rule = torch.optim.Adam(slowed(net), lr=plan.rate, betas=(0.9, 0.99))
    patches = Patches(plan)
    kept = Checkpointing(path, every=EVERY, total=plan.iterations)
    run = identity_of(net, plan=plan.resolved(), data=patches.checksum)
    stored = kept.load(run) or {"step": 0, "losses": []}
    if "net" in stored:
        net.load_state_dict(stored["net"])
        rule.load_state_dict(stored["rule"])
    losses: list[float] = stored["losses"]
    for step in range(stored["step"], plan.iterations):
        noisy, clean, index = (t.to(where) for t in patches.draw(step))
        now = learning_rate(plan, step)
        for group in rule.param_groups:
            group["lr"] = now * group["speed"]
        loss = level_loss(net(noisy), clean, index, 1)
        rule.zero_grad()
        loss.backward()
        rule.step()
        check_loss("loss", loss.item(), step, 0, now)
        losses.append(loss.item())
        to = kept.due(step + 1)
        if to is not None:
            states = {"net": net.state_dict(), "rule": rule.state_dict(), "losses": losses}
            save_checkpoint(to, run, {**states, "step": step + 1})
    parts = [losses[at : at + EVERY] for at in range(0, len(losses), EVERY)]
    return net.eval(), [sum(part) / len(part) for part in parts]


def slowed(net: ReactionDiffusion) -> list[dict[str, Any]]:
    """The parameters in groups for Adam, each with its ``speed`` of ``SPEEDS``."""
    names = ("influence.weights", "coefficients", "reaction")
    found = dict(net.named_parameters())
    return [
        {"params": [p for name, p in found.items() if name.endswith(end)], "speed": speed}
        for end, speed in zip(names, SPEEDS, strict=True)
    ]
