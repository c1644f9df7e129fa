"""The contest of methods on tiny digits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from contdepth.data.unit_range import pixels
from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust.attacks.pgd import PGD, NoAttack, accuracy
from contdepth.robust.attacks.square import Square
from contdepth.robust.losses import percent
from contdepth.robust.methods.baselines import FreeTraining
from contdepth.robust.methods.method import Method, Step
from contdepth.robust.threat import Threat
from contdepth.seeds import generator
from contdepth.studies.yopo import contest as contests
from contdepth.studies.yopo.contest import (
    METHODS,
    Setting,
    attacks,
    contest,
    contestant,
    little_cnn,
    more_queries,
    one_run,
    steps_within,
    trained,
    trained_state,
)
from contdepth.training.recipes import Recipe

THREAT = Threat("3/16")
RECIPE = Recipe("tiny", epochs=3, lr=0.05, batch=16, schedule="one-cycle", weight_decay=5e-4)


def data(count=40):
    return pixels("digits", "train", count)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


SETTING = Setting(THREAT, replace(RECIPE, lr=2e-3), hard=12, apgd_steps=5, queries=20, probes=2, ramp=0.4)


def test_the_networks_depend_on_the_seed_alone():
    for make in (lambda seed: little_cnn(1, 8, seed=seed), lambda seed: SmallCNN(1, 8, seed=seed)):
        states = []
        for disturb in (0, 1):
            torch.manual_seed(disturb)
            before = torch.get_rng_state()
            states.append(make(2).state_dict())
            assert torch.equal(before, torch.get_rng_state())
        assert same(*states)
        assert not same(states[0], make(3).state_dict())


def test_all_contestants_start_from_the_same_network():
    images, _ = data()
    for network in ("little", "SmallCNN"):
        setting = replace(SETTING, network=network)
        first = contestant("natural", images, setting, 4).model.state_dict()
        for name in METHODS:
            method = contestant(name, images, setting, 4)
            assert same(method.model.state_dict(), first)
            assert name == "natural" or method.threat == THREAT
    with pytest.raises(ValueError, match="name.*'YOPO-5-10'"):
        contestant("PGD-41", images, SETTING, 0)


def test_contestants_have_the_step_sizes_of_their_names():
    images, _ = data()
    setting = replace(SETTING, threat=Threat("3/10"))
    wanted = {
        "YOPO-5-10": (5, 10, "1/100"), "YOPO-5-1": (5, 1, "1/10"), "PGD-40": (40, None, "1/100"),
        "PGD-10": (10, None, "1/25"), "TRADES-10": (10, None, "1/25"), "TRADES-YOPO-3-4": (3, 4, "3/80"),
    }  # fmt: skip
    for name, (steps, inner, sigma) in wanted.items():
        method = contestant(name, images, setting, 0)
        assert (method.steps, getattr(method, "inner_steps", None)) == (steps, inner)
        assert method.sigma == Fraction(sigma)
    official = contestant("YOPO-5-10, official", images, setting, 0)
    assert official.accounting == "official" and contestant("YOPO-5-10", images, setting, 0).accounting == "paper"
    assert contestant("Free-8", images, setting, 0).replays == 8


def test_one_run_keys_and_oracles():
    test = pixels("digits", "test", 30)
    found = one_run("FGSM-RS", data(), test, SETTING, 0, 6)
    assert set(found) == {"accuracy", "worst", "hard_pgd", "losses", "seconds", "steps", "updates", "curve"}
    assert set(found["accuracy"]) == {"clean", *attacks(SETTING)}
    assert set(found["curve"]) == {"step", "seconds", "clean", "robust"}
    assert found["curve"]["step"].tolist() == [3, 6] and found["losses"].shape == (6,)
    assert found["steps"] == found["updates"] == 6
    model, result = trained("FGSM-RS", data(), SETTING, 0, 6)
    assert result.losses == found["losses"].tolist() and not model.training
    right = accuracy(model, *test, NoAttack(), source=generator(0, "any"))
    assert found["accuracy"]["clean"] == percent(right)
    assert found["curve"]["clean"][-1] == percent(right[:12])
    hard = [found["accuracy"][name] for name in ("APGD-CE", "APGD-T", "Square")]
    assert found["worst"] <= min(hard) and found["accuracy"]["PGD-40"] <= found["accuracy"]["clean"]


def test_weak_evaluation_runs_one_attack_and_replays_are_updates():
    found = one_run("Free-8", data(), pixels("digits", "test", 30), replace(SETTING, stronger=False), 0, 3)
    assert set(found["accuracy"]) == {"clean", "PGD-40"} and found["worst"] == found["hard_pgd"]
    assert found["steps"] == 3 and found["updates"] == 24


def test_runs_share_batches_and_schedule(monkeypatch):
    """Whatever the method: the same images in the same order, the same rates, the same ramp."""
    seen = {}
    for name in ("natural", "YOPO-5-10", "PGD-40", "Free-8"):
        records = seen[name] = []

        def record(self, x, y, optimiser, records=records):
            records.append((x.sum().item(), y.tolist(), optimiser.param_groups[0]["lr"], self.scale))
            return Step(1.0, 0.0)

        with monkeypatch.context() as patch:
            patch.setattr(Method, "step", record)
            patch.setattr(FreeTraining, "step", record)
            trained(name, data(), SETTING, 0, 6)
    assert seen["natural"] == seen["YOPO-5-10"] == seen["PGD-40"] == seen["Free-8"]
    assert seen["natural"][-1][3] == 1 and seen["natural"][0][3] == pytest.approx(1 / 2.4)


def same_results(a, b):
    assert a["accuracy"] == b["accuracy"] and a["worst"] == b["worst"] and a["steps"] == b["steps"]
    assert np.array_equal(a["losses"], b["losses"])
    for key in ("step", "clean", "robust"):
        assert np.array_equal(a["curve"][key], b["curve"][key])


def test_contest_is_its_runs_in_order_with_any_number_of_workers():
    test = pixels("digits", "test", 30)
    setting = replace(SETTING, stronger=False)
    names, seeds, steps = ["YOPO-5-1", "natural"], [1, 0], {"YOPO-5-1": 3, "natural": 5}
    torch.manual_seed(77)
    here = contest(names, data(), test, setting, seeds, steps)
    there = contest(names, data(), test, setting, seeds, steps, workers=2)
    assert list(here) == list(there) == names
    for name in names:
        assert [run["steps"] for run in here[name]] == [steps[name]] * 2
        for a, b in zip(here[name], there[name], strict=True):
            same_results(a, b)
    same_results(here["YOPO-5-1"][0], one_run("YOPO-5-1", data(), test, setting, 1, 3))
    assert not np.array_equal(here["natural"][0]["losses"], here["natural"][1]["losses"])


def test_contest_goes_on_from_its_checkpoints_to_the_same_figures(tmp_path, monkeypatch):
    """The second call trains nothing and attacks from the same random starts."""
    test = pixels("digits", "test", 30)
    starts = []

    def watched(model, x, y, attack, *, source, **options):
        starts.append((type(attack).__name__, getattr(attack, "steps", 0), source.get_state()))
        return accuracy(model, x, y, attack, source=source, **options)

    monkeypatch.setattr(contests, "accuracy", watched)
    arguments = (["natural"], data(), test, replace(SETTING, stronger=False), [0], {"natural": 40})
    first = contest(*arguments, checkpoints=tmp_path)
    before = starts.pop()
    assert before[:2] == ("PGD", 40) and [path.name for path in tmp_path.iterdir()] == ["natural-0.pt"]
    starts.clear()
    second = contest(*arguments, checkpoints=tmp_path)
    assert len(starts) == 2, "no look on the way was taken again"
    same_results(first["natural"][0], second["natural"][0])
    assert first["natural"][0]["seconds"] == second["natural"][0]["seconds"]
    assert torch.equal(before[2], starts[-1][2])


def test_trained_state_and_evaluation_attacks():
    state = trained_state("natural", data(), SETTING, 0, 2)
    assert same(state, trained("natural", data(), SETTING, 0, 2)[0].state_dict())
    chosen = attacks(SETTING)
    assert list(chosen) == ["PGD-40", "PGD-100", "APGD-CE", "APGD-T", "Square"]
    assert chosen["PGD-40"] == PGD(THREAT, steps=40, step_size="1/160")
    assert all(attack.threat == THREAT for attack in chosen.values())


def test_steps_within_divides_the_time_by_the_cost(monkeypatch):
    def costs(tasks, rounds):
        for task in tasks.values():
            task()
        assert rounds == 2
        return {name: seconds for name, seconds in zip(tasks, (0.5, 0.3, 40.0), strict=True)}

    monkeypatch.setattr(contests, "cpu_seconds", costs)
    names = ["natural", "FGSM-RS", "Free-8"]
    assert steps_within(10, names, data(), SETTING, rounds=2) == {"natural": 20, "FGSM-RS": 33, "Free-8": 1}
    with pytest.raises(ValueError, match="seconds"):
        steps_within(0, names, data(), SETTING)
    with pytest.raises(ValueError, match="workers"):
        steps_within(1, names, data(), SETTING, workers=0)


def test_steps_within_measures_in_as_many_processes_as_train_at_once(monkeypatch):
    def measured(function, jobs, workers):
        assert function is contests.step_costs
        assert len(jobs) == workers == 2
        return [{"natural": 0.5, "FGSM-RS": 1.0}, {"natural": 1.5, "FGSM-RS": 3.0}]

    monkeypatch.setattr(contests, "run_all", measured)
    assert steps_within(10, ["natural", "FGSM-RS"], data(), SETTING, workers=2) == {"natural": 10, "FGSM-RS": 5}


def test_setting_errors():
    with pytest.raises(ValueError, match="optimiser"):
        trained("natural", data(), replace(SETTING, optimiser="lion"), 0, 2)
    model, _ = trained("natural", data(), replace(SETTING, optimiser="sgd"), 0, 2)
    other, _ = trained("natural", data(), SETTING, 0, 2)
    assert not same(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("name", ["YOPO-5-10", "TRADES-YOPO-3-4"])
def test_named_loops_are_the_contestant_of_that_name_to_rounding(name):
    """The same settings in all three; weights after three steps agree, and are not those of the start."""
    images, _ = data()
    runs = {}
    for arm, kind in ((name, "fused"), (f"{name} (fused)", "fused"), (f"{name} (plain loop)", "plain")):
        method = contestant(arm, images, SETTING, 0)
        found = {key: getattr(method, key) for key in ("first_layer", "steps", "inner_steps", "sigma", "threat")}
        assert found == {key: getattr(contestant(name, images, SETTING, 0), key) for key in found}
        assert getattr(method, "weight", None) == getattr(contestant(name, images, SETTING, 0), "weight", None)
        assert method.loop.settle(images, THREAT, "fp32") == kind
        runs[arm] = trained_state(arm, data(), SETTING, 0, 3)
    reference = runs[name]
    start = contestant(name, images, SETTING, 0).model.state_dict()
    assert same(reference, runs[f"{name} (fused)"])
    for key, value in runs[f"{name} (plain loop)"].items():
        assert torch.allclose(value, reference[key], rtol=0, atol=1e-4)
        assert (value - start[key]).abs().max() > 1e-3


def test_more_queries_is_a_second_search_of_what_is_left_and_trains_nothing_again(tmp_path, monkeypatch):
    test = pixels("digits", "test", 60)
    setting = replace(SETTING, threat=Threat("1/10"), hard=50, queries=5)
    where = tmp_path / "natural-0.pt"
    model, _ = trained("natural", data(300), setting, 0, 40, checkpoint=where)

    def no_step(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(Method, "step", no_step)
    found = more_queries("natural", data(300), test, setting, 0, 40, 100, where)
    source, hard = generator(0, "queries"), (test[0][:50], test[1][:50])
    right = accuracy(model, *hard, attacks(setting)["APGD-T"], source=source)
    wanted = []
    for queries in (5, 100):
        right = accuracy(model, *hard, Square(setting.threat, queries=queries), source=source, among=right)
        wanted.append(percent(right))
    assert found == tuple(wanted) and found[0] > 0
