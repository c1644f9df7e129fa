"""The classifier whose path has a price, the flow in the plane, and the rule that chooses the weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from contdepth.schemes import DORMAND_PRINCE, pair_step, solve
from contdepth.seeds import generator
from contdepth.studies.depth.eight_gaussians import _likelihood, draw_eight, paths, train_flow
from contdepth.studies.depth.ode_classifier import (
    Dynamics,
    Setting,
    _passed,
    _solved,
    digits,
    each_alone,
    train_classifier,
)
from contdepth.studies.depth.weight_choice import Choice

SHORT = Setting(width=16, epochs=2, batch=50)


def test_no_picture_is_in_both_parts() -> None:
    for split in ("choose", "judge"):
        data = digits(split)
        seen = {tuple(row.tolist()) for row in data.train[0]}
        assert len(seen) > 1000 and not seen & {tuple(row.tolist()) for row in data.look[0]}
    choose, judge = digits("choose"), digits("judge")
    assert len(choose.train[0]) + len(choose.look[0]) == len(judge.train[0])


def test_the_dynamics_are_told_the_time() -> None:
    f = Dynamics(3, 8, generator(0, "init")).double()
    x, t = torch.ones(2, 3, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    joined = torch.cat([x, t.expand(2, 1)], dim=1)
    hidden = torch.cat([torch.tanh(f.inner(joined)), t.expand(2, 1)], dim=1)
    torch.testing.assert_close(f(t, x), f.outer(hidden))
    assert not torch.equal(f(t, x), f(2 * t, x))


def differences(price: Callable[[], Tensor], weight: Tensor) -> float:
    """The derivative of ``price`` in the first number of ``weight`` by central differences."""
    with torch.no_grad():
        weight[0, 0] += 1e-6
        above = price().item()
        weight[0, 0] -= 2e-6
        below = price().item()
        weight[0, 0] += 1e-6
    return (above - below) / 2e-6


def test_the_price_of_the_path_has_the_derivative_of_differences() -> None:
    f = Dynamics(4, 6, generator(1, "init")).double()
    x = torch.randn(3, 4, generator=generator(2, "points"), dtype=torch.float64)

    def price() -> Tensor:
        return _passed(f, x, "transport", Setting(steps=10, double=True), generator(3, "probes"))[1]

    exact = torch.autograd.grad(price(), f.inner.weight)[0][0, 0].item()
    assert exact == pytest.approx(differences(price, f.inner.weight), rel=1e-6)


def test_the_price_of_errors_is_that_of_the_steps_taken_and_so_is_its_derivative() -> None:
    """Against the same steps taken again one by one, sizes held, and their errors weighed by hand."""
    f = Dynamics(4, 6, generator(1, "init")).double()
    x = torch.randn(3, 4, generator=generator(2, "points"), dtype=torch.float64)
    setting = Setting(tolerance=1e-6, double=True)
    steps = _solved(f, x, setting, record=True)[2]

    def again() -> Tensor:
        u, total = x, torch.zeros((), dtype=x.dtype)
        for t, h in zip(steps.t, steps.h, strict=True):
            after, error = pair_step(DORMAND_PRINCE, f, t, u, h)
            allowed = 1e-6 + 1e-6 * torch.maximum(u.abs(), after.abs())
            total, u = total + (error / allowed).square().mean().sqrt() * h, after
        return total

    price = _passed(f, x, "error sum", setting, generator(3, "probes"))[1]
    assert price.item() == pytest.approx(again().item(), rel=1e-6)
    found, other = (torch.autograd.grad(one, f.inner.weight)[0] for one in (price, again()))
    torch.testing.assert_close(found, other, rtol=1e-6, atol=0)
    # differences of errors that are themselves differences: four digits are left
    assert found[0, 0].item() == pytest.approx(differences(again, f.inner.weight), rel=1e-3)


def test_sum_and_mean_differ_by_the_number_of_steps() -> None:
    f, x = Dynamics(4, 6, generator(1, "init")), torch.ones(3, 4)
    total, mean = (_passed(f, x, kind, Setting(), generator(0, "probes")) for kind in ("error sum", "error mean"))
    assert total[2] == mean[2] == 2 + 6 * round(total[1].item() / mean[1].item())


def test_a_price_saves_evaluations_and_arms_of_a_seed_begin_alike() -> None:
    data = digits("choose", 300)
    plain, priced = (train_classifier(data, kind, 1.0, 0, SHORT) for kind in ("none", "error sum"))
    assert priced["evaluations"] < plain["evaluations"]
    free = train_classifier(data, "transport", 0.0, 0, SHORT)
    assert free["kinetic"] == pytest.approx(plain["kinetic"], rel=0.02)
    again = train_classifier(data, "none", 0.0, 0, SHORT)
    assert {k: v for k, v in again.items() if "time" not in k} == {
        k: v for k, v in plain.items() if "time" not in k
    }
    with pytest.raises(ValueError, match="kind"):
        train_classifier(data, "noise", 1.0, 0, SHORT)


def test_a_point_alone_costs_what_the_solver_counts() -> None:
    f = Dynamics(3, 8, generator(0, "init")).double()
    x = torch.randn(4, 3, generator=generator(1, "points"), dtype=torch.float64)
    end, mean = each_alone(f, x, 1e-7)
    span = torch.tensor([0.0, 1.0], dtype=torch.float64)
    one_by_one = [solve(f, one, span, rtol=1e-7, atol=1e-7) for one in x]
    assert mean == sum(one.statistics.evaluations for one in one_by_one) / 4
    torch.testing.assert_close(end, torch.stack([one.u[-1] for one in one_by_one]), rtol=1e-6, atol=0)


def test_fixed_steps_cost_what_they_are() -> None:
    found = train_classifier(digits("choose", 100), "none", 0.0, 0, Setting(width=8, epochs=1, batch=40, steps=4))
    assert found["trained_evaluations"] == 2 * 16


def test_the_rule_takes_the_fewest_evaluations_that_half_a_point_buys() -> None:
    def runs(accuracy: float, evaluations: float) -> tuple[dict[str, float], ...]:
        return tuple({"accuracy": accuracy + off, "evaluations": evaluations} for off in (0.1, -0.1))

    found = {0.0: runs(95, 38), 0.1: runs(96, 26), 1.0: runs(94.6, 20), 3.0: runs(94.9, 20), 10.0: runs(94.4, 14)}
    assert Choice("x", found).weight == 3.0
    assert Choice("x", {0.0: runs(95, 38), 1.0: runs(94.4, 14)}).weight == 0.0


def test_the_likelihood_is_a_density() -> None:
    """An untrained flow moves a density without making or losing any: over a large square it sums to 1."""
    f = Dynamics(2, 16, generator(5, "init"))
    side = torch.linspace(-9, 9, 181)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        total = _likelihood(f, grid, 1e-5)[0].exp().sum() * 0.1**2
    assert total.item() == pytest.approx(1, abs=2e-3)


def test_a_short_training_of_the_flow_helps_and_its_paths_begin_at_the_data() -> None:
    short, longer = (train_flow(0.01, 0, updates=n, batch=64, width=16) for n in (1, 40))
    assert longer["likelihood"] > short["likelihood"] + 0.3
    found = paths(longer["f"], count=7, times=3)
    torch.testing.assert_close(found[0], draw_eight(7, generator(0, "paths")))
