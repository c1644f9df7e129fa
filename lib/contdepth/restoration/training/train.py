"""Train a restoration model by its plan; a run resumes to the same bits and leaves weights with their record."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from contdepth import checks, devices
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.plan import TrainingPlan, make_model
from contdepth.restoration.training.schedule import unroll
from contdepth.seeds import generator
from contdepth.training.checkpoint import Checkpointing, identity_of, save_checkpoint
from contdepth.training.loop import check_loss

__all__ = ["TrainedModel", "level_loss", "train"]

WARMUP = 100


@dataclass
class TrainedModel:
    """``model``, steps done, CPU ``seconds``; ``losses``: −PSNR in dB, means over ``every`` steps."""

    model: nn.Module
    plan: TrainingPlan
    data: str
    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    every: int = 50

    def record(self) -> dict[str, Any]:
        """What there is to know of the run, as plain data."""
        return {
            "plan": self.plan.resolved(),
            "data_checksum": self.data,
            "steps": self.steps,
            "cpu_seconds": round(self.seconds, 1),
            "loss_every": self.every,
            "losses_db": [round(x, 3) for x in self.losses],
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }


def train(
    plan: TrainingPlan,
    *,
    checkpoint: Path | str | None = None,
    every: int = 500,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> TrainedModel:
    """Train the model of ``plan``.

    With ``checkpoint`` the run is stored every ``every`` steps and goes on where it stopped, to the same bits
    on the same machine, thread count and PyTorch. The model is trained on ``device``, patches are drawn on the
    CPU. ``seconds`` is CPU time of the process, on a GPU time by the clock.

    Raises:
        DivergenceError: the loss is not finite.
        CheckpointError: ``checkpoint`` belongs to another plan.
        DataError: the training images cannot be had.
    """
    checks.instance("plan", plan, TrainingPlan)
    where = devices.named("device", device)
    kept = Checkpointing(checkpoint, every=every, total=plan.iterations)
    patches = Patches(plan)
    model = make_model(plan).to(where, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    engine = torch.optim.Adam(model.parameters(), lr=plan.rate)
    done = TrainedModel(model, plan, patches.checksum)
    run = identity_of(model, plan=plan.resolved(), data=patches.checksum)
    stored = kept.load(run)
    recent: list[float] = []
    if stored is not None:
        model.load_state_dict(stored["model"])
        engine.load_state_dict(stored["optimiser"])
        done.steps, done.seconds = stored["steps"], stored["seconds"]
        done.losses, recent = stored["losses"], stored["recent"]
    with tqdm(total=plan.iterations, initial=done.steps, disable=None if progress else True, unit="step") as bar:
        while done.steps < plan.iterations:
            started, step = devices.now(where), done.steps
            y, clean, index = (t.to(where) for t in patches.draw(step))
            rate = learning_rate(plan, step)
            for group in engine.param_groups:
                group["lr"] = rate
            output = restored(model, plan, y, index, generator(plan.seed, f"loops/{step}"))
            loss = level_loss(output, clean, index, len(plan.levels))
            engine.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            engine.step()
            check_loss("loss", loss.item(), step, 0, rate)
            recent.append(loss.item())
            done.steps += 1
            done.seconds += devices.now(where) - started
            if len(recent) == done.every:
                done.losses.append(sum(recent) / len(recent))
                recent = []
            path = kept.due(done.steps)
            if path is not None:
                states = {"model": model.state_dict(), "optimiser": engine.state_dict(), "recent": recent}
                save_checkpoint(
                    path, run, {**states, "steps": done.steps, "seconds": done.seconds, "losses": done.losses}
                )
            bar.update()
    model.eval()
    return done


def restored(model: nn.Module, plan: TrainingPlan, y: Tensor, index: Tensor, source: torch.Generator) -> Tensor:
    """The model's output for a training batch, float32; units are unrolled by the plan's schedule."""
    y = y.contiguous(memory_format=torch.channels_last)
    with torch.autocast(y.device.type, dtype=torch.bfloat16, enabled=plan.precision == "bf16"):
        if plan.schedule is None:
            return model(y).float()
        return unroll(model.step, y, plan.schedule.draw(index.cpu(), source)).float()  # type: ignore[arg-type]


def level_loss(output: Tensor, clean: Tensor, index: Tensor, levels: int) -> Tensor:
    """−PSNR in dB: 10 log10 of the mean squared error of each level's patches, averaged over the levels.

    ``output`` and ``clean``: ``(n, 1, h, w)``, not clipped; ``index`` ``(n,)`` in 0…``levels`` − 1, all present.
    """
    errors = (output - clean).square().mean(dim=(1, 2, 3))
    sums = torch.zeros(levels, device=errors.device).index_add(0, index, errors)
    counts = torch.zeros(levels, device=errors.device).index_add(0, index, torch.ones_like(errors))
    return (sums / counts + 1e-8).log10().mean() * 10


def learning_rate(plan: TrainingPlan, step: int) -> float:
    """Linear over the first steps, then half a cosine down to zero."""
    warm = min(WARMUP, max(plan.iterations // 10, 1))
    if step < warm:
        return plan.rate * (step + 1) / warm
    return plan.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(plan.iterations - warm, 1)))
