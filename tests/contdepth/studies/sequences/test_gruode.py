"""The exact filter against conditioning of the whole, peers against loops, costs against arithmetic, bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth.recurrent import GRUODEBayes, Series
from contdepth.seeds import generator
from contdepth.studies.sequences.gruode import bounds, contest, simple, vowels, ways
from contdepth.studies.sequences.gruode.peers import DecayGRU, GapGRU, last, since
from contdepth.studies.sequences.gruode.training import ARMS, Plan, fit, made, mse, nll, part, pull
from contdepth.studies.sequences.gruode.walks import Walk, draw, exact

SHORT = Walk(horizon=3.0, rows=5)


def covariance(walk: Walk, times: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Of numbers ``which`` at ``times``: two means that are drawn, and what the noise has left."""
    risen, gap = 1 - np.exp(-walk.theta * times), np.abs(times[:, None] - times)
    same = which[:, None] == which
    drawn = walk.spread**2 * risen[:, None] * risen * same
    both = np.exp(-walk.theta * gap) - np.exp(-walk.theta * (times[:, None] + times))
    return drawn + walk.sigma**2 * np.where(same, 1, walk.rho) * both / (2 * walk.theta)


def test_the_exact_filter_is_conditioning_of_the_whole() -> None:
    series = draw(SHORT, 3, 1, "test")
    told = exact(SHORT, series)
    for i in range(3):
        rows, which = (x.numpy() for x in series.mask[i].nonzero(as_tuple=True))
        times = series.times[i].double().numpy()
        for k in range(1, int(series.lengths[i])):
            past = rows < k
            at = np.append(times[rows[past]], [times[k], times[k]])
            what = np.append(which[past], [0, 1])
            centre = np.array(SHORT.centre)[what] * (1 - np.exp(-SHORT.theta * at))
            full, m = covariance(SHORT, at, what), past.sum()
            gain = np.linalg.solve(full[:m, :m], full[:m, m:]).T if m else np.zeros((2, 0))
            seen = series.values[i].double().numpy()[rows[past], which[past]]
            mean = centre[m:] + gain @ (seen - centre[:m])
            spread = np.diag(full[m:, m:] - gain @ full[:m, m:])
            np.testing.assert_allclose(told.mean[i, k].numpy(), mean, atol=2e-5)
            np.testing.assert_allclose(told.log_variance[i, k].exp().numpy(), spread, rtol=2e-4)


def test_walks_have_the_laws_that_are_said() -> None:
    walk = Walk()
    series = draw(walk, 4000, 0, "laws")
    told = exact(walk, series)
    error = (series.values - told.mean) * torch.exp(-0.5 * told.log_variance)
    assert float(error[series.mask].square().mean()) == pytest.approx(1, abs=0.02)
    first, rows = series.mask[:, 1:], series.seen.sum(1)
    both = first.all(-1).sum() / first.any(-1).sum()
    assert float(both) == pytest.approx(walk.both, abs=0.01)
    assert (int(rows.min()), int(rows.max())) == (16, 24)
    assert float(series.times.max()) <= walk.horizon
    assert not series.mask[:, 0].any()


def test_gaps_and_last_numbers_are_those_of_a_loop() -> None:
    series = draw(SHORT, 4, 2, "loop")
    gaps, before = since(series.times, series.mask), last(series.values, series.mask)
    for i in range(4):
        for j in range(2):
            when, what = float(series.times[i, 0]), 0.0
            for k in range(series.times.shape[1]):
                assert float(gaps[i, k, j]) == pytest.approx(float(series.times[i, k]) - when, abs=1e-6)
                assert float(before[i, k, j]) == what
                if series.mask[i, k, j]:
                    when, what = float(series.times[i, k]), float(series.values[i, k, j])


def shifted(series: Series, k: int) -> Series:
    """Other numbers from row ``k`` on."""
    values = series.values.clone()
    values[:, k:] += 3.0
    return Series(values, series.times, series.mask)


