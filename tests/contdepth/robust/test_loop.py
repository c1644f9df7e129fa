"""The training loop: interruption, schedules, looks and time, errors."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from contdepth.data.unit_range import pixels
from contdepth.robust.methods.baselines import FreeTraining, PGDTraining
from contdepth.robust.methods.loop import stretched_rate, train
from contdepth.robust.methods.method import Method, Natural, Step
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.studies.yopo.contest import (
    little_cnn,
)
from contdepth.training.checkpoint import CheckpointError
from contdepth.training.loop import DivergenceError
from contdepth.training.recipes import Recipe

THREAT = Threat("3/16")
RECIPE = Recipe("tiny", epochs=3, lr=0.05, batch=16, schedule="one-cycle", weight_decay=5e-4)


def data(count=40):
    return pixels("digits", "train", count)


def net(seed=1):
    model = little_cnn(1, 8, width=4, hidden=12, seed=seed)
    with torch.no_grad():
        for conv in (model.conv1, model.conv2, model.conv3):
            conv.bias.zero_()
    return model


def yopo(model, **changes):
    settings = {"steps": 2, "inner_steps": 2, "step_size": "1/16", "inner": "plain", **changes}
    return YOPO(model, first_layer=settings.pop("first_layer", "relu1"), threat=THREAT, **settings)


MAKERS = {
    "YOPO": yopo,
    "Free": lambda model: FreeTraining(model, threat=THREAT, replays=3),
    "PGD": lambda model: PGDTraining(model, threat=THREAT, steps=2, step_size="1/16"),
    "natural": Natural,
}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Recording(Method):
    """Leaves the weights; writes down what the loop hands over."""

    def __init__(self, model):
        super().__init__(model)
        self.threat, self.seen = THREAT, []

    def step(self, x, y, optimiser):
        rate = optimiser.param_groups[0]["lr"]
        draw = torch.rand(1, generator=self.source).item()
        self.seen.append(
            {"x": x, "y": y, "rate": rate, "scale": self.scale, "draw": draw, "training": self.model.training}
        )
        return Step(1.0, 0.0)

    def gradients(self, x, y):
        raise NotImplementedError  # this recorder takes whole steps


def recorded(recipe=RECIPE, pair=None, *, seed=0, **options):
    method = Recording(net())
    train(method, pair or data(), recipe, seed=seed, progress=False, **options)
    return method.seen


# Interruption ----------------------------------------------------------------------------------------------------


class Stop(Exception):
    pass


def interrupted_at(step):
    """A probe that ends the run at its look at ``step``."""

    def probe(model):
        probe.looks += 1
        if probe.looks == step:
            raise Stop
        return {}

    probe.looks = 0
    return probe


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("every", [1, 2])
def test_an_interrupted_run_ends_at_the_same_bits(tmp_path, name, every):
    """Nine steps in three epochs, crops, ramp and momentum; the second run starts from other weights and noise."""
    recipe = replace(RECIPE, pad=1, flip=True)
    options = {"seed": 3, "ramp": 0.5, "probes": 9, "progress": False}
    whole = MAKERS[name](net())
    wanted = train(whole, data(), recipe, probe=lambda model: {}, **options)
    broken = MAKERS[name](net())
    path = tmp_path / "run.pt"
    with pytest.raises(Stop):
        train(broken, data(), recipe, probe=interrupted_at(6), checkpoint=path, every=every, **options)
    assert not same(broken.model.state_dict(), whole.model.state_dict())
    torch.manual_seed(99)
    again = MAKERS[name](net(seed=8))
    probe = interrupted_at(99)
    found = train(again, data(), recipe, probe=probe, checkpoint=path, every=every, **options)
    assert probe.looks == 9 - (5 if every == 1 else 4)
    assert same(again.model.state_dict(), whole.model.state_dict())
    assert same(again.state(), whole.state()) and (name != "Free" or "delta" in again.state())
    assert found.losses == wanted.losses and found.errors == wanted.errors and found.steps == 9
    assert [look["step"] for look in found.probes] == list(range(1, 10))


def test_a_finished_run_is_not_run_again(tmp_path):
    path = tmp_path / "run.pt"
    first = train(yopo(net()), data(), RECIPE, seed=0, checkpoint=path, progress=False)
    method = Recording(net())
    again = yopo(net(seed=5))
    again.step = method.step
    second = train(again, data(), RECIPE, seed=0, checkpoint=path, progress=False)
    assert method.seen == [] and vars(first) == vars(second)


@pytest.mark.parametrize(("change", "message"), [
    ({"seed": 1}, "seed"),
    ({"steps": 5}, "steps"),
    ({"ramp": 0.5}, "ramp"),
    ({"recipe": replace(RECIPE, warmup=0.4)}, "recipe"),
    ({"pair": (data()[0], data()[1].flip(0))}, "data"),
    ({"make": lambda: yopo(net(), step_size="1/8")}, "method"),
    ({"make": lambda: yopo(net(), steps=3)}, "method"),
    ({"make": lambda: yopo(net(), accounting="official")}, "method"),
    ({"make": lambda: yopo(net(), average=True)}, "method"),
    ({"make": lambda: yopo(net(), first_layer="conv1")}, "method"),
    ({"make": lambda: Natural(net())}, "method"),
    ({"make": lambda: yopo(little_cnn(1, 8, width=5, hidden=12))}, "model"),
    ({"optimiser": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5)}, "optimiser"),
    ({"optimiser": torch.optim.Adam}, "optimiser"),
])  # fmt: skip
def test_a_foreign_checkpoint_is_refused(tmp_path, change, message):
    path = tmp_path / "run.pt"
    options = {"seed": 0, "checkpoint": path, "progress": False}
    train(yopo(net()), data(), RECIPE, **options)
    make, pair = change.get("make", lambda: yopo(net())), change.get("pair", data())
    recipe = change.get("recipe", RECIPE)
    change = {key: value for key, value in change.items() if key not in ("make", "pair", "recipe")}
    with pytest.raises(CheckpointError, match=f"(?s)another {message}.*delete it"):
        train(make(), pair, recipe, **{**options, **change})


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        train(yopo(net()), data(), RECIPE, seed=0, checkpoint=path, progress=False)


class Dropping(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10), nn.Dropout(0.5))
        nn.init.constant_(self[1].weight, 0.01)
        nn.init.zeros_(self[1].bias)


def test_dropout_depends_on_the_seed_alone():
    """The noise of a layer belongs to the step as well: the global generator's state must not matter."""
    states = []
    for disturb in (0, 1):
        model = Dropping()
        torch.manual_seed(disturb)
        before = torch.get_rng_state()
        train(Natural(model), data(), RECIPE, seed=0, progress=False)
        assert torch.equal(before, torch.get_rng_state())
        states.append(model.state_dict())
    assert same(*states)


