"""The contest: right number at the right place, networks at their levels alone, one result for any workers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from contdepth.restoration import classical
from contdepth.restoration.degrade import to_tensor
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.stored import StoredModel
from contdepth.restoration.models.tnrd import TNRDShape, make_tnrd
from contdepth.restoration.models.unit import RestorationUnit, UnitShape, make_unit, trajectory
from contdepth.restoration.photos import centre_crop, photo
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.studies.durr.contest import CLASSICS, Contest, contest, unit_by_noise_level
from contdepth.studies.durr.curves import noisy_copies

LEVELS = (25, 45, 65)


class Blur(RestorationUnit):
    """A unit with a best step of its own for each level: heat flow by explicit Euler."""

    shape = UnitShape()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
        return 0.1 * nn.functional.conv2d(padded, kernel)


@pytest.fixture(scope="module")
def clean() -> Tensor:
    return torch.cat([to_tensor(centre_crop(photo(name), 48)) for name in ("camera", "coffee")])


@pytest.fixture(scope="module")
def tnrd() -> StoredModel:
    plan = TrainingPlan(TNRDShape(stages=1), levels=(45,), batch=8)
    return StoredModel("tnrd", make_tnrd(plan.shape).eval(), plan, {})


@pytest.fixture(scope="module")
def found(clean: Tensor, tnrd: StoredModel) -> Contest:
    return contest(Blur(), clean, LEVELS, classics=("TV", "NLM"), networks={"TNRD": tnrd}, keep=[(1, 0)])


@pytest.mark.parametrize("name", ["TV", "NLM"])
def test_every_number_stands_at_its_level_and_image(found: Contest, clean: Tensor, name: str) -> None:
    for row, noisy in enumerate(noisy_copies(clean, LEVELS, 0)):
        expected = psnr(CLASSICS[name](noisy, float(LEVELS[row])), clean)
        torch.testing.assert_close(found.psnr[name][row], expected)


def test_the_unit_stops_where_its_own_curve_says_so(found: Contest, clean: Tensor) -> None:
    rows, images = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
    torch.testing.assert_close(found.psnr["unit"], found.curves[rows, found.rule, images])
    estimate = classical.noise_level(noisy_copies(clean, LEVELS, 0).flatten(0, 1))
    assert found.rule.flatten().tolist() == [min(10, math.floor((s - 5) / 10 + 0.5)) for s in estimate.tolist()]
    assert len(found.rule.unique()) > 2


def test_curves_are_those_of_the_trajectory(found: Contest, clean: Tensor) -> None:
    noisy = noisy_copies(clean, LEVELS, 0)
    assert found.curves.shape == (3, 11, 2)
    torch.testing.assert_close(found.curves[2], psnr(trajectory(Blur(), noisy[2], 10), clean))


def test_the_best_step_is_one_for_each_level(found: Contest) -> None:
    for row in range(3):
        step = max(range(11), key=lambda n, row=row: float(found.curves[row, n].mean()))
        assert torch.equal(found.best[row], found.curves[row, step])
    assert (found.best.mean(1) >= found.psnr["unit"].mean(1)).all()


def test_networks_run_at_the_levels_of_their_plan(found: Contest, clean: Tensor, tnrd: StoredModel) -> None:
    assert found.psnr["TNRD"].isnan().tolist() == [[True] * 2, [False] * 2, [True] * 2]
    noisy = noisy_copies(clean, LEVELS, 0)[1]
    with torch.inference_mode():
        torch.testing.assert_close(found.psnr["TNRD"][1], psnr(tnrd.model(noisy), clean), rtol=0, atol=1e-4)


def test_a_network_without_a_plan_runs_at_every_level(clean: Tensor, tnrd: StoredModel) -> None:
    both = contest(Blur(), clean[:1], LEVELS, classics=(), networks={"planned": tnrd, "free": tnrd.model}, steps=1)
    assert both.psnr["free"].isnan().sum() == 0 and both.psnr["planned"].isnan().sum() == 2
    assert both.psnr["free"][1] == both.psnr["planned"][1]


def test_seconds_are_there_for_every_run(found: Contest) -> None:
    assert all((found.seconds[name] > 0).all() for name in ("unit", "TV", "NLM"))
    assert torch.equal(found.seconds["TNRD"].isnan(), found.psnr["TNRD"].isnan())


def test_kept_images_have_the_psnr_of_the_table(found: Contest, clean: Tensor) -> None:
    assert list(found.kept) == [(1, 0)]
    images = found.kept[1, 0]
    assert list(images) == ["noisy", "unit", "TV", "NLM", "TNRD"]
    for name in ("unit", "TV", "NLM", "TNRD"):
        assert float(psnr(images[name], clean[:1])) == pytest.approx(float(found.psnr[name][1, 0]))
    assert torch.equal(images["noisy"], noisy_copies(clean, LEVELS, 0)[1, :1])


def test_gap_has_the_sign_of_the_first(found: Contest) -> None:
    torch.testing.assert_close(found.gap("TV", "NLM"), found.psnr["TV"] - found.psnr["NLM"])


@pytest.mark.slow
def test_workers_change_nothing(clean: Tensor) -> None:
    unit = make_unit(UnitShape(width=4), 0)
    alone, together = (contest(unit, clean, (25,), classics=("TV",), steps=2, workers=n) for n in (1, 2))
    assert torch.equal(alone.psnr["TV"], together.psnr["TV"])
    assert torch.equal(alone.curves, together.curves)


def test_bm3d_is_the_package(clean: Tensor) -> None:
    pytest.importorskip("bm3d")
    clean = clean[:1, :, :40, :40]
    found = contest(Blur(), clean, (25,), classics=("BM3D",), steps=3)
    expected = psnr(classical.bm3d(noisy_copies(clean, (25,), 0)[0], 25.0), clean)
    assert float(found.psnr["BM3D"]) == pytest.approx(float(expected))
    assert float(found.gap("unit")) == pytest.approx(float(found.psnr["unit"] - expected))


def test_a_longer_rule_is_cut_at_the_last_step(clean: Tensor) -> None:
    noisy = noisy_copies(clean, (75,), 0)[0, :1]
    image, chosen = unit_by_noise_level(Blur(), noisy, 2)
    assert chosen == 2
    torch.testing.assert_close(image, trajectory(Blur(), noisy, 2)[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classics": ("median",)}, "classics: expected one of"),
        ({"levels": ()}, "levels: expected at least one noise level"),
        ({"steps": 0}, "steps: expected"),
        ({"keep": [(3, 0)]}, "keep: expected"),
        ({"levels": (-1,)}, "level: expected"),
        ({"workers": 0}, "workers: expected"),
    ],
)
def test_bad_input(clean: Tensor, options: dict, message: str) -> None:
    arguments = {"levels": LEVELS, "classics": ("TV",)} | options
    with pytest.raises(ValueError, match=message):
        contest(Blur(), clean, arguments.pop("levels"), **arguments)


def test_pictures_of_255_are_refused(clean: Tensor) -> None:
    with pytest.raises(ValueError, match="divide 8-bit pixels by 255"):
        contest(Blur(), 255 * clean, LEVELS)
    with pytest.raises(ValueError, match="one image"):
        unit_by_noise_level(Blur(), clean, 3)
