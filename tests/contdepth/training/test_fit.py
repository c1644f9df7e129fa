"""The training loop: equal bits after a stop, schedules, guards."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from contdepth import checks, devices
from contdepth.data import load, standardise
from contdepth.nets import LMNet, lm_resnet
from contdepth.robust.methods.loop import train as robust_train
from contdepth.robust.methods.method import Natural
from contdepth.training import (
    CheckpointError,
    DivergenceError,
    Recipe,
    evaluate,
    fit,
    fit_together,
    recipe,
)
from contdepth.training.loop import check_cublas

SHORT = Recipe("short", epochs=3, batch=16, lr=0.05, schedule="one-cycle", pad=1, flip=True)


def data(count: int = 72) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    source = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 1, 8, 8), generator=source, dtype=torch.uint8)
    labels = (images[:, 0, :4].float().mean((1, 2)) > images[:, 0, 4:].float().mean((1, 2))).long()
    return standardise((images[:56], labels[:56]), (images[56:], labels[56:]))


def net(seed: int = 0) -> LMNet:
    return lm_resnet(14, width=4, in_channels=1, num_classes=2, survival=0.6, seed=seed)


def same_run(a: Path, b: Path) -> bool:
    """Equal weights, buffers, momenta, steps, sums and history, bit for bit."""
    left, right = (torch.load(path, weights_only=True) for path in (a, b))

    def equal(x: object, y: object) -> bool:
        if isinstance(x, torch.Tensor):
            return torch.equal(x, y)
        if isinstance(x, dict):
            return x.keys() == y.keys() and all(equal(x[key], y[key]) for key in x)
        if isinstance(x, list | tuple):
            return len(x) == len(y) and all(map(equal, x, y))
        return x == y

    return equal(left, right)


class Stop(Exception):
    """Raised in the middle of training."""


@pytest.mark.parametrize(("precision", "draw"), [("fp32", 0), ("fp32", 1), ("bf16", 2)])
def test_a_stopped_run_ends_with_the_same_bits(tmp_path: Path, precision: str, draw: int) -> None:
    """Stopped by an exception at a step drawn at random from ``draw``: any step must do."""
    stop = random.Random(draw).randrange(11)
    settings = replace(SHORT, precision=precision)
    whole = fit(net(), *data(), settings, seed=4, checkpoint=tmp_path / "whole.pt", every=2)

    def interrupt(step: int, loss: float) -> None:
        if step == stop:
            raise Stop

    parts = tmp_path / "parts.pt"
    with pytest.raises(Stop):
        fit(net(), *data(), settings, seed=4, checkpoint=parts, every=2, on_step=interrupt)
    torch.rand(7)
    steps: list[int] = []
    other = net(seed=0 if stop < 1 else 9)
    resumed = fit(
        other, *data(), settings, seed=4, checkpoint=parts, every=2, on_step=lambda step, loss: steps.append(step)
    )
    assert steps == list(range((stop + 1) // 2 * 2, 12)), f"stopped at {stop}"
    assert resumed.history == whole.history
    assert same_run(parts, tmp_path / "whole.pt")
    assert [p.name for p in tmp_path.iterdir() if "part." in p.name or p.name.endswith(".part")] == []


def test_a_killed_process_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL in the middle of a step, at a random place: no handler runs, the file on disk is all there is."""
    stop = random.Random(3).randint(1, 10)
    script = textwrap.dedent(f"""
        import os, signal, sys, torch
        torch.set_num_threads(1)
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_fit as t
        def die(step, loss):
            if step == {stop}:
                os.kill(os.getpid(), signal.SIGKILL)
        path = {str(tmp_path / "killed.pt")!r}
        t.fit(t.net(), *t.data(), t.SHORT, seed=1, checkpoint=path, every=1, on_step=die)
    """)
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120)
    assert done.returncode == -9
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps: list[int] = []
        fit(
            net(9),
            *data(),
            SHORT,
            seed=1,
            checkpoint=tmp_path / "killed.pt",
            every=1,
            on_step=lambda step, loss: steps.append(step),
        )
        fit(net(), *data(), SHORT, seed=1, checkpoint=tmp_path / "whole.pt", every=1)
    finally:
        torch.set_num_threads(threads)
    assert steps[0] == stop + 1
    assert same_run(tmp_path / "killed.pt", tmp_path / "whole.pt")


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, model = fit(net(), *data(), SHORT, seed=0, checkpoint=tmp_path / "a.pt"), net(5)
    again = fit(
        model, *data(), SHORT, seed=0, checkpoint=tmp_path / "a.pt", on_step=lambda *a: pytest.fail("trained")
    )
    assert again.history == first.history and again.test_error == first.test_error
    assert evaluate(model, data()[1])[1] == first.test_error


