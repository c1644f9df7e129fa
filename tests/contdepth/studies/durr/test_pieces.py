"""Pieces of unit, policy and rivals, made tiny: their plans, their results, and a stop on the way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from contdepth.data.picture_sets import Picture
from contdepth.restoration.classical import tv
from contdepth.restoration.degrade import jpeg
from contdepth.restoration.metrics import psnr
from contdepth.restoration.models.unit import trajectory
from contdepth.restoration.training import train as loop
from contdepth.restoration.training.plan import make_model
from contdepth.studies.common import full_set
from contdepth.studies.common.full_set import damaged, test_pictures
from contdepth.studies.durr import catalogue, pieces, rival_pieces
from contdepth.studies.durr.blocks import stop_lazily
from contdepth.studies.durr.pieces import full_plan, policy, unit
from contdepth.studies.durr.rival_pieces import rival

SHORT = {"iterations": 4, "patch": 16, "data": "photos", "precision": "fp32"}
LEVELS = {"gaussian": [25, 45, 75], "jpeg": [10, 40]}


def small_unit(task="gaussian", seed=0, **changes):
    batch = {"gaussian": 4, "jpeg": 3}[task]
    return unit(task=task, seed=seed, width=2, changes={**SHORT, "batch": batch}, device="cpu", **changes)


def small_policy(given, task="gaussian", seed=0, **changes):
    options = {"dataset": "photos", "limit": 3, "levels": LEVELS[task], "horizon": 3, "episodes": 4} | changes
    return policy(
        task=task, seed=seed, given={"unit": given}, width=2, updates=5, warm_up=6, data="photos", device="cpu",
        **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    """Task → tiny units as a piece is given them, last layers made large enough to move a picture."""
    found = {}
    for task in LEVELS:
        made = small_unit(task)
        weights = {name: value + 0.02 * (value.ndim == 4) for name, value in made.pop("weights").items()}
        found[task] = {"result": made, "weights": weights}
    return found


def test_plans_are_those_of_the_catalogue():
    for name, seed in (("gaussian", 0), ("gaussian-1", 1), ("gaussian-2", 2)):
        assert full_plan("gaussian", seed) == catalogue.PAPER[name]
    assert full_plan("jpeg", 0) == catalogue.PAPER["jpeg"]
    with pytest.raises(ValueError, match="task: expected one of 'gaussian', 'jpeg'"):
        full_plan("rain", 0)


@pytest.mark.parametrize("task", list(LEVELS))
def test_a_unit_gives_its_weights(task):
    found = small_unit(task)
    model = make_model(full_plan(task, 0, 2))
    model.load_state_dict(found["weights"])
    assert found["steps"] == 4 and found["seconds"] > 0 and len(found["losses_db"]) == 0
    other = small_unit(task, seed=1)
    assert any(not torch.equal(value, other["weights"][name]) for name, value in found["weights"].items())


def test_a_unit_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = small_unit()
    monkeypatch.setattr(pieces, "EVERY", 1)
    judge, calls = loop.level_loss, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(loop, "level_loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        small_unit(checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["unit.pt"]
    found = small_unit(checkpoint=tmp_path)
    assert len(calls) == 3 + 2, "two of the four steps were left"
    assert all(torch.equal(value, found["weights"][name]) for name, value in whole["weights"].items())


@pytest.mark.parametrize("task", list(LEVELS))
def test_a_policy_is_judged_with_its_unit_on_every_picture(task, trained):
    found = small_policy(trained[task], task)
    levels = LEVELS[task]
    assert found["psnr"].shape == (len(levels), 4, 3) and found["stops"].shape == (len(levels), 3)
    assert found["levels"] == levels and len(found["returns"]) == 5
    model = make_model(full_plan(task, 0, 2))
    model.load_state_dict(trained[task]["weights"])
    for number, clean in enumerate(test_pictures("photos", 3)):
        y = damaged(task, clean, levels, number)
        curve = psnr(trajectory(model.eval(), y, 3), clean).T
        np.testing.assert_allclose(found["psnr"][..., number], curve, atol=2e-4)
    assert np.ptp(found["psnr"], axis=1).min() > 0.01, "the unit moves every picture"
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in found.items()}
    assert json.loads(json.dumps(plain)) == plain


def test_stops_are_those_of_the_policy_that_was_learnt(trained, monkeypatch):
    kept = []
    learn = pieces.learnt
    monkeypatch.setattr(pieces, "learnt", lambda *given: kept.append(learn(*given)) or kept[-1])
    found = small_policy(trained["gaussian"])
    chosen, said = kept[0]
    model = make_model(full_plan("gaussian", 0, 2))
    model.load_state_dict(trained["gaussian"]["weights"])
    for number, clean in enumerate(test_pictures("photos", 3)):
        iterates = trajectory(model.eval(), damaged("gaussian", clean, LEVELS["gaussian"], number), 3)
        assert found["stops"][:, number].tolist() == stop_lazily(chosen, iterates).tolist()
    assert not chosen.training and {"fixed", "slope", "intercept"} < set(said)


def test_a_policy_that_was_stopped_goes_on_to_the_same_result(trained, tmp_path, monkeypatch):
    whole = small_policy(trained["gaussian"])
    judge, calls = pieces.judged, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(pieces, "judged", stopping)
    with pytest.raises(KeyboardInterrupt):
        small_policy(trained["gaussian"], checkpoint=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures.json", "policy.pt"]
    monkeypatch.setattr(pieces, "train_dqn", None)
    found = small_policy(trained["gaussian"], checkpoint=tmp_path)
    assert len(calls) == 2 + 2, "two of the three pictures were left, and nothing was learnt again"
    assert set(found) == set(whole) and all(np.array_equal(found[key], whole[key]) for key in whole)


def test_every_picture_has_a_draw_of_its_own_and_levels_share_it():
    first, second = test_pictures("photos", 2)
    noise = [(damaged("gaussian", first, [25, 75], n) - first) * 255 for n in (0, 1)]
    torch.testing.assert_close(noise[0][0] * 3, noise[0][1], atol=1e-3, rtol=1e-4)
    assert float((noise[0] - noise[1]).abs().max()) > 20 and first.shape == (1, 1, 64, 64)
    alone = damaged("gaussian", second, [75], 1)
    assert torch.equal(alone, damaged("gaussian", second, [25, 75], 1)[1:])
    assert torch.equal(damaged("jpeg", first, [10, 40], 0)[1:], jpeg(first, 40))


def test_pictures_of_a_set_are_grey_and_uncut(monkeypatch):
    """Grey ones as they are, colour ones by their luma of 16 to 235."""
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colour = np.stack([np.full((4, 6), value, dtype=np.uint8) for value in (255, 255, 255)], axis=-1)
    sets = {"bsd68": [Picture("a", grey), Picture("b", grey.T)], "live1": [Picture("c", colour)]}
    monkeypatch.setattr(full_set, "pictures", lambda name, limit: sets[name][:limit])
    first, second = test_pictures("bsd68")
    assert torch.equal(first[0, 0] * 255, torch.from_numpy(grey).float()) and second.shape == (1, 1, 4, 3)
    assert len(test_pictures("bsd68", 1)) == 1
    (bright,) = test_pictures("live1")
    assert bright.shape == (1, 1, 4, 6) and torch.equal(bright * 255, torch.full_like(bright, 235))
    with pytest.raises(ValueError, match="dataset: expected one of 'bsd68', 'live1', 'photos'"):
        test_pictures("set12")


def test_a_rival_sees_the_noise_of_the_policy_and_goes_on_after_a_stop(tmp_path, monkeypatch):
    whole = rival(method="TV", level=45, dataset="photos", limit=3)
    for number, clean in enumerate(test_pictures("photos", 3)):
        noisy = damaged("gaussian", clean, [25, 45, 75], number)[1:2]
        assert whole["psnr"][number] == float(psnr(tv(noisy, 45), clean))
    assert all(25 < level < 65 for level in whole["estimates"])
    judge, calls = rival_pieces.noise_level, []

    def stopping(noisy):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(noisy)

    monkeypatch.setattr(rival_pieces, "noise_level", stopping)
    with pytest.raises(KeyboardInterrupt):
        rival(method="TV", level=45, dataset="photos", limit=3, checkpoint=tmp_path)
    assert rival(method="TV", level=45, dataset="photos", limit=3, checkpoint=tmp_path) == whole
    assert len(calls) == 2 + 2


def test_a_published_network_is_a_rival(monkeypatch):
    monkeypatch.setattr(rival_pieces, "published_dncnn", lambda: lambda noisy: noisy - 0.1)
    found = rival(method="DnCNN-B", level=25, dataset="photos", limit=2)
    for number, clean in enumerate(test_pictures("photos", 2)):
        assert found["psnr"][number] == float(psnr(damaged("gaussian", clean, [25], number) - 0.1, clean))
    with pytest.raises(ValueError, match="method: expected one of 'BM3D', 'NLM', 'TV', 'DnCNN-B'"):
        rival(method="WNNM", level=25)


def test_bm3d_is_a_rival():
    pytest.importorskip("bm3d")
    (found,) = rival(method="BM3D", level=25, dataset="photos", limit=1)["psnr"]
    (clean,) = test_pictures("photos", 1)
    assert found > float(psnr(damaged("gaussian", clean, [25], 0), clean)) + 3
