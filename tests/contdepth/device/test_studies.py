"""Experiments of the pages with their data on a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from fuzz import doors_light, doors_meanfield, doors_restoration, doors_robust
from torch import Tensor

from contdepth import meanfield, restoration, schemes, seeds, training
from contdepth.studies.durr import blocks, contenders, contest, curves, heat, refine
from contdepth.studies.meanfield import cost, depth_scaling
from contdepth.studies.yopo import contest as robust_contest

pytestmark = pytest.mark.device


def unit(where: torch.device) -> torch.nn.Module:
    return restoration.make_unit(restoration.UnitShape(width=2), 0).eval().to(where)


def policy(where: torch.device) -> torch.nn.Module:
    return restoration.make_policy(3, 0, width=1).eval().to(where)


def picture(where: torch.device, side: int = 16) -> Tensor:
    return doors_light.singles(1, 1, side, side).to(where)


def step_curves(where: torch.device) -> Any:
    clean = picture(where)
    noisy = curves.noisy_copies(clean, (25.0, 50.0), 0)
    plain = curves.step_curves(unit(where), clean, noisy, 2)
    return noisy, plain, curves.step_curves(unit(where), clean, noisy, 2, schemes.RungeKutta(schemes.RK4), 0.5)


def refined(where: torch.device) -> Any:
    return refine.refine(unit(where), picture(where), 0.9 * picture(where), 1, 2)


def deblocked(where: torch.device) -> Any:
    return blocks.deblock(unit(where), picture(where), (20, 40), 2, [policy(where)], similarity=True)


def one_picture(where: torch.device) -> Any:
    policies, line = [policy(where)], restoration.NOISE_LINE
    found = contenders.one_picture(
        unit(where), policies, picture(where, 24), 0.9 * picture(where, 24), 2, line, patch=16
    )
    return found.one, found.windows, found.best, found.noise, found.film, found.stops


def flows(where: torch.device) -> Any:
    clean = doors_restoration.grey().to(where)
    drawn = heat.measured_risk(clean, 25.0, torch.tensor([0.1, 1.0]), 2, seeds.generator(0, "device"))
    return heat.flow(clean, 0.5), heat.risk(clean, 25.0, 0.5), heat.best_time(clean, 25.0), drawn


def restorers(where: torch.device) -> Any:
    clean = picture(where, 32)
    found = contest.contest(unit(where), clean, (25.0,), classics=("NLM",), networks={"again": Plain()}, steps=2)
    return list(found.psnr.values()), found.rule, found.curves, found.best


class Plain(torch.nn.Module):
    """Leaves a picture as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


def law(name: str) -> Case:
    def case(where: torch.device) -> Any:
        density = depth_scaling.law(name, doors_meanfield.block(), device=where)
        nets = depth_scaling.sampled(density, (4, 6), (0, 1))
        net = meanfield.small_net(dimension=2, device=where)
        batch = depth_scaling.Batch.of(nets, 6)
        ways = [
            lambda b: b.swapped(seeds.generator(0, "device")),
            lambda b: b.dropped(seeds.generator(1, "device")),
            lambda b: b.shuffled(seeds.generator(2, "device"), 2, with_weights=True),
        ]
        changes = [batch.change(net, doors_meanfield.x().to(where), how) for how in ways]
        return changes, depth_scaling.scaling((2, 4), [changes[0], changes[1]])

    return case


def timed(where: torch.device) -> Any:
    net = meanfield.small_net(device=where)
    found = cost.training_cost(net, (2, 3), (0,), *meanfield.waves(4, device=where), steps=1)
    assert all(value >= 0 for value in found)


def arms(where: torch.device) -> Any:
    recipe = training.Recipe("short", epochs=1, batch=4, lr=0.01)
    setting = robust_contest.Setting(
        doors_robust.threat(), recipe, network="little", stronger=False, hard=2, probes=1
    )
    images, labels = doors_light.singles(4, 1, 8, 8).to(where), doors_light.labels(4).to(where)
    name = next(iter(robust_contest.METHODS))
    found = robust_contest.one_run(name, (images, labels), (images, labels), setting, 0, 2)
    return found["accuracy"], found["losses"]


CASES: dict[str, Case] = {
    "step curves": step_curves,
    "refined flows": refined,
    "deblocking": deblocked,
    "one picture": one_picture,
    "heat": flows,
    "slopes": lambda where: contenders.slopes(policy(where), *[picture(where)] * 3, 1),
    "contest of restorers": restorers,
    **{f"law: {name}": law(name) for name in depth_scaling.LAWS},
    "cost": timed,
    "contest of trainings": arms,
}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    as_on_the_cpu(CASES[name], device)
