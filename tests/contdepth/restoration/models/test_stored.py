"""Stored weights: checked as read, with their record, and refused where they are not what was stored."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from restoration_plans import SMALL

from contdepth.restoration.models import stored as store
from contdepth.restoration.models.dncnn import DnCNNShape
from contdepth.restoration.models.stored import StoredModelError, load_file, save_model
from contdepth.restoration.stopping.bank import BankPlan
from contdepth.restoration.stopping.dqn import DQNPlan
from contdepth.restoration.stopping.stored_policy import PolicyPlan, load_policy, save_policy, train_policy
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.train import train
from contdepth.restoration.weights.checksums import SHA256


@pytest.mark.parametrize("plan", [SMALL, replace(SMALL, shape=DnCNNShape(3, 4), schedule=None)])
def test_weights_travel_with_their_record(tmp_path, plan):
    done = train(replace(plan, iterations=2), progress=False)
    path = save_model("own", done, tmp_path)
    back = load_file(path)
    assert back.name == "own" and back.plan == done.plan and back.record["steps"] == 2
    assert back.record["data_checksum"] == Patches(plan).checksum and not back.model.training
    for key, value in done.model.state_dict().items():
        assert torch.equal(value, back.model.state_dict()[key])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoredModelError, match="expected sha256"):
        load_file(path, back.record["sha256"])


def test_the_bytes_that_are_checked_are_those_that_are_loaded(tmp_path, monkeypatch):
    """A file that is another one as soon as it has been read: weights and checksum are both of the first."""
    path = save_model("own", train(replace(SMALL, iterations=1), progress=False), tmp_path)
    later = save_model("later", train(replace(SMALL, iterations=1, seed=1), progress=False), tmp_path).read_bytes()
    before, read = load_file(path), Path.read_bytes

    def read_and_replaced(self: Path) -> bytes:
        content = read(self)
        self.write_bytes(later)
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_replaced)
    found = load_file(path, before.record["sha256"])
    assert found.record == before.record and found.plan.seed == 0
    for key, value in before.model.state_dict().items():
        assert torch.equal(value, found.model.state_dict()[key])
    assert read(path) == later


def test_files_that_are_no_models(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(StoredModelError, match="found none"):
        load_file(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(StoredModelError, match="expected weights with the record"):
        load_file(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(StoredModelError, match="expected weights with the record.*found KeyError: 'record'"):
        load_file(tmp_path / "bare.safetensors")


def test_a_policy_is_for_one_unit(tmp_path):
    unit = train(replace(SMALL, iterations=1), progress=False)
    path = save_model("own", unit, tmp_path)
    bank = BankPlan(episodes=4, steps=2, patch=16, data="photos")
    plan = PolicyPlan("own", bank, DQNPlan(updates=2, batch=2, warm_up=2, epsilon_updates=1, precision="fp32"))
    save_policy("policy-own", train_policy(plan, tmp_path), tmp_path)
    back = load_policy("policy-own", tmp_path)
    assert back.record["sha256"] == hashlib.sha256((tmp_path / "policy-own.safetensors").read_bytes()).hexdigest()
    assert back.record["plan"]["unit"] == "own" and back.policy.horizon == 2 and back.record["updates"] == [2]
    save_model("own", train(replace(SMALL, iterations=2), progress=False), tmp_path)
    assert path.exists()
    with pytest.raises(StoredModelError, match="trained for the unit 'own'"):
        load_policy("policy-own", tmp_path)
    with pytest.raises(StoredModelError, match="found none"):
        load_policy("policy-other", tmp_path)
    with pytest.raises(StoredModelError, match="expected a policy with the record.*found KeyError: 'policy'"):
        load_policy("own", tmp_path)


def test_stored_bytes_are_those_of_the_checksums():
    from importlib.resources import files

    for name, expected in SHA256.items():
        content = (files("contdepth.restoration.weights") / f"{name}.safetensors").read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, name


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="gaussian"):
        store.load_model("durr")
