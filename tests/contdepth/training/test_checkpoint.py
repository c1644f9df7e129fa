"""Checkpoints: when a run is stored, whose file it is, and what the three training loops say of another run's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from contdepth.restoration.models.unit import UnitShape
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.schedule import LoopSchedule
from contdepth.restoration.training.train import train as train_restorer
from contdepth.robust import Natural
from contdepth.robust import train as train_robust
from contdepth.training import Recipe, fit
from contdepth.training.checkpoint import (
    CheckpointError,
    Checkpointing,
    checksum,
    identity_of,
    load_checkpoint,
    save_checkpoint,
)

RECIPE = Recipe("short", epochs=1, batch=8, lr=0.05)


def labelled(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, 8, 8, generator=source), torch.randint(2, (count,), generator=source)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def fitted(path: Path, seed: int) -> None:
    fit(linear(), labelled(), labelled(), RECIPE, seed=seed, checkpoint=path, progress=False)


def robust(path: Path, seed: int) -> None:
    train_robust(Natural(linear()), labelled(), RECIPE, seed=seed, checkpoint=path, progress=False)


def restorer(path: Path, seed: int) -> None:
    schedule = LoopSchedule((1,))
    plan = TrainingPlan(
        UnitShape(width=4),
        schedule=schedule,
        levels=(25,),
        iterations=1,
        batch=1,
        patch=16,
        data="photos",
        seed=seed,
    )
    train_restorer(plan, checkpoint=path, progress=False)


def test_a_run_is_stored_after_every_few_steps_and_at_the_end(tmp_path: Path) -> None:
    kept = Checkpointing(tmp_path / "a.pt", every=3, total=8)
    assert [step for step in range(1, 9) if kept.due(step) == tmp_path / "a.pt"] == [3, 6, 8]
    assert Checkpointing(str(tmp_path / "a.pt"), every=8, total=8).due(8) == tmp_path / "a.pt"
    without = Checkpointing(None, every=3, total=8)
    assert not any(without.due(step) for step in range(1, 9)) and without.load({}) is None


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_every_is_a_positive_integer(every: int) -> None:
    with pytest.raises((TypeError, ValueError), match="^every: expected "):
        Checkpointing(None, every=every, total=8)


def test_what_was_stored_comes_back_to_the_same_run_only(tmp_path: Path) -> None:
    kept, run = Checkpointing(tmp_path / "a.pt", every=1, total=2), identity_of(linear(), seed=1)
    assert kept.load(run) is None
    save_checkpoint(tmp_path / "a.pt", run, {"steps": 1, "weights": torch.arange(3.0)})
    found = kept.load(run)
    assert found is not None and found["steps"] == 1 and torch.equal(found["weights"], torch.arange(3.0))
    with pytest.raises(CheckpointError, match=r"another seed \(1 instead of 2\); delete it"):
        kept.load(identity_of(linear(), seed=2))
    with pytest.raises(CheckpointError, match=r"another steps \(None instead of 5\)"):
        kept.load({**run, "steps": 5})
    with pytest.raises(CheckpointError, match=r"another seed \(1 instead of None\)"):
        load_checkpoint(tmp_path / "a.pt", {"model": run["model"]})


def test_identity_sees_shapes_and_what_a_model_prints_but_not_its_weights() -> None:
    """Widths show in both; a free parameter shows in the shapes alone, an activation in the print alone."""
    plain = identity_of(linear())
    assert identity_of(linear()) == plain
    assert identity_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3))) != plain
    assert identity_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU())) != plain
    longer = linear()
    longer.register_parameter("scale", nn.Parameter(torch.ones(2)))
    assert identity_of(longer) != plain


def test_checksums_are_of_the_values() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    assert checksum(x) == checksum(x.T.contiguous().T) and len(checksum(x)) == 16
    assert checksum(x) != checksum(x + 1e-6)


@pytest.mark.parametrize("loop", [fitted, robust, restorer])
def test_every_loop_refuses_a_checkpoint_of_another_run(tmp_path: Path, loop: Callable[[Path, int], None]) -> None:
    loop(tmp_path / "a.pt", 0)
    loop(tmp_path / "a.pt", 0)
    with pytest.raises(
        CheckpointError,
        match=r"a\.pt: expected a checkpoint of this run, found one with another \w+ \(.* instead of .*\); "
        "delete it or give another checkpoint path$",
    ):
        loop(tmp_path / "a.pt", 1)
