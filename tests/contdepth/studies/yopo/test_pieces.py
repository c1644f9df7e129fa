"""Pieces of the paper's trainings, made tiny: every arm, matched arms, the authors' settings, a stop halfway."""

from __future__ import annotations

import json

import pytest
import torch

from contdepth.robust.methods.baselines import FGSMRS, FreeTraining, PGDTraining
from contdepth.robust.yopo.yopo import YOPO
from contdepth.studies.yopo import audited as audits
from contdepth.studies.yopo import pieces
from contdepth.studies.yopo.pieces import CIFAR_ARMS, MNIST_ARMS, cifar_arm, mnist_arm

EFFORT = {
    "pgd_steps": 2, "restarts": 2, "apgd_steps": 2, "targets": 1, "targeted_steps": 2, "queries": 3,
    "curve": [1, 2],
}  # fmt: skip
TINY = {"epochs": 2, "milestones": [1], "dataset": "digits", "test_size": 20, "hard": 10, "effort": EFFORT}
CLOCKS = {"seconds", "look_seconds"}


def cifar(arm, seed=0, **changes):
    return cifar_arm(
        **{"arm": arm, "seed": seed, "train_size": 260, "width": 2, "device": "cpu", **TINY, **changes}
    )


def mnist(arm, seed=0, **changes):
    return mnist_arm(**{"arm": arm, "seed": seed, "train_size": 24, "device": "cpu", **TINY, **changes})


@pytest.fixture
def asked(monkeypatch):
    """What ``audited`` is asked for, in place of a training."""
    seen = []

    def note(method, data, test, recipe, attack, **options):
        seen.append({"method": method, "data": data, "recipe": recipe, "attack": attack, **options})
        return {}

    monkeypatch.setattr(pieces, "audited", note)
    return seen


@pytest.mark.parametrize("arm", [*CIFAR_ARMS, *MNIST_ARMS])
def test_every_arm_gives_a_plain_result(arm):
    found = (cifar if arm in CIFAR_ARMS else mnist)(arm)
    assert json.loads(json.dumps(found)) == found and found["where"] == "cpu"
    rows = {"audit_clean", "audit_pgd", "audit_apgd_ce", "audit_apgd_t", "audit_square", "audit_autoattack"}
    assert rows < set(found) and all(0 <= found[key] <= 100 for key in (*rows, "clean", "pgd", "pgd_few"))
    assert found["pgd"] <= found["clean"] and found["audit_autoattack"] <= found["audit_clean"]
    assert len(found["looks"]) == len(found["look_seconds"]) == len(found["losses"]) == 2
    assert 0 < found["look_seconds"][0] < found["look_seconds"][1] == found["seconds"]
    assert found["updates"] == found["steps"] * (8 if arm == "Free-8" else 1)
    assert found["steps"] == (4 if arm in CIFAR_ARMS else 2)


def test_bfloat16_is_the_precision_of_the_training():
    assert cifar("YOPO-5-3")["losses"] != cifar("YOPO-5-3", precision="fp32")["losses"]


def test_seeds_differ_and_a_seed_repeats():
    first, second, again = (cifar("FGSM-RS", seed, precision="fp32") for seed in (0, 1, 0))
    assert first["losses"] == again["losses"] != second["losses"]
    assert {key: first[key] for key in first.keys() - CLOCKS} == {key: again[key] for key in again.keys() - CLOCKS}


@pytest.mark.parametrize("part", [cifar, mnist])
def test_a_piece_that_was_stopped_goes_on_to_the_same_result(part, tmp_path, monkeypatch):
    arm = "Free-8" if part is cifar else "YOPO-5-10"
    options = {"precision": "fp32"} if part is cifar else {}
    whole = part(arm, epochs=3, **options)
    monkeypatch.setattr(audits, "EVERY", 1)
    judge, calls = audits.accuracy, []

    def stopping(*arguments, **named):
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*arguments, **named)

    monkeypatch.setattr(audits, "accuracy", stopping)
    with pytest.raises(KeyboardInterrupt):
        part(arm, epochs=3, checkpoint=tmp_path, **options)
    assert list(tmp_path.iterdir()) == [tmp_path / "training.pt"]
    calls[:] = [None] * 5
    found = part(arm, epochs=3, checkpoint=tmp_path, **options)
    assert len(calls) == 5 + 2 + 2, "two looks that were left, then clean and attacked images"
    assert {key: found[key] for key in found.keys() - CLOCKS} == {key: whole[key] for key in whole.keys() - CLOCKS}


