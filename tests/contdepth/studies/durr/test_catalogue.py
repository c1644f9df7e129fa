"""The catalogue of stored models: every plan is stored, and the command trains it again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from restoration_plans import SMALL

from contdepth.restoration.models.stored import load_model, stored_models
from contdepth.restoration.models.trainings import OPPONENTS, TRAININGS, load_opponent, load_training
from contdepth.restoration.stopping.stored_policy import load_policy
from contdepth.restoration.training.plan import make_model
from contdepth.restoration.weights.checksums import SHA256
from contdepth.studies.durr.catalogue import PLANS, POLICIES, main, study


def test_the_arms_of_the_study_cost_the_same():
    work = {name: p.iterations * p.schedule.mean for name, p in study().items()}
    assert max(work.values()) / min(work.values()) < 1.001 and len(work) == 15


def test_trainings_of_the_large_unit_differ_by_the_seed_alone():
    first, *others = (PLANS[name] for name in ("gaussian", "gaussian-1", "gaussian-2"))
    assert [plan.seed for plan in (first, *others)] == [0, 1, 2]
    assert all(replace(plan, seed=0) == first for plan in others)


def test_the_package_has_every_model_of_the_catalogue():
    files = [*SHA256, *TRAININGS, *OPPONENTS]
    assert sorted(files) == sorted({*PLANS, *POLICIES}) and set(stored_models()) < set(PLANS)


@pytest.mark.parametrize("name", list(PLANS))
def test_stored_models_are_those_of_the_catalogue(name):
    found = load_opponent(name) if name in OPPONENTS else load_training(name)
    assert found.plan == PLANS[name] and found.record["steps"] == PLANS[name].iterations
    assert any(bool(p.abs().max() > 0) for p in list(found.model.parameters())[-2:])
    assert make_model(found.plan).state_dict().keys() == found.model.state_dict().keys()


@pytest.mark.parametrize("name", list(POLICIES))
def test_stored_policies_belong_to_stored_units(name):
    found = load_policy(name)
    assert found.record["plan"] == json.loads(json.dumps(POLICIES[name].resolved()))
    assert found.policy.horizon == POLICIES[name].bank.steps
    assert found.record["cpu_seconds"] > 0


def test_the_command_trains_into_a_folder_and_refuses_unknown_names(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["refined-0", "rain"])
    assert "NAME: expected one of" in capsys.readouterr().err and not (tmp_path / "weights").exists()
    with pytest.raises(SystemExit):
        main(["--paper", "policy-jpeg"])
    monkeypatch.setitem(PLANS, "refined-0", replace(SMALL, iterations=1))
    main(["refined-0"])
    assert load_model("refined-0", tmp_path / "weights").record["steps"] == 1
    assert (tmp_path / "_build/restoration/refined-0.pt").exists()
