"""Wrong arguments: each message names the argument, what was expected, what was found."""

from __future__ import annotations

import pytest
import torch

from contdepth import schemes
from contdepth.problems import LinearSystem, Pendulum, Quadratic, reference

U0, T = torch.tensor([1.0, 0.5]), torch.linspace(0, 1, 5)
UNEQUAL = torch.tensor([0.0, 0.1, 0.3])


def f(t, u):
    return -u


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((f, [1.0], T, schemes.ForwardEuler()), TypeError, "u0: expected a torch.Tensor, found list"),
        ((f, torch.tensor([1, 2]), T, schemes.ForwardEuler()), TypeError, "u0: expected a floating-point tensor"),
        ((f, U0, [0.0, 1.0], schemes.ForwardEuler()), TypeError, "t: expected a torch.Tensor"),
        ((f, U0, T.reshape(1, 5), schemes.ForwardEuler()), ValueError, "t: expected a tensor with 1 dimensions"),
        ((f, U0, T[:1], schemes.ForwardEuler()), ValueError, "t: expected a real grid with at least 2 points"),
        (
            (f, U0, torch.tensor([0.0, 0.5, 0.5]), schemes.ForwardEuler()),
            ValueError,
            "t: expected a strictly increasing",
        ),
        (
            (f, U0, torch.tensor([0.0, 0.5, 0.2]), schemes.ForwardEuler()),
            ValueError,
            "t: expected a strictly increasing",
        ),
        (
            (f, U0, torch.tensor([0.0, float("nan")]), schemes.ForwardEuler()),
            ValueError,
            "t: expected finite values",
        ),
        (
            (f, U0, T, schemes.ForwardEuler),
            TypeError,
            r"scheme: expected a scheme object such as ForwardEuler\(\)",
        ),
        ((f, U0, T, "euler"), TypeError, "scheme: expected a scheme object"),
        (((f, f), U0, T, schemes.ForwardEuler()), TypeError, "f: expected one function .* for forward Euler"),
        ((f, U0, T, schemes.RevNet()), TypeError, r"f: expected a pair \(f1, f2\)"),
        ((None, U0, T, schemes.ForwardEuler()), TypeError, "f: expected one function"),
        (((f, None), U0, T, schemes.RevNet()), TypeError, "f: expected a pair"),
        (
            (lambda t, u: u[:1], U0, T, schemes.ForwardEuler()),
            ValueError,
            r"f\(t, u\): expected shape \(2,\), found shape \(1,\)",
        ),
        (
            (lambda t, u: 1.0, U0, T, schemes.ForwardEuler()),
            TypeError,
            r"f\(t, u\): expected a torch.Tensor, found float",
        ),
        (
            (lambda t, u: u.double(), U0, T, schemes.ForwardEuler()),
            TypeError,
            r"f\(t, u\): expected dtype torch.float32",
        ),
        (
            ((lambda t, u: u.double(), f), U0, T, schemes.RevNet()),
            TypeError,
            r"f\(t, u\): expected dtype torch.float32",
        ),
        (((f, f), torch.ones(3), T, schemes.RevNet()), ValueError, "u: expected an even size along dimension -1"),
        (
            (f, U0, UNEQUAL, schemes.LinearTwoStep(k=0.1)),
            ValueError,
            "t: expected equal steps .* found steps from 0.1 to 0.2",
        ),
        ((f, U0, T, schemes.LinearTwoStep(k=[0.1, 0.2])), ValueError, "k: expected 4 values, .* found 2"),
        ((f, U0, T, schemes.LinearTwoStep(k=[0.1] * 5)), ValueError, "k: expected 4 values, .* found 5"),
        ((f, U0, T, schemes.LinearTwoStep(k=torch.zeros(3))), ValueError, "k: expected 4 values, .* found 3"),
        ((f, U0, T, schemes.LinearTwoStep(k=())), ValueError, "k: expected 4 values, .* found 0"),
        (
            (f, U0, T, schemes.LinearTwoStep(start=U0.double())),
            TypeError,
            "start: expected dtype torch.float32, that of u0, found dtype torch.float64",
        ),
        ((f, U0, T, schemes.LinearTwoStep(start=torch.ones(3))), ValueError, r"start: expected shape \(2,\)"),
        (
            (f, U0, T, schemes.StochasticDepth()),
            ValueError,
            "generator: expected a torch.Generator for stochastic depth",
        ),
        (
            (lambda t, u: 1j * u, U0 + 0j, T, schemes.BackwardEuler()),
            TypeError,
            r"u: expected a real state \(..., d\)",
        ),
        *(
            (
                (f, U0.to(dtype), T.to(dtype), schemes.BackwardEuler()),
                TypeError,
                rf"u: expected float32 or float64 for backward Euler, found dtype {dtype}; .* call .float\(\)",
            )
            for dtype in (torch.float16, torch.bfloat16)
        ),
        (
            (lambda t, u: u.neg_(), U0, T, schemes.ForwardEuler()),
            ValueError,
            "f: expected a function that leaves t and u as they are",
        ),
        (
            (lambda t, u: u * t.add_(1), U0, T, schemes.RungeKutta(schemes.RK4)),
            ValueError,
            "f: expected a function that leaves t and u as they are",
        ),
        (
            (lambda t, u: u.mul_(2) - u, U0, T, schemes.LinearTwoStep(k=0.1)),
            ValueError,
            "f: expected a function that leaves t and u as they are",
        ),
    ],
)
def test_integrate_refuses(arguments, error, message):
    before = U0.clone(), T.clone()
    with pytest.raises(error, match=message):
        schemes.integrate(*arguments)
    assert torch.equal(U0, before[0]) and torch.equal(T, before[1]), "the caller's tensors"


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (0,)], ids=str)
@pytest.mark.parametrize(
    "scheme",
    [schemes.BackwardEuler(), schemes.RungeKutta(schemes.RK4), schemes.LinearTwoStep(k=0.3)],
    ids=lambda scheme: scheme.name,
)
def test_no_sample_or_no_coordinate_stays_none(scheme, shape):
    assert schemes.integrate(f, torch.ones(shape), T, scheme).shape == (5, *shape)
    with pytest.raises(ValueError, match=r"f\(t, u\): expected shape"):
        schemes.integrate(lambda t, u: torch.ones(7), torch.ones(shape), T, scheme)


