"""Every public callable with its arguments on a device: no mixture with the CPU, and the CPU's numbers.

The arguments are those of ``fuzz.test_doors``. Without ``--device`` the device is a fake one, which raises on any
mixture and computes what the CPU computes; with ``--device cuda`` the same calls are made on a GPU.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from device.conftest import Device
from device.moving import leaves, on_device
from fuzz.test_doors import DOORS, door
from torch import Tensor

NOTHING: dict[str, str] = {
    "numbers, tables of names and settings: no tensor goes in or comes out": (
        "control.ResidualControl nets.KEntry nets.reported_parameter_count nets.unused_parameter_count "
        "training.Fit training.Recipe training.Recipe.rate training.recipe seeds.derive timing.cpu_seconds "
        "parallel.run_all schemes.BackwardEuler schemes.BestRate schemes.ForwardEuler schemes.FractalBlock "
        "schemes.FractalBlock.second_order schemes.LinearTwoStep schemes.ModifiedEquationGaps "
        "schemes.NestedPolyNet schemes.OrderMeasurement schemes.PolyNet schemes.RevNet schemes.RungeKutta "
        "schemes.SampledMoments schemes.ShakeShake schemes.ShakeShake.linear_moment "
        "schemes.ShakeShake.limit_moment schemes.StochasticDepth schemes.StochasticDepth.linear_moment "
        "schemes.StochasticTwoStep schemes.StochasticTwoStep.from_g schemes.StochasticTwoStep.linear_moment "
        "schemes.Tableau schemes.full_field schemes.largest_stable_step "
        "schemes.reduced_field schemes.root_modulus schemes.satisfies_root_condition schemes.variances "
        "schemes.weak_order meanfield.Block robust.APGD robust.APGDTargeted robust.FGSM robust.NoAttack "
        "robust.PGD robust.RandomNoise robust.Square robust.Threat robust.Threat.scaled robust.limit "
        "robust.Trained robust.pgd_cost robust.yopo_cost pde.best_accuracy pde.collect pde.compare "
        "pde.derivatives pde.format_equation pde.run_all pde.simulate.Equation pde.simulate.burgers1d "
        "pde.simulate.burgers2d pde.simulate.convection_diffusion2d pde.simulate.convection_diffusion_reaction2d "
        "pde.simulate.diffusion_source2d pde.simulate.heat2d pde.simulate.kdv pde.simulate.kuramoto_sivashinsky "
        "pde.simulate.variable_a pde.simulate.variable_b restoration.BankPlan restoration.DQNPlan "
        "restoration.DQNPlan.epsilon restoration.DnCNNShape restoration.Line restoration.LoopSchedule "
        "restoration.UnitShape restoration.stored_models"
    ),
    "a module, which its method to() moves": (
        "nets.FractalNet nets.LMNet nets.PolyNet nets.ResidualNet nets.PreActResNet18 nets.RevNet "
        "nets.ReversibleBlock nets.SmallCNN nets.WideResNet nets.lm_resnet nets.lm_resnext nets.matched_pair "
        "nets.polynet nets.resnet nets.resnext meanfield.ordered_pair meanfield.ordered_resnet "
        "meanfield.rate_arms pde.MomentFilters pde.PDENet2Block pde.PiecewisePolynomial pde.SymNet "
        "restoration.load_model restoration.load_opponent restoration.load_policy restoration.load_training "
        "restoration.make_dncnn restoration.make_policy restoration.make_unit"
    ),
    "data and files, which are read on the CPU; the loops move batches": (
        "data.Picture data.about data.entry data.names data.pde_names data.cache_folder data.sample_images "
        "data.digits data.load data.pixels training.load_checkpoint pde.trajectories restoration.centre_crop "
        "restoration.luma restoration.photo restoration.test_crops restoration.to_tensor"
    ),
    "a few exact numbers, made on the CPU; to() moves them": "pde.finite_difference pde.fixed_moments",
    "computed by software of the CPU": (
        "pde.peers.KnownEquation pde.peers.KnownEquation.fit pde.peers.KnownEquation.simulate pde.peers.PDEFIND "
        "pde.peers.PDEFIND.fit pde.peers.WeakSINDy pde.peers.WeakSINDy.fit"
    ),
    "made on the device of its generator": "meanfield.Block.draw meanfield.lift schemes.sample_moments",
}
"""Callables that are given no tensor and have no ``device``, by the reason."""

ON_THE_CPU: dict[str, str] = {}
"""Callables some of whose results stay on the CPU, each with the reason."""

NOTHING_TO_MOVE = {name: why for why, names in NOTHING.items() for name in names.split()}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The result, from a state of the global generators that is always the same."""
    with warnings.catch_warnings(), torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        result = function(*arguments.pop("*", ()), **arguments)
        return list(result) if isinstance(result, Iterator) else result


