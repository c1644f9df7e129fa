"""Burgers against its exact solution, nets against another library and against themselves, what batches do."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pytest
import torch
from exact_burgers import cole_hopf

from contdepth.pde import FourierNeuralOperator, relative_error
from contdepth.pde.simulate import burgers1d
from contdepth.seeds import generator
from contdepth.studies.common.plots import new_figure
from contdepth.studies.equations.fno import arms, contest, drawing, forecasts, orders, pieces, tasks
from contdepth.studies.equations.fno.arms import Arm, Plan
from contdepth.studies.equations.fno.tasks import Task

matplotlib.use("Agg")

TINY = Plan(functions=6, judged=3, epochs=5, batch=3, modes=3, width=4, hidden=5, grid=16)
SMALL = Task(0.1, fine=32, steps=20)


def points(n: int) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float64) / n


@pytest.mark.parametrize("viscosity", [0.1, 0.02])
def test_solutions_are_those_of_cole_and_hopf(viscosity):
    a = (0.5 + torch.sin(2 * math.pi * points(128)))[None, None]
    u = tasks.advanced(a, viscosity, 0.4, 400)[0, 0]
    exact = cole_hopf(a[:, 0].numpy(), viscosity, 0.4)[0, ::16]
    for i in (3, 40, 90, 121):
        assert u[i].item() == pytest.approx(exact[i], abs=1e-6)


def test_one_seed_is_one_set_of_pairs_and_time_goes_on():
    a, u = SMALL.pairs(2, 5)
    assert a.shape == u.shape == (2, 1, 32)
    torch.testing.assert_close(Task(0.1, fine=32, steps=40).later(a, 0.5), SMALL.later(a, 0.5), rtol=0, atol=1e-3)
    torch.testing.assert_close(SMALL.later(SMALL.later(a, 0.5), 0.5), u, rtol=0, atol=1e-12)
    bare = Task(0.1, constant=False, fine=32).drawn(2, 5)
    torch.testing.assert_close(bare, a - tasks.level(a))


def test_small_waves_drift_and_spread():
    """For small deviations Burgers' equation is the linear one; the first product is of second order."""
    z = SMALL.drawn(3, 1)
    z = (z - tasks.level(z)) / z.abs().max()
    apart = []
    for size in (1e-1, 1e-2):
        a = 0.7 + size * z
        exact = Task(0.1, fine=32, steps=400).later(a, 0.3)
        apart.append((exact - tasks.drifting_heat(a, 0.1, 0.3)).abs().max().item() / size)
    assert 0 < apart[1] < 0.11 * apart[0] < 0.01
    one = 2 + torch.cos(2 * math.pi * points(32))[None, None]
    wanted = 2 + math.exp(-0.4 * math.pi**2 * 0.25) * torch.cos(2 * math.pi * (points(32) - 0.5))
    torch.testing.assert_close(tasks.drifting_heat(one, 0.1, 0.25)[0, 0], wanted)


def test_finer_grids_keep_the_waves_that_there_are():
    f = lambda n: (1 + torch.sin(6 * math.pi * points(n)) + torch.cos(14 * math.pi * points(n)))[None, None]  # noqa: E731
    for coarse in (16, 17):
        torch.testing.assert_close(tasks.refined(f(coarse), 64), f(64))
    highest = torch.cos(16 * math.pi * points(16))[None, None]
    torch.testing.assert_close(tasks.refined(highest, 32), torch.cos(16 * math.pi * points(32))[None, None])
    torch.testing.assert_close(tasks.at(16, f(64))[0], f(16))
    with pytest.raises(ValueError, match="grid: expected a divisor of 64 points, found 24"):
        tasks.at(24, f(64))


def test_arms_have_as_many_numbers():
    counts = {name: sum(p.numel() for p in arms.built(name, Plan(), 0).parameters()) for name in arms.ARMS}
    assert max(counts.values()) < 1.05 * min(counts.values())
    one, two = (arms.built("window", TINY, seed).kernels[0].weight for seed in (0, 0))
    assert torch.equal(one, two) and not torch.equal(one, arms.built("window", TINY, 1).kernels[0].weight)


def test_a_window_is_a_sum_over_neighbours():
    kernel = arms.built("window", TINY, 0).kernels[0].double()
    v = torch.randn(2, 4, 16, generator=generator(0, "v"), dtype=torch.float64)
    shifts = torch.stack([v.roll(2 - j, -1) for j in range(5)], -1)
    torch.testing.assert_close(kernel(v), torch.einsum("bixj,oij->box", shifts, kernel.weight))