def test_inference_mode():
    with torch.inference_mode():
        u = schemes.integrate(f, U0, T, schemes.RungeKutta(schemes.RK4))
    torch.testing.assert_close(u, schemes.integrate(f, U0, T, schemes.RungeKutta(schemes.RK4)))
    assert schemes.integrate(f, u[-1], T, schemes.ForwardEuler()).shape == (5, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schemes.RungeKutta("rk4"), r"tableau: expected a Tableau, found 'rk4' \(str\); such as .*RK4"),
        (lambda: schemes.RungeKutta(schemes.Tableau), "tableau: expected a Tableau, found .*type"),
        (
            lambda: schemes.measure_order(schemes.ForwardEuler(), Pendulum(), steps=10),
            "steps: expected a sequence",
        ),
        (
            lambda: schemes.measure_order(schemes.ForwardEuler(), Pendulum(), steps="40"),
            "steps: expected a sequence",
        ),
        (
            lambda: schemes.measure_order(schemes.ForwardEuler(), Pendulum(), [40, "80"]),
            "steps: expected an integer",
        ),
        (lambda: schemes.local_error_order(schemes.ForwardEuler(), Pendulum(), h=0.1), "h: expected a sequence"),
        (lambda: schemes.weak_order(schemes.StochasticDepth(), 1.0, 10), "steps: expected a sequence, found 10"),
        (
            lambda: schemes.weak_order(schemes.StochasticDepth(), 1.0, (2, 4), powers=2),
            "powers: expected a sequence",
        ),
        (lambda: schemes.variances(schemes.StochasticDepth(), 1.0, 10), "steps: expected a sequence"),
        (lambda: schemes.modified_equation_gaps(Quadratic(), 0.5, 40), "steps: expected a sequence"),
    ],
)
def test_one_where_several_are_expected(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_integrate_refuses_options():
    with pytest.raises(ValueError, match="keep: expected one of 'all', 'last', found 'first'"):
        schemes.integrate(f, U0, T, schemes.ForwardEuler(), keep="first")
    with pytest.raises(ValueError, match="generator: expected None for forward Euler"):
        schemes.integrate(f, U0, T, schemes.ForwardEuler(), generator=torch.Generator())


def test_a_wrong_number_of_k_is_refused_before_f_runs():
    def never(t, u):
        raise AssertionError("f was called")

    with pytest.raises(ValueError, match="k: expected 4 values"):
        schemes.integrate(never, U0, T, schemes.LinearTwoStep(k=[0.1] * 3))


@pytest.mark.parametrize("differentiated", [False, True])
@pytest.mark.parametrize(
    "scheme",
    [
        schemes.ShakeShake(),
        schemes.StochasticDepth(),
        schemes.StochasticDepth(scaled=False),
        schemes.StochasticTwoStep(0.3),
        schemes.StochasticTwoStep(0.3, scaled=False),
    ],
    ids=lambda scheme: f"{scheme.name}, scaled={getattr(scheme, 'scaled', True)}",
)
def test_random_schemes_run_forward_only(scheme, differentiated):
    field, t = ((f, f) if isinstance(scheme, schemes.ShakeShake) else f), T.clone().requires_grad_(differentiated)
    assert schemes.integrate(field, U0, t, scheme, generator=torch.Generator()).isfinite().all()
    with pytest.raises(ValueError, match="t: expected an increasing grid for (stochastic|shake-shake)"):
        schemes.integrate(field, U0, t.flip(0), scheme, generator=torch.Generator())


@pytest.mark.parametrize(
    "scheme",
    [
        schemes.ForwardEuler(),
        schemes.RungeKutta(schemes.RK4),
        schemes.LinearTwoStep(k=0.3),
        schemes.BackwardEuler(),
        schemes.FractalBlock(),
        schemes.StochasticDepth(),
    ],
    ids=lambda scheme: scheme.name,
)
@pytest.mark.parametrize(
    ("late", "error", "message"),
    [
        (lambda u: -u[..., :1], ValueError, r"f\(t, u\): expected shape \(3, 2\), found shape \(3, 1\)"),
        (lambda u: -u.expand(2, 3, 2), ValueError, r"f\(t, u\): .* found shape \(2, 3, 2\)"),
        (lambda u: -u.double(), TypeError, r"f\(t, u\): expected dtype torch.float32, .* found dtype"),
        (lambda u: 1.0, TypeError, r"f\(t, u\): expected a torch.Tensor, found float"),
    ],
    ids=["narrow", "wide", "dtype", "number"],
)
def test_a_wrong_value_of_f_is_named_at_a_late_step_too(scheme, late, error, message):
    generator = torch.Generator() if isinstance(scheme, schemes.StochasticDepth) else None
    with pytest.raises(error, match=message):
        schemes.integrate(
            lambda t, u: -u if t < 0.6 else late(u), torch.ones(3, 2), T, scheme, generator=generator
        )


def test_a_scheme_that_changes_the_shape_of_the_state_is_refused():
    class Widening(schemes.ForwardEuler):
        def step(self, f, t, u, h):
            return super().step(f, t, u, h).expand(3, 2) if t > 0.4 else super().step(f, t, u, h)

    with pytest.raises(ValueError, match=r"state: expected shape \(2,\) .* found shape \(3, 2\)"):
        schemes.integrate(f, U0, T, Widening(), keep="last")


def test_unequal_steps_are_fine_for_one_step_schemes_and_rounding_for_two_step():
    assert schemes.integrate(f, U0, UNEQUAL, schemes.RungeKutta(schemes.RK4)).shape == (3, 2)
    t = torch.arange(1001, dtype=torch.float32) * 0.1
    assert schemes.integrate(f, U0, t, schemes.LinearTwoStep(k=0.1)).shape == (1001, 2)


def test_backward_euler_says_when_newton_fails():
    with pytest.raises(
        RuntimeError, match=r"step 4: expected a relative residual of .* within 6 Newton iterations"
    ):
        schemes.BackwardEuler(iterations=6).step(
            lambda t, u: u * u + 1, torch.tensor(0.0), torch.tensor([1.0]), 4.0
        )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schemes.BackwardEuler(tolerance=0.0), ValueError, "tolerance: expected a number > 0.0"),
        (lambda: schemes.BackwardEuler(iterations=0), ValueError, "iterations: expected a number >= 1"),
        (lambda: schemes.PolyNet(terms=0), ValueError, "terms: expected a number >= 1"),
        (lambda: schemes.NestedPolyNet(terms=1.5), TypeError, "terms: expected an integer"),
        (lambda: schemes.FractalBlock(a="1"), TypeError, "a: expected a real number"),
        (lambda: schemes.FractalBlock.second_order(0.0), ValueError, "a: expected a number other than 0"),
        (lambda: schemes.LinearTwoStep(k="0.1"), TypeError, "k: expected a real number"),
        (lambda: schemes.LinearTwoStep(k=[0.1, "x"]), TypeError, r"k\[1\]: expected a real number"),
        (
            lambda: schemes.LinearTwoStep(k=torch.ones(2, 2)),
            ValueError,
            "k: expected a number or one value per step",
        ),
        (lambda: schemes.LinearTwoStep(k=torch.tensor(1)), TypeError, "k: expected a floating-point tensor"),
        (
            lambda: schemes.LinearTwoStep(k=torch.tensor([0.1, float("nan")])),
            ValueError,
            "k: expected finite values",
        ),
        (
            lambda: schemes.LinearTwoStep(k=torch.tensor(float("inf"))),
            ValueError,
            "k: expected finite .* found inf",
        ),
        (lambda: schemes.LinearTwoStep(start="zero"), ValueError, "start: expected one of 'euler', 'repeat'"),
        (lambda: schemes.StochasticDepth(p=1.2), ValueError, "p: expected a number <= 1.0"),
        (lambda: schemes.StochasticTwoStep(k=-1.0), ValueError, "k: expected a number > -1.0"),
        (lambda: schemes.StochasticTwoStep(k=1.0), ValueError, "k: expected a number < 1.0"),
        (
            lambda: schemes.weak_order(schemes.StochasticDepth(), -1.0, (2, 4), powers=(1, 0)),
            ValueError,
            "power: expected a number >= 1",
        ),
        (lambda: schemes.ShakeShake().limit_moment(1.5, (1.0, 2.0), 1.0), TypeError, "power: expected an integer"),
        (lambda: schemes.StochasticTwoStep().linear_moment(3, 1.0, 0, 1.0), ValueError, "steps: expected .* >= 1"),
        (
            lambda: schemes.Tableau("x", 1, ((), (1.0,)), (1.0,), (0.0,)),
            ValueError,
            "a, b, c: expected rows of 0 to 0 entries",
        ),
        (
            lambda: schemes.Tableau("x", 2, ((), (1.0,)), (0.5, 0.5), (0.0, 0.9)),
            ValueError,
            "c: expected the row sums of a",
        ),
        (
            lambda: schemes.Tableau("x", 2, ((), (1.0,)), (0.4, 0.6), (0.0, 1.0)),
            ValueError,
            "order: expected at most 1 for these",
        ),
        (
            lambda: schemes.Tableau("x", 5, schemes.HEUN2.a, schemes.HEUN2.b, schemes.HEUN2.c),
            ValueError,
            "order: expected a number <= 4",
        ),
        (lambda: LinearSystem(rows=((1.0,),)), ValueError, "rows: expected 3 rows of 3 entries"),
        (lambda: Quadratic(kappa=0.5), ValueError, "kappa: expected a number >= 1.0"),
        (lambda: Quadratic(d=1), ValueError, "d: expected a number >= 2"),
        (lambda: schemes.OrderMeasurement((1,), (0.1,), (0.1,)), ValueError, "errors: expected at least two"),
        (
            lambda: schemes.measure_order(schemes.ForwardEuler(), Pendulum(), (10, 0)),
            ValueError,
            "steps: expected a number >= 1",
        ),
        (
            lambda: schemes.local_error_order(schemes.ForwardEuler(), Pendulum(), (0.1, -0.1)),
            ValueError,
            "h: expected a number > 0.0",
        ),
        (lambda: schemes.modified_equation_gaps(Pendulum(), -1.0), ValueError, "k: expected a number > -1.0"),
        (lambda: schemes.reduced_field(f, -1.0, 0.1), ValueError, "k: expected a number > -1.0"),
        (lambda: schemes.full_field(f, 1.0, 0.1), ValueError, "k: expected a number < 1.0"),
        (lambda: schemes.largest_stable_step(1.0), ValueError, "k: expected a number < 1.0"),
        (
            lambda: schemes.heavy_ball(torch.sin, U0, step=0.1, momentum=0.5, steps=0),
            ValueError,
            "steps: expected a number >= 1",
        ),
        (lambda: schemes.steps_to_tolerance(Quadratic(), 0.0, 0.0), ValueError, "h: expected a number > 0.0"),
        (
            lambda: schemes.amplification(schemes.RevNet(), torch.zeros(1)),
            TypeError,
            "scheme: expected a deterministic scheme of one",
        ),
        (
            lambda: schemes.amplification(schemes.LinearTwoStep(k=[0.1]), torch.zeros(1)),
            ValueError,
            "scheme: expected one k for all",
        ),
        (
            lambda: schemes.stability_region(schemes.ForwardEuler(), torch.zeros(2, 2), T),
            ValueError,
            "real: expected a tensor with 1",
        ),
        (
            lambda: schemes.sample_moments(
                schemes.ShakeShake(), (1.0, 2.0), steps=2, paths=1, generator=torch.Generator()
            ),
            ValueError,
            "paths: expected a number >= 2",
        ),
        (
            lambda: reference(lambda t, u: u * u, torch.ones(1), 2.0),
            RuntimeError,
            "reference: expected DOP853 to reach",
        ),
    ],
)
def test_wrong_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