@pytest.mark.parametrize(("part", "arms"), [(cifar, CIFAR_ARMS), (mnist, MNIST_ARMS)])
def test_arms_of_one_seed_are_matched(part, arms, asked):
    """The same weights at the start, the same images and order; recipes differ in what the authors' files say."""
    for arm in arms:
        part(arm, seed=3)
    first, *others = asked
    for other in others:
        for mine, theirs in zip(
            first["method"].model.state_dict().values(), other["method"].model.state_dict().values(), strict=True
        ):
            assert torch.equal(mine, theirs)
        assert all(torch.equal(a, b) for a, b in zip(first["data"], other["data"], strict=True))
        kept = {key: value for key, value in vars(first["recipe"]).items() if key != "lr"}
        assert kept == {key: value for key, value in vars(other["recipe"]).items() if key != "lr"}
        assert other["seed"] == first["seed"] == 3 and other["attack"] == first["attack"]
        assert other["method"].threat == first["method"].threat


def test_settings_are_those_of_the_authors_files(asked):
    kinds = {"YOPO-5-3": YOPO, "PGD-10": PGDTraining, "Free-8": FreeTraining, "FGSM-RS": FGSMRS}
    kinds |= {"YOPO-5-10": YOPO, "PGD-40": PGDTraining}
    rates = {"YOPO-5-3": 0.04, "PGD-10": 0.05, "Free-8": 0.1, "FGSM-RS": 0.1, "YOPO-5-10": 0.002, "PGD-40": 0.1}
    found = {}
    for arm in kinds:
        (cifar if arm in CIFAR_ARMS else mnist)(arm, epochs=None, milestones=None)
        found[arm] = asked[-1]
    for arm, one in found.items():
        recipe = one["recipe"]
        assert type(one["method"]) is kinds[arm] and recipe.lr == pytest.approx(rates[arm])
        assert (recipe.batch, recipe.momentum, recipe.weight_decay) == (256, 0.9, 5e-4)
    assert all(
        (found[arm]["recipe"].epochs, found[arm]["recipe"].milestones) == (36, (30, 34)) for arm in CIFAR_ARMS
    )
    assert found["YOPO-5-10"]["recipe"].milestones == (30, 35, 39) and found["YOPO-5-10"]["recipe"].epochs == 41
    assert found["PGD-40"]["recipe"].milestones == (50, 55) and found["PGD-40"]["recipe"].epochs == 57
    yopo, pgd, free = (found[arm]["method"] for arm in ("YOPO-5-3", "PGD-10", "Free-8"))
    assert (yopo.steps, yopo.inner_steps, str(yopo.sigma), yopo.average) == (5, 3, "2/255", False)
    assert (pgd.steps, str(pgd.sigma), pgd.clean_weight, free.replays) == (10, "2/255", 0, 8)
    yopo, pgd = (found[arm]["method"] for arm in ("YOPO-5-10", "PGD-40"))
    assert (yopo.steps, yopo.inner_steps, str(yopo.sigma)) == (5, 10, "1/100")
    assert (pgd.steps, str(pgd.sigma), str(pgd.threat.epsilon)) == (40, "1/100", "3/10")
    assert found["PGD-10"]["attack"].steps == 20 and found["PGD-40"]["attack"].steps == 40


def test_an_unknown_arm():
    with pytest.raises(ValueError, match="arm: expected one of 'YOPO-5-3'"):
        cifar("PGD-7")
    with pytest.raises(ValueError, match="arm: expected one of 'YOPO-5-10'"):
        mnist("PGD-10")
