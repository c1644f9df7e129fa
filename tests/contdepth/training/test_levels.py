"""Training from coarse to fine: what is counted, what begins anew, and that it resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contdepth.nets import SteppedNet, prolong, resnet, stepped_resnet
from contdepth.training import Recipe, evaluate, fit, fit_levels
from contdepth.training import levels as module

SHORT = Recipe("short", epochs=2, batch=16, lr=0.05, schedule="one-cycle", test_every=2)


def data() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    images = torch.randn(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = (images[:, 0, :3].mean((1, 2)) > images[:, 0, 3:].mean((1, 2))).long()
    return (images[:32], labels[:32]), (images[32:], labels[32:])


def net(blocks: int = 1) -> SteppedNet:
    return stepped_resnet((blocks,), width=3, in_channels=1, num_classes=2, seed=1)


def test_three_cycles_count_what_a_hook_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images through blocks in training mode, counted where they pass."""
    seen = 0

    def count(block: torch.nn.Module, x: tuple[torch.Tensor]) -> None:
        nonlocal seen
        seen += len(x[0]) if block.training else 0

    def counted(model: SteppedNet) -> SteppedNet:
        finer = prolong(model)
        for block in finer.branches:
            block._forward_pre_hooks.clear()
            block.register_forward_pre_hook(count)
        return finer

    monkeypatch.setattr(module, "prolong", counted)
    model = net()
    model.branches[0].register_forward_pre_hook(count)
    done = fit_levels(model, *data(), [SHORT] * 3, seed=0, progress=False)
    assert done.blocks == (1, 2, 4) and done.block_epochs == 14
    assert seen == 14 * 32


def test_each_cycle_begins_anew_and_the_arms_are_matched() -> None:
    ours = fit_levels(net(), *data(), [SHORT] * 2, seed=0, progress=False)
    theirs = fit_levels(net(), *data(), [SHORT] * 2, seed=0, grow=False, progress=False)
    assert ours.blocks == (1, 2) and theirs.blocks == (1, 1) and theirs.block_epochs == 4
    rates = [one.history["lr"] for one in (*ours.fits, *theirs.fits)]
    assert rates == [rates[0]] * 4 and rates[0][0] > rates[0][1]
    assert [one.settings["seed"] for one in ours.fits] == [one.settings["seed"] for one in theirs.fits]
    assert ours.fits[0].history == theirs.fits[0].history and ours.fits[1].history != theirs.fits[1].history
    assert ours.test_error == evaluate(ours.model, data()[1])[1]


@pytest.mark.parametrize(("by_time", "ratio"), [(False, 0.5), (True, 1.0)])
def test_how_fast_a_net_of_twice_the_depth_moves(by_time: bool, ratio: float) -> None:
    """One small step of plain descent on the convolutions of the blocks: its change of the logits, fine to coarse.

    Looked at with the batch norms' first statistics, since training moves those too.
    """
    step = Recipe("step", epochs=1, batch=32, lr=1e-3, momentum=0, weight_decay=0, precision="fp64")
    model, moved = net(2).double().eval(), []
    for _ in range(5):
        model = prolong(model)
    for one in (model, prolong(model)):
        fixed = [one.stem, one.head, *(part for part in one.modules() if isinstance(part, torch.nn.BatchNorm2d))]
        [part.requires_grad_(False) for part in fixed]
        look, images = net(one.plan.blocks).double().eval(), data()[0][0].double()
        with torch.no_grad():
            before = one(images)
        fit_levels(one, *data(), [step], seed=0, by_time=by_time, progress=False)
        with torch.no_grad():
            [mine.copy_(new) for mine, new in zip(look.parameters(), one.parameters(), strict=True)]
            moved.append(look(images) - before)
        assert not any(p._backward_hooks for p in one.parameters())
    assert float(moved[1].norm() / moved[0].norm()) == pytest.approx(ratio, rel=0.05)
    assert float((moved[1] / ratio - moved[0]).norm() / moved[0].norm()) < 0.1


def test_it_is_fit_with_copies_between() -> None:
    done = fit_levels(net(), *data(), [SHORT] * 2, seed=0, progress=False)
    model = net()
    fit(model, *data(), SHORT, seed=done.fits[0].settings["seed"], progress=False)
    model = prolong(model)
    fit(model, *data(), SHORT, seed=done.fits[1].settings["seed"], progress=False)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), done.model.parameters(), strict=True))


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_levels(net(), *data(), [SHORT] * 3, seed=0, checkpoint=tmp_path / "whole", progress=False)
    calls = 0

    def stopping(*given: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return fit(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit", stopping)
    with pytest.raises(KeyboardInterrupt):
        fit_levels(net(), *data(), [SHORT] * 3, seed=0, checkpoint=tmp_path / "parts", progress=False)
    monkeypatch.setattr(module, "fit", fit)
    again = fit_levels(net(), *data(), [SHORT] * 3, seed=0, checkpoint=tmp_path / "parts", progress=False)
    assert again.blocks == whole.blocks and again.fits[-1].history == whole.fits[-1].history
    pairs = zip(again.model.state_dict().values(), whole.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="model: expected a SteppedNet, found ResidualNet"):
        fit_levels(resnet(8, width=2), *data(), [SHORT], seed=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cycles: expected at least one recipe, found none"):
        fit_levels(net(), *data(), [], seed=0)
    with pytest.raises(TypeError, match="cycles: expected a Recipe, found int"):
        fit_levels(net(), *data(), [3], seed=0)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="grow: expected a bool, found int"):
        fit_levels(net(), *data(), [SHORT], seed=0, grow=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="by_time: expected a bool, found int"):
        fit_levels(net(), *data(), [SHORT], seed=0, by_time=1)  # type: ignore[arg-type]
