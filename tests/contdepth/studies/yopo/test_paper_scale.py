"""The paper's own setting on a few images and two channels: what is trained, what is judged, what comes back."""

from __future__ import annotations

import copy
import os
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch

from contdepth.nets.preact_resnet18 import PreActResNet18
from contdepth.robust.attacks.apgd import APGD, APGDTargeted
from contdepth.robust.attacks.pgd import PGD, NoAttack, accuracy
from contdepth.robust.attacks.square import Square
from contdepth.robust.methods.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.yopo import YOPO
from contdepth.seeds import generator
from contdepth.studies.yopo import paper_scale
from contdepth.studies.yopo.paper_scale import CIFAR_METHODS, cifar_run, cifar_runs, mnist_run

THREAT = Threat("8/255")
KEYS = {"clean", "PGD-20", "PGD-50", "worst", "gap", "seconds", "seconds to 42"}


@pytest.fixture
def short_attacks(monkeypatch):
    """Fewer steps and queries; returns what the attacks were asked for."""
    asked = []

    def shorten(kind, **shorter):
        def make(threat, **settings):
            asked.append((kind.__name__, threat, settings))
            return kind(threat, **settings | shorter)

        monkeypatch.setattr(paper_scale, kind.__name__, make)

    shorten(PGD, steps=2, restarts=1)
    shorten(APGD, steps=3)
    shorten(APGDTargeted, steps=3)
    shorten(Square, queries=5)
    return asked


def colours(count, seed=0, size=8):
    """Images whose red, or its lack, tells the label: easy for any network."""
    source = generator(seed, "colours")
    labels = torch.arange(count) % 2
    images = 0.2 * torch.rand(count, 3, size, size, generator=source)
    images[:, 0] += 0.75 * labels[:, None, None]
    return images, labels


def judged():
    """Ten test images; the last one, past the hard ones, has a wrong label."""
    images, labels = colours(10, 1)
    labels[9] = 0
    return images, labels


def run(name="YOPO-5-3", precision="fp32", **changes):
    options = {"device": "cpu", "width": 2, "hard": 6, "precision": precision, **changes}
    return cifar_run(name, colours(24), judged(), THREAT, 0, options.pop("steps", 4), **options)


