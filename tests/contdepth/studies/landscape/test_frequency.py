"""Jacobi against SciPy's matrices, derivatives of nets and tangent kernels against differences, courses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth.studies.landscape.frequency import classes, jacobi, poisson
from contdepth.studies.landscape.frequency.fitting import Course, fit_waves, points, waves
from contdepth.studies.landscape.frequency.members import Design, mode_rates, outputs, start


@pytest.mark.parametrize("omega", [0.4, 2 / 3, 1.0])
def test_a_sweep_is_that_of_the_matrix(omega):
    problem, h = jacobi.Poisson(8), math.pi / 8
    matrix = (2 * np.eye(7) - np.eye(7, k=1) - np.eye(7, k=-1)) / h**2
    np.testing.assert_allclose(np.linalg.solve(matrix, problem.g), problem.solution, rtol=1e-12)
    u = np.random.default_rng(0).normal(size=7)
    wanted = u + omega * h**2 / 2 * (problem.g - matrix @ u)
    np.testing.assert_allclose(problem.sweep(u, omega), wanted, rtol=1e-12, atol=1e-12)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.eye(7) - omega * h**2 / 2 * matrix))
    np.testing.assert_allclose(np.sort(jacobi.contraction(8, omega, np.arange(1, 8))), eigenvalues, atol=1e-14)
    np.testing.assert_allclose(
        jacobi.measured_contraction(8, omega), jacobi.contraction(8, omega, np.arange(1, 8)), atol=1e-13
    )


def test_sweeps_are_those_of_the_formula():
    problem = jacobi.Poisson(32)
    factors = jacobi.contraction(32, 2 / 3, jacobi.MODES)
    errors, first = jacobi.mode_sweeps(problem, 2 / 3)
    assert first.tolist() == np.ceil(np.log(0.1) / np.log(factors)).tolist()
    np.testing.assert_allclose(errors[10], factors**10, rtol=1e-10)
    assert jacobi.sweeps_until(problem, problem.solution, 2 / 3, 1e-3) == 0
    from_coarse = jacobi.sweeps_until(problem, jacobi.coarse_guess(problem, 16), 2 / 3, 1e-3)
    assert 0 < from_coarse < jacobi.sweeps_until(problem, np.zeros(31), 2 / 3, 1e-3) / 50


def test_derivatives_of_nets_are_those_of_autograd():
    parameters = start(Design((5, 4)), (0, 1))
    x = torch.linspace(0, 3, 6, dtype=torch.float64)[:, None]
    found = poisson.with_derivatives(parameters, x)
    single = [part[1] for part in parameters]

    def net(z: torch.Tensor) -> torch.Tensor:
        return outputs(Design((5, 4)), [part[None] for part in single], z.view(1, 1))[0, 0, 0]

    for i, z in enumerate(x[:, 0]):
        assert float(found[0][1, i]) == pytest.approx(float(net(z)), rel=1e-12)
        assert float(found[1][1, i]) == pytest.approx(float(torch.func.grad(net)(z)), rel=1e-10)
        assert float(found[2][1, i]) == pytest.approx(float(torch.func.grad(torch.func.grad(net))(z)), rel=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sine"])
def test_rates_are_the_first_fall_of_the_error(activation):
    design = Design((6, 5), activation)
    parameters = [part.requires_grad_() for part in start(design, (4,))]
    x = points(32, torch.float64)
    wave = math.sqrt(2) * torch.sin(3 * x[:, 0])
    frozen = outputs(design, parameters, x)[0, :, 0].detach()
    (outputs(design, parameters, x)[0, :, 0] - frozen + wave).square().mean().div(2).backward()
    small = 1e-6
    moved = [part.detach() - small * part.grad for part in parameters]
    with torch.no_grad():
        change = (outputs(design, moved, x)[0, :, 0] - frozen) @ wave / len(x) / small
    assert float(mode_rates(design, start(design, (4,)), x, (3,))[0, 0]) == pytest.approx(-float(change), rel=1e-3)


def test_losses_are_of_the_solution_nothing_and_of_others_the_mean_of_squares():
    parameters = start(Design((3,)), (0, 1))
    x = torch.linspace(0, math.pi, 9, dtype=torch.float64)[:, None]
    value, _, bend = poisson.with_derivatives(parameters, x)
    wave, g = (sum(k**power * torch.sin(k * x[:, 0]) for k in (1, 3, 5)) for power in (0, 2))
    wanted = {
        "values": (value - wave).square().mean(1) / 2,
        "residual": ((bend + g).square().mean(1) + 10 * (value[:, 0] ** 2 + value[:, -1] ** 2)) / 2,
    }
    for kind, one in wanted.items():
        torch.testing.assert_close(poisson.losses(kind, parameters, x), one)


def test_a_course_tells_who_came_first_and_never_is_last():
    errors = np.array([[[1, 1, 1], [1, 1, 1]], [[0.05, 1, 1], [1, 1, 0.01]], [[0.2, 0.05, 1], [0.01, 1, 0.01]]])
    course = Course(np.array([0, 10, 20]), errors)
    assert course.first.tolist() == [[10, 20, np.inf], [20, np.inf, 10]]
    assert course.in_order.tolist() == [1, 0]
    assert not Course(np.array([0]), np.ones((1, 1, 3))).in_order.any()
    ties = np.array([[[1, 1, 1], [1, 1, 1]], [[0, 0, 1], [0, 1, 1]], [[0, 0, 0], [0, 0, 0]]])
    assert not Course(np.array([0, 10, 20]), ties).in_order.any(), "at once is not before"


def test_a_net_learns_and_seeds_do_not_meet():
    both = fit_waves(Design((16,)), (3, 5), most=60, count=32)
    alone = fit_waves(Design((16,)), (5,), most=60, count=32)
    np.testing.assert_allclose(both.errors[:, 1], alone.errors[:, 0], rtol=1e-3, atol=1e-4)
    assert (both.errors[-1, :, 0] < both.errors[0, :, 0]).all()
    assert waves(points(8)).shape == (8,)


def test_parity_and_the_parts_of_labels():
    data = classes.parity(6)
    assert len(data.x) == len(data.test_x) == 32 and not set(map(tuple, data.x.tolist())) & set(
        map(tuple, data.test_x.tolist())
    )
    assert ((data.x < 0).sum(1) % 2 == 1 - data.y).all()
    assert float(data.targets.sum(0).abs().max()) < 1e-5
    done = classes.learn(data, (0, 1), 3, batch=8)
    assert done.outputs.shape == (3, 2, 32, 2)
    low, high, octaves = classes.parts(data, done, 2.0)
    assert low.shape == high.shape == (3, 2) and octaves.tolist() == [0, 0], "neither is halved in three epochs"
    assert classes.noise_errors(classes.digits(), 1.0)[0] < 0.5


def test_operations_are_counted_layer_by_layer():
    assert poisson.operations(Design((2, 3)), jacobi.Poisson(4), 10) == 10 * 9 * (2 + 6 + 3) * 5 / 9
