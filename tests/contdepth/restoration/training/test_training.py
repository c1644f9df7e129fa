"""Plans, patches and training: JSON and back, repeats, and a run that resumes to the same bits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from restoration_plans import SMALL

from contdepth.restoration.models.dncnn import DnCNNShape
from contdepth.restoration.models.unit import UnitShape
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.schedule import LoopSchedule
from contdepth.restoration.training.train import learning_rate, level_loss, train
from contdepth.studies.durr.catalogue import PAPER, PLANS
from contdepth.training.checkpoint import CheckpointError


@pytest.mark.parametrize("plan", [*PLANS.values(), *PAPER.values()])
def test_plans_come_back_from_json(plan):
    assert TrainingPlan.from_resolved(json.loads(json.dumps(plan.resolved()))) == plan


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"schedule": None}, "schedule"),
        ({"shape": DnCNNShape()}, "schedule"),
        ({"levels": (25, 35, 45)}, "schedule"),
        ({"batch": 5}, "batch: expected a multiple of 2"),
        ({"patch": 12}, "patch: expected a multiple of 8"),
        ({"precision": "half"}, "precision"),
        ({"data": "bsd68"}, "data"),
        ({"degradation": "jpeg", "levels": (0, 10)}, "levels"),
    ],
)
def test_bad_plans(changes, words):
    with pytest.raises((TypeError, ValueError), match=words):
        replace(SMALL, **changes)


def test_unknown_settings_are_errors():
    with pytest.raises(TypeError, match="colour"):
        TrainingPlan.from_resolved({**SMALL.resolved(), "colour": True})


def test_patches_depend_on_seed_and_step_alone():
    patches = Patches(SMALL)
    first, again, other = patches.draw(7), Patches(SMALL).draw(7), patches.draw(8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    y, clean, index = first
    assert y.shape == clean.shape == (4, 1, 16, 16) and index.tolist() == [0, 1, 0, 1]
    assert not torch.equal(first[1], Patches(replace(SMALL, seed=1)).draw(7)[1])
    noise = torch.cat([(a - b)[i == 1] for a, b, i in (patches.draw(s) for s in range(60))])
    assert abs(noise.std() * 255 - 55) < 1.5 and abs(noise.mean() * 255) < 1.5


def test_jpeg_patches_are_cut_from_coded_images():
    plan = replace(SMALL, degradation="jpeg", levels=(10, 90))
    y, clean, index = Patches(plan).draw(0)
    error = (y - clean).square().mean(dim=(1, 2, 3))
    assert 0 < error[index == 1].mean() < error[index == 0].mean() < 0.02


def test_the_loss_is_minus_psnr_level_by_level():
    clean = torch.zeros(4, 1, 2, 2)
    output = torch.tensor([0.1, 0.01, 0.3, 0.03]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    expected = 10 * (np.log10((0.1**2 + 0.3**2) / 2) + np.log10((0.01**2 + 0.03**2) / 2)) / 2
    assert level_loss(output, clean, torch.tensor([0, 1, 0, 1]), 2).item() == pytest.approx(expected, abs=2e-3)


def test_the_rate_rises_and_falls_to_zero():
    plan = replace(SMALL, iterations=1000)
    rates = [learning_rate(plan, s) for s in range(1000)]
    assert max(rates) == rates[99] == pytest.approx(plan.rate) and rates[-1] < 1e-5 * plan.rate * 1.1
    assert rates[0] == pytest.approx(plan.rate / 100)


def test_training_lowers_the_loss():
    done = train(
        replace(SMALL, shape=UnitShape(width=16, start="kaiming"), iterations=100, batch=8, rate=5e-3, patch=24),
        progress=False,
    )
    assert done.steps == 100 and done.losses[1] < done.losses[0] - 0.5 and not done.model.training


def test_a_run_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole = train(SMALL, progress=False)
    path = tmp_path / "run.pt"
    calls = []

    def stop(self, step, draw=Patches.draw):
        calls.append(step)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Patches, "draw", stop)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, checkpoint=path, every=2, progress=False)
    resumed = train(SMALL, checkpoint=path, every=2, progress=False)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(CheckpointError, match="plan"):
        train(replace(SMALL, seed=1), checkpoint=path, progress=False)


def test_random_depth_draws_by_seed():
    plan = replace(SMALL, schedule=LoopSchedule((3, 3), random_up_to=3), iterations=3)
    a, b = (train(plan, progress=False).model for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_a_patch_larger_than_an_image_is_refused():
    with pytest.raises(ValueError, match="patch: expected at most"):
        Patches(replace(SMALL, patch=4096))