def test_a_folded_net_is_the_same_map():
    net = arms.built("batch norm", TINY, 0).double()
    for _ in range(20):
        net(SMALL.drawn(6, 3))
    with torch.no_grad():
        for norm in net.norms:
            norm.weight.mul_(1.5), norm.bias.add_(0.3)
    a = SMALL.drawn(4, 4)
    other = arms.folded(net)
    assert not len(other.norms) and len(net.norms) == 4
    torch.testing.assert_close(other.predict(a), net.predict(a), rtol=1e-10, atol=1e-12)
    assert (other.train()(a) - net.train()(a)).abs().max() > 1e-3


def test_training_is_that_of_the_schedule(monkeypatch):
    calls = []
    pairs = SMALL.pairs(8, 0)

    def fit(net, a, u, **options):
        calls.append((len(net.norms), tuple(a.shape), options["epochs"], options["rate"], options["halve"]))

    monkeypatch.setattr(arms, "fit_operator", fit)
    arms.trained(Arm("batch norm", 0.01, folded=3), pairs, TINY, 0)
    assert calls == [(4, (6, 1, 16), 2, 0.01, 1), (0, (6, 1, 16), 3, 0.0025, 1)]


def test_errors_are_means_over_functions():
    pairs = SMALL.pairs(3, 0)
    net = arms.trained(Arm("FNO", 0.01), pairs, TINY, 0)
    found = arms.errors(net, pairs, (8, 32))
    wanted = relative_error(net.predict(pairs[0]), pairs[1]).mean().item()
    assert found.shape == (2,) and found[1] == pytest.approx(wanted)
    lifted = arms.interpolated_errors(net, pairs, 16, (16, 32))
    assert lifted[0] == pytest.approx(arms.errors(net, pairs, (16,))[0])
    fine = tasks.refined(net.predict(pairs[0][..., ::2]), 32)
    assert lifted[1] == pytest.approx(relative_error(fine, pairs[1]).mean().item())


def test_a_contest_trains_each_arm_with_each_seed():
    rows = {"a": Arm("FNO", 0.01), "b": Arm("batch norm", 0.01, folded=1)}
    found = contest.contest(SMALL, rows, TINY, [0, 1], (16, 32))
    assert found.errors["a"].shape == (2, 2) and not len(found.nets["b"][1].norms)
    np.testing.assert_allclose(found.ratio("b", "a"), found.errors["b"][:, 0] / found.errors["a"][:, 0])
    again = arms.trained(rows["a"], contest.shown(SMALL, 6, 1), TINY, 1)
    assert torch.equal(contest.starts(SMALL, 2, 1), contest.shown(SMALL, 6, 1)[0][:2])
    assert arms.errors(again, found.fresh, (16,))[0] == found.errors["a"][1, 0]
    a, u = found.fresh
    guesses = contest.guesses(SMALL, found.fresh)
    assert guesses["unchanged"] == pytest.approx(((a - u).norm(dim=2) / u.norm(dim=2)).mean().item())
    assert guesses["drift and heat"] < guesses["mean"] < guesses["unchanged"]


def test_orders_are_one_of_coordinates_two_of_rough_functions_and_none_of_few_waves():
    grids, few = (32, 64, 128), orders.probes(2, 256, 0, waves=3)
    rough = orders.probes(4, 256, 0)
    smooth, plain = (arms.built(name, TINY, 0) for name in ("smooth", "FNO"))
    assert orders.order(grids, np.array([3.0, 0.75, 0.1875])) == pytest.approx(2)
    assert orders.order(grids, orders.gaps(plain, rough, grids)) == pytest.approx(1, abs=0.1)
    assert orders.order(grids, orders.gaps(smooth, rough, grids)) == pytest.approx(2, abs=0.4)
    assert orders.gaps(smooth, few, grids).max() < 1e-12
    assert smooth.lift.weight.dtype == torch.float32


NEURALOPERATOR = [
    *(-0.2518294, -0.2270377, -0.20401, -0.1897193, -0.1876609, -0.1980134, -0.2156427, -0.2352592, -0.250174),
    *(-0.2587788, -0.2637897, -0.2697704, -0.2799363, -0.2938745, -0.3053036, -0.3052149, -0.3007387, -0.2935472),
    *(-0.2865578, -0.2767698, -0.2714416, -0.2734599, -0.2784557, -0.2795605, -0.2711042),
]
"""What FNO of neuraloperator 2.0.0 says with the weights of the net below: n_modes 6, no channel MLP, ReLU."""


