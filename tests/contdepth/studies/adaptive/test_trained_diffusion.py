"""Trained diffusion: pictures, baselines, starts, equal effort, the kinds of influence functions, pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from piece_checks import stopped_on_the_way
from tiny_pieces import TINY

from contdepth.restoration import ReactionShape, fit_stages, make_reaction, perona_malik, psnr
from contdepth.restoration.models.tnrd import dct_filters
from contdepth.studies.adaptive.tnrd import contest, shapes
from contdepth.studies.adaptive.tnrd.assembled import distance_of, stages_of
from contdepth.studies.adaptive.tnrd.baselines import best_perona_malik, best_tv
from contdepth.studies.adaptive.tnrd.beside import table_error
from contdepth.studies.adaptive.tnrd.pictures import dead_leaves, leaves, real
from contdepth.studies.adaptive.tnrd.pieces import reaction_arm, slowed
from contdepth.studies.adaptive.tnrd.starts import cosine_start, lorentzian

SHAPE = ReactionShape(3, 3, 4)
EFFORT = contest.Effort(2, 3)


@pytest.fixture(scope="module")
def data():
    return leaves(3, 16, 25, 0, "learn")


def test_leaves_are_flat_reach_over_the_range_and_streams_stay_apart():
    clean = dead_leaves(6, 32, 0)
    steps = clean.diff(dim=-1).abs()
    assert float((steps == 0).float().mean()) > 0.6 and float(steps.max()) > 0.4
    assert 0 <= float(clean.min()) < 0.1 and 0.9 < float(clean.max()) <= 1
    assert torch.equal(clean, dead_leaves(6, 32, 0)) and not torch.equal(clean, dead_leaves(6, 32, 1))
    learn, judge = (leaves(6, 32, 25, 0, use) for use in ("learn", "judge"))
    assert not torch.equal(learn.clean, judge.clean)
    assert float((learn.noisy - learn.clean).std()) == pytest.approx(25 / 255, rel=0.05)


def test_crops_come_from_all_pictures_of_a_set_and_move_with_the_seed():
    one, other = (real("photos-judge", 4, 24, 15, seed) for seed in (0, 1))
    assert one.clean.shape == (4, 1, 24, 24) and not torch.equal(one.clean, other.clean)
    assert float((one.noisy - one.clean).std()) == pytest.approx(15 / 255, rel=0.1)


def test_the_best_diffusion_is_the_best_of_what_the_library_gives(data):
    found = best_perona_malik(data, [0.08, 0.15], [0.0, 0.05], 6)
    every = {
        (k, r, n): float(
            psnr(perona_malik(data.noisy, steps=n, contrast=k, rate=0.2, reaction=r), data.clean).mean()
        )
        for k in (0.08, 0.15)
        for r in (0.0, 0.05)
        for n in range(7)
    }
    best = max(every, key=every.__getitem__)
    assert (found.contrast, found.reaction, found.steps) == best and found.quality == pytest.approx(every[best])
    assert found.at[0] == pytest.approx(float(psnr(data.noisy, data.clean).mean())) and len(found.at) == 7
    assert found.at.max() == pytest.approx(found.quality)


def test_the_best_weight_of_total_variation_beats_its_neighbours(data):
    best, weight = best_tv(data, [0.1, 0.8, 3.0])
    assert weight == 0.8 and best > max(best_tv(data, [0.1])[0], best_tv(data, [3.0])[0])


def test_cosines_start_with_the_influence_of_a_lorentzian():
    net = cosine_start(make_reaction(ReactionShape(2, 5), dtype=torch.float64))
    torch.testing.assert_close(net.stages[1].filters()[:, 0].float(), dct_filters(5))
    z = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64).expand(1, 24, 101)
    torch.testing.assert_close(net.stages[0].influence.exact(z), lorentzian(z), rtol=0, atol=1e-4)


def test_shorter_nets_are_the_first_stages_of_the_greedy_one(data):
    found = contest.by_stages([1, 3], SHAPE, data, EFFORT)
    deep = make_reaction(SHAPE)
    fit_stages(deep, data.noisy, data.clean, way="greedy", iterations=EFFORT.greedy)
    states = list(deep.states(data.noisy))
    for depth, nets in found.items():
        torch.testing.assert_close(nets["greedy"](data.noisy), states[depth - 1])
    assert torch.equal(found[1]["joint"](data.noisy), found[1]["greedy"](data.noisy))
    assert contest.quality(found[3]["joint"], data) > contest.quality(found[3]["greedy"], data)


def test_joint_arms_differ_in_start_and_in_sharing(data):
    nets = contest.joint_arms(SHAPE, data, EFFORT)
    assert {name: len(net.stages) for name, net in nets.items()} == {
        "joint alone": 3,
        "cosine start": 3,
        "shared weights": 1,
    }
    noisy = contest.quality(lambda f: f, data)
    assert all(contest.quality(net, data) > noisy for net in nets.values())


def test_nets_on_photographs_gain_with_steps_and_differ_by_seed():
    shape = ReactionShape(2, 3, 4)
    some, more, other = (
        contest.on_photographs([1, 2], shape, "photos", 25, seed, steps, 16)
        for seed, steps in ((0, 2), (0, 40), (1, 2))
    )
    judge = real("photos-judge", 4, 48, 25, 0)
    assert contest.quality(more[2]["joint"], judge) > contest.quality(some[2]["joint"], judge) + 1
    assert contest.quality(more[2]["joint"], judge) > contest.quality(more[1]["joint"], judge)
    weights = [nets[1]["joint"].stages[0].influence.weights for nets in (some, other)]
    assert not torch.equal(*weights)


def test_a_scaled_net_has_the_influence_functions_of_a_scaled_argument(data):
    net = make_reaction(ReactionShape(2, 3, 4, refine=0), dtype=torch.float64)
    noisy = data.noisy.double()
    other = make_reaction(ReactionShape(2, 3, 4, contrast=0.15 / 0.6, refine=0), dtype=torch.float64)
    with torch.no_grad():
        gap = (contest.scaled(net, 0.6)(noisy) - other(noisy)).abs().max()
        moved = (net(noisy) - other(noisy)).abs().max()
    assert float(gap) < 1e-6 < 1e-2 < float(moved)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda z: 0.2 * z, shapes.RISES),
        (lambda z: 0.2 * z * np.exp(-((z / 0.1) ** 2)), shapes.FALLS),
        (lambda z: -0.2 * z, shapes.REVERSED),
        (lambda z: z**3 - 0.02 * z, shapes.REVERSED),
        (lambda z: 1e-4 * z, shapes.IDLE),
        (lambda z: 0.05 + 0.2 * z, shapes.RISES),
    ],
)
def test_kinds_of_influence(function, kind):
    z = np.linspace(-0.4, 0.4, 201)
    assert shapes.kind_of(z, function(z), 0.1) == kind


def test_a_net_at_its_start_has_two_edge_stopping_functions_a_stage(data):
    net = make_reaction(ReactionShape(3, 3, 4))
    found = shapes.learned(net, data.noisy)
    assert [(f.stage, f.number) for f in found] == [(t, i) for t in (1, 2, 3) for i in range(4)]
    assert [f.kind for f in found] == [shapes.FALLS, shapes.FALLS, shapes.IDLE, shapes.IDLE] * 3
    assert found[0].spread > found[4].spread > found[8].spread
    first = found[0]
    answers = (data.noisy.diff(dim=-1) / 2**0.5).flatten()
    assert first.z[-1] == pytest.approx(float(torch.quantile(answers.abs(), 0.99)), rel=0.1)


def test_the_table_keeps_its_bound(data):
    net = contest.by_stages([1], ReactionShape(1, 3, 4), data, EFFORT)[1]["joint"]
    assert 0.01 < table_error(net) <= 1.05  # float32


def test_every_parameter_has_one_speed():
    net = make_reaction(SHAPE)
    groups = slowed(net)
    assert [len(g["params"]) for g in groups] == [3, 3, 3]
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for p in net.parameters()}


def test_a_stopped_piece_has_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setitem(TINY, tidy, TINY[reaction_arm])
    saver = "contdepth.studies.adaptive.tnrd.pieces.save_checkpoint"
    whole = tidy(**TINY[tidy], level=25, seed=0)
    assert whole["psnr"].shape == (2, 2) and (whole["psnr"][-1] > whole["noisy"] + 2).all()
    assert stopped_on_the_way(tidy, saver, tmp_path, {"level": 25, "seed": 0}) == 2


def tidy(**arguments):
    """A piece without its weights."""
    result = reaction_arm(**arguments)
    assert set(result.pop("weights")) == set(make_reaction(ReactionShape(2, 3)).state_dict())
    result.pop("seconds")
    return result


def test_distances_are_means_over_pictures_of_the_last_stage():
    pieces = [{"arguments": {"seed": s}, "result": {"psnr": [[20.0, 22.0], [25.0 + s, 27.0 + s]]}} for s in (0, 1)]
    assert stages_of(pieces).tolist() == [[21.0, 26.0], [21.0, 27.0]]
    found = distance_of(pieces, 28.0)
    assert found["value"].tolist() == [-2.0, -1.0] and found["seeds"] == [0, 1]
