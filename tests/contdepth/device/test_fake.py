"""The fake device refuses what CUDA refuses, takes what CUDA takes, and computes what the CPU computes."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from device.fake import DEVICE, DeviceTensor, FakeDevice, fake_device
from torch import Tensor, nn
from torch.nn import functional

Call = Callable[[Tensor, Tensor], Any]


@pytest.fixture
def fake() -> Iterator[FakeDevice]:
    with fake_device() as found:
        yield found


def numbers(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


MIXED: dict[str, Call] = {
    "add": lambda x, y: x + y,
    "the other way": lambda x, y: y * x,
    "in place": lambda x, y: x.add_(y),
    "in place on the CPU": lambda x, y: y.add_(x),
    "in place on a number of the CPU": lambda x, y: torch.zeros(()).add_(x[0, 0]),
    "a number of the device beside a CPU tensor": lambda x, y: x[0, 0] + y,
    "product": lambda x, y: x @ y,
    "joined": lambda x, y: torch.cat([x, y]),
    "a number joined": lambda x, y: torch.stack([x[0, 0], torch.zeros(())]),
    "select": lambda x, y: x.index_select(0, torch.tensor([0])),
    "gather": lambda x, y: x.gather(0, torch.zeros(1, 4, dtype=torch.int64)),
    "the CPU by indices of the device": lambda x, y: y[torch.zeros(1, dtype=torch.int64, device=x.device)],
    "write by index": lambda x, y: x.index_put_((torch.tensor([0]),), y[:1]),
    "mask": lambda x, y: x.masked_fill(y > 0, 0.0),
    "choice": lambda x, y: torch.where(x > 0, x, y),
    "convolution": lambda x, y: functional.conv1d(x[None], y[None]),
    "a layer": lambda x, y: nn.Linear(4, 2)(x),
    "loss": lambda x, y: functional.mse_loss(x, y),
    "labels": lambda x, y: functional.cross_entropy(x, torch.zeros(4, dtype=torch.int64)),
    "equality": lambda x, y: torch.equal(x, y),
    "out": lambda x, y: torch.add(x, x, out=torch.empty(4, 4)),
    "sums by index": lambda x, y: x.index_add(0, torch.tensor([0]), x[:1]),
    "repeats": lambda x, y: x.repeat_interleave(torch.ones(4, dtype=torch.int64), 0),
    "under vmap": lambda x, y: torch.func.vmap(lambda row: row * y[0])(x),
    "under grad": lambda x, y: torch.func.grad(lambda row: (row * y).sum())(x),
    "a gradient": lambda x, y: setattr(x, "grad", y),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_mixture_is_refused(name: str, fake: FakeDevice) -> None:
    with pytest.raises((RuntimeError, TypeError), match=r"device|Expected|expected"):
        MIXED[name](numbers(4, 4).to(DEVICE), numbers(4, 4))


NUMPY: dict[str, Callable[[Tensor], Any]] = {
    "numpy": lambda x: x.numpy(),
    "detached": lambda x: x.detach().numpy(),
    "asarray": np.asarray,
    "ufunc": np.sin,
    "from an array": lambda x: np.zeros(4) + x,
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_is_refused(name: str, fake: FakeDevice) -> None:
    with pytest.raises((TypeError, RuntimeError)):
        NUMPY[name](numbers(4).to(DEVICE))


ALLOWED: dict[str, Callable[[Tensor], Any]] = {
    "a number of the CPU": lambda x: x + torch.tensor(2.0),
    "as a limit": lambda x: x.clamp(torch.tensor(0.2), torch.tensor(0.7)),
    "as a choice": lambda x: torch.where(x > 0.5, x, torch.tensor(0.0)),
    "as a fill": lambda x: x.masked_fill(x > 0.5, torch.tensor(0.0)),
    "in place": lambda x: x.clone().mul_(torch.tensor(2.0)),
    "indices of the CPU": lambda x: x[torch.tensor([2, 0])],
    "a list": lambda x: x[[2, 0], [0, 1]],
    "an array": lambda x: x[np.array([2, 0])],
    "a mask of the CPU": lambda x: x[torch.tensor([True, False, True, False])],
    "a number written by index": lambda x: x.clone().index_put((torch.tensor([1]),), torch.tensor(5.0)),
    "a copy": lambda x: torch.empty(4, 4, device=x.device).copy_(numbers(4, 4)),
    "numbers of Python": lambda x: torch.tensor([1.0, 2.0], device=x.device) + x.new_tensor([1.0, 2.0]),
    "numbers of NumPy": lambda x: torch.as_tensor(np.arange(4.0), device=x.device) * np.float64(2.0),
    "made from nothing": lambda x: torch.arange(4, device=x.device) + torch.linspace(0, 1, 4, device=x.device),
    "like": lambda x: torch.full_like(x, 2.0) + x.new_zeros(4),
    "transform": lambda x: torch.fft.irfft(torch.fft.rfft(x)),
    "solve": lambda x: torch.linalg.solve(x + 2 * torch.eye(4, device=x.device), x),
    "sum of products": lambda x: torch.einsum("ij,jk,ik->i", x, x, x),
    "vmap": lambda x: torch.func.vmap(lambda row: row[[0, 1]] * torch.ones(2, device=x.device))(x),
    "grad": lambda x: torch.func.grad(lambda y: y.pow(3).sum())(x),
    "jvp": lambda x: torch.func.jvp(torch.sin, (x,), (x,)),
    "jacobian": lambda x: torch.func.jacrev(torch.sin)(x[0]),
    "hessian": lambda x: torch.func.hessian(lambda y: y.sin().prod())(x[0]),
    "conjugate": lambda x: (torch.complex(x, 2 * x).mH @ torch.complex(x, x)).conj().imag,
    "shapes changed in place": lambda x: x.clone().unsqueeze_(0).squeeze_().t_(),
    "vector by matrices": lambda x: x[0] @ x.expand(3, 4, 4),
    "written": lambda x: (y := x.clone()).__setitem__(slice(0, 2), 7.0) or y,
    "a view written": lambda x: (y := x.clone()).view(-1)[3:5].zero_() is None or y,
}


def plain(value: Any) -> Any:
    return tuple(map(plain, value)) if isinstance(value, tuple) else value.cpu()


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_gives_the_numbers_of_the_cpu(name: str, fake: FakeDevice) -> None:
    given = numbers(4, 4)
    found = ALLOWED[name](given.to(DEVICE))
    for one in found if isinstance(found, tuple) else (found,):
        assert isinstance(one, DeviceTensor) and one.device == DEVICE
    torch.testing.assert_close(plain(found), plain(ALLOWED[name](given)), rtol=0, atol=0)


def test_numbers_come_back(fake: FakeDevice) -> None:
    x = torch.tensor([0.5, 0.0]).to(DEVICE)
    assert (x[0].item(), float(x[0]), int(x[1]), bool(x[1]), x.tolist()) == (0.5, 0.5, 0, False, [0.5, 0.0])
    assert f"{x[0]:.2f}" == "0.50" and "0.5" in str(x) and type(x.cpu()) is Tensor and type(x.to("cpu")) is Tensor
    host = torch.zeros(2)
    assert type(host.copy_(x)) is Tensor and host[0] == 0.5
    assert len(x) == 2 and [float(one) for one in x] == [0.5, 0.0]


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    return nn.Sequential(*layers)


OPTIMISERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, 0.1, momentum=0.9),
    "adam": lambda weights: torch.optim.Adam(weights, 0.1),
    "fused adam": lambda weights: torch.optim.Adam(weights, 0.1, fused=True),
    "adam of lists": lambda weights: torch.optim.Adam(weights, 0.1, foreach=True),
    "lbfgs": lambda weights: torch.optim.LBFGS(weights, 0.1, line_search_fn="strong_wolfe"),
}


def trained(kind: str, where: torch.device) -> nn.Module:
    model = net()
    weights = list(model.parameters())
    optimiser = OPTIMISERS[kind](weights)
    model.to(where, memory_format=torch.channels_last)
    x, y = numbers(5, 1, 8, 8).to(where), torch.tensor([0, 1, 2, 0, 1]).to(where)
    assert all(one is other for one, other in zip(weights, model.parameters(), strict=True))

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = functional.cross_entropy(model(x), y)
        found.backward()
        return found

    for _ in range(3):
        optimiser.step(loss)
    return model


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_training_gives_the_weights_of_the_cpu(kind: str, fake: FakeDevice) -> None:
    ours, cpu = trained(kind, DEVICE).state_dict(), trained(kind, torch.device("cpu")).state_dict()
    assert all(value.device == DEVICE for value in ours.values())
    torch.testing.assert_close({key: value.cpu() for key, value in ours.items()}, dict(cpu), rtol=0, atol=0)


def test_copies_and_files_stay_on_the_device(fake: FakeDevice) -> None:
    model = net().to(DEVICE)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    stored = torch.load(file, weights_only=True)
    other = net().to(DEVICE)
    other.load_state_dict(stored)
    other.load_state_dict({key: value.cpu() for key, value in stored.items()})
    for one in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), other):
        assert all(isinstance(value, nn.Parameter) and value.device == DEVICE for value in one.parameters())
        torch.testing.assert_close(one[0].weight.cpu(), model[0].weight.cpu(), rtol=0, atol=0)
    assert next(model.cpu().parameters()).device.type == "cpu"


def test_a_generator_draws_on_its_own_device_only(fake: FakeDevice) -> None:
    ours, cpu = torch.Generator(device=DEVICE).manual_seed(1), torch.Generator().manual_seed(1)
    assert isinstance(ours, torch.Generator) and isinstance(cpu, torch.Generator) and ours.device == DEVICE
    draws = torch.rand(3, generator=ours, device=DEVICE), torch.empty(3, device=DEVICE).normal_(generator=ours)
    same = torch.rand(3, generator=cpu), torch.empty(3).normal_(generator=cpu)
    torch.testing.assert_close(plain(draws), same, rtol=0, atol=0)
    for wrong in (
        lambda: torch.rand(3, generator=cpu, device=DEVICE),
        lambda: torch.rand(3, generator=ours),
        lambda: torch.randperm(3, generator=ours),
        lambda: torch.empty(3, device=DEVICE).uniform_(generator=cpu),
        lambda: torch.bernoulli(draws[0], generator=cpu),
    ):
        with pytest.raises(RuntimeError, match="device type for generator"):
            wrong()


def test_waits_are_counted(fake: FakeDevice) -> None:
    x = numbers(4).to(DEVICE)
    y = (x @ x + x.sum()).sqrt() * torch.ones(4, device=DEVICE)
    y[[0, 1]] = 2.0
    assert fake.reads == 0
    for count, read in enumerate((x[0].item, x.cpu, lambda: bool(x[0] > 0), x.nonzero, lambda: x[x > 0]), 1):
        read()
        assert fake.reads == count


def test_inference_mode(fake: FakeDevice) -> None:
    x = numbers(4).to(DEVICE)
    with torch.inference_mode():
        y = torch.cat([x[1:3], x[:1] + 1])
        y[0] = 2.0
    assert y.tolist() == [2.0, x[2].item(), x[0].item() + 1]


def test_outside_there_is_no_such_device() -> None:
    with fake_device():
        pass
    assert type(torch.zeros(2, device="meta")) is Tensor and type(torch.Generator()) is torch.Generator


def test_precision_is_not_reduced(fake: FakeDevice) -> None:
    x = numbers(4, 4).to(DEVICE)
    with torch.autocast(x.device.type, torch.bfloat16):
        assert (x @ x).dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