# Schedules -------------------------------------------------------------------------------------------------------


def test_every_epoch_sees_every_image_once_in_a_new_order():
    pair = data()
    seen = recorded()
    assert [len(one["y"]) for one in seen] == [16, 16, 8] * 3
    epochs = [torch.cat([one["x"] for one in seen[3 * e : 3 * e + 3]]).flatten(1) for e in range(3)]
    for images in epochs:
        assert sorted(images.tolist()) == sorted(pair[0].flatten(1).tolist())
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[1], epochs[2])
    for one in seen:
        for image, label in zip(one["x"], one["y"], strict=True):
            matches = (pair[0] == image).flatten(1).all(1)
            assert label in pair[1][matches]
    assert all(one["training"] for one in seen)


def test_order_and_noise_depend_on_seed_and_step_alone():
    long, short, other = recorded(), recorded(steps=4), recorded(seed=1)
    for a, b in zip(long, short, strict=False):
        assert torch.equal(a["x"], b["x"]) and a["draw"] == b["draw"]
    assert len({one["draw"] for one in long}) == 9
    assert not torch.equal(long[0]["x"], other[0]["x"]) and long[0]["draw"] != other[0]["draw"]


def test_crops_and_flips_come_from_the_recipe():
    plain, moved = recorded(), recorded(replace(RECIPE, pad=2))
    assert not torch.equal(plain[0]["x"], moved[0]["x"]) and torch.equal(plain[0]["y"], moved[0]["y"])
    mirrored = recorded(replace(RECIPE, flip=True))
    for a, b in zip(plain[0]["x"], mirrored[0]["x"], strict=True):
        assert torch.equal(a, b) or torch.equal(a.flip(2), b)
    assert not torch.equal(plain[0]["x"], mirrored[0]["x"])


