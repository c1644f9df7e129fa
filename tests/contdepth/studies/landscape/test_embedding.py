"""Formulas of the loss against differences, the inner Hessian against spectra, plateaus, split blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contdepth.studies.landscape.embedding import critical, plateaus, splitting
from contdepth.studies.landscape.embedding.depth_split import changes

THETA = np.random.default_rng(1).normal(size=(3, 3))


def test_two_derivatives_against_differences():
    data, h = splitting.task("bump", 15), 1e-5
    slope, bend = critical.gradient(THETA, data).ravel(), critical.hessian(THETA, data)
    for i in range(9):
        step = np.zeros(9)
        step[i] = h
        up, down = THETA + step.reshape(3, 3), THETA - step.reshape(3, 3)
        assert slope[i] == pytest.approx((critical.loss(up, data) - critical.loss(down, data)) / (2 * h), abs=1e-9)
        column = (critical.gradient(up, data) - critical.gradient(down, data)).ravel() / (2 * h)
        np.testing.assert_allclose(bend[i], column, atol=1e-8)


def test_nets_of_pytorch_are_the_same_functions():
    x = np.linspace(-1, 1, 7)
    net = splitting.as_net(THETA)
    found = net(torch.as_tensor(x)[:, None])[:, 0].detach().numpy()
    np.testing.assert_allclose(found, critical.output(THETA, x), rtol=1e-13)
    assert np.array_equal(splitting.as_theta(net), THETA)


def test_minima_are_at_rest_and_their_splits_are_foretold():
    found = splitting.minima("bump", (1, 2), range(6))
    assert len(found) >= 2 and all(one.slope < 1e-10 and one.is_strict_minimum for one in found)
    for one in found:
        for split in splitting.splits(one, splitting.task("bump")):
            assert split.moved < 1e-14 and split.slope < 1e-9
            assert split.after.tolist() == split.foretold.tolist()
            assert split.after[1] - split.before[1] >= 1


def test_off_a_critical_point_a_split_adds_no_zero():
    data = splitting.task("bump")
    wide = np.vstack([THETA, THETA[:1]])
    wide[[0, 3], 2] /= 2
    spectra = [np.linalg.eigvalsh(critical.hessian(theta, data)) for theta in (THETA, wide)]
    assert np.abs(spectra[1]).min() > 1e-6 and np.abs(spectra[0]).min() > 1e-6


def test_a_definite_inner_hessian_changes_side_with_the_share():
    """One neuron at rest on itself plus a small residual with mean r σ'' (1, x, x²) = (1, 0, 1) c."""
    x = np.linspace(-2, 2, 30)
    theta = np.array([[1.0, 0.2, 1.5]])
    slopes = critical.jacobian(theta, x)[0].T
    t = np.tanh(x + 0.2)
    bends = (-2 * t * (1 - t * t))[:, None] * np.stack([np.ones_like(x), x, x * x], 1)
    bends -= slopes @ np.linalg.lstsq(slopes, bends, rcond=None)[0]
    rest = bends @ np.linalg.solve(bends.T @ bends, [1.0, 0.0, 1.0])
    for sign in (1, -1):
        data = critical.Task(x, critical.output(theta, x) - 0.01 * sign * rest)
        assert np.abs(critical.gradient(theta, data)).max() < 1e-13
        own = np.linalg.eigvalsh(splitting.inner_hessian(theta, 0, data))
        np.testing.assert_allclose(own, sign * 0.01 * 1.5 / 30, rtol=1e-8)
        point = critical.Critical(theta, 0.0, 0.0, np.linalg.eigvalsh(critical.hessian(theta, data)))
        assert point.is_strict_minimum
        for split in splitting.splits(point, data):
            assert split.definite and split.after.tolist() == split.foretold.tolist()
            assert (split.lowest < -1e-6) == ((0 < split.share < 1) == (sign < 0))


@pytest.mark.parametrize("share", [-0.5, 0.3, 1.4])
def test_copies_that_part_see_the_inner_hessian(share):
    data = splitting.task("bump")
    theta = splitting.minima("bump", (1,), range(4))[0].theta
    wide = splitting.as_theta(splitting.split_neuron(splitting.as_net(theta), 0, 0, share))
    apart = np.array([[0.4, -0.7, 0], [0, 0, 0]])
    apart[1] = -apart[0] / (1 - share)
    apart[0] /= share
    found = apart.ravel() @ critical.hessian(wide, data) @ apart.ravel()
    u = np.array([0.4, -0.7])
    wanted = u @ splitting.inner_hessian(theta, 0, data) @ u / (share * (1 - share))
    assert found == pytest.approx(wanted, rel=1e-9)


def test_descent_from_a_saddle_escapes_and_from_the_minimum_comes_back():
    point = splitting.minima("bump", (1,), range(4))[0]
    wide, narrow, curves = splitting.escapes(point, splitting.task("bump"), 0.5, (0, 1), steps=3000)
    assert (wide < 0.99).all() and np.abs(narrow - 1).max() < 1e-3 and curves.shape[1] == 2


def test_a_wide_net_is_followed():
    data = splitting.task("staircase", 20)
    narrow = plateaus.narrow_point("staircase", data)
    assert narrow.slope < 1e-10
    found = plateaus.train_wide(data, narrow, (0, 1), width=8, steps=600, look=50)
    assert found.losses.shape == (13, 2) and (np.diff(found.losses, axis=0) <= 1e-12).all()
    assert (found.slowest >= 5).all() and found.apart.shape == found.from_line.shape == (2,)
    odd = plateaus.narrow_point("sine", splitting.task("sine"))
    assert abs(odd.theta[0, 1]) < 1e-12 and odd.slope < 1e-10


def test_a_split_block_changes_outputs_by_the_square_of_its_mass():
    found = changes((512, 1024), 3)
    assert np.log2(found[0] / found[1]) == pytest.approx(2, abs=0.1)