def test_neuraloperator_says_the_same():
    net = FourierNeuralOperator(
        4, width=3, hidden=6, layers=3, coordinates=False, generator=generator(0, "oracle")
    )
    x = torch.arange(25) / 25
    a = torch.exp(torch.sin(2 * torch.pi * x)) - 0.5 * torch.cos(6 * torch.pi * x)
    found = net.predict(a[None, None])[0, 0]
    torch.testing.assert_close(found, torch.tensor(NEURALOPERATOR), rtol=0, atol=1e-6)


def test_films_and_steps():
    a = SMALL.drawn(2, 0)
    films = forecasts.filmed(SMALL, a, 16, 3)
    assert films.shape == (2, 4, 1, 16)
    exact = tasks.advanced(a, 0.1, 2 * forecasts.STEP, 60)[..., ::2]
    torch.testing.assert_close(films[:, 2], exact, rtol=0, atol=1e-6)
    pairs = SMALL.pairs(2, 0)
    steps = forecasts.enough_steps(SMALL, pairs, 32, 1e-3)
    worse = tasks.advanced(pairs[0], 0.1, 1.0, steps // 2)
    assert steps > 1 and not relative_error(worse, pairs[1]).mean() <= 1e-3
    with pytest.raises(RuntimeError, match="no error of 1e-30 on 16 points"):
        forecasts.enough_steps(SMALL, pairs, 16, 1e-30)


def test_the_equation_is_read_off_films():
    task = Task(0.05, fine=64, steps=200)
    films = forecasts.filmed(task, task.later(task.drawn(3, 0), 0.1), 32, 4)
    net = forecasts.read(films, iterations=(20, 5))
    terms = net.coefficients()["u"]
    assert terms["u*u_x"] == pytest.approx(-1, abs=0.1) and terms["u_xx"] == pytest.approx(0.05, abs=0.01)
    law = forecasts.kept(net, films)
    assert set(law.terms["u"]) == {"u*u_x", "u_xx"} and law.terms["u"]["u_xx"] == terms["u_xx"]
    start = task.drawn(2, 9)
    exact = tasks.advanced(start, 0.05, 0.2, 100)
    assert relative_error(forecasts.forecast(law, start, 0.2, 100), exact).max() < 0.05
    true = burgers1d(0.05, 1.0)
    torch.testing.assert_close(forecasts.forecast(true, start, 0.2, 100), exact)


def test_a_map_is_asked_again_with_its_answer():
    net, a = arms.built("smooth", TINY, 0), SMALL.drawn(2, 0)
    torch.testing.assert_close(forecasts.mapped(net, a, 2), net.predict(net.predict(a)))


def test_the_exercise_on_batches():
    """Constants c ~ N(0, 1) in batches of 20: batch norm in training is off by sqrt(3 / 40), about 27 %."""
    c = torch.randn(40000, 20, generator=generator(0, "levels"), dtype=torch.float64)
    normed = (c - c.mean(1, keepdim=True)) / c.std(1, unbiased=False, keepdim=True)
    assert (normed - c).square().mean().sqrt().item() == pytest.approx(math.sqrt(3 / 40), rel=0.05)


def test_a_piece_goes_on_where_it_stopped(tmp_path):
    sizes = {"seed": 1, "functions": 6, "judged": 2, "grid": 16, "fine": 64, "modes": 3, "width": 4, "epochs": 5}
    whole = pieces.burgers_arm(norm="with", **sizes)
    first = pieces.burgers_arm(norm="with", checkpoint=tmp_path, **sizes)
    again = pieces.burgers_arm(norm="with", checkpoint=tmp_path, **sizes)
    assert whole["error"] == first["error"] == again["error"] and len(whole["losses"]) == 5
    assert pieces.burgers_arm(norm="without", **sizes)["error"] != whole["error"]
    with pytest.raises(ValueError, match="norm: expected"):
        pieces.burgers_arm(norm="batch", **sizes)


def test_drawings_draw():
    figure, axes = new_figure(3)
    drawing.answers(axes[0], {"truth": points(8), "net": points(16)})
    drawing.over_grids(axes[1], (8, 16), {"net": np.ones((2, 2))}, {"line": 2.0})
    drawing.in_rows(axes[2], {"net": np.ones(3), "other": np.ones(1)}, {"line": 2.0})
    figure.canvas.draw()
    assert len(axes[0].lines) == 2 and len(axes[1].lines) == 4 and len(axes[2].lines) == 5


def test_a_forecast_that_blows_up_errs_by_one():
    truth = torch.tensor([[[3.0, 4.0]], [[1.0, 0.0]], [[0.0, 2.0]]])
    found = torch.tensor([[[3.0, 4.5]], [[float("nan"), 0.0]], [[0.0, float("inf")]]])
    mean, blown = forecasts.errors(found, truth)
    assert mean == pytest.approx((0.1 + 1 + 1) / 3) and blown == 2
