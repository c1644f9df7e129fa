"""Orders of all schemes (claims A1, A2, A4 of the LM-ResNet sheet), and mutants that must lose them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from contdepth import schemes
from contdepth.problems import LinearSystem, Pendulum, Scaled, TimeDependent

TABLEAUS = {
    table.name: table
    for table in (
        schemes.HEUN2,
        schemes.MIDPOINT,
        schemes.RALSTON2,
        schemes.KUTTA3,
        schemes.HEUN3,
        schemes.RK4,
        schemes.THREE_EIGHTHS,
    )
}
STEPS = (20, 40, 80, 160)
K = (-0.5, -0.1, 0.3, 0.5, 0.9)


def has_order(scheme, problem, order, tolerance=0.1, steps=STEPS):
    return abs(schemes.measure_order(scheme, problem, steps).last - order) <= tolerance


# A1: the fact sheet's tolerances, pendulum, T = 2, N = 40 … 640 (the defaults)


@pytest.mark.parametrize(
    ("scheme", "order", "tolerance"),
    [
        (schemes.ForwardEuler(), 1, 0.03),
        (schemes.FractalBlock(), 2, 0.05),
        (schemes.FractalBlock(k1=0.3, k2=0.7, b=0.3), 1, 0.03),
        (schemes.RevNet(), 1, 0.03),
        *((schemes.LinearTwoStep(k=k), 1, 0.03) for k in K),
        (schemes.LinearTwoStep(k=1.0), 2, 0.05),
    ],
)
def test_a1_consistency_orders(scheme, order, tolerance):
    assert scheme.order == order
    assert schemes.measure_order(scheme, Pendulum()).last == pytest.approx(order, abs=tolerance)


@pytest.mark.parametrize("table", TABLEAUS.values(), ids=TABLEAUS.keys())
@pytest.mark.parametrize("problem", [Pendulum(), TimeDependent(), LinearSystem()])
def test_runge_kutta_order(table, problem):
    assert table.verified_order() == table.order
    assert has_order(schemes.RungeKutta(table), problem, table.order)


@pytest.mark.parametrize(
    "scheme",
    [
        schemes.ForwardEuler(),
        schemes.FractalBlock(),
        schemes.FractalBlock.second_order(0.7),
        schemes.LinearTwoStep(k=0.4),
        schemes.LinearTwoStep(k=1.0),
        schemes.LinearTwoStep(k=0.4, start="repeat"),
        schemes.LinearTwoStep(k=1.0, start="repeat"),
        schemes.BackwardEuler(),
        schemes.NestedPolyNet(),
        schemes.NestedPolyNet(terms=4),
        schemes.PolyNet(terms=1),
    ],
    ids=lambda scheme: f"{scheme.name}-{scheme.order}",
)
def test_stated_order_on_a_time_dependent_problem(scheme):
    assert has_order(scheme, TimeDependent(), scheme.order, steps=(80, 160))


@pytest.mark.parametrize("start", ["euler", "repeat"])
@pytest.mark.parametrize(
    "k",
    [-1.0, -1.2, 1.2, (0.1, -1.0, 0.3), (0.1, 1.5), torch.tensor([0.2, -2.0]), torch.tensor(-1.0)],
    ids=str,
)
def test_no_order_is_stated_where_the_two_step_scheme_does_not_converge(k, start):
    assert schemes.LinearTwoStep(k=k, start=start).order == 0


def test_the_stated_order_at_the_ends_of_k():
    assert (
        schemes.measure_order(schemes.LinearTwoStep(k=-1.0), Pendulum(), (160, 320)).errors[-1] > 0.1
    )  # f times 0
    assert schemes.measure_order(schemes.LinearTwoStep(k=1.2), Pendulum(), (160, 320)).errors[-1] > 1e6  # unstable
    assert schemes.LinearTwoStep(k=-0.999).order == 1
    assert schemes.LinearTwoStep(k=(1.0, 0.5)).order == 1
    assert schemes.LinearTwoStep(k=torch.tensor([1.0, 1.0])).order == 2
    assert schemes.LinearTwoStep(k=1.0, start="repeat").order == 1


def test_local_error_is_one_order_higher():
    for scheme in (
        schemes.ForwardEuler(),
        schemes.RungeKutta(schemes.HEUN2),
        schemes.RungeKutta(schemes.RK4),
        schemes.RevNet(),
        schemes.BackwardEuler(),
    ):
        assert schemes.local_error_order(scheme, Pendulum()).last == pytest.approx(scheme.order + 1, abs=0.1)


def test_fitted_and_pairwise_slopes_agree_with_hand_computation():
    found = schemes.measure_order(schemes.ForwardEuler(), Scaled(LinearSystem(), 1.0), (10, 20))
    hand = [
        torch.linalg.vector_norm(
            torch.linalg.matrix_power(torch.eye(3).double() + 2 / n * LinearSystem().matrix, n) @ LinearSystem().u0
            - LinearSystem().solution(2.0)
        ).log2()
        for n in (10, 20)
    ]
    assert found.last == pytest.approx((hand[0] - hand[1]).item(), abs=1e-10)
    assert found.fitted == pytest.approx(found.last, abs=1e-10)


# A2: distance of PolyNet from backward Euler


@pytest.mark.parametrize(
    ("problem", "slope", "nested_slope"),
    [
        (LinearSystem(), 3.0, 3.0),
        (Pendulum(), 2.0, 3.0),
        (Pendulum(torque=0.5), 1.0, 3.0),
    ],
    ids=["linear", "f(0)=0", "f(0)!=0"],
)
def test_a2_distance_from_backward_euler(problem, slope, nested_slope):
    yard = schemes.BackwardEuler()
    assert schemes.local_error_order(schemes.PolyNet(), problem, against=yard).last == pytest.approx(
        slope, abs=0.1
    )
    assert schemes.local_error_order(schemes.NestedPolyNet(), problem, against=yard).last == pytest.approx(
        nested_slope, abs=0.15
    )


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_a2_longer_truncations(terms):
    yard, sizes = schemes.BackwardEuler(), (0.08, 0.04, 0.02)
    for scheme, problem in (
        (schemes.PolyNet(terms), LinearSystem()),
        (schemes.NestedPolyNet(terms), Pendulum(torque=0.5)),
    ):
        assert schemes.local_error_order(scheme, problem, sizes, against=yard).last == pytest.approx(
            terms + 1, abs=0.1
        )


def test_a2_polynet_is_inconsistent_unless_f_vanishes_at_zero():
    assert abs(schemes.measure_order(schemes.PolyNet(), Pendulum(torque=0.5)).last) < 0.05
    assert schemes.measure_order(schemes.PolyNet(), Pendulum()).last == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("terms", [2, 3])
def test_a2_polynet_solves_an_ode_shifted_by_its_value_at_zero(terms):
    @dataclass(frozen=True)
    class Shifted(Pendulum):
        def f(self, t, u):
            return super().f(t, u) + (terms - 1) * super().f(t, torch.zeros_like(u))

    found = schemes.measure_order(schemes.PolyNet(terms), Pendulum(torque=0.5), target=Shifted(torque=0.5))
    assert found.last == pytest.approx(1.0, abs=0.05)


# A4: the raw LM scheme solves another ODE


def test_a4_raw_lm_solves_the_slowed_ode():
    raw = schemes.LinearTwoStep(k=0.5, rescale=False)
    assert raw.order == 0
    assert schemes.measure_order(raw, Pendulum(), target=Scaled(Pendulum(), 1 / 1.5)).last == pytest.approx(
        1.0, abs=0.05
    )
    away = schemes.measure_order(raw, Pendulum())
    assert min(away.errors) > 0.1
    assert abs(away.last) < 0.05


# Mutants: a wrong coefficient must be seen by the order test


def mutants(table):
    for i, row in enumerate(table.a):
        for j, value in enumerate(row):
            if value:
                changed = (*row[:j], value + 0.02, *row[j + 1 :])
                yield f"a[{i}][{j}]", replace(table, order=0, a=(*table.a[:i], changed, *table.a[i + 1 :]))
    for name in ("b", "c"):
        values = getattr(table, name)
        for i, value in enumerate(values):
            if value:
                changed = (*values[:i], value + 0.02, *values[i + 1 :])
                yield f"{name}[{i}]", replace(table, order=0, **{name: changed})


ALL_MUTANTS = [
    pytest.param(table, mutant, id=f"{table.name}-{entry}")
    for table in TABLEAUS.values()
    for entry, mutant in mutants(table)
]


@pytest.mark.parametrize(("table", "mutant"), ALL_MUTANTS)
def test_every_perturbed_tableau_entry_loses_the_order(table, mutant):
    assert not has_order(schemes.RungeKutta(mutant), TimeDependent(), table.order)


@pytest.mark.parametrize(("table", "mutant"), ALL_MUTANTS)
def test_every_perturbed_tableau_is_refused_at_its_old_order(table, mutant):
    with pytest.raises(ValueError, match="order: expected at most|c: expected the row sums"):
        replace(mutant, order=table.order)


@pytest.mark.parametrize(
    "change",
    [{"b": 0.52}, {"a": 1.02}, {"k1": 0.52}, {"k2": 0.52}, {"k3": 1.02}, {"a": 1.02, "b": 0.5 / 1.02}],
)
def test_perturbed_fractal_coefficients_lose_the_order(change):
    mutant = schemes.FractalBlock(**change)
    assert not mutant.is_second_order
    assert not has_order(mutant, Pendulum(), 2)


class SlowEuler(schemes.ForwardEuler):
    def step(self, f, t, u, h):
        return super().step(f, t, u, 0.99 * h)


class SlowRevNet(schemes.RevNet):
    def step(self, f, t, u, h):
        return super().step((f[0], lambda t, x: 0.99 * f[1](t, x)), t, u, h)


class SlowBackwardEuler(schemes.BackwardEuler):
    def step(self, f, t, u, h):
        return super().step(f, t, u, 0.99 * h)


class WrongFactor(schemes.LinearTwoStep):
    def next_step(self, n, f, t, u, previous, h):
        return super().next_step(n, lambda t, u: (1 + 1.05 * self.k) / (1 + self.k) * f(t, u), t, u, previous, h)


class WrongSkip(schemes.LinearTwoStep):
    def next_step(self, n, f, t, u, previous, h):
        return super().next_step(n, f, t, u, previous, h) + 0.02 * (u - previous)


@pytest.mark.parametrize(
    "mutant",
    [
        SlowEuler(),
        SlowRevNet(),
        SlowBackwardEuler(),
        WrongFactor(k=0.5),
        WrongSkip(k=0.5),
        WrongSkip(k=1.0),
        schemes.LinearTwoStep(k=0.3, rescale=False),
    ],
    ids=lambda scheme: type(scheme).__name__,
)
def test_mutated_schemes_lose_the_order(mutant):
    order = 2 if getattr(mutant, "k", 0) == 1.0 else 1
    assert not has_order(mutant, Pendulum(), order, steps=(160, 320))


def test_mutated_polynets_leave_backward_euler():
    class Weak(schemes.PolyNet):
        def step(self, f, t, u, h):
            first = h * f(t + h, u)
            return u + first + 0.98 * h * f(t + h, first)

    class WeakNested(schemes.NestedPolyNet):
        def step(self, f, t, u, h):
            return u + h * f(t + h, u + 0.98 * h * f(t + h, u))

    for mutant, problem in ((Weak(), LinearSystem()), (WeakNested(), Pendulum())):
        slope = schemes.local_error_order(
            mutant, problem, (0.004, 0.002, 0.001), against=schemes.BackwardEuler()
        ).last
        assert abs(slope - 3.0) > 0.15


# The algebra behind the Fractal block


@pytest.mark.parametrize("a", [1.0, 0.5, 2 / 3, 0.8, -0.4])
def test_the_second_order_family_is_second_order(a):
    block = schemes.FractalBlock.second_order(a)
    assert block.is_second_order
    assert max(map(abs, block.conditions().values())) < 1e-12
    assert has_order(block, TimeDependent(), 2, steps=(160, 320))


def test_fractal_heun_is_heun_and_fractal_midpoint_is_midpoint():
    u, t = torch.tensor([0.3, 0.9], dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64)
    for a, table in ((1.0, schemes.HEUN2), (0.5, schemes.MIDPOINT), (2 / 3, schemes.RALSTON2)):
        ours = schemes.FractalBlock.second_order(a).step(TimeDependent().f, t, u, 0.1)
        torch.testing.assert_close(
            ours, schemes.RungeKutta(table).step(TimeDependent().f, t, u, 0.1), rtol=0, atol=1e-15
        )
