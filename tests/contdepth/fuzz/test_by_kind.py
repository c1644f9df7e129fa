"""Faults that odd arguments found, by kind, each with its neighbours and the right answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch
from fuzz.doors_light import doubles, field, halves, pictures, singles, small_chain
from fuzz.doors_meanfield import block, density, ensemble, net, particles
from fuzz.doors_pde import SPACING, fitted
from fuzz.engine import Inward
from torch import nn

from contdepth import checks, control, data, meanfield, nets, pde, problems, restoration, schemes, training
from contdepth.nets.plan import cifar_plan
from contdepth.pde import peers, simulate
from contdepth.seeds import generator

HUGE = 10**12


@pytest.mark.parametrize("value", [10**400, -(10**400), Fraction(10**400)])
@pytest.mark.parametrize("check", [checks.real, checks.integer])
def test_a_number_beyond_floats_is_refused(check: Callable[..., object], value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="x: expected"):
        check("x", value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: checks.same_shape("y", [1], (1,)), "y: expected a torch.Tensor, found list"),
        (lambda: checks.one_of("rule", torch.zeros(0), ("a",)), r"rule: expected one of \['a'\], found a tensor"),
        (lambda: checks.instance("net", 3, nn.Module, "make one"), "net: expected a Module, found int; make one"),
        (lambda: checks.reals("x", torch.zeros(2, dtype=torch.complex64)), "x: expected dtype torch.float32 or"),
        (lambda: checks.reals("x", torch.zeros(2).half()), "x: expected dtype torch.float32 or torch.float64"),
        (
            lambda: checks.reals("x", torch.zeros(2), like=doubles(2)),
            "expected dtype torch.float64, found",
        ),
        (lambda: checks.device("device", 3), "device: expected a device such as 'cpu', found int"),
        (
            lambda: control.ControlledSystem.hamiltonians(control.control_view(small_chain()), None),
            "along: expected a",
        ),
        (lambda: problems.Pendulum().solution("now"), "t: expected a time or times"),
        (
            lambda: schemes.measure_order(schemes.ForwardEuler(), None),
            "problem: expected a problem such as Pendulum",
        ),
        (
            lambda: meanfield.curvature(None, particles(), doubles(4, 2), doubles(4)),
            "net: expected a MeanFieldNet",
        ),
        (lambda: nets.LMNet(8), "plan: expected a Plan, found int; cifar_plan"),
        (lambda: restoration.make_unit("compact", 0), "shape: expected a UnitShape, found str"),
        (
            lambda: pde.minimise(lambda: 1.0, [nn.Parameter(doubles(1))], iterations=1),
            r"loss\(\): expected a torch",
        ),
    ],
)
def test_another_type_is_named(call: Callable[[], object], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: block()(doubles(3, 5), doubles(2, 4, 2)),
            "x: expected leading axes that broadcast with those of",
        ),
        (
            lambda: density().drift(doubles(2, 4, 2), doubles(3)),
            "t: expected one time, or one for each leading axis",
        ),
        (
            lambda: meanfield.Ensemble.of([particles(), meanfield.Particles.on_grid(doubles(2, 10))], (0, 0)),
            r"particles: expected shape \(5,\), found shape \(10,\)",
        ),
        (
            lambda: meanfield.Ensemble.together(ensemble(), particles()),
            "parts: expected an Ensemble, found Particles",
        ),
        (
            lambda: meanfield.movement(net(), ensemble(), ensemble().repeated(2), doubles(4, 2)),
            r"end.theta: expected shape \(4, 3, 5\)",
        ),
        (lambda: meanfield.tangent_kernel(net(), 3, doubles(4, 2)), "particles: expected a Particles, found int"),
        (
            lambda: net().factors(meanfield.Particles.on_grid(singles(3, 5))),
            "particles.theta: expected dtype torch.float64",
        ),
        (
            lambda: net().factors(meanfield.Particles.on_grid(doubles(3, 10))),
            "theta: expected 5 numbers a particle",
        ),
        (
            lambda: control.ControlledSystem([nn.Linear(2, 2)], halves, lambda *_: 1.0).running_cost(
                0, singles(3, 2)
            ),
            "running: expected a torch.Tensor, found float",
        ),
        (lambda: pde.prediction_error(doubles(2, 3, 4), doubles(2, 3, 4)), r"truth: expected frames \(B, T, F"),
        (
            lambda: pde.trajectories(doubles(8, 8, 4), dt=0.1, dx=doubles(1, 2)),
            "dimensions of dx: expected one of 1",
        ),
        (
            lambda: fitted().score(pde.trajectories(doubles(16, 16, 4), dt=0.01, dx=(SPACING, SPACING))),
            r"dx: expected that of the training data, \(0.39",
        ),
        (
            lambda: pde.evaluate(sympy.Symbol("a"), ["a", "a"], doubles(3, 2)),
            "names: expected one different name for each column",
        ),
        *(
            (
                lambda model=model: training.evaluate(model, pictures()),
                rf"model\(x\): expected logits of shape \(8, classes\), found shape \({found}\)",
            )
            for model, found in (
                (nn.Flatten(0), "128,"),
                (nn.Flatten(2), "8, 1, 16"),
                (nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (16, 8))), "16, 8"),
            )
        ),
    ],
)
def test_what_does_not_belong_together_is_named(call: Callable[[], object], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: nets.resnet(8, width=HUGE),
        lambda: nets.WideResNet(10**9),  # 6n + 4
        lambda: nets.RevNet(HUGE),
        lambda: nets.FractalNet(width=HUGE),
        lambda: nets.SmallCNN(size=HUGE),
        lambda: meanfield.waves(HUGE),
        lambda: meanfield.lift(HUGE, 2, generator(0, "a")),
        lambda: density().windowed(HUGE),
        lambda: meanfield.MeanFieldODE(density(), doubles(2, 2), doubles(2), method="rk4", steps=HUGE),
        lambda: density().times((HUGE,), generator(0, "a")),
        lambda: meanfield.path_losses(net(), lambda s: particles(), doubles(1, 2), doubles(1), HUGE),
        lambda: schemes.sample_moments(
            schemes.StochasticDepth(), 0.1, steps=1, paths=HUGE, generator=generator(0, "a")
        ),
        lambda: schemes.sample_moments(
            schemes.StochasticDepth(), 0.1, steps=HUGE, paths=2, generator=generator(0, "a")
        ),
        lambda: schemes.steps_to_tolerance(problems.Quadratic(10.0, 3), 0.1, 1.0, most=HUGE),
        lambda: pde.derivatives(HUGE, 3),
        lambda: pde.finite_difference(HUGE + 1, (1,)),
        lambda: pde.SymNet(2, 1, HUGE),
        lambda: pde.PiecewisePolynomial(HUGE, 2, 0.0, 1.0),
        lambda: restoration.make_policy(HUGE, 0),
    ],
)
def test_what_would_fill_the_memory_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="at most|<="):
        call()


@pytest.mark.parametrize(("k", "tolerance"), [(0.5, 1e-300), (0.0, 1e-17), (-1 + 1e-12, 1e-9)])
def test_the_search_for_the_largest_stable_step_ends(k: float, tolerance: float) -> None:
    assert schemes.largest_stable_step(k, tolerance=tolerance) == pytest.approx(2 * (1 - k), rel=1e-6)
    found = schemes.largest_stable_step(k, rescale=True, tolerance=tolerance)
    assert found == pytest.approx(2 * (1 - k) / (1 + k), rel=1e-2)


@pytest.mark.parametrize("start", [math.nan, math.inf])
def test_a_reference_solution_from_no_number_is_refused(start: float) -> None:
    """SciPy's DOP853 would never end."""
    with pytest.raises(ValueError, match="u0: expected finite values"):
        problems.reference(field, torch.tensor([start, 1.0]).double(), 1.0)
    with pytest.raises(ValueError, match=r"f\(0, u0\): expected finite values"):
        problems.reference(lambda t, u: u * start, doubles(2), 1.0)
    with pytest.raises(ValueError, match="t: expected times"):
        problems.reference(field, doubles(2), start)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_moments_too_large_for_a_float_are_refused(power: int) -> None:
    scheme = schemes.StochasticDepth()
    assert scheme.limit_moment(power, 0.0, 1.0, 2.0) == 2.0**power
    for call, rate in ((scheme.linear_moment, 1e300), (schemes.ShakeShake().linear_moment, (1e300, 1.0))):
        with pytest.raises(ValueError, match="moment: expected one below 1e308"):
            call(power, rate, 40, 1.0)


