"""Restorers, banks and policies on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from fuzz import doors_light, doors_restoration

from contdepth import restoration, seeds
from contdepth.restoration.metrics import ssim
from contdepth.restoration.stopping.bank import make_bank
from contdepth.restoration.stopping.choices import train_choice
from contdepth.restoration.stopping.dqn import train_dqn
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.maps import stopping_map
from contdepth.restoration.stopping.reinforce import ReinforcePlan, train_reinforce
from contdepth.restoration.stopping.two_stages import PredictorPlan, train_predictor, two_stages

pytestmark = pytest.mark.device


def bank(where: torch.device) -> Any:
    return make_bank(restoration.make_unit(restoration.UnitShape(width=2), 0).eval().to(where), small_bank())


def small_bank(**more: Any) -> restoration.BankPlan:
    options = {"low": 25.0, "high": 55.0, "episodes": 3, "steps": 2, "patch": 16, "data": "photos", "seed": 0}
    return restoration.BankPlan(degradation="gaussian", **options | more)


def q_learning(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    plan = restoration.DQNPlan(
        updates=3, batch=4, capacity=10, warm_up=5, actions=2, target_every=1, precision="fp32"
    )
    train_dqn(policy, doors_restoration.bank().to(where), plan)
    return list(policy.parameters())


def learnt_to_stop(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    history = train_stopping(
        policy, doors_restoration.bank().to(where), StopPlan(updates=3, episodes=2, precision="fp32")
    )
    return list(policy.parameters()), history


def chosen_at_once(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    plan = StopPlan(updates=3, episodes=2, precision="fp32")
    return train_choice(policy, doors_restoration.bank().to(where), plan), list(policy.parameters())


def predicting_by_a_schedule(where: torch.device) -> Any:
    unit = restoration.make_unit(restoration.UnitShape(width=2), 0).to(where)
    clean = doors_restoration.grey().to(where)
    plan = PredictorPlan(steps=2, updates=2, batch=2, objective="given")
    stops = torch.arange(len(clean)) % 3
    return train_predictor(unit, clean, 0.9 * clean, plan, stops), list(unit.parameters())


def stopping_by_policy_gradient(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).to(where)
    plan = ReinforcePlan(updates=3, episodes=4, precision="fp32")
    history = train_reinforce(policy, doors_restoration.bank().to(where), plan)
    return list(policy.parameters()), history


def predicting_then_stopping(where: torch.device) -> Any:
    unit = restoration.make_unit(restoration.UnitShape(width=2), 0).to(where)
    policy = restoration.make_policy(3, 0, width=1).to(where)
    clean = doors_restoration.grey().to(where)
    first = PredictorPlan(steps=2, updates=2, batch=2)
    second = StopPlan(updates=2, episodes=2, precision="fp32")
    pictures = (clean, 0.9 * clean, torch.ones(len(clean), device=where))
    return two_stages(unit, policy, pictures, first, second), list(unit.parameters()), list(policy.parameters())


def restorer(**options: Any) -> Case:
    """A restorer on a noisy picture: what it looks for is looked for, and there is a curve."""

    def case(where: torch.device) -> Any:
        policy = restoration.make_policy(3, 0, width=1).to(where)
        unit = restoration.make_unit(restoration.UnitShape(width=2), 0).to(where)
        side = (40, 40, 3) if options.get("luma") else (40, 40)
        clean = doors_restoration.pixels(*side)
        noisy = clean + np.random.default_rng(0).normal(0, 9, side).clip(-40, 40).astype(np.int64)
        noisy = noisy.clip(0, 255).astype(np.uint8)
        found = restoration.DURR(unit, policy, **options).restore(noisy, reference=clean)
        return torch.as_tensor(found.image).to(where), found.values, found.psnr, found.damage

    return case


def windows_that_stop(where: torch.device) -> Any:
    policy = restoration.make_policy(3, 0, width=1).eval().to(where)
    y = doors_light.singles(1, 1, 20, 24).to(where)
    frames = torch.cat([y, 0.9 * y, 0.8 * y])
    return restoration.compose(frames, stopping_map(policy, frames, y, patch=8))


CASES: dict[str, Case] = {
    "bank": bank,
    "q-learning": q_learning,
    "learning to stop": learnt_to_stop,
    "chosen with all steps seen": chosen_at_once,
    "predicting by a schedule": predicting_by_a_schedule,
    "stopping by policy gradient": stopping_by_policy_gradient,
    "predicting, then stopping": predicting_then_stopping,
    "restorer": restorer(),
    "restorer that looks for noise": restorer(looks_for="noise"),
    "restorer that looks for blocks": restorer(looks_for="blocks", luma=True),
    "windows": windows_that_stop,
    "similarity": lambda where: ssim(doors_restoration.grey().to(where), doors_restoration.grey().to(where) ** 2),
    "drawn loops": lambda where: restoration.LoopSchedule((1,), 3).draw(
        torch.zeros(4, dtype=torch.int64, device=where), seeds.generator(0, "device")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    as_on_the_cpu(CASES[name], device)
