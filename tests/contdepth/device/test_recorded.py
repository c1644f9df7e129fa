"""Recorded steps on a device against the same steps called there: a tape on the fake one, CUDA graphs on CUDA."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import torch
from device.cases import Device
from device.tape import recording_device
from device.test_replay import METHODS, SHORT, data, net, small, unit_images
from torch import Tensor, nn

from contdepth import devices, pde, robust
from contdepth.meanfield import ordered_pair
from contdepth.training import fit, fit_together
from contdepth.training.replay import Replay

pytestmark = pytest.mark.device
Run = Callable[[torch.device], Any]


@contextlib.contextmanager
def counted(device: Device) -> Iterator[list[int]]:
    """Inside, steps are recorded; how often one was replayed."""
    seen, plain = [0], Replay.replayed

    def replayed(self: Replay, *arguments: Any) -> Any:
        seen[0] += 1
        return plain(self, *arguments)

    with (
        recording_device() if device.exact else contextlib.nullcontext(),
        mock.patch.object(Replay, "replayed", replayed),
    ):
        yield seen


def trained(precision: str, **changes: Any) -> Run:
    def run(where: torch.device) -> Any:
        model, settings = net(), replace(SHORT, precision=precision, **changes)
        return fit(model, *data(), settings, seed=3, device=where, progress=False).history["train_loss"], model

    return run


def hardened(name: str) -> Run:
    def run(where: torch.device) -> Any:
        model = small().to(where)
        return robust.train(METHODS[name](model), unit_images(), SHORT, seed=3, progress=False).losses, model

    return run


def closures(optimiser: str) -> Run:
    def run(where: torch.device) -> Any:
        x, t = torch.linspace(0, 2 * torch.pi, 17)[:16, None].double(), 0.01 * torch.arange(8).double()
        u = (torch.exp(-0.1 * t) * torch.sin(x) + 0.5 * torch.exp(-0.4 * t) * torch.sin(2 * x + 1)).numpy()
        model = pde.PDENet2(hidden=1, blocks=(1, 2), iterations=6, device=str(where), optimiser=optimiser)
        model.fit(u=u, dt=0.01, dx=2 * torch.pi / 16)
        return [loss for _, stage in model.stages_ for loss in stage.losses], model.block_

    return run


def beside(where: torch.device) -> Any:
    given = [{"model": net(seed), "seed": seed, "recipe": SHORT, "progress": False} for seed in (0, 1)]
    runs = [{**one, "train": data()[0], "test": data()[1]} for one in given]
    if devices.records(where):
        done = fit_together(runs, device=where)
    else:
        done = [fit(**run, device=where) for run in runs]  # type: ignore[arg-type]
    return [loss for one in done for loss in one.history["train_loss"]], nn.ModuleList(
        run["model"] for run in runs
    )


CASES: dict[str, tuple[Run, float]] = {
    "fit, fp32": (trained("fp32"), 1e-3),
    "fit, fp64": (trained("fp64"), 1e-6),
    "fit, bf16": (trained("bf16"), 5e-2),
    "fit, no augmentation": (trained("fp32", pad=0, flip=False), 1e-3),
    **{f"robust, {name}": (hardened(name), 1e-6) for name in METHODS if name in ("natural",)},
    "closures, L-BFGS": (closures("lbfgs"), 1e-5),
    "closures, Adam": (closures("adam"), 1e-6),
    "two runs side by side": (beside, 1e-3),
}
"""What runs, and how far its losses may lie apart, relatively."""


@pytest.mark.parametrize("name", CASES)
def test_recorded_steps_leave_the_numbers_of_called_ones(device: Device, name: str) -> None:
    run, tolerance = CASES[name]
    with mock.patch.dict(devices.RECORDERS, clear=True):
        losses, model = run(device.device)
    with counted(device) as seen:
        again, other = run(device.device)
    assert seen[0] > 0
    assert again == pytest.approx(losses, rel=tolerance)
    for left, right in zip(weights(model), weights(other), strict=True):
        torch.testing.assert_close(left, right, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("name", METHODS)
def test_attacks_in_recorded_steps_draw_anew_each_time(device: Device, name: str) -> None:
    """Starts come from the device's generator there, so the losses are others than those of called steps."""
    model = small().to(device.device)
    with counted(device) as seen:
        done = robust.train(METHODS[name](model), unit_images(), SHORT, seed=3, progress=False)
        again = robust.train(
            METHODS[name](small().to(device.device)), unit_images(), SHORT, seed=3, progress=False
        )
    assert seen[0] > 0
    assert len(set(done.losses)) == len(done.losses) > 10
    assert again.losses == pytest.approx(done.losses, rel=1e-6), "the same numbers again on the same device"


@pytest.mark.parametrize("arm", ["plain", "ordered"])
def test_a_net_that_sorts_its_blocks_is_called_and_not_recorded(device: Device, arm: str) -> None:
    def run(where: torch.device) -> Any:
        model = ordered_pair(14, seed=0, width=2, in_channels=1, num_classes=2)[arm]
        return fit(model, *data(), SHORT, seed=3, device=where, progress=False).history["train_loss"], model

    with mock.patch.dict(devices.RECORDERS, clear=True):
        losses, model = run(device.device)
    with counted(device) as seen:
        again, other = run(device.device)
    assert seen[0] == 0 and again == pytest.approx(losses, rel=1e-5)
    for left, right in zip(weights(model), weights(other), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def weights(model: nn.Module) -> list[Tensor]:
    return [value.detach().cpu() for value in model.state_dict().values()]