@pytest.mark.parametrize("change", ["seed", "recipe", "model", "startup", "data"])
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.pt"
    fit(net(), *data(), SHORT, seed=0, checkpoint=path)
    model = net()
    if change in ("model", "startup"):
        options = {"startup": "repeat", "survival": 0.6} if change == "startup" else {}
        model, change = lm_resnet(14, width=4, in_channels=1, num_classes=2, **options), "model"
    settings = replace(SHORT, lr=0.04) if change == "recipe" else SHORT
    with pytest.raises(CheckpointError, match=f"another {change} .*delete it or give another checkpoint path"):
        fit(model, *data(70 if change == "data" else 72), settings, seed=int(change == "seed"), checkpoint=path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    fit(net(), *data(), SHORT, seed=0, checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"a\.pt: expected a checkpoint, found a damaged"):
        fit(net(), *data(), SHORT, seed=0, checkpoint=path)


def test_the_global_random_state_is_left_alone() -> None:
    model = net()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    fit(model, *data(), SHORT, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_divergence_names_step_and_rate() -> None:
    with pytest.raises(
        DivergenceError, match=r"found nan at step 1 \(epoch 0\), learning rate 1e\+25; lower recipe.lr"
    ):
        fit(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)),
            *data(),
            Recipe("wild", epochs=1, batch=16, lr=1e25),
            seed=0,
        )


def test_divergence_in_the_last_step_is_met_by_the_test(tmp_path: Path) -> None:
    """One step: the training loss before it is finite, the test loss after it is not."""
    model, path, losses = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), tmp_path / "a.pt", []
    with pytest.raises(
        DivergenceError,
        match=r"^test loss: expected .*, found (nan|inf) at step 0 \(epoch 0\), learning rate 1e\+38",
    ):
        fit(
            model,
            *data(),
            Recipe("wild", epochs=1, batch=56, lr=1e38),
            seed=0,
            checkpoint=path,
            on_step=lambda step, loss: losses.append(loss),
        )
    assert not path.exists() and losses == []


def test_one_step_is_sgd_by_hand() -> None:
    """Two full-batch steps against v <- m v + g + wd w, w <- w - lr v in float64."""
    (x, y), test = data()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double()
    w, b = (p.detach().clone().requires_grad_() for p in model.parameters())
    velocity = [torch.zeros_like(w), torch.zeros_like(b)]
    for _ in range(2):
        loss = nn.functional.cross_entropy(x.double().flatten(1) @ w.T + b, y)
        gradients = torch.autograd.grad(loss, (w, b))
        with torch.no_grad():
            for p, v, g in zip((w, b), velocity, gradients, strict=True):
                v.mul_(0.8).add_(g + 0.01 * p)
                p.sub_(0.3 * v)
    fit(
        model,
        (x, y),
        test,
        Recipe("hand", epochs=2, batch=56, lr=0.3, momentum=0.8, weight_decay=0.01, precision="fp64"),
        seed=0,
    )
    for ours, p in zip((w, b), model.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), ours.detach(), rtol=1e-12, atol=1e-13)


def test_history_and_test_every() -> None:
    history = fit(net(), *data(), replace(SHORT, epochs=4, test_every=3), seed=0).history
    assert history["epoch"] == [0, 1, 2, 3]
    assert [math.isnan(v) for v in history["test_error"]] == [True, True, False, False]
    assert all(0 <= v <= 100 for v in history["train_error"])


def test_training_learns_digits() -> None:
    train, test = standardise(load("digits", "train", limit=600), load("digits", "test"))
    model = lm_resnet(8, width=4, in_channels=1)
    assert fit(model, train, test, recipe("digits", epochs=4), seed=0).test_error < 25


def test_uint8_images_are_refused() -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"train images: expected a floating-point tensor.*standardise"):
        fit(net(), (images, torch.zeros(4)), data()[1], SHORT, seed=0)
    with pytest.raises(ValueError, match=r"train labels: expected shape \(56,\), found shape \(55,\)"):
        fit(net(), (data()[0][0], data()[0][1][1:]), data()[1], SHORT, seed=0)


