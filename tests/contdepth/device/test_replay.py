"""Training with recorded steps on the fake device: the numbers of steps that are called, and no look at them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from device.fake import FakeDevice, fake_device
from device.tape import Tape, recording_device
from torch import Tensor, nn

from contdepth import pde, robust
from contdepth.data import standardise
from contdepth.nets import lm_resnet
from contdepth.training import DivergenceError, Recipe, fit, fit_together
from contdepth.training.replay import WARM_UP, Replay

SHORT = Recipe("short", epochs=3, batch=8, lr=0.05, schedule="one-cycle", pad=1, flip=True, weight_decay=1e-3)


@pytest.fixture
def fake() -> Iterator[FakeDevice]:
    with fake_device() as found:
        yield found


@pytest.fixture
def tapes(fake: FakeDevice) -> Iterator[list[Tape]]:
    with recording_device() as found:
        yield found


def data() -> tuple[tuple[Tensor, Tensor], ...]:
    source = torch.Generator().manual_seed(0)
    images = torch.randint(256, (72, 1, 8, 8), generator=source, dtype=torch.uint8)
    labels = (images[:, 0, :4].float().mean((1, 2)) > images[:, 0, 4:].float().mean((1, 2))).long()
    return standardise((images[:52], labels[:52]), (images[52:], labels[52:]))


def net(seed: int = 0, survival: float = 1.0) -> nn.Module:
    return lm_resnet(8, width=2, in_channels=1, num_classes=2, survival=survival, seed=seed)


def weights(model: nn.Module) -> list[Tensor]:
    return [value.cpu() for value in model.state_dict().values()]


def test_a_replayed_call_reads_its_inputs_and_writes_its_state(fake: FakeDevice, tapes: list[Tape]) -> None:
    total = torch.zeros(2, device=fake.device)

    def step(x: Tensor) -> tuple[Tensor]:
        total.add_(x)
        return (2 * total,)

    replay = Replay(step, fake.device)
    seen = [replay(torch.full((2,), float(n)).to(fake.device))[0].tolist() for n in range(1, 9)]
    assert seen == [[n * (n + 1.0)] * 2 for n in range(1, 9)]
    assert (tapes[0].warmed, len(tapes[0].recorded), tapes[0].replayed) == (WARM_UP, 1, 8 - WARM_UP)


def test_each_shape_has_a_recording(fake: FakeDevice, tapes: list[Tape]) -> None:
    replay = Replay(lambda x: (x.sum(),), fake.device)
    for n in range(12):
        x = torch.full((1 + n % 2,), float(n)).to(fake.device)
        assert replay(x)[0].item() == n * (1 + n % 2)
    assert len(tapes[0].recorded) == 2


def test_a_look_at_a_number_is_an_error_while_recorded(fake: FakeDevice, tapes: list[Tape]) -> None:
    replay = Replay(lambda x: (x * x.sum().item(),), fake.device)
    x = torch.ones(2).to(fake.device)
    for _ in range(WARM_UP):
        replay(x)
    with pytest.raises(RuntimeError, match="not permitted"):
        replay(x)


@pytest.mark.parametrize("change", [{}, {"pad": 0}, {"flip": False}, {"pad": 0, "flip": False, "nesterov": True}])
def test_fit_with_recorded_steps_gives_the_numbers_of_called_ones(
    fake: FakeDevice, change: dict[str, object]
) -> None:
    settings, models = replace(SHORT, **change), (net(), net())  # type: ignore[arg-type]
    called = fit(models[0], *data(), settings, seed=3, device=fake.device, progress=False)
    with recording_device() as tapes:
        replayed = fit(models[1], *data(), settings, seed=3, device=fake.device, progress=False)
    assert len(tapes[0].recorded) == 1 and tapes[0].replayed == 3 * 6 - WARM_UP, (
        "the last batch has warmed up only"
    )
    for name, column in called.history.items():
        assert replayed.history[name] == pytest.approx(column, rel=1e-5), name
    for left, right in zip(*map(weights, models), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)


def test_a_stopped_run_with_recorded_steps_goes_on(fake: FakeDevice, tapes: list[Tape], tmp_path: Path) -> None:
    whole = fit(net(), *data(), SHORT, seed=3, device=fake.device, checkpoint=tmp_path / "whole.pt", every=4)

    class Stop(Exception):
        pass

    def stop(step: int, loss: float) -> None:
        if step == 9:
            raise Stop

    with pytest.raises(Stop):
        fit(net(), *data(), SHORT, seed=3, device=fake.device, checkpoint=tmp_path / "a.pt", every=4, on_step=stop)
    rest = fit(net(5), *data(), SHORT, seed=3, device=fake.device, checkpoint=tmp_path / "a.pt", every=4)
    assert rest.history == whole.history


def test_no_number_is_looked_at_between_the_ends_of_epochs(fake: FakeDevice, tapes: list[Tape]) -> None:
    """Steps that are replayed: twice as many of them make no look more."""
    looks = []
    for count in (26, 52):
        train, test = data()
        settings = replace(SHORT, epochs=8, batch=count // 26 * 2, test_every=8)
        before = fake.reads
        fit(
            net(), (train[0][:count], train[1][:count]), test, settings, seed=0, device=fake.device, progress=False
        )
        looks.append(fake.reads - before)
    settings = replace(SHORT, epochs=8, batch=2, test_every=8)
    before = fake.reads
    fit(net(), *data(), settings, seed=0, device=fake.device, progress=False)
    assert fake.reads - before == looks[0] == looks[1]


def test_stochastic_depth_is_never_recorded(fake: FakeDevice, tapes: list[Tape]) -> None:
    models = net(survival=0.5), net(survival=0.5)
    on_device = fit(models[0], *data(), SHORT, seed=3, device=fake.device, progress=False)
    assert not tapes[0].recorded
    on_cpu = fit(models[1], *data(), SHORT, seed=3, progress=False)
    assert on_device.history["train_error"] == on_cpu.history["train_error"]


def test_divergence_is_met_at_the_end_of_the_epoch_and_names_its_step(fake: FakeDevice, tapes: list[Tape]) -> None:
    settings = Recipe("wild", epochs=1, batch=4, lr=1e25)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    with pytest.raises(DivergenceError, match=r"found nan at step 1 \(epoch 0\), learning rate 1e\+25"):
        fit(model, *data(), settings, seed=0, device=fake.device, progress=False)


def unit_images() -> tuple[Tensor, Tensor]:
    (images, labels), _ = data()
    return images.double().sigmoid(), labels


def small() -> nn.Sequential:
    torch.manual_seed(0)
    layers = {"conv1": nn.Conv2d(1, 4, 3, padding=1), "relu1": nn.ReLU(), "norm": nn.BatchNorm2d(4)}
    return nn.Sequential(OrderedDict(**layers, flat=nn.Flatten(), last=nn.Linear(256, 2))).double()


THREAT = robust.Threat("0.05")
METHODS = {
    "natural": lambda model: robust.Natural(model),
    "PGD": lambda model: robust.PGDTraining(model, threat=THREAT, steps=3, step_size="0.02", clean_weight=1.0),
    "Free": lambda model: robust.FreeTraining(model, threat=THREAT, replays=2),
    "N-FGSM": lambda model: robust.NFGSM(model, threat=THREAT),
    "YOPO": lambda model: robust.YOPO(
        model, first_layer="relu1", threat=THREAT, steps=2, inner_steps=3, step_size="0.02", average=True
    ),
    "TRADES": lambda model: robust.TRADES(model, threat=robust.Threat("0.5", "l2"), steps=2, step_size="0.1"),
}


@pytest.mark.parametrize("name", METHODS)
def test_robust_training_with_recorded_steps_gives_the_numbers_of_called_ones(fake: FakeDevice, name: str) -> None:
    """The recorded run draws its starts from the device's generator, which is the CPU's stream here."""
    settings = replace(SHORT, epochs=3)
    models = [small().to(fake.device) for _ in range(2)]
    called = robust.train(METHODS[name](models[0]), unit_images(), settings, seed=3, ramp=0.1, progress=False)
    with recording_device() as tapes:
        method = METHODS[name](models[1])
        replayed = robust.train(method, unit_images(), settings, seed=3, ramp=0.1, progress=False)
    assert tapes[-1].replayed > 5
    assert replayed.losses == pytest.approx(called.losses, rel=1e-4)
    assert replayed.errors == pytest.approx(called.errors, abs=1e-6)
    for left, right in zip(*map(weights, models), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-5)
    assert method.source.device.type == "cpu"


def test_robust_training_looks_at_its_losses_a_hundred_steps_at_a_time(
    fake: FakeDevice, tapes: list[Tape]
) -> None:
    looks = []
    for steps in (20, 90):
        before = fake.reads
        method = METHODS["YOPO"](small().to(fake.device))
        robust.train(method, unit_images(), replace(SHORT, batch=4, epochs=8), seed=0, steps=steps, progress=False)
        looks.append(fake.reads - before - 2 * steps)  # loss and errors of each step, all at the end
    assert looks[0] == looks[1]


def test_a_rule_of_ones_own_is_called(fake: FakeDevice, tapes: list[Tape]) -> None:
    model = small().to(fake.device)
    done = robust.train(
        METHODS["natural"](model),
        unit_images(),
        SHORT,
        seed=0,
        steps=6,
        optimiser=torch.optim.Adam,
        progress=False,
    )
    assert len(done.losses) == 6 and not any(tape.recorded for tape in tapes)


@pytest.mark.parametrize("change", [{}, {"filters": "frozen"}, {"scheme": "midpoint"}, {"optimiser": "adam"}])
def test_equations_are_fitted_with_recorded_closures(fake: FakeDevice, change: dict[str, str]) -> None:
    x, t = torch.linspace(0, 2 * torch.pi, 17)[:16, None].double(), 0.01 * torch.arange(8).double()
    u = (torch.exp(-0.1 * t) * torch.sin(x) + 0.5 * torch.exp(-0.4 * t) * torch.sin(2 * x + 1)).numpy()
    settings = {"hidden": 1, "blocks": (1, 2), "iterations": 6, "device": str(fake.device), **change}
    kept = {"u": u, "dt": 0.01, "dx": 2 * torch.pi / 16}
    called = pde.PDENet2(**settings).fit(**kept)
    with recording_device() as tapes:
        replayed = pde.PDENet2(**settings).fit(**kept)
    assert sum(tape.replayed for tape in tapes) > 5
    for (_, left), (_, right) in zip(called.stages_, replayed.stages_, strict=True):
        assert right.losses == pytest.approx(left.losses, rel=1e-6)


def test_runs_with_recorded_steps_take_turns_and_are_the_runs_alone(fake: FakeDevice, tapes: list[Tape]) -> None:
    turns: list[int] = []

    def runs() -> list[dict[str, object]]:
        given = [{"model": net(seed), "seed": seed, "recipe": SHORT, "progress": False} for seed in (0, 1)]
        return [{**one, "train": data()[0], "test": data()[1]} for one in given]

    alone = [fit(**run, device=fake.device).history for run in runs()]  # type: ignore[arg-type]
    seen = [{**run, "on_step": lambda step, loss, n=n: turns.append(n)} for n, run in enumerate(runs())]
    assert [one.history for one in fit_together(seen, device=fake.device)] == alone
    assert turns == [0, 1] * (len(turns) // 2)