@pytest.mark.parametrize("split", ["tset", "", "TEST"])
def test_an_unknown_part_of_the_digits_is_not_the_training_set(split: str) -> None:
    with pytest.raises(ValueError, match="split: expected one of 'train', 'test'"):
        data.digits(split)


def test_evaluate_keeps_the_images_that_a_model_overwrites() -> None:
    images, labels = pictures()
    kept = images.clone()
    model = nn.Sequential(Inward(), nn.Flatten(), nn.Linear(16, 3))
    training.evaluate(model, (images, labels))
    assert torch.equal(images, kept)


@pytest.mark.parametrize("labels", [torch.full((8,), 3), torch.full((8,), -1), torch.full((8,), -100)])
def test_a_class_that_the_model_lacks_is_named(labels: torch.Tensor) -> None:
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), pictures()[0]
    with pytest.raises(ValueError, match="labels: expected classes 0 to 2, found"):
        training.evaluate(model, (images, labels))
    recipe = training.Recipe("short", epochs=1, batch=4)
    with pytest.raises(ValueError, match="train labels: expected classes 0 to 2, found"):
        training.fit(model, (images, labels), pictures(), recipe, seed=0, progress=False)


@pytest.mark.parametrize("content", [{"f": lambda: None}, {"f": (n for n in range(2))}])
def test_what_cannot_be_stored_is_named_and_leaves_no_file(tmp_path: Path, content: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="content: expected tensors and plain data"):
        training.save_checkpoint(tmp_path / "run.pt", {}, content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: nets.resnet(8, width=2),
        lambda: nets.lm_resnet(8, width=2),
        lambda: nets.polynet(8, width=2),
        lambda: nets.RevNet(1, width=2),
        lambda: nets.FractalNet(2, width=2),
        lambda: nets.PreActResNet18(width=1),
        lambda: meanfield.ordered_resnet(14, width=2),
    ],
)
def test_images_that_do_not_fit_a_net_are_named(make: Callable[[], nn.Module]) -> None:
    model = make().eval()
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 10)
    for wrong, said in (
        (torch.rand(2, 1, 8, 8), "this net takes"),
        (torch.rand(2, 3, 8, 0), "with pixels"),
        (torch.rand(2, 3, 8, 8).double(), "dtype torch.float32"),
        (torch.rand(3, 8, 8), "4 dimensions"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"x: expected .*{said}"):
            model(wrong)


def test_the_ensemble_of_another_net_is_refused() -> None:
    other = meanfield.small_net(dimension=3)
    for call in (
        lambda: meanfield.outputs(other, ensemble(), doubles(4, 2)),
        lambda: meanfield.train(other, ensemble(), doubles(4, 2), doubles(4), steps=1, rate=0.1),
        lambda: other.states(particles(), doubles(4, 2)),
    ):
        with pytest.raises(ValueError, match="theta.*: expected"):
            call()


def test_states_are_halves_of_one_size() -> None:
    with pytest.raises(ValueError, match="channels: expected an even number"):
        nets.ReversibleBlock(5)
    assert cifar_plan(8).blocks == 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: schemes.ShakeShake().linear_moment(2, (torch.zeros(2), 1.0), 4, 1.0),
            "rate and x0: expected a real",
        ),
        (
            lambda: schemes.StochasticDepth().linear_moment(2, 0.1, 4, 1.0, torch.zeros(0)),
            "rate and x0: expected a",
        ),
        (
            lambda: schemes.StochasticDepth().limit_moment(2, 0.1, 1.0, torch.zeros(2)),
            "rate, x0 and T: expected a",
        ),
        (
            lambda: meanfield.curvature(net(), particles(), doubles(4, 2), torch.ones(4) > 0),
            "y: expected a floating",
        ),
        (
            lambda: meanfield.descend(net(), particles(), doubles(4, 2), 1j * doubles(4), steps=1),
            "y: expected dtype",
        ),
        (
            lambda: simulate.convection_diffusion_data(1, 1, grid=8, fine=torch.zeros(0)),
            "fine: expected an int",
        ),
        (lambda: simulate.source_data(1, 1, grid=8, fine=1j), "fine: expected an integer"),
        (lambda: peers.WeakSINDy(size=torch.zeros(2, dtype=torch.complex64)), "size: expected a real number"),
        (
            lambda: simulate.Equation("mine", ("u",), 1, 1.0, {"u": None}),
            "rhs: expected an Expr, found NoneType",
        ),
        (lambda: solved(times=[[0.0, 1.0], [2.0]]), "times: expected numbers"),
        (lambda: solved(times=torch.tensor([0j, 1j])), "times: expected numbers, found dtype torch.complex64"),
        (lambda: solved(times=[0.0, 10**400]), "times: expected numbers"),
        (lambda: solved(grid=torch.zeros(0)), "grid: expected an integer"),
        (
            lambda: restoration.trajectory(restoration.make_unit(small_unit(), 0), doubles(1, 1, 4, 4), 1),
            "y: expected",
        ),
    ],
)
def test_another_type_of_number_is_named(call: Callable[[], object], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call()


def solved(times: object = (0.0, 0.01), **more: object) -> torch.Tensor:
    return simulate.solve(simulate.burgers1d(), doubles(1, 1, 8), times, **more)  # type: ignore[arg-type]


def small_unit() -> restoration.UnitShape:
    return restoration.UnitShape("compact", width=2)


@pytest.mark.parametrize("grid", [0, -1])
def test_a_grid_without_points_is_refused(grid: int) -> None:
    with pytest.raises(ValueError, match="grid: expected a number >= 1"):
        solved(grid=grid)


@pytest.mark.parametrize("times", [[], [[0.0, 1.0]], [0.0, math.nan], [0.0, 0.0]])
def test_times_that_do_not_increase_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="times: expected finite, increasing times"):
        solved(times)


