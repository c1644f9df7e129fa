"""Trainings, attacks and audits on a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from fuzz import doors_light, doors_robust
from torch import nn

from contdepth import control, nets, robust, seeds, training

pytestmark = pytest.mark.device


def classifier(where: torch.device) -> nn.Module:
    return doors_robust.classifier().to(where)


def audited(where: torch.device) -> Any:
    x, y = (part.to(where) for part in doors_robust.batch().values())
    effort = robust.Effort(3, 1, 3, 3, 3) if hasattr(robust, "Effort") else "quick"
    found = robust.audit(
        classifier(where), x, y, doors_robust.threat(), budget=effort, source=seeds.generator(0, "a")
    )
    return found.accuracy if hasattr(found, "accuracy") else found


def ascents(where: torch.device) -> Any:
    x, y = (part.to(where) for part in doors_robust.batch().values())
    settings = {"steps": 2, "inner_steps": 2, "step_size": 0.02}
    delta = doors_robust.delta().to(where)
    return robust.compare_ascents(classifier(where), "0", x, y, delta, doors_robust.threat(), **settings)


def fitted(**changes: Any) -> Case:
    """A training with crops, dropout off the path of the images, and a test at its end."""

    def case(where: torch.device) -> Any:
        model = nets.SmallCNN(1, 8, (2, 2, 3, 3), 4, 3, seed=0)
        images, labels = doors_light.singles(8, 1, 8, 8), doors_light.labels(8)
        recipe = training.Recipe("short", epochs=2, batch=4, lr=0.01, pad=1, flip=True, **changes)
        done = training.fit(
            model, (images, labels), (images, labels), recipe, seed=0, device=where, progress=False
        )
        return list(model.parameters()), {key: row for key, row in done.history.items() if "seconds" not in key}

    return case


def discrete(where: torch.device) -> Any:
    """Two sweeps of an optimiser of discrete weights, drawn by a generator of the CPU."""
    weights = nn.Parameter(torch.zeros(4, 3, dtype=torch.float64, device=where))
    x = doors_light.doubles(5, 3).to(where)
    source = seeds.generator(0, "weights")
    rule = control.DiscreteWeights([weights], "ternary", average=0.5, sparsity=0.01, generator=source)
    for _ in range(2):
        rule.zero_grad()
        (x @ weights.T).tanh().square().mean().backward()
        rule.step()
    return weights, rule.state[weights]["slope"]


def quantised(where: torch.device) -> Any:
    """Two steps on AdamW's, and two of Langevin's with noise of the CPU."""
    x = doors_light.doubles(5, 3).to(where)
    found = []
    for make in (
        lambda w: control.QuantisedDescent([w], 0.1, epochs=2, batches=2, kind="adamw", eta=64.0),
        lambda w: control.LangevinDescent([w], 0.1, generator=seeds.generator(0, "noise")),
    ):
        weights = nn.Parameter(torch.ones(4, 3, dtype=torch.float64, device=where))
        rule = make(weights)
        for _ in range(2):
            rule.zero_grad()
            (x @ weights.T).tanh().square().mean().backward()
            rule.step()
        found.append(weights)
    return found


def implicit_steps(where: torch.device) -> Any:
    """A solved step of either kind of system, and its gradient."""
    field, x = doors_light.pulled().to(where), doors_light.doubles(4, 2).to(where).requires_grad_()
    y = nets.implicit_euler(doors_light.inward, nets.implicit_euler(field, x, 2.0).state, 2.0).state
    y.square().sum().backward()
    return y, x.grad, [part.grad for part in field.parameters()]


def continued(where: torch.device) -> Any:
    """A training that stops after an epoch and goes on from its file."""
    path = Path("run.pt")
    path.unlink(missing_ok=True)
    model, data, recipe = doors_light.line(), doors_light.pictures(), doors_light.short()

    def stop(step: int, loss: float) -> None:
        if step == 1:
            raise KeyboardInterrupt

    options = {"seed": 0, "device": where, "progress": False, "checkpoint": path, "every": 1}
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, data, data, recipe, on_step=stop, **options)
    model = doors_light.line()
    training.fit(model, data, data, recipe, **options)
    return list(model.parameters())


def coarse_to_fine(where: torch.device) -> Any:
    """Two cycles, and the copies between them, which are made where the net is."""
    model, data, recipe = doors_light.stepped(), doors_light.pictures(), doors_light.short()
    done = training.fit_levels(model, data, data, [recipe] * 2, seed=0, by_time=True, device=where, progress=False)
    return list(done.model.parameters()), list(done.model.buffers()), done.fits[1].history


def adversarial(where: torch.device) -> Any:
    method = robust.TRADESYOPO(**doors_robust.steps(first_layer="0", inner_steps=2, weight=1.0))
    method.model.to(where)
    recipe = training.Recipe("short", epochs=1, batch=2, lr=0.01, pad=1)
    x, y = doors_robust.batch().values()
    done = robust.train(method, (x, y), recipe, seed=0, steps=2, progress=False)
    return list(method.model.parameters()), done.losses


CASES: dict[str, Case] = {
    "audit": audited,
    "ascents": ascents,
    "fit": fitted(),
    "fit, channels last": fitted(channels_last=True),
    "fit, float64": fitted(precision="fp64"),
    "fit, continued": continued,
    "coarse to fine": coarse_to_fine,
    "discrete weights": discrete,
    "quantised and Langevin descent": quantised,
    "implicit steps": implicit_steps,
    "adversarial": adversarial,
}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(
    name: str, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    as_on_the_cpu(CASES[name], device)


def test_dropout_depends_on_seed_and_step_alone(device: Device) -> None:
    runs = []
    for other in (1, 2):
        torch.manual_seed(other)
        model = nets.SmallCNN(1, 8, (2, 2, 3, 3), 4, 3, seed=0, dropout=0.5)
        data = doors_light.singles(8, 1, 8, 8), doors_light.labels(8)
        training.fit(model, data, data, doors_light.short(), seed=0, device=device.device, progress=False)
        runs.append([value.cpu() for value in model.parameters()])
    torch.testing.assert_close(*runs)
