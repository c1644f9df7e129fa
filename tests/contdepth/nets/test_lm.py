"""LM-ResNet: what k means, where it acts, and the match with ResNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from contdepth.nets import LMNet, learned_k, lm_resnet, matched_pair, resnet


class Zero(nn.Module):
    """A residual branch that is zero and keeps the shape."""

    def forward(self, u: torch.Tensor) -> float:
        return 0.0


def set_k(model: LMNet, value: float) -> None:
    with torch.no_grad():
        for n in range(model.plan.blocks):
            model.k(n).fill_(value)


def images(size: int = 8, channels: int = 3) -> torch.Tensor:
    return torch.randn(4, channels, size, size, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_matched_pair_has_bit_equal_weights(block: str) -> None:
    depth = 20
    pair = matched_pair(depth, block, seed=3, width=4)
    ours, theirs = pair["ResNet"].state_dict(), pair["LM-ResNet"].state_dict()
    assert {name for name in theirs if name not in ours} == {f"k{n}" for n in range(pair["ResNet"].plan.blocks)}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    other = matched_pair(depth, block, seed=4, width=4)["ResNet"].state_dict()
    assert not torch.equal(ours["stem.weight"], other["stem.weight"])


@pytest.mark.parametrize("startup", ["plain", "repeat"])
@pytest.mark.parametrize("train", [True, False])
def test_k_zero_is_resnet_bit_for_bit(startup: str, train: bool) -> None:
    pair = matched_pair(20, seed=0, width=4, startup=startup)
    set_k(pair["LM-ResNet"], 0.0)
    a, b = (model.train(train)(images()) for model in pair.values())
    assert torch.equal(a, b)
    set_k(pair["LM-ResNet"], -0.05)
    assert not torch.equal(a, pair["LM-ResNet"](images()))


def test_without_branches_the_states_follow_the_two_step_recursion() -> None:
    """f = 0 from block 2 of stage 1 on: u_{n+1} - u_n = -k (u_n - u_{n-1}), a factor -k for every block."""
    model = lm_resnet(32, width=4).eval().double()
    set_k(model, 0.3)
    for n in range(1, 5):
        model.branches[n] = Zero()
    u = list(model.trajectory(images().double()))[:6]
    first = u[1] - u[0]
    assert first.abs().max() > 0.1
    for n in range(1, 5):
        torch.testing.assert_close(u[n + 1] - u[n], (-0.3) ** n * first, rtol=1e-10, atol=1e-12)


def test_plain_startup_gives_no_gradient_to_stage_starts() -> None:
    model = lm_resnet(20, width=4)
    before = model.ks()
    assert [e.block for e in learned_k(model) if not e.trainable] == [1, 4, 7]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=0.1)
    model(images()).square().sum().backward()
    optimiser.step()
    after = model.ks()
    trainable = torch.tensor([e.trainable for e in learned_k(model)])
    assert torch.equal(after[~trainable], before[~trainable])
    assert bool((after[trainable] != before[trainable]).all())


def test_the_untrained_k_do_not_matter() -> None:
    for startup, blocks in (("plain", [0, 3, 6]), ("repeat", [0])):
        model = lm_resnet(20, width=4, startup=startup).eval()
        out = model(images())
        with torch.no_grad():
            for n in blocks:
                model.k(n).fill_(7.0)
        assert torch.equal(out, model(images()))
    assert [e.block for e in learned_k(model) if not e.trainable] == [1]


def test_initial_k_lie_in_the_stated_range() -> None:
    ks = torch.stack([lm_resnet(20, width=4, seed=s).ks() for s in range(20)])
    assert -0.1 <= ks.min() < -0.09 and -0.01 < ks.max() <= 0


def test_labels_name_stage_and_place() -> None:
    entries = learned_k(lm_resnet(14, width=4))
    assert [e.label for e in entries] == ["1.1 start-up", "1.2", "2.1 start-up", "2.2", "3.1 start-up", "3.2"]
    with pytest.raises(TypeError, match="model: expected an LMNet, found ResidualNet"):
        learned_k(resnet(14, width=4))


@pytest.mark.parametrize("startup", ["plain", "repeat"])
def test_gradients_against_finite_differences(startup: str) -> None:
    """Every k and the last bias of a two-class net in float64, in eval mode (batch norms fixed)."""
    model = lm_resnet(14, width=2, num_classes=2, startup=startup).double().eval()
    names = [name for name, _ in model.named_parameters() if name.startswith("k")] + ["head.linear.bias"]
    values = tuple(model.get_parameter(name).detach().clone().requires_grad_() for name in names)
    x = images(size=4).double()[:1]

    def out(*parameters: torch.Tensor) -> torch.Tensor:
        return functional_call(model, dict(zip(names, parameters, strict=True)), (x,))

    assert len(names) == (4 if startup == "plain" else 6)
    assert torch.autograd.gradcheck(out, values)


def test_dropped_branch_keeps_both_skip_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lm_resnet(20, width=4, survival=0.5).train()
    set_k(model, 0.25)
    monkeypatch.setattr(torch, "rand", lambda *a, **k: torch.tensor(2.0))
    u = list(model.trajectory(images()))
    torch.testing.assert_close(u[2], 0.75 * u[1] + 0.25 * u[0])
    assert torch.equal(u[1], u[0])


def test_unknown_startup_is_an_error() -> None:
    with pytest.raises(ValueError, match="startup: expected one of 'plain', 'repeat', found 'zero'"):
        lm_resnet(20, startup="zero")
