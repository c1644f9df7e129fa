"""Nets with a small step: one block by hand, batch norm against PyTorch's, starts, and the step taken into V."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, cross_entropy

from contdepth.nets import SmallStepNet
from contdepth.seeds import generator


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(3, purpose), dtype=torch.float64)


def net(depth: int = 3, h: object = 0.3, **options: object) -> SmallStepNet:
    """Two nets in float64 whose shifts are not zero."""
    found = SmallStepNet(depth, h, features=5, width=6, num_classes=4, seeds=(1, 2), **options).double()
    with torch.no_grad():
        for k, shift in enumerate((found.shifts, found.stem_shift, found.last_shift)):
            shift += 0.2 * noise(*shift.shape, purpose=f"shift{k}")
    return found


def test_a_net_is_the_chain_written_out() -> None:
    model, x = net(h=(0.3, 0.7)), noise(9, 5)
    for k, h in enumerate((0.3, 0.7)):
        state = (x @ model.stem[k] + model.stem_shift[k]).relu()
        for n in range(3):
            inner = (state @ model.first[n, k] + model.shifts[2 * n, k]).relu()
            state = (state + h * (inner @ model.second[n, k] + model.shifts[2 * n + 1, k])).relu()
        expected = state @ model.last[k] + model.last_shift[k]
        torch.testing.assert_close(model(x)[k], expected, rtol=1e-7, atol=1e-7)


def test_vectors_for_each_net_are_its_own() -> None:
    model, x = net(), noise(2, 9, 5)
    both = model(x)
    torch.testing.assert_close(both[0], model(x[0])[0])
    torch.testing.assert_close(both[1], model(x[1])[1])
    assert len(list(model.trajectory(x))) == 4


def test_batch_norm_is_that_of_pytorch() -> None:
    model, x = net(1, norm=True), 2 + 3 * noise(2, 9, 5)
    with torch.no_grad():
        model.scales += 0.3 * noise(*model.scales.shape, purpose="scales")
    running = [[torch.zeros(6).double(), torch.ones(6).double()] for _ in range(6)]

    def normed(place: int, k: int, state: Tensor, training: bool) -> Tensor:
        mean, variance = running[2 * place + k]
        scale, shift = model.scales[place, k, 0], model.shifts[place, k, 0]
        return batch_norm(state, mean, variance, scale, shift, training=training)

    for training in (True, True, False):
        found = model.train(training)(x)
        for k in range(2):
            state = normed(0, k, x[k] @ model.stem[k] + model.stem_shift[k], training).relu()
            inner = normed(1, k, state @ model.first[0, k], training).relu()
            state = (state + 0.3 * normed(2, k, inner @ model.second[0, k], training)).relu()
            torch.testing.assert_close(found[k], state @ model.last[k] + model.last_shift[k], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("norm", [False, True])
def test_the_step_can_be_taken_into_the_last_map(norm: bool) -> None:
    """Descent with momentum keeps both the same function if what took h in moves h² times as fast."""
    model, x, y = net(h=(0.25, 0.5), norm=norm), noise(9, 5), torch.arange(9) % 4
    twin = model.absorbed()
    assert twin.h.tolist() == [[[1.0]], [[1.0]]] and model.h[0, 0, 0] == 0.25
    velocity: dict[str, Tensor] = {}
    for _ in range(5):
        for name, one in (("model", model), ("twin", twin)):
            loss = sum(cross_entropy(logits, y) for logits in one(x))
            for key, value in one.named_parameters():
                (gradient,) = torch.autograd.grad(loss, value, retain_graph=True)
                key, rate = f"{name}/{key}", torch.full_like(value, 0.1)
                h = model.h[:, 0, 0].view(1, 2, 1, 1)
                if name == "twin" and key == "twin/second" and not norm:
                    rate = rate * h**2
                elif name == "twin" and key in ("twin/shifts", "twin/scales"):
                    rate[slice(2, None, 2) if norm else slice(1, None, 2)] *= h**2
                velocity[key] = 0.9 * velocity.get(key, 0) + rate * gradient
        with torch.no_grad():
            for name, one in (("model", model), ("twin", twin)):
                for key, value in one.named_parameters():
                    value -= velocity[f"{name}/{key}"]
        torch.testing.assert_close(twin(x), model(x), rtol=1e-10, atol=1e-10)
    assert float((model(x) - net(h=(0.25, 0.5), norm=norm)(x)).detach().abs().max()) > 0.1


def test_starts_have_the_sizes_they_say() -> None:
    def spread(start: str, which: str) -> float:
        values = getattr(SmallStepNet(20, width=40, start=start), which).detach()
        return float(values.square().mean()) * 40

    assert spread("he", "first") == pytest.approx(2, rel=0.05)
    assert spread("he", "second") == pytest.approx(2, rel=0.05)
    assert spread("torch", "first") == pytest.approx(1 / 3, rel=0.05)
    assert spread("torch", "second") == pytest.approx(1 / 3, rel=0.05)
    assert spread("torch", "shifts") == pytest.approx(1 / 3, rel=0.2)
    assert spread("fixup", "second") == 0 and spread("fixup", "first") == pytest.approx(2 / 20, rel=0.05)
    assert spread("zero", "second") == 0 and spread("zero", "first") == spread("he", "first")


def test_he_doubles_what_a_branch_is_given() -> None:
    """E F² = 2 E x² for x ≥ 0: why an un-normalised net with h = 1 grows."""
    model = SmallStepNet(1, 1.0, width=200, features=200, seeds=range(20))
    x = torch.rand(20, 50, 200, generator=generator(0, "x"))
    with torch.no_grad():
        assert float(model.branch(0, x).square().mean() / x.square().mean()) == pytest.approx(2, rel=0.1)


def test_a_net_hangs_on_its_seed_alone_and_not_on_its_neighbours() -> None:
    alone, among = SmallStepNet(2, seeds=(7,)), SmallStepNet(2, (0.1, 0.1, 1.0), seeds=(4, 7, 9))
    for name, value in alone.named_parameters():
        axis = 1 if value.ndim == 4 else 0
        assert torch.equal(value.select(axis, 0), among.get_parameter(name).select(axis, 1)), name
    x = torch.rand(5, 64, generator=generator(0, "x"))
    broken = copy.deepcopy(among)
    with torch.no_grad():
        broken.first[0, 0] = torch.inf
    assert not broken(x)[0].isfinite().any()
    assert torch.equal(broken(x)[1:], among(x)[1:])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"h": (0.1, 0.2)}, "h: expected one step, or 1, one for each net, found 2"),
        ({"h": 0.0}, "h: expected a number > 0"),
        ({"start": "xavier"}, "start: expected one of"),
        ({"seeds": ()}, "seeds: expected one for each net, found none"),
        ({"depth": 10**5, "width": 10**5}, "width: expected an array of at most"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SmallStepNet(**options)


def test_vectors_of_another_shape_are_named() -> None:
    for x in (torch.zeros(64), torch.zeros(3, 5, 64), torch.zeros(3, 5)):
        with pytest.raises(ValueError, match="x: expected"):
            SmallStepNet(1)(x)