def test_one_cycle_is_stretched_to_the_steps():
    rates = [one["rate"] for one in recorded(steps=7)]
    rise = 2
    assert rates == pytest.approx([0.05 * (s + 1) / rise if s < rise else 0.05 * (7 - s) / 6 for s in range(7)])


def test_multistep_is_stretched_to_the_steps():
    recipe = replace(RECIPE, schedule="multistep", epochs=10, milestones=(5, 8), lr=1.0)
    for total in (20, 13):
        rates = [one["rate"] for one in recorded(recipe, steps=total)]
        drops = [math.ceil(total * share) for share in (0.5, 0.8)]
        assert rates == pytest.approx([0.1 ** sum(step >= drop for drop in drops) for step in range(total)])


@pytest.mark.parametrize("schedule", ["one-cycle", "multistep"])
def test_without_a_step_count_the_schedule_is_the_recipes(schedule):
    recipe = replace(RECIPE, schedule=schedule, epochs=6, milestones=(2, 5))
    assert len(recorded(recipe)) == 18
    for step in range(18):
        assert stretched_rate(recipe, step, 18) == pytest.approx(recipe.rate(step, 3), rel=1e-12)


def test_ramp_grows_from_one_part_to_the_whole():
    scales = [one["scale"] for one in recorded(ramp=0.5, steps=8)]
    assert scales == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert [one["scale"] for one in recorded(ramp=1, steps=4)] == [0.25, 0.5, 0.75, 1]
    assert [one["scale"] for one in recorded(ramp=0, steps=3)] == [1, 1, 1]
    assert [one["scale"] for one in recorded(ramp=0.1, steps=3)] == [1, 1, 1]


def test_ramp_reaches_the_attack_and_ends_with_the_run():
    sizes = []

    class Watched(PGDTraining):
        def gradients(self, x, y, delta=None):
            result = super().gradients(x, y, delta)
            sizes.append(float(result.delta.abs().max()))
            return result

    method = Watched(net(), threat=THREAT, steps=4, step_size="1/8")
    train(method, data(), RECIPE, seed=0, steps=5, ramp=0.8, progress=False)
    assert sizes == pytest.approx([share * 3 / 16 for share in (0.25, 0.5, 0.75, 1, 1)], rel=1e-5)
    assert method.scale == 1


def test_training_is_the_hand_written_loop():
    """SGD with momentum and weight decay, in the loop's order, on clean images."""
    model, twin = net(), net()
    result = train(Natural(model), data(), RECIPE, seed=0, progress=False)
    engine = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    losses = []
    for one in recorded():
        engine.param_groups[0]["lr"] = one["rate"]
        engine.zero_grad()
        loss = cross_entropy(twin(one["x"]), one["y"])
        loss.backward()
        engine.step()
        losses.append(loss.item())
    assert result.losses == losses and same(model.state_dict(), twin.state_dict())
    assert result.steps == 9 == len(result.errors) and all(0 <= e <= 1 for e in result.errors)


def test_training_learns():
    model = net()
    result = train(Natural(model), data(), RECIPE, seed=0, steps=120, progress=False)
    assert np.mean(result.losses[-5:]) < 0.3 < np.mean(result.losses[:3]) and np.mean(result.errors[-5:]) < 0.1


# Looks and time --------------------------------------------------------------------------------------------------


