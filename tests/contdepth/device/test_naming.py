"""Devices are named in one place: one for all tensors of a call, and one that is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from device.cases import Device
from fuzz import doors_light, doors_meanfield, doors_robust

from contdepth import devices, meanfield, pde, restoration, robust, seeds, training
from contdepth.pde import peers

MIXED: dict[str, tuple[Callable[[torch.device], Any], str]] = {
    "maps of a net": (
        lambda where: meanfield.MeanFieldNet(
            doors_meanfield.block(), doors_light.doubles(2, 2).to(where), doors_light.doubles(2)
        ),
        "w1: expected a tensor on",
    ),
    "inputs of a net": (
        lambda where: meanfield.small_net(dimension=2, device=where)(
            doors_meanfield.particles(), doors_light.doubles(4, 2)
        ),
        "x: expected a tensor on",
    ),
    "particles": (
        lambda where: meanfield.Particles(doors_light.doubles(3, 5).to(where), doors_light.doubles(3).abs()),
        "t: expected a tensor on",
    ),
    "images and labels": (
        lambda where: robust.PGD(doors_robust.threat(), 1).perturb(
            doors_robust.classifier().to(where),
            doors_robust.batch()["x"].to(where),
            doors_robust.batch()["y"],
            seeds.generator(0, "device"),
        ),
        "y: expected a tensor on",
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_two_devices_are_named(name: str, device: Device) -> None:
    call, said = MIXED[name]
    with pytest.raises(ValueError, match=said):
        call(device.device)


def test_a_device_that_is_not_there_is_named() -> None:
    for call in (
        lambda: devices.named("device", "xpu"),
        lambda: seeds.generator(0, "device", "xpu"),
        lambda: pde.PDENet2(device="xpu"),
        lambda: restoration.DURR.load(device="xpu"),
        lambda: training.fit(**{**doors_light.TRAINING["training.fit"](), "device": "xpu"}),
        lambda: training.fit_together([doors_light.TRAINING["training.fit"]()], device="xpu"),
    ):
        with pytest.raises(ValueError, match="device: expected a device of this machine, found "):
            call()
    with pytest.raises(TypeError, match="device: expected a device such as 'cpu', found int"):
        devices.named("device", 3)


def test_an_estimator_keeps_the_device_that_it_was_given() -> None:
    where = torch.device("cpu")
    assert pde.PDENet2(device=where).get_params()["device"] is where
    assert pde.PDENet(device=where).get_params()["device"] is where
    assert peers.PlainCNN(device=where).get_params()["device"] is where