@pytest.mark.parametrize("arm", ARMS)
def test_no_filter_sees_the_row_that_it_predicts(arm: str) -> None:
    model, series = made(arm, 2, 0), draw(SHORT, 6, 3, "past")
    for k in (2, 4):
        one, other = model(series).mean, model(shifted(series, k)).mean
        torch.testing.assert_close(one[:, : k + 1], other[:, : k + 1], rtol=0, atol=0)
    changed = (model(shifted(series, 2)).mean - model(series).mean).detach()
    assert float(changed[:, 3:].abs().max()) > 1e-3


@pytest.mark.parametrize("kind", [GapGRU, DecayGRU])
def test_peers_do_not_see_what_is_hidden_and_rows_of_nothing_change_nothing(kind: type) -> None:
    model, series = kind(2, 5, 4, generator(0, "peer")), draw(SHORT, 5, 4, "hidden")
    told = model(series)
    extra = [torch.cat([one[:, :3], one[:, 2:3], one[:, 3:]], dim=1) for one in (series.values, series.times)]
    mask = torch.cat([series.mask[:, :3], torch.zeros(5, 1, 2, dtype=torch.bool), series.mask[:, 3:]], dim=1)
    more = model(Series(*extra, mask)).mean
    torch.testing.assert_close(torch.cat([more[:, :3], more[:, 4:]], dim=1), told.mean)


def test_nets_have_about_as_many_parameters() -> None:
    sizes = [sum(p.numel() for p in made(arm, 2, 0).parameters()) for arm in ARMS]
    assert max(sizes) < 1.02 * min(sizes)


def test_losses_are_those_of_torch() -> None:
    series = draw(SHORT, 5, 5, "loss")
    mean, log_variance = torch.randn(2, *series.values.shape, generator=generator(0, "told"))
    laws = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    wanted = -laws.log_prob(series.values)[series.mask].mean()
    torch.testing.assert_close(nll(mean, log_variance, series), wanted)
    torch.testing.assert_close(mse(mean, series), (mean - series.values)[series.mask].square().mean())
    near = torch.distributions.Normal(series.values, 0.01)
    far = torch.distributions.kl_divergence(laws, near)[series.mask].mean()
    torch.testing.assert_close(pull(mean, log_variance, series), far)


def test_training_lowers_the_loss_and_keeps_the_best() -> None:
    series, plan = draw(SHORT, 20, 6, "train"), Plan(steps=12, every=4, euler=0.5)
    for arm in ARMS:
        model, start = fit(arm, series, plan, 1e-2, 0), made(arm, 2, 0, plan.euler)
        held = part(series, slice(0, 4))
        one, other = (m(held) for m in (model, start))
        assert nll(one.mean, one.log_variance, held) < nll(other.mean, other.log_variance, held)


def test_controls_have_the_errors_of_a_loop() -> None:
    learnt, series = draw(SHORT, 60, 7, "learnt"), draw(SHORT, 8, 7, "asked")
    told, mean = simple.last_value(learnt, series), simple.mean_value(learnt, series)
    seen = learnt.values[..., 0][learnt.mask[..., 0]]
    assert float(mean.mean[0, 0, 0]) == pytest.approx(float(seen.mean()), rel=1e-5)
    before = last(series.values, series.mask)
    known = torch.cat([series.mask[:, :1] & False, series.mask.cummax(1).values[:, :-1]], dim=1)
    torch.testing.assert_close(told.mean[known], before[known])
    torch.testing.assert_close(told.mean[~known], mean.mean[~known])
    assert contest.judged(told, series)[0] < contest.judged(mean, series)[0]
    never = torch.cat([learnt.mask[:, :1] | True, ~learnt.mask.cummax(1).values[:, :-1]], dim=1) & learnt.mask
    for j in (0, 1):
        guess = learnt.values[..., j][learnt.mask[..., j]].mean()
        error = (learnt.values[..., j][never[..., j]] - guess).square().mean()
        asked = told.log_variance[..., j][~known[..., j]].exp()
        torch.testing.assert_close(asked, error.expand_as(asked), rtol=1e-4, atol=0)


