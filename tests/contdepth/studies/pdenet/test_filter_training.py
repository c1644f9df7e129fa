"""Measured orders of filters, and the two ways to keep moments fixed while training."""

from __future__ import annotations

import math

import pytest
import sympy
import torch
from matplotlib.figure import Figure

from contdepth.pde.filters.constrained import MomentFilters
from contdepth.pde.filters.moments import finite_difference, fixed_moments, moment_matrix
from contdepth.studies.pdenet.filter_order import draw_free_moments, filter_errors, measured_orders, smooth_rows
from contdepth.studies.pdenet.filter_picture import draw_entries
from contdepth.studies.pdenet.filter_training import FilterTask, ProjectedMoments, minimise_flat, train_filters


def test_rows_are_the_derivatives():
    s = sympy.Symbol("s")
    f = sympy.exp(sympy.sin(s + 0.3))
    x = 2 * math.pi / 12 * torch.arange(12).double().numpy()
    for order, row in enumerate(smooth_rows(12, 4)):
        exact = sympy.lambdify(s, sympy.diff(f, s, order), "numpy")(x)
        torch.testing.assert_close(row, torch.from_numpy(exact), rtol=1e-12, atol=1e-12)


def test_draws_are_away_from_zero_and_follow_the_seed():
    first, again, other = (
        draw_free_moments(MomentFilters([(1, 0)], dx=h), seed).free.detach()
        for h, seed in ((1.0, 0), (0.1, 0), (1.0, 1))
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert 0.5 <= first.abs().min() and first.abs().max() <= 1.5 and first.min() < 0 < first.max()


@pytest.mark.parametrize("accuracy", [1, 2])
def test_measured_orders(accuracy):
    def make(dx):
        return draw_free_moments(MomentFilters([(1,), (2,)], 5, 1, dx, accuracy))

    assert (measured_orders(make, 128) - accuracy).abs().max() <= 0.1
    mean = measured_orders(make, 128, lambda f: (f.kernels() + f.kernels(mirrored=True)) / 2)
    assert (mean - 2).abs().max() <= 0.1
    flipped = filter_errors(make(2 * math.pi / 128), 128, make(2 * math.pi / 128).kernels().flip(1))
    assert flipped[0] == pytest.approx(2, abs=0.2) and flipped[1] < 0.2


def test_the_step_must_fit_the_grid():
    with pytest.raises(ValueError, match="dx = 2 pi / 32"):
        filter_errors(MomentFilters([(1,)], 5, 1, 0.1), 32)


def test_exact_derivatives_of_the_task():
    task = FilterTask(order=1, samples=1, grid=200, noise=0.0)
    assert float(task(torch.stack([finite_difference(7, alpha) for alpha in task.alphas]))) < 1e-8
    assert float(task(torch.stack([finite_difference(7, alpha) for alpha in reversed(task.alphas)]))) > 0.1


@pytest.mark.parametrize("accuracy", [1, 2])
def test_projection_and_parametrisation_take_the_same_steps(accuracy):
    task = FilterTask()
    ours = MomentFilters(task.alphas, 5, accuracy=accuracy)
    model = ProjectedMoments(task.alphas, 5, accuracy)
    start = ours.filters().detach().clone()
    first = train_filters(task, ours.filters, torch.optim.Adam(ours.parameters(), lr=0.01), 10)
    second = train_filters(
        task, model.filters, torch.optim.Adam(model.parameters(), lr=0.01), 10, model.project_gradient
    )
    assert first[1] < first[0] and first == pytest.approx(second, rel=1e-10)
    torch.testing.assert_close(ours.filters(), model.filters(), rtol=0, atol=1e-12)
    assert (ours.filters() - start).abs().max() > 1e-2


def test_the_gradient_of_the_projected_function():
    """Finite differences along a fixed and a free moment confirm the repaired gradient, not the other."""
    task = FilterTask()
    gradients = {}
    for kind in ("fixed", "order zero"):
        model = ProjectedMoments(task.alphas, 5, gradient=kind)
        task(model.filters()).backward()
        model.project_gradient()
        gradients[kind] = model.value.grad.clone()
    for place in ((0, 0, 1), (0, 2, 0)):
        values = []
        for step in (1e-5, -1e-5):
            model = ProjectedMoments(task.alphas, 5)
            with torch.no_grad():
                model.value[place] += step
                values.append(float(task(model.filters())))
        slope = (values[0] - values[1]) / 2e-5
        assert float(gradients["fixed"][place]) == pytest.approx(slope, rel=1e-6, abs=1e-12)
    assert abs(float(gradients["order zero"][0, 0, 1])) > 1e-4
    assert not gradients["order zero"][:, 0, 0].any()


def test_flat_minimisation_stays_on_the_constraint_and_the_slip_costs():
    task, found = FilterTask(), {}
    for kind in ("fixed", "order zero"):
        model = ProjectedMoments(task.alphas, 5, gradient=kind)
        found[kind] = minimise_flat(task, model, 20)
        moments = moment_matrix(model.filters().detach(), 2)
        mask = torch.stack([fixed_moments(5, alpha, 1) for alpha in task.alphas])
        assert (moments - model.start)[mask].abs().max() < 1e-12
    assert found["fixed"].fun < found["order zero"].fun
    assert found["fixed"].nfev < found["order zero"].nfev


def test_pictures_show_size_sign_and_boxes():
    figure = Figure()
    ax = figure.subplots()
    entries = torch.tensor([[0.0, 4.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]).double()
    draw_entries(ax, entries, entries > 0, centred=True)
    squares = {
        (round(p.get_x() + p.get_width() / 2), round(p.get_y() + p.get_height() / 2)): p
        for p in ax.patches
        if p.get_fill() and p.get_width() > 0
    }
    assert set(squares) == {(0, 1), (2, 0)}
    assert squares[0, 1].get_width() == pytest.approx(2 * squares[2, 0].get_width())
    assert squares[2, 0].get_hatch() and not squares[0, 1].get_hatch()
    assert [(p.get_x(), p.get_y()) for p in ax.patches if not p.get_fill()] == [(-0.5, 0.5)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["-1", "0", "1"]
    with pytest.raises(ValueError, match="entries: expected a square matrix"):
        draw_entries(ax, entries[:2])