@pytest.mark.parametrize("name", list(CIFAR_METHODS))
def test_every_method_runs(short_attacks, name):
    found = run(name, steps=2)
    assert set(found) == KEYS and all(np.isfinite(value) for value in found.values())
    assert all(0 <= found[key] <= 100 for key in ("clean", "PGD-20", "PGD-50", "worst"))
    assert found["seconds"] >= found["seconds to 42"] >= 0 and found["PGD-20"] <= found["clean"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precision_is_that_of_the_first_layer(short_attacks, monkeypatch, precision):
    seen = set()

    class Watched(PreActResNet18):
        def __init__(self, **settings):
            super().__init__(**settings)
            watch = partial(self.note, self)
            self.conv1.register_forward_hook(watch)

        @staticmethod
        def note(model, module, inputs, output):
            if model.training and torch.is_grad_enabled():
                seen.add(output.dtype)

    monkeypatch.setattr(paper_scale, "PreActResNet18", Watched)
    found = run("YOPO-5-3", precision, steps=2)
    assert seen == {torch.bfloat16 if precision == "bf16" else torch.float32} and set(found) == KEYS


def test_runs_depend_on_the_seed_alone(short_attacks):
    torch.manual_seed(0)
    first = run("FGSM-RS", steps=3)
    torch.manual_seed(1)
    second = run("FGSM-RS", steps=3)
    for key in KEYS - {"seconds", "seconds to 42"}:
        assert first[key] == second[key]


def test_figures_are_those_of_the_trained_network(short_attacks, monkeypatch):
    """An easy task is learnt; accuracies, their gap and the time to 42 % agree with an evaluation by hand."""
    kept, looks = [], []
    inner = paper_scale.train

    def watched(method, data, recipe, **options):
        probe = options["probe"]

        def noted(model):
            looks.append(probe(model)["robust"])
            return {"robust": looks[-1]}

        result = inner(method, data, recipe, **options | {"probe": noted})
        kept.append((copy.deepcopy(method.model), recipe, options, result))
        return result

    monkeypatch.setattr(paper_scale, "train", watched)
    found = run("FGSM-RS", steps=30)
    model, recipe, options, result = kept[0]
    images, labels = judged()
    by_hand = accuracy(model, images, labels, NoAttack(), source=generator(0, "a"))
    assert found["clean"] == 10 * int(by_hand.sum()) and found["clean"] == 90
    pgd = accuracy(model, images, labels, PGD(THREAT, steps=2, step_size="2/255"), source=generator(0, "a"))
    assert found["PGD-20"] == pytest.approx(10 * int(pgd.sum()))
    assert found["gap"] == pytest.approx(100 / 6 * int(pgd[:6].sum()) - found["worst"])
    assert found["worst"] > 0 and len(looks) == 20 == len(result.probes)
    first = next(i for i, robust in enumerate(looks) if robust >= 42)
    assert found["seconds to 42"] == result.probes[first]["seconds"] <= found["seconds"] == result.seconds
    assert (recipe.lr, recipe.batch, recipe.pad, recipe.flip) == (0.2, 256, 4, True)
    assert recipe.schedule == "one-cycle" and recipe.weight_decay == 5e-4 and options["steps"] == 30


def test_attacks_have_their_full_length(short_attacks):
    run("FGSM-RS", steps=2)
    assert short_attacks == [
        ("PGD", THREAT, {"steps": 20, "step_size": "2/255"}),
        ("APGD", THREAT, {"steps": 100}),
        ("APGDTargeted", THREAT, {"steps": 100}),
        ("Square", THREAT, {"queries": 5000}),
        ("PGD", THREAT, {"steps": 50, "step_size": "2/255", "restarts": 10}),
    ]


def made(name):
    model = PreActResNet18(seed=3, width=2).train()
    method = CIFAR_METHODS[name](model, THREAT, "fp32")
    return model.double(), method


def test_methods_have_the_settings_of_their_names():
    kinds = {
        "YOPO-5-3": YOPO, "PGD-5 summed": SummedPGD, "PGD-10": PGDTraining,
        "FGSM-RS": FGSMRS, "N-FGSM": NFGSM, "Free-8": FreeTraining,
    }  # fmt: skip
    assert {name: type(made(name)[1]) for name in CIFAR_METHODS} == kinds
    yopo, summed, pgd = (made(name)[1] for name in ("YOPO-5-3", "PGD-5 summed", "PGD-10"))
    assert (yopo.steps, yopo.inner_steps, yopo.sigma) == (5, 3, Fraction(2, 255))
    assert (summed.steps, summed.sigma) == (5, 3 * yopo.sigma) and (pgd.steps, pgd.sigma) == (10, yopo.sigma)
    assert made("Free-8")[1].replays == 8 and made("FGSM-RS")[1].factor == 1.25
    assert all(made(name)[1].threat == THREAT for name in CIFAR_METHODS)


def test_yopo_and_its_summed_twin_take_the_same_steps():
    """The first layer is affine, so at one learning rate both move all other layers by the same amount."""
    images, labels = colours(6)
    found = []
    for name in ("YOPO-5-3", "PGD-5 summed"):
        model, method = made(name)
        delta = method.gradients(images.double(), labels).delta
        found.append((delta, {key: p.grad for key, p in model.named_parameters() if key != "conv1.weight"}))
    assert float((found[0][0] - found[1][0]).abs().max()) < 1e-9
    for key, gradient in found[0][1].items():
        assert torch.allclose(gradient, found[1][1][key], rtol=1e-6, atol=1e-9), key


def test_a_method_unknown_to_the_contest():
    with pytest.raises(ValueError, match="name.*'YOPO-5-3'"):
        run("PGD-7")


def test_runs_take_equal_time_and_are_collected_by_seed(monkeypatch):
    asked = []

    def clock(tasks):
        for task in tasks.values():
            task()
        return {"FGSM-RS": 0.1, "Free-8": 4.0}

    def one(name, data, test, threat, seed, steps, *, device):
        asked.append((name, seed, steps, threat, device, len(data[0]), len(test[0])))
        return {"clean": 10.0 * seed, "gap": 1.0}

    parts = {"train": colours(12), "test": colours(5)}
    monkeypatch.setattr(paper_scale, "pixels", lambda dataset, split, limit: parts[split])
    monkeypatch.setattr(paper_scale, "PreActResNet18", partial(PreActResNet18, width=2))
    monkeypatch.setattr(paper_scale, "cpu_seconds", clock)
    monkeypatch.setattr(paper_scale, "cifar_run", one)
    found = cifar_runs([3, 1], names=["FGSM-RS", "Free-8"], epsilon="4/255", device="cpu", seconds=10)
    assert asked == [
        (name, seed, steps, Threat("4/255"), "cpu", 12, 5)
        for name, steps in (("FGSM-RS", 100), ("Free-8", 20)) for seed in (3, 1)
    ]  # fmt: skip
    assert list(found) == ["FGSM-RS", "Free-8"] and found["Free-8"]["clean"].tolist() == [30, 10]


def digits(dataset, split, limit):
    """Bars on 28x28 images in place of MNIST, two classes."""
    count = min(limit, 40 if split == "train" else 20)
    labels = torch.arange(count) % 2
    images = 0.1 * torch.rand(count, 1, 28, 28, generator=generator(0, split))
    images[labels == 0, :, 4:14] += 0.9
    images[labels == 1, :, 14:24] += 0.9
    return images, labels


def test_mnist_recipe(short_attacks, monkeypatch):
    seen = []

    def trainer(method, data, recipe, seed):
        method.model.eval()
        seen.append((method, recipe, seed))

    monkeypatch.setattr(paper_scale, "pixels", digits)
    monkeypatch.setattr(paper_scale, "train", trainer)
    found = mnist_run([2], device="cpu", limit=30)
    ((method, recipe, seed),) = seen
    assert (method.steps, method.inner_steps, method.sigma, seed) == (5, 10, Fraction(1, 100), 2)
    assert method.threat == Threat("3/10") and method.loop.cut.name == "relu1"
    assert float(method.model.fc3.weight.detach().abs().max()) == 0 and method.model.dropout.p == 0.5
    step = 5 if method.average else 1
    rates = [recipe.rate(epoch, 1) * 5 / step for epoch in range(41)]
    assert rates == pytest.approx([0.01] * 30 + [1e-3] * 5 + [1e-4] * 4 + [1e-5] * 2)
    assert recipe.batch == 256 and recipe.epochs == 41 and recipe.weight_decay == 5e-4
    threat = Threat("3/10")
    assert ("PGD", threat, {"steps": 40, "step_size": "1/100"}) in short_attacks
    assert ("APGDTargeted", threat, {"steps": 100}) in short_attacks
    assert {key: value.tolist() for key, value in found.items()} == {
        "clean": [50.0], "PGD-40": found["PGD-40 few"].tolist(), "PGD-40 few": [50.0], "APGD-T": [50.0]
    }, "without training every logit is 0, which is class 0"  # fmt: skip


def test_mnist_run_depends_on_its_seeds_alone(short_attacks, monkeypatch):
    """Dropout and all."""
    states = []
    inner = paper_scale.train

    def watched(method, *arguments, **options):
        inner(method, *arguments, **options)
        states.append(method.model.state_dict())

    monkeypatch.setattr(paper_scale, "pixels", digits)
    monkeypatch.setattr(paper_scale, "train", watched)
    for disturb in (0, 1):
        torch.manual_seed(disturb)
        found = mnist_run([0], device="cpu", epochs=1, limit=16)
        assert all(value.shape == (1,) and 0 <= value[0] <= 100 for value in found.values())
        assert found["PGD-40"] <= found["clean"]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("CONTDEPTH_DATA"), reason="CONTDEPTH_DATA is not set: no local data sets")
def test_mnist_run_on_mnist(short_attacks):
    found = mnist_run([0], device="cpu", epochs=1, limit=64, rate=0.05)
    assert set(found) == {"clean", "PGD-40", "PGD-40 few", "APGD-T"}
    assert all(value.shape == (1,) and np.isfinite(value[0]) for value in found.values())
    assert found["APGD-T"] <= found["clean"]
