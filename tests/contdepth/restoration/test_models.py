"""Units, schedules, plans, training and stored weights of the restoration room."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contdepth.restoration.models import stored as store
from contdepth.restoration.models.dncnn import DnCNNShape, make_dncnn
from contdepth.restoration.models.stored import StoredModelError, load_file, load_model, save_model, stored_models
from contdepth.restoration.models.tnrd import TNRD, TNRDShape, dct_filters, make_tnrd, mirror
from contdepth.restoration.models.unit import UnitShape, make_unit, trajectory
from contdepth.restoration.stopping.bank import BankPlan
from contdepth.restoration.stopping.dqn import DQNPlan
from contdepth.restoration.stopping.stored_policy import PolicyPlan, load_policy, save_policy, train_policy
from contdepth.restoration.training.patches import Patches
from contdepth.restoration.training.plan import TrainingPlan, make_model
from contdepth.restoration.training.schedule import LoopSchedule, unroll
from contdepth.restoration.training.train import learning_rate, level_loss, train
from contdepth.restoration.weights.checksums import SHA256
from contdepth.schemes import ForwardEuler, integrate
from contdepth.studies.durr.catalogue import LOOPS, PAPER, PLANS, POLICIES, main
from contdepth.training.checkpoint import CheckpointError

SMALL = TrainingPlan(
    UnitShape(width=4),
    schedule=LoopSchedule((1, 2)),
    levels=(25, 55),
    iterations=6,
    batch=4,
    patch=16,
    precision="fp32",
    data="photos",
)


def awake(shape: UnitShape, seed: int = 0) -> torch.nn.Module:
    """A unit whose last layer is not zero."""
    unit = make_unit(shape, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in unit.parameters():
            parameter.data.add_(0.2 * torch.randn(parameter.shape))
    return unit


def images(*size: int, seed: int = 0) -> torch.Tensor:
    """Random pixels in [0, 1]."""
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "shape, count",
    [(UnitShape(), 49_732), (UnitShape(width=48), 109_156), (UnitShape("unet", 32, activation="prelu"), 192_233)],
)
def test_parameter_counts(shape, count):
    assert sum(p.numel() for p in make_unit(shape, 0).parameters()) == count


@pytest.mark.parametrize(
    "shape", [UnitShape(width=4), UnitShape("unet", 4), UnitShape("unet", 4, activation="prelu")]
)
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 11), (1, 1)])
def test_any_size_and_a_start_that_does_nothing(shape, size):
    x, y = images(2, 1, *size), images(2, 1, *size, seed=1)
    assert awake(shape)(x, y).shape == x.shape
    assert torch.equal(make_unit(shape, 0).step(x, y), x)


def test_units_depend_on_the_seed_alone():
    a, b, c = (make_unit(UnitShape(width=4), seed) for seed in (3, 3, 4))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(a.parameters(), c.parameters(), strict=True))


@pytest.mark.parametrize("layout", ["compact", "unet"])
def test_without_biases_a_unit_commutes_with_scaling(layout):
    x, y = images(1, 1, 16, 16).double(), images(1, 1, 16, 16, seed=1).double()
    for bias in (False, True):
        unit = awake(UnitShape(layout, 8, bias)).double()
        gap = (unit(0.3 * x, 0.3 * y) - 0.3 * unit(x, y)).abs().max()
        assert (gap < 1e-14) != bias


def test_the_recurrence_is_forward_euler():
    unit, y = awake(UnitShape(width=8)), images(2, 1, 12, 12)
    with torch.no_grad():
        states = integrate(unit.field(y), y, torch.arange(5.0), ForwardEuler())
    assert torch.equal(states, trajectory(unit, y, 4))


def test_the_unit_sees_iterate_and_observation():
    unit = awake(UnitShape(width=8))
    x, y = images(1, 1, 8, 8), images(1, 1, 8, 8, seed=1)
    assert not torch.equal(unit(x, y), unit(y, x))


def test_every_patch_gets_its_own_loops_and_keeps_its_place():
    calls = []

    def step(x, y):
        calls.append(len(x))
        return x + y

    y = torch.arange(1.0, 6.0).view(5, 1, 1, 1)
    loops = [2, 5, 1, 3, 2]
    expected = y * (1 + torch.tensor(loops).view(5, 1, 1, 1))
    assert torch.equal(unroll(step, y, loops), expected)
    assert calls == [5, 4, 2, 1, 1] and sum(calls) == sum(loops)


def test_unrolling_has_the_gradients_of_single_patches():
    unit, y = awake(UnitShape(width=8)).double(), images(3, 1, 8, 8).double()
    loops = [1, 3, 2]
    unroll(unit.step, y, loops).square().sum().backward()
    together = [p.grad.clone() for p in unit.parameters()]
    unit.zero_grad()
    for one, count in zip(y, loops, strict=True):
        x = one[None]
        for _ in range(count):
            x = unit.step(x, one[None])
        x.square().sum().backward()
    for found, p in zip(together, unit.parameters(), strict=True):
        torch.testing.assert_close(found, p.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loops", [[1, 2], [1, 0, 2], [1, 2, 3, 4]])
def test_loops_must_fit(loops):
    with pytest.raises(ValueError, match="loops: expected 3 integers >= 1"):
        unroll(lambda x, y: x, torch.zeros(3, 1, 2, 2), loops)


def test_schedules():
    index = torch.tensor([0, 1, 2, 3, 3, 0])
    source = torch.Generator().manual_seed(0)
    assert LOOPS["refined"].draw(index, source).tolist() == [2, 3, 4, 5, 5, 2]
    assert LOOPS["naive8"].draw(index, source).tolist() == [8] * 6
    drawn = LOOPS["random"].draw(torch.zeros(4000, dtype=torch.int64), source)
    assert drawn.unique().tolist() == list(range(1, 9)) and abs(drawn.float().mean() - LOOPS["random"].mean) < 0.15
    assert [LOOPS[k].mean for k in ("refined", "naive4", "naive8", "random")] == [3.5, 4, 8, 4.5]


def test_the_arms_of_the_study_cost_the_same():
    work = {name: p.iterations * p.schedule.mean for name, p in PLANS.items() if name[-1].isdigit() and p.schedule}
    assert max(work.values()) / min(work.values()) < 1.001 and len(work) == 15


@pytest.mark.parametrize("plan", [*PLANS.values(), *PAPER.values()])
def test_plans_come_back_from_json(plan):
    assert TrainingPlan.from_resolved(json.loads(json.dumps(plan.resolved()))) == plan


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"schedule": None}, "schedule"),
        ({"shape": DnCNNShape()}, "schedule"),
        ({"levels": (25, 35, 45)}, "schedule"),
        ({"batch": 5}, "batch: expected a multiple of 2"),
        ({"patch": 12}, "patch: expected a multiple of 8"),
        ({"precision": "half"}, "precision"),
        ({"data": "bsd68"}, "data"),
        ({"degradation": "jpeg", "levels": (0, 10)}, "levels"),
    ],
)
def test_bad_plans(changes, words):
    with pytest.raises((TypeError, ValueError), match=words):
        replace(SMALL, **changes)


def test_unknown_settings_are_errors():
    with pytest.raises(TypeError, match="colour"):
        TrainingPlan.from_resolved({**SMALL.resolved(), "colour": True})


def test_patches_depend_on_seed_and_step_alone():
    patches = Patches(SMALL)
    first, again, other = patches.draw(7), Patches(SMALL).draw(7), patches.draw(8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    y, clean, index = first
    assert y.shape == clean.shape == (4, 1, 16, 16) and index.tolist() == [0, 1, 0, 1]
    assert not torch.equal(first[1], Patches(replace(SMALL, seed=1)).draw(7)[1])
    noise = torch.cat([(a - b)[i == 1] for a, b, i in (patches.draw(s) for s in range(60))])
    assert abs(noise.std() * 255 - 55) < 1.5 and abs(noise.mean() * 255) < 1.5


def test_jpeg_patches_are_cut_from_coded_images():
    plan = replace(SMALL, degradation="jpeg", levels=(10, 90))
    y, clean, index = Patches(plan).draw(0)
    error = (y - clean).square().mean(dim=(1, 2, 3))
    assert 0 < error[index == 1].mean() < error[index == 0].mean() < 0.02


def test_the_loss_is_minus_psnr_level_by_level():
    clean = torch.zeros(4, 1, 2, 2)
    output = torch.tensor([0.1, 0.01, 0.3, 0.03]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    expected = 10 * (np.log10((0.1**2 + 0.3**2) / 2) + np.log10((0.01**2 + 0.03**2) / 2)) / 2
    assert level_loss(output, clean, torch.tensor([0, 1, 0, 1]), 2).item() == pytest.approx(expected, abs=2e-3)


def test_the_rate_rises_and_falls_to_zero():
    plan = replace(SMALL, iterations=1000)
    rates = [learning_rate(plan, s) for s in range(1000)]
    assert max(rates) == rates[99] == pytest.approx(plan.rate) and rates[-1] < 1e-5 * plan.rate * 1.1
    assert rates[0] == pytest.approx(plan.rate / 100)


def test_training_lowers_the_loss():
    done = train(
        replace(SMALL, shape=UnitShape(width=16, start="kaiming"), iterations=100, batch=8, rate=5e-3, patch=24),
        progress=False,
    )
    assert done.steps == 100 and done.losses[1] < done.losses[0] - 0.5 and not done.model.training


def test_a_run_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole = train(SMALL, progress=False)
    path = tmp_path / "run.pt"
    calls = []

    def stop(self, step, draw=Patches.draw):
        calls.append(step)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Patches, "draw", stop)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, checkpoint=path, every=2, progress=False)
    resumed = train(SMALL, checkpoint=path, every=2, progress=False)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(CheckpointError, match="plan"):
        train(replace(SMALL, seed=1), checkpoint=path, progress=False)


def test_random_depth_draws_by_seed():
    plan = replace(SMALL, schedule=LoopSchedule((3, 3), random_up_to=3), iterations=3)
    a, b = (train(plan, progress=False).model for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_dncnn_is_the_published_size_and_starts_as_the_identity():
    net, y = make_dncnn(DnCNNShape(), 0), images(1, 1, 9, 12)
    assert sum(p.numel() for p in net.parameters()) == 667_073  # two biases and batch norms included
    assert torch.equal(net.eval()(y), y)


def test_tnrd_filters_are_an_orthonormal_basis_without_the_mean():
    basis = dct_filters(5).double().flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(24).double(), rtol=0, atol=1e-6)
    assert basis.sum(dim=1).abs().max() < 1e-6


def test_tnrd_keeps_a_constant_image_and_diffuses_by_an_adjoint():
    net = make_tnrd(TNRDShape(stages=2))
    flat = torch.full((1, 1, 12, 10), 0.4)
    torch.testing.assert_close(net(flat), flat, rtol=0, atol=1e-6)
    k = net.stages[0].filters()
    inner = torch.zeros(1, 24, 16, 16)
    inner[:, :, 4:-4, 4:-4] = images(1, 24, 8, 8)
    u = torch.zeros(1, 1, 16, 16)
    u[:, :, 4:-4, 4:-4] = images(1, 1, 8, 8, seed=2)
    forward = torch.nn.functional.conv2d(mirror(u, 2), k)
    backward = torch.nn.functional.conv_transpose2d(mirror(inner, 2), k, padding=4)
    torch.testing.assert_close((forward * inner).sum(), (u * backward).sum(), rtol=1e-5, atol=1e-6)


def test_tnrd_influence_is_linear_between_knots():
    stage = make_tnrd(TNRDShape(knots=7, reach=1.0)).stages[0]
    stage.influence.data = images(24, 7)
    z = 3 * images(1, 24, 3, 3) - 1.5
    grid = np.linspace(-1, 1, 7)
    expected = np.stack([np.interp(z[0, i], grid, stage.influence[i].detach()) for i in range(24)])
    np.testing.assert_allclose(stage.respond(z)[0].detach(), expected, atol=1e-5)


def test_tnrd_learns():
    plan = TrainingPlan(
        TNRDShape(stages=2, size=3),
        levels=(25,),
        iterations=60,
        batch=4,
        patch=16,
        rate=5e-3,
        precision="fp32",
        data="photos",
        clip=5.0,
    )
    done = train(plan, progress=False)
    assert isinstance(done.model, TNRD) and done.losses[0] < -20.2


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


def test_the_package_has_every_model_of_the_catalogue():
    assert set(SHA256) == {*PLANS, *POLICIES} and set(stored_models()) == set(PLANS)


@pytest.mark.parametrize("name", list(PLANS))
def test_stored_models_are_those_of_the_catalogue(name):
    found = load_model(name)
    assert found.plan == PLANS[name] and found.record["steps"] == PLANS[name].iterations
    assert any(bool(p.abs().max() > 0) for p in list(found.model.parameters())[-2:])
    assert make_model(found.plan).state_dict().keys() == found.model.state_dict().keys()


@pytest.mark.parametrize("name", list(POLICIES))
def test_stored_policies_belong_to_stored_units(name):
    found = load_policy(name)
    assert found.record["plan"] == json.loads(json.dumps(POLICIES[name].resolved()))
    assert found.policy.horizon == POLICIES[name].bank.steps
    assert found.record["cpu_seconds"] > 0


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


def test_kaiming_weights_are_larger():
    small, large = (make_unit(UnitShape(start=start), 0).body[1].weight.std() for start in ("pytorch", "kaiming"))
    assert large > 2 * small and make_unit(UnitShape(start="kaiming"), 0).body[-2].weight.abs().max() == 0


def test_a_patch_larger_than_an_image_is_refused():
    with pytest.raises(ValueError, match="patch: expected at most"):
        Patches(replace(SMALL, patch=4096))