@pytest.mark.parametrize("part", ["train", "test"])
def test_data_that_cannot_be_trained_on_are_refused(part: str) -> None:
    (images, labels), good = data()
    none = (images[:0], labels[:0])
    array = "expected a torch.Tensor, found ndarray; torch.as_tensor"
    cases = (
        ((images.numpy(), labels.numpy()), TypeError, f"images: {array}"),
        ((images, labels.numpy()), TypeError, f"labels: {array}"),
        ((images, labels + 0.7), TypeError, r"labels: expected integers, found dtype torch\.float32; call"),
        ((images, labels.bool()), TypeError, r"labels: expected integers, found dtype torch\.bool; call"),
        (none, ValueError, r"images: expected at least one image, found shape \(0, 1, 8, 8\)"),
        ((images + 1j, labels), TypeError, r"images: expected real numbers, found dtype torch\.complex64"),
    )
    for bad, error, text in cases:
        sets = (bad, good) if part == "train" else (good, bad)
        with pytest.raises(error, match=f"^{part} {text}"):
            fit(net(), *sets, SHORT, seed=0)


def test_bfloat16_images_and_int32_labels_are_taken(tmp_path: Path) -> None:
    sets = [(images.bfloat16(), labels) for images, labels in data()]
    small = fit(net(), *((x, y.int()) for x, y in sets), SHORT, seed=0, checkpoint=tmp_path / "small.pt")
    plain = fit(net(), *((x.float(), y) for x, y in sets), SHORT, seed=0, checkpoint=tmp_path / "plain.pt")
    assert small.history == plain.history
    left, right = (torch.load(tmp_path / f"{name}.pt")["content"]["model"] for name in ("small", "plain"))
    assert all(torch.equal(left[key], right[key]) for key in right)


@pytest.mark.parametrize("value", [None, "", ":0:0"])
def test_deterministic_cuda_needs_its_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    found = "none" if value is None else repr(value)
    text = f"{name}: expected :4096:8 .*, found {found}; set {name}=:4096:8 before"
    with pytest.raises(ValueError, match=text):
        check_cublas(torch.device("cuda:0"), True)
    with monkeypatch.context() as there:  # a machine with a GPU
        there.setattr(devices, "named", checks.device)
        with pytest.raises(ValueError, match=text):
            fit(net(), *data(), SHORT, seed=0, device="cuda", deterministic=True)
    check_cublas(torch.device("cuda"), False)
    check_cublas(torch.device("cpu"), True)
    for good in (":4096:8", ":16:8"):
        monkeypatch.setenv(name, good)
        check_cublas(torch.device("cuda"), True)


class Seen(nn.Module):
    """A net of one strided 1 x 1 convolution that notes in which memory formats its images came."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(1, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels, 2, 1, stride=2)
        self.last, self.formats = nn.Linear(2, 2), set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u = self.wide(x)
        self.formats.add(u.is_contiguous())
        return self.last(self.skip(u).mean((2, 3)))


@pytest.mark.parametrize("channels, contiguous", [(7, True), (8, False)])
@pytest.mark.parametrize("loop", ["fit", "robust"])
def test_few_channels_into_a_strided_convolution_are_not_trained_channels_last(channels, contiguous, loop) -> None:
    """There PyTorch 2.13.0 writes past its memory on some processors."""
    model, (train, test) = Seen(channels), data()
    if loop == "fit":
        fit(model, train, test, SHORT, seed=0, progress=False)
    else:
        robust_train(Natural(model), (train[0].sigmoid(), train[1]), SHORT, seed=0, steps=2, progress=False)
    assert model.formats == {contiguous}


def test_runs_together_are_the_runs_alone(tmp_path: Path) -> None:
    runs = [
        {
            "model": net(seed),
            "train": data()[0],
            "test": data()[1],
            "recipe": SHORT,
            "seed": seed,
            "progress": False,
        }
        for seed in (0, 1)
    ]
    alone = [fit(**{**run, "model": net(run["seed"])}).history for run in runs]
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    assert [one.history for one in fit_together(runs)] == alone
    assert torch.equal(torch.rand(3), expected)
    again = [{**run, "model": net(run["seed"]), "checkpoint": tmp_path / f"{run['seed']}.pt"} for run in runs]
    assert [one.history for one in fit_together(again)] == alone
    finished = fit_together([{**run, "model": net(6)} for run in again])
    assert [one.history for one in finished] == alone, "read from their checkpoints"


def test_runs_together_are_refused_in_a_sentence() -> None:
    model = net()
    run = {"model": model, "train": data()[0], "test": data()[1], "recipe": SHORT, "seed": 0}
    with pytest.raises(ValueError, match="runs: expected at least one, found none"):
        fit_together([])
    with pytest.raises(ValueError, match="runs: expected a model for each"):
        fit_together([run, {**run, "seed": 1}])
    with pytest.raises(TypeError, match="runs: expected a Mapping, found int"):
        fit_together([3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="runs: expected a sequence"):
        fit_together(3)  # type: ignore[arg-type]
