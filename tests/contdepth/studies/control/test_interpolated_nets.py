"""The contest of damped nets: equal starts, rows that an oracle counts, settings, and the attack's two centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contdepth.nets import DampedNet
from contdepth.seeds import generator
from contdepth.studies.control.interpolated import contest as contests
from contdepth.studies.control.interpolated import nets, oracles, released
from contdepth.studies.control.interpolated.contest import BARE, DECAYS, Arm, contest, depths, difference
from contdepth.studies.control.interpolated.nets import ARMS, Images, Plan, build, images, trained

TINY = Plan(depth=14, width=2, epochs=1)


@pytest.fixture
def few(monkeypatch):
    """A hundred digits to learn from and forty to judge on."""
    data = images()
    small = Images(data.x[:100], data.y[:100], data.test_x[:40], data.test_y[:40])
    monkeypatch.setattr(contests, "images", lambda *_, **__: small)
    return small


def test_arms_of_a_seed_start_from_equal_weights():
    models = {arm: build(arm, TINY, 5) for arm in ARMS}
    for name, part in models["ResNet"].named_parameters():
        for model in models.values():
            assert torch.equal(dict(model.named_parameters())[name], part)
    assert [isinstance(models[arm], DampedNet) for arm in ARMS] == [False, True, True, True]
    assert models["In"].model == "in" and models["lambda-In"].model == "lambda-in"
    assert models["fixed"].damping.unique().tolist() == [0.25]


def test_without_norms_none_is_left_and_branches_are_scaled():
    with_norms = build("In", TINY, 1)
    bare = build("In", Plan(depth=14, width=2, norms=False, branch=0.3), 1)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in bare.modules())
    pairs = zip(list(with_norms.branches[2].modules())[-1:], list(bare.branches[2].modules())[-1:], strict=True)
    for one, other in pairs:
        torch.testing.assert_close(other.weight, 0.3 * one.weight)
    assert bare(torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_held_out_images_are_of_the_learning_part():
    whole, held = images(), images(held_out=True)
    assert len(held.x) + len(held.test_x) == len(whole.x) == 1348
    assert torch.equal(held.test_x[0], whole.x[4]) and whole.x.max() == 1
    assert len(images(50, 30).test_x) == 30


def test_a_training_that_diverges_is_judged_as_a_guess(few):
    plan = Plan(depth=14, width=2, epochs=2, rate=1e30, norms=False)
    model = trained(build("ResNet", plan, 0), few, plan, 0)
    assert not any(part.any() for part in model.parameters())
    assert not model(few.test_x).any()


class Mean(nn.Module):
    """Class 1 where the mean is above one half, class 0 elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1)
        return torch.stack([0.5 - mean, mean - 0.5], 1)


def grey(count: int = 30) -> Images:
    """Even pictures from dark to bright."""
    levels = torch.linspace(0.05, 0.95, count)
    x = levels[:, None, None, None].expand(-1, 1, 4, 4).clone()
    return Images(x, (levels > 0.5).long(), x, (levels > 0.5).long())


def test_rows_of_a_linear_classifier_are_as_counted():
    data = grey()
    level = data.test_x.flatten(1).mean(1)
    found = contests.judged(Mean().eval(), data, 0, (0.1, 0.15))
    assert found["clean"] == 100
    for radius in (0.1, 0.15):
        expected = 100 * float(((level - 0.5).abs() > radius).double().mean())
        assert found[f"pgd {radius}"] == pytest.approx(expected, abs=3.4)
    assert 50 < found["noise 0.4"] < 100 and found == contests.judged(Mean().eval(), data, 0, (0.1, 0.15))


@pytest.mark.parametrize("around_start", [True, False])
def test_only_the_released_centre_lets_pixels_leave_the_ball(around_start):
    x = torch.full((60, 1, 4, 4), 0.45)
    y = torch.zeros(60, dtype=torch.int64)
    end = released.ends(Mean(), x, y, 0.1, generator(0, "x"), around_start=around_start)
    start = 0.1 * (2 * torch.rand(x.shape, generator=generator(0, "x")) - 1)
    expected = (start + 0.1) if around_start else torch.full_like(x, 0.1)
    torch.testing.assert_close(end - x, expected, rtol=0, atol=1e-6)
    data = Images(x, y, x, y)
    found = released.reach([Mean()], data, 0.1, [3], around_start=around_start)
    assert (found.largest[0] > 1.9) == around_start
    assert found.largest[0] <= (2 if around_start else 1) + 1e-5


def test_pixels_stay_between_black_and_white():
    x = torch.rand(20, 1, 4, 4, generator=generator(1, "x"))
    y = (x.flatten(1).mean(1) > 0.5).long()
    end = released.ends(Mean(), x, y, 0.4, generator(0, "x"), around_start=True)
    assert end.min() >= 0 and end.max() <= 1


def test_standardised_images_that_are_cut_lose_their_dark_and_bright_ends():
    data = grey(40)
    assert released.clamped([Mean()], data)[0] > 90
    dark = Images(data.x, data.y, data.test_x[:5], torch.zeros(5, dtype=torch.int64))

    class Darkest(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mean = x.flatten(1).mean(1)
            return torch.stack([0.2 - mean, mean - 0.2], 1)

    assert released.clamped([Darkest()], dark)[0] == 0


def test_oracles_are_tight_and_notice_another_model(monkeypatch):
    assert oracles.end_gap(14) < 1e-12 and oracles.factor_gap(4) < 1e-12
    monkeypatch.setattr(DampedNet, "damping", property(lambda self: self.fixed + 1e-6))
    assert oracles.end_gap(14) > 1e-10 and oracles.factor_gap(4) > 1e-10


def test_the_contest_pairs_its_seeds(few):
    arms = contest({"ResNet": TINY, "In": TINY}, [0, 1], (0.1,))
    assert set(arms["In"].rows) == {"clean", "noise 0.3", "noise 0.4", "pgd 0.1"}
    alone = contest({"In": TINY}, [1], (0.1,))
    assert alone["In"].rows["noise 0.3"][0] == arms["In"].rows["noise 0.3"][1]
    points = difference(arms, "In", "ResNet", "clean")
    np.testing.assert_array_equal(points, arms["In"].rows["clean"] - arms["ResNet"].rows["clean"])
    rates = nets.rates_of(arms["In"].models + arms["ResNet"].models)
    assert rates.shape == (2, 3)
    assert depths([0.0, 1.0], TINY, [0]).shape == (2, 1)
    found = contests.audits(Arm(arms["In"].models[:1], {}), [0], 10)
    assert len(found) == 1 and found[0].accuracy("worst") <= found[0].accuracy("pgd")


def test_arms_have_equally_many_settings_and_the_best_is_taken(few, monkeypatch):
    assert len(DECAYS) == len(BARE) == 4
    scores = iter([3.0, 5.0, 5.0, 1.0])
    monkeypatch.setattr(contests, "judged", lambda *_: {"clean": next(scores)})
    monkeypatch.setattr(contests, "under", lambda *_: 0.0)
    monkeypatch.setattr(contests, "trained", lambda model, *_: model)
    assert contests.chosen(["In"], TINY, DECAYS, [0])["In"].decay == DECAYS[1]["decay"]