def small() -> GRUODEBayes:
    model = GRUODEBayes(2, 6, step=0.1, generator=generator(0, "small"))
    with torch.no_grad():
        model.between.u.mul_(2.0)
        model.between.b.add_(0.5)
    return model


def test_both_ways_give_one_answer_and_their_costs_can_be_counted() -> None:
    model, walk = small(), Walk(horizon=2.0)
    series = ways.batch(walk, 4, 3, 10)
    fine = contest.resolved(model, 0.1)
    union, many = ways._counted(ways.union_loss, model, series)
    own, few = ways._counted(ways.own_loss, fine, series)
    torch.testing.assert_close(union, own, rtol=2e-3, atol=2e-3)
    times = series.times.unique().double()
    assert many == int(torch.ceil(times.diff() / 0.1 - 1e-4).sum())
    gaps = series.times.diff(dim=1)
    assert few == int(torch.ceil(gaps / 0.1 - 1e-4).sum(1).max())
    assert "_rate" not in vars(model.between)
    rtol, cost = ways.tolerance(model, series)
    assert cost.own_error <= cost.union_error
    assert rtol in (0.1, 0.01, 1e-3, 1e-4, 1e-5) or math.isclose(rtol, 1e-5, rel_tol=1.0)


def test_states_stay_in_the_cube_and_a_longer_step_leaves_it() -> None:
    models = [small()]
    assert bounds.farthest(models, 1.0, n=16) <= 1 + 1e-6
    assert bounds.farthest(models, None, n=16) <= 1.001
    assert 1 < bounds.steepest(models) <= 2
    net = small().between
    with torch.no_grad():
        net.u.mul_(10.0)
        h = bounds._starts(64, net.hidden)
        assert float((h + 2.5 * net.rate(h)).abs().max()) > 1.5


def test_the_cell_set_by_hand_has_the_moments_of_a_walk() -> None:
    assert bounds.moments_error() < 1e-9
    assert bounds.moments_error(theta=0.2, target=-0.5) < 1e-9


def test_hidden_numbers_and_standard_ones() -> None:
    values = vowels.vowels("train", digits=True)
    one = vowels.hidden(values, 0.75, 0, "train")
    assert float(one.mask.float().mean()) == pytest.approx(0.25, abs=0.02)
    learnt, other = vowels.standard(one, vowels.hidden(vowels.vowels("test", digits=True), 0.75, 0, "test"))
    shown = learnt.values[..., 3][learnt.mask[..., 3]]
    assert float(shown.mean()) == pytest.approx(0, abs=1e-5)
    assert float(shown.square().mean()) == pytest.approx(1, rel=1e-4)
    assert other.values.shape == (20, 8, 8)


def test_a_contest_is_filled_in() -> None:
    learnt = contest.drawn(SHORT, 10, (0, 1), "learn")
    found = contest.run(
        learnt,
        contest.drawn(SHORT, 8, (0, 1), "judge"),
        Plan(steps=2, euler=1.0),
        dict.fromkeys(ARMS, 1e-2),
        1,
        SHORT,
    )
    assert found.nll.shape == (6, 2)
    assert np.isfinite(found.nll).all()
    assert (found.of("exact") < found.of("mean")).all()
    series = contest.drawn(SHORT, 8, (0,), "judge")[0]
    model = found.models[ARMS[1]][0]
    middle, rest = contest.tail([model], [series], 0.25)
    told = model(series)
    error = (series.values - told.mean).square() * torch.exp(-told.log_variance)
    each = 0.5 * (error + told.log_variance + math.log(2 * math.pi))[series.mask].detach().numpy()
    assert middle[0] == pytest.approx(np.sort(each)[(len(each) - 1) // 2], rel=1e-5)
    assert rest[0] == pytest.approx(np.sort(each)[: len(each) - round(0.25 * len(each))].mean(), rel=1e-5)