def test_nothing_has_a_derivative_of_nothing() -> None:
    equation = simulate.burgers1d()
    none = torch.zeros(0, 1, 8, dtype=torch.float64)
    assert simulate.SpectralRHS(equation, (8,))(none).shape == (0, 1, 8)
    assert simulate.solve(equation, none, [0.0, 0.1]).shape == (0, 2, 1, 8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: simulate.heat_data(1, 2, grid=8, diffusion=2.0**63),
        lambda: simulate.burgers_data(1, 2, grid=8, fine=16, generator="spectral", mean=1e12),
        lambda: simulate.solve(simulate.heat2d(1e9), doubles(1, 1, 8, 8), [0.0, 1.0], method="dop853"),
    ],
)
def test_a_solution_that_needs_millions_of_steps_says_so_early(call: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match="in 100000 steps"):
        call()


def test_a_solution_that_is_infinite_at_once_is_refused() -> None:
    """SciPy's DOP853 would never end."""
    with pytest.raises(ValueError, match="du/dt at the first time: expected finite values"):
        simulate.cdr_data(1, 1, grid=8, fine=16, amplitude=1e300)


@pytest.mark.parametrize("level", [1e31, 1e300])
def test_noise_beyond_single_precision_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=r"level: expected a number <= 1e\+30"):
        restoration.gaussian(torch.zeros(1, 1, 4, 4), level, generator(0, "a"))


