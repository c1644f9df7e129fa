"""Laws, flows and trainings of the mean field on a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from fuzz import doors_light, doors_meanfield
from torch import Tensor

from contdepth import meanfield, seeds
from contdepth.meanfield.density import WindowedDensity

pytestmark = pytest.mark.device


def density(where: torch.device, **more: Any) -> meanfield.GaussianDensity:
    return meanfield.GaussianDensity(
        doors_meanfield.block(), 0.1 * doors_light.doubles(5).to(where), 0.5, 16, **more
    )


def law_of_functions(where: torch.device) -> Any:
    slope = doors_light.doubles(5).to(where)
    law = meanfield.GaussianDensity(
        doors_meanfield.block(),
        lambda t: slope * t[..., None],
        lambda t: 0.5 + 0 * slope * t[..., None],
        nodes=16,
        device=where,
    )
    source = seeds.generator(0, "device")
    return law.sample(4, source, "stratified"), law.drift(
        doors_meanfield.x().to(where), doors_light.grid().to(where)[1]
    )


def shuffled_flow(where: torch.device) -> Tensor:
    w2, w1 = doors_light.doubles(2, 2).to(where), doors_light.doubles(2).to(where)
    flow = meanfield.MeanFieldODE(WindowedDensity(density(where), 3), w2, w1, tolerance=1e-4)
    return flow(doors_light.doubles(4, 2).to(where))


def mean_field_training(where: torch.device) -> Any:
    net = meanfield.small_net(weighting="gaps", device=where)
    ensemble = meanfield.Ensemble.draw(net, (2, 4), (0, 1), random_times=True)
    done = meanfield.train(net, ensemble, *meanfield.waves(6, device=where), steps=3, rate=0.01, train_times=True)
    return done.ensemble, done.losses, done.reordered


CASES: dict[str, Case] = {
    "law of functions": law_of_functions,
    "shuffled flow": shuffled_flow,
    "training": mean_field_training,
}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    as_on_the_cpu(CASES[name], device)