def arguments_of(name: str) -> dict[str, Any]:
    """The arguments of a door, made on the CPU from a state of the global generator that is always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return copy.deepcopy(DOORS[name]())


def on_the_cpu(name: str) -> dict[str, Any]:
    arguments = arguments_of(name)
    return dict(leaves(call(door(name, arguments), arguments)))


def on_the_device(name: str, device: Device, generators: bool = False) -> dict[str, Any]:
    """What the call returns on the device; None where there is nothing to be moved."""
    arguments, moved = on_device(arguments_of(name), device.device, generators)
    function = door(name, arguments)
    with contextlib.suppress(ValueError, TypeError):
        if "device" in inspect.signature(function).parameters:
            arguments["device"], moved = str(device.device), moved + 1
    assert bool(moved) != (name in NOTHING_TO_MOVE) or generators, (
        "give it a device, or say in NOTHING why it has none"
    )
    return dict(leaves(call(function, arguments)))


def compare(path: str, found: Any, wanted: Any, device: Device) -> None:
    """Equal to the bit on the fake device, to rounding on another."""
    if isinstance(wanted, bool) or path.endswith(("seconds", "seconds']")):
        return
    if isinstance(wanted, Tensor):
        rough = {"rtol": 1e-3, "atol": 1e-4} if wanted.dtype == torch.float32 else {"rtol": 1e-6, "atol": 1e-8}
        how = {"rtol": 0, "atol": 0} if device.exact else rough
        torch.testing.assert_close(found.detach().cpu(), wanted.detach(), equal_nan=True, **how)
    elif isinstance(wanted, (np.ndarray, int, float, complex)):
        how = {"rtol": 0} if device.exact else {"rtol": 1e-3, "atol": 1e-6}
        np.testing.assert_allclose(found, wanted, **how)


@pytest.mark.parametrize("name", DOORS)
def test_a_call_on_the_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    found, wanted = on_the_device(name, device), on_the_cpu(name)
    if name in NOTHING_TO_MOVE:
        return
    assert found.keys() == wanted.keys()
    for path, value in found.items():
        if isinstance(value, Tensor) and name not in ON_THE_CPU:
            assert value.device.type == device.device.type, f"{path or 'the result'} is on {value.device}"
        compare(path, value, wanted[path], device)


def drawing() -> list[str]:
    """The doors that are given a generator."""
    held = [name for name in DOORS if any(isinstance(one, torch.Generator) for one in DOORS[name]().values())]
    return held


@pytest.mark.parametrize("name", drawing())
def test_a_generator_of_the_device_draws_the_same_twice(name: str, device: Device) -> None:
    found, again = on_the_device(name, device, generators=True), on_the_device(name, device, generators=True)
    for path, value in found.items():
        if isinstance(value, Tensor) and name not in ON_THE_CPU:
            assert value.device.type == device.device.type, f"{path or 'the result'} is on {value.device}"
        compare(path, value, again[path].cpu() if isinstance(value, Tensor) else again[path], device)