def test_probes_are_equally_spaced_end_with_the_last_and_change_nothing():
    looks = []

    def probe(model):
        looks.append(any(module.training for module in model.modules()))
        return {"value": len(looks)}

    watched, alone = yopo(net()), yopo(net())
    result = train(watched, data(), RECIPE, seed=0, steps=10, probe=probe, probes=4, progress=False)
    train(alone, data(), RECIPE, seed=0, steps=10, progress=False)
    assert [look["step"] for look in result.probes] == [2, 5, 8, 10]
    assert [look["value"] for look in result.probes] == [1, 2, 3, 4] and not any(looks)
    assert same(watched.model.state_dict(), alone.model.state_dict())
    assert not watched.model.training


def test_seconds_count_steps_and_not_looks(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    class Ticking(Recording):
        def step(self, x, y, optimiser):
            clock[0] += 1
            return super().step(x, y, optimiser)

    def probe(model):
        clock[0] += 100
        return {}

    result = train(Ticking(net()), data(), RECIPE, seed=0, steps=6, probe=probe, probes=3, progress=False)
    assert result.seconds == 6 and [look["seconds"] for look in result.probes] == [2, 4, 6]


# Errors ----------------------------------------------------------------------------------------------------------


def test_divergence_names_step_and_rate():
    class Failing(Recording):
        def step(self, x, y, optimiser):
            super().step(x, y, optimiser)
            return Step(math.nan if len(self.seen) == 4 else 1.0, 0.0)

    with pytest.raises(DivergenceError, match=r"loss.*nan at step 3 \(epoch 1\), learning rate 0\.0375"):
        train(Failing(net()), data(), RECIPE, seed=0, progress=False)


def test_a_rate_too_high_diverges():
    with pytest.raises(DivergenceError, match="lower recipe.lr"):
        train(Natural(net()), data(), replace(RECIPE, lr=1e30), seed=0, progress=False)


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"steps": 0}, ValueError, "steps"),
    ({"steps": 2.0}, TypeError, "steps"),
    ({"ramp": 1.5}, ValueError, "ramp"),
    ({"ramp": -0.1}, ValueError, "ramp"),
    ({"probes": 10}, ValueError, "probes"),
    ({"probes": -1}, ValueError, "probes"),
    ({"every": 0}, ValueError, "every"),
    ({"seed": -1}, ValueError, "seed"),
    ({"pair": ((255 * data()[0]).byte(), data()[1])}, TypeError, "divide uint8 images by 255"),
    ({"pair": (data()[0][:0], data()[1][:0])}, ValueError, "at least one image"),
    ({"pair": (255 * data()[0], data()[1])}, ValueError, "divide by 255"),
    ({"pair": (data()[0], data()[1].float())}, TypeError, "int64"),
    ({"pair": (data()[0], data()[1][:3])}, ValueError, "y: expected shape"),
    ({"pair": (data()[0][:3], data()[1])}, ValueError, "y: expected shape"),
    ({"pair": (data()[0], data()[1] - 100)}, ValueError, "y: expected classes 0 to"),
    ({"pair": (data()[0] + 0j, data()[1])}, TypeError, "x: expected a real dtype"),
    ({"pair": data()[:1]}, ValueError, r"data: expected a pair \(images, labels\), found 1"),
    ({"pair": None}, TypeError, r"data: expected a sequence, found None .*; pass \(images, labels\)"),
    ({"method": None}, TypeError, "method: expected a Method, found NoneType"),
    ({"method": Natural}, TypeError, "method: expected a Method"),
    ({"recipe": None}, TypeError, "recipe: expected a Recipe, found NoneType"),
    ({"recipe": {"epochs": 1}}, TypeError, "recipe: expected a Recipe, found dict"),
    ({"optimiser": 3}, TypeError, "optimiser: expected a function or None, found 3"),
    ({"optimiser": lambda parameters: None}, TypeError, "optimiser: expected one that steps"),
    ({"probe": torch.zeros(2)}, TypeError, "probe: expected a function or None"),
    ({"probe": torch.zeros(0)}, TypeError, "probe: expected a function or None"),
])  # fmt: skip
def test_bad_arguments(change, error, message):
    pair = change.get("pair", data())
    change = {key: value for key, value in change.items() if key != "pair"}
    with pytest.raises(error, match=message):
        train(data=pair, **{"method": Natural(net()), "recipe": RECIPE, "seed": 0, "progress": False, **change})
