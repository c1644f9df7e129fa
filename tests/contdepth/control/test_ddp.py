"""Exact sweeps against dense linear algebra on all controls at once, gradient descent, and Riccati's recursion."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev

from contdepth.control import ControlProblem, solve_ddp
from contdepth.control.ddp.sweep import Policy, backward_sweep, cost, roll_out, states_of
from contdepth.seeds import generator

N, M, T = 4, 3, 3


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(7, purpose), dtype=torch.float64)


A, B, E = noise(T, N, N, purpose="a"), noise(T, N, M, purpose="b"), noise(T, N, M, purpose="e")
GOAL, COUPLING = noise(N, purpose="goal"), noise(M, N, purpose="coupling")


def step(t: int, x: Tensor, u: Tensor) -> Tensor:
    return x + torch.tanh(A[t] @ x + B[t] @ u) + 0.3 * (E[t] @ u) * x.sin()


def terminal(x: Tensor) -> Tensor:
    return (x - GOAL).square().sum() / 2 + 0.1 * x.sin().sum()


def running(t: int, x: Tensor, u: Tensor) -> Tensor:
    return (
        0.2 * u.square().sum() + 0.1 * x.square().sum() + 0.05 * u @ COUPLING @ x + 0.01 * x.square().sum() * u[0]
    )


PROBLEM = ControlProblem(step, terminal, running)
START, CONTROLS = noise(N, purpose="start"), tuple(0.3 * noise(T, M, purpose="controls"))


def flat(controls: tuple[Tensor, ...]) -> Tensor:
    return torch.cat(controls)


def parts(u: Tensor) -> tuple[Tensor, ...]:
    return tuple(u.view(T, M))


def objective(u: Tensor) -> Tensor:
    return cost(PROBLEM, states_of(PROBLEM, START, parts(u)), parts(u))


def dense() -> tuple[Tensor, Tensor]:
    """Gradient and Gauss-Newton matrix of J in all controls, from the Jacobian of all states in them."""
    u = flat(CONTROLS)
    both = jacrev(lambda u: torch.cat((torch.cat(states_of(PROBLEM, START, parts(u))), u)))(u)

    def of_all(whole: Tensor) -> Tensor:
        states, controls = whole[: N * (T + 1)].view(T + 1, N), parts(whole[N * (T + 1) :])
        return cost(PROBLEM, tuple(states), controls)

    whole = torch.cat((*states_of(PROBLEM, START, CONTROLS), u))
    return both.T @ grad(of_all)(whole), both.T @ hessian(of_all)(whole) @ both


def swept(**given: object) -> tuple[tuple[Tensor, ...], Policy]:
    states = states_of(PROBLEM, START, CONTROLS)
    policy = backward_sweep(PROBLEM, states, CONTROLS, **given)
    assert policy is not None
    return states, policy


@pytest.mark.parametrize("damping", [2.0, 5.0])
def test_the_linearised_roll_out_minimises_the_damped_model_over_all_controls(damping):
    states, policy = swept(damping=damping)
    slope, matrix = dense()
    wanted = -torch.linalg.solve(matrix + damping * torch.eye(T * M, dtype=torch.float64), slope)
    _, new = roll_out(PROBLEM, states, CONTROLS, policy, feedback="linearised")
    assert (flat(new) - flat(CONTROLS) - wanted).abs().max() < 1e-12
    assert policy.decrease == pytest.approx(float(-slope @ wanted / 2), rel=1e-12)


def test_real_and_linearised_states_differ_to_second_order_and_without_feedback_to_first():
    states, policy = swept(damping=3.0)
    gaps = {way: [] for way in ("states", "off")}
    for length in (1e-3, 5e-4):
        wanted = flat(roll_out(PROBLEM, states, CONTROLS, policy, length, "linearised")[1])
        for way, found in gaps.items():
            found.append(
                float((flat(roll_out(PROBLEM, states, CONTROLS, policy, length, way)[1]) - wanted).norm())
            )
    assert gaps["states"][0] / gaps["states"][1] == pytest.approx(4, rel=0.01)
    assert gaps["off"][0] / gaps["off"][1] == pytest.approx(2, rel=0.01)


def test_without_coupling_and_with_a_constant_curvature_it_is_gradient_descent():
    rate, u = 0.05, flat(CONTROLS)
    found = solve_ddp(PROBLEM, START, CONTROLS, 6, coupled=False, curvature=1 / rate)
    for _ in range(6):
        u = u - rate * grad(objective)(u)
    assert (flat(found.controls) - u).abs().max() < 1e-12
    assert found.costs[-1] == pytest.approx(float(objective(u)), abs=1e-12)


def test_the_uncoupled_slope_is_the_gradient_by_central_differences():
    _, policy = swept(coupled=False, curvature=1.0)
    h, u = 1e-5, flat(CONTROLS)
    for k in range(T * M):
        change = torch.zeros_like(u)
        change[k] = h
        assert -flat(policy.gains)[k] == pytest.approx(
            float(objective(u + change) - objective(u - change)) / (2 * h), abs=1e-8
        )


def test_one_stage_of_the_full_sweep_is_newtons_step():
    problem = ControlProblem(step, terminal, running)
    u = CONTROLS[0]

    def objective(u: Tensor) -> Tensor:
        return cost(problem, states_of(problem, START, (u,)), (u,))

    policy = backward_sweep(problem, states_of(problem, START, (u,)), (u,), damping=4.0, full=True)
    matrix = hessian(objective)(u) + 4 * torch.eye(M, dtype=torch.float64)
    assert (policy.gains[0] + torch.linalg.solve(matrix, grad(objective)(u))).abs().max() < 1e-12


def test_the_full_sweep_ends_quadratically():
    near = solve_ddp(PROBLEM, START, CONTROLS, 60, full=True, damping=1.0).controls
    best, sizes = flat(near), []
    start = tuple(one + 0.02 * noise(M, purpose=f"off/{t}") for t, one in enumerate(near))
    for _ in range(3):
        start = solve_ddp(PROBLEM, START, start, 1, full=True, damping=0.0).controls
        sizes.append(float((flat(start) - best).norm()))
    assert grad(objective)(best).abs().max() < 1e-8
    assert sizes[1] < 2 * sizes[0] ** 2 + 1e-8 and sizes[2] < 1e-7


def test_a_linear_quadratic_problem_takes_one_iteration():
    linear = ControlProblem(
        lambda t, x, u: A[t] @ x + B[t] @ u,
        lambda x: (x - GOAL).square().sum() / 2,
        lambda t, x, u: 0.2 * u.square().sum() + 0.1 * x.square().sum() + 0.05 * u @ COUPLING @ x,
    )
    found = solve_ddp(linear, START, CONTROLS, 1, damping=0.0)

    def objective(u: Tensor) -> Tensor:
        return cost(linear, states_of(linear, START, parts(u)), parts(u))

    best = -torch.linalg.solve(
        hessian(objective)(torch.zeros(T * M).double()), grad(objective)(0 * flat(CONTROLS))
    )
    assert (flat(found.controls) - best).abs().max() < 1e-11
    assert found.lengths.tolist() == [1.0]


def test_costs_never_rise_and_what_is_refused_moves_nothing():
    found = solve_ddp(PROBLEM, START, CONTROLS, 12, damping=1e-6)
    assert bool((found.costs.diff() <= 0).all()) and found.costs[-1] < found.costs[0]
    assert found.costs[-1] == cost(PROBLEM, found.states, found.controls)
    hollow = replace(PROBLEM, terminal=lambda x: -x.square().sum())
    refused = solve_ddp(hollow, START, CONTROLS, 2, damping=1e-6)
    assert refused.lengths.tolist() == [0, 0] and refused.dampings[1] == 4e-6
    assert all(map(torch.equal, refused.controls, CONTROLS))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="^feedback: expected"):
        solve_ddp(PROBLEM, START, CONTROLS, feedback="on")
    with pytest.raises(ValueError, match="^controls: expected"):
        solve_ddp(PROBLEM, START, ())
    with pytest.raises(TypeError, match="^step: expected"):
        ControlProblem(3, terminal)
