"""Every public callable with its arguments on a device: no mixture with the CPU, and the CPU's numbers.

The arguments are those of ``fuzz.doors``. Without ``--device`` the device is a fake one, which raises on any
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

import pytest
import torch
from device.cases import Device, equal
from device.moving import on_device
from fuzz.doors import DOORS, door

NOTHING: dict[str, str] = {
    "numbers, tables of names and settings: no tensor goes in or comes out": (
        "control.BSDE control.ResidualControl control.allen_cahn control.hamilton_jacobi_bellman "
        "control.hjb_value flows.DualIsing flows.DualIsing.free_energy flows.ExactLogDet flows.NumberOfTerms "
        "flows.NumberOfTerms.survival flows.RouletteLogDet flows.SeriesLogDet flows.ising_log_partition "
        "flows.TrajectoryFit flows.series_error nets.KEntry nets.reported_parameter_count "
        "nets.unused_parameter_count training.Fit training.Recipe training.Recipe.rate training.recipe "
        "seeds.derive timing.cpu_seconds parallel.run_all schemes.BackwardEuler schemes.BestRate "
        "schemes.ForwardEuler schemes.FractalBlock schemes.FractalBlock.second_order schemes.LinearTwoStep "
        "schemes.ModifiedEquationGaps schemes.NestedPolyNet schemes.OrderMeasurement schemes.PolyNet "
        "schemes.RevNet schemes.RungeKutta schemes.SampledMoments schemes.ShakeShake "
        "schemes.ShakeShake.linear_moment schemes.ShakeShake.limit_moment schemes.StochasticDepth "
        "schemes.StochasticDepth.linear_moment schemes.StochasticTwoStep schemes.StochasticTwoStep.from_g "
        "schemes.StochasticTwoStep.linear_moment schemes.AsynchronousLeapfrog schemes.EmbeddedPair "
        "schemes.EulerMaruyama schemes.ReversibleHeun schemes.Rosenbrock schemes.StratonovichHeun "
        "schemes.ito_drift schemes.stratonovich_drift schemes.Statistics schemes.Status schemes.Multigrid "
        "schemes.Multigrid.sequential_steps schemes.Tableau schemes.full_field schemes.largest_stable_step "
        "schemes.reduced_field schemes.root_modulus schemes.satisfies_root_condition schemes.variances "
        "schemes.weak_order meanfield.Block robust.APGD robust.APGDTargeted robust.FGSM robust.NoAttack "
        "robust.PGD robust.RandomNoise robust.Square robust.Threat robust.Threat.scaled robust.limit "
        "robust.Trained robust.pgd_cost robust.yopo_cost pde.best_accuracy pde.collect pde.compare "
        "pde.derivatives pde.format_equation pde.run_all pde.simulate.Equation pde.simulate.burgers1d "
        "pde.simulate.burgers2d pde.simulate.convection_diffusion2d "
        "pde.simulate.convection_diffusion_reaction2d pde.simulate.diffusion_source2d pde.simulate.heat2d "
        "pde.simulate.kdv pde.simulate.kuramoto_sivashinsky pde.simulate.variable_a pde.simulate.variable_b "
        "restoration.BankPlan restoration.DQNPlan restoration.DQNPlan.epsilon restoration.DnCNNShape "
        "restoration.Line restoration.LoopSchedule restoration.ReactionShape restoration.UnitShape "
        "restoration.stored_models nets.PathCost control.ControlProblem control.default_risk pde.Polynomials "
        "pde.Polynomials.terms pde.OperatorFit "
        "schemes.ImplicitMidpoint schemes.Leapfrog schemes.Yoshida4 mechanics.DoublePendulum "
        "mechanics.PlanePendulum mechanics.RelativisticOscillator mechanics.SpringChain mechanics.ThreeBody "
        "mechanics.hamiltonian_field mechanics.hamiltonian_parts"
    ),
    "a module, which its method to() moves": (
        "flows.LipschitzConv2d flows.LipschitzLinear flows.lipschitz_net nets.FractalNet nets.LMNet "
        "nets.PolyNet nets.ResidualNet nets.PreActResNet18 nets.RevNet nets.ReversibleBlock nets.SmallCNN "
        "nets.SteppedNet nets.WideResNet nets.lm_resnet nets.lm_resnext nets.matched_pair nets.polynet "
        "nets.resnet nets.resnext nets.stepped_resnet meanfield.ordered_pair meanfield.ordered_resnet "
        "meanfield.rate_arms pde.MomentFilters pde.PDENet2Block pde.PiecewisePolynomial pde.SymNet "
        "restoration.load_model restoration.load_opponent restoration.load_policy restoration.load_training "
        "restoration.make_dncnn restoration.make_policy restoration.make_reaction restoration.make_unit "
        "nets.GatedNet nets.gated_resnet nets.DampedNet nets.damped_resnet nets.SmallStepNet "
        "recurrent.AntisymmetricCell recurrent.Cell recurrent.EquilibriumCell recurrent.GRUJump "
        "recurrent.GRUODE recurrent.GRUODEBayes recurrent.LatentModel recurrent.LatentODE recurrent.ODERNN "
        "recurrent.RNNVAE"
    ),
    "data and files, which are read on the CPU; the loops move batches": (
        "data.LabelledSeries data.Picture data.about data.entry data.names data.pde_names "
        "data.cache_folder data.sample_images data.series_names data.digits data.load data.pixels "
        "training.load_checkpoint pde.trajectories restoration.centre_crop restoration.luma "
        "restoration.photo restoration.test_crops restoration.to_tensor"
    ),
    "a few exact numbers, made on the CPU; to() moves them": "pde.finite_difference pde.fixed_moments",
    "computed by software of the CPU": (
        "pde.peers.KnownEquation pde.peers.KnownEquation.fit pde.peers.KnownEquation.simulate "
        "pde.peers.PDEFIND pde.peers.PDEFIND.fit pde.peers.WeakSINDy pde.peers.WeakSINDy.fit "
        "pde.HiddenPhysics pde.HiddenPhysics.fit "
        "pde.SINDy pde.SINDy.fit pde.SINDy.predict pde.SINDy.simulate pde.SINDy.score"
    ),
    "an optimiser, whose tensors are where its parameters are": (
        "control.DiscreteWeights.lengthen control.DiscreteWeights.step control.LangevinDescent.step "
        "control.QuantisedDescent.step"
    ),
    "made on the device of its generator": (
        "flows.NumberOfTerms.draw meanfield.Block.draw meanfield.lift schemes.sample_moments "
        "mechanics.SpringChain.draw mechanics.SpringChain.drawn mechanics.ThreeBody.draw"
    ),
    "one number of Python": "control.resolution",
}
"""Callables that are given no tensor and have no ``device``, by the reason."""

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


def on_the_cpu(name: str) -> Any:
    arguments = arguments_of(name)
    return call(door(name, arguments), arguments)


def on_the_device(name: str, device: Device, generators: bool = False) -> Any:
    """What the call returns on the device; a callable that takes ``device`` is given it."""
    arguments, moved = on_device(arguments_of(name), device.device, generators)
    function = door(name, arguments)
    with contextlib.suppress(ValueError, TypeError):
        if "device" in inspect.signature(function).parameters:
            arguments["device"], moved = str(device.device), moved + 1
    said = "give it a device, or say in NOTHING why it has none"
    assert generators or bool(moved) != (name in NOTHING_TO_MOVE), said
    return call(function, arguments)


def drawing() -> list[str]:
    """The doors that are given a generator."""
    found = []
    for name, make in DOORS.items():
        with contextlib.suppress(ImportError):
            if any(isinstance(one, torch.Generator) for one in make().values()):
                found.append(name)
    return found


@contextlib.contextmanager
def packages_there(device: Device) -> Iterator[None]:
    """On a bare machine with a GPU a call may lack a package; here none does."""
    try:
        yield
    except ImportError as missing:
        if device.exact:
            raise
        pytest.skip(str(missing))


@pytest.mark.device
@pytest.mark.parametrize("name", [name for name in DOORS if name not in NOTHING_TO_MOVE])
def test_a_call_on_the_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    with packages_there(device):
        equal(on_the_device(name, device), on_the_cpu(name), device)


@pytest.mark.parametrize("name", NOTHING_TO_MOVE)
def test_what_has_no_device_is_given_no_tensor(name: str, device: Device) -> None:
    with packages_there(device):
        on_the_device(name, device)


@pytest.mark.device
@pytest.mark.parametrize("name", drawing())
def test_a_generator_of_the_device_draws_the_same_twice(name: str, device: Device) -> None:
    with packages_there(device):
        found, again = (on_the_device(name, device, generators=True) for _ in range(2))
        equal(found, again, device)