def test_qualities_are_a_row() -> None:
    with pytest.raises(ValueError, match="quality: expected one value, or one for each image, found 2 dimensions"):
        restoration.jpeg(torch.zeros(2, 1, 4, 4), torch.full((2, 3), 50))


def test_a_time_step_that_overflows_when_squared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dt: expected a number <= 1e\+100"):
        pde.trajectories(doubles(8, 4).numpy(), dt=1e300, dx=0.1)


@pytest.mark.parametrize("shape", [(0, 2, 8, 8), (1, 2, 0, 0)])
def test_upwind_differences_of_nothing_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="u0: expected at least one sample with points"):
        simulate.burgers2d_upwind(doubles(*shape), 2, 0.01)


def test_sizes_of_numpy_do_not_overflow() -> None:
    with pytest.raises(ValueError, match="at most"):
        pde.SymNet(2, np.int64(3), 2**63)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most"):
        checks.affordable("shape", np.int64(3), 2**63)
    assert training.Recipe("short", epochs=1).rate(2**63, np.int64(3)) == pytest.approx(0.1)  # type: ignore[arg-type]


def test_a_device_that_is_a_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="device: expected a device such as"):
        meanfield.GaussianDensity(density().block, lambda t: t[..., None].expand(*t.shape, 5), device=doubles(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 1, 16, 0), (2, 1, 0, 16)])
def test_iterates_of_images_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="y: expected images with pixels"):
        restoration.trajectory(restoration.make_unit(small_unit(), 0), torch.zeros(shape), 1)
