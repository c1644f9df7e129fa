"""SkipNet's pieces: the same after a stop, matched arms, the second stage as the authors have it, on a device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from device.fake import fake_device
from device.tape import recording_device
from piece_checks import matched, stopped_on_the_way
from tiny_pieces import IMAGES, TINY

from contdepth.nets import gated_resnet, hybrid_loss, path_cost
from contdepth.seeds import generator
from contdepth.studies.adaptive.skipnet.pieces import gated_arm, judged, rewarded
from contdepth.training import crop_flip


def test_a_piece_goes_on_after_an_epoch(tmp_path: Path) -> None:
    saver = "contdepth.training.loop.save_checkpoint"
    arguments = {"arm": "SkipNet", "seed": 3}
    gone: list[float] = []

    def timeless(**given: object) -> dict[str, object]:
        found = gated_arm(**given)
        gone.append(found.pop("seconds"))
        return found

    TINY[timeless] = TINY[gated_arm]
    assert stopped_on_the_way(timeless, saver, tmp_path, arguments) == IMAGES["epochs"] and min(gone) > 0


def test_arms_are_matched() -> None:
    plain, gated = matched(gated_arm, ("ResNet", "SkipNet"))
    assert plain["blocks"] == 100 and plain["saved"] == 0 and "accuracy_before" not in plain
    assert gated["blocks"] <= 100 and set(gated) > {"accuracy_before", "blocks_before", "saved_before"}


def test_what_is_told_of_a_net_by_hand() -> None:
    model = gated_resnet(8, width=2, in_channels=1)
    x, y = torch.rand(7, 1, 8, 8, generator=generator(0, "t")), torch.arange(7)
    with torch.no_grad():
        for layer in model.gates.last:
            layer.weight.zero_()
            layer.bias.fill_(-1.0)
    found, cost = judged(model, (x, y), "cpu"), path_cost(model, 8)
    right = (model.eval()(x).argmax(1) == y).double().mean()
    assert found["accuracy"] == pytest.approx(100 * float(right)) and found["blocks"] == pytest.approx(100 / 3)
    assert found["saved"] == pytest.approx(100 * (sum(cost.blocks) - cost.gates) / cost.whole)


def test_a_step_with_rewards_is_that_of_the_authors_settings() -> None:
    """One step of SGD at 1e-4 with decay 1e-4 on the mean loss and 0.01 times the batch's sum of REINFORCE."""
    x, y = torch.rand(30, 1, 8, 8, generator=generator(0, "t")), torch.arange(30) % 10
    one, other = (gated_resnet(8, width=2, in_channels=1, seed=1).train() for _ in range(2))
    rewarded(one, (x, y), 1, 5, 0.3, 4, "cpu")
    source = generator(4, "skipnet/second")
    chosen = torch.randint(30, (5,), generator=source)
    route = other.route(crop_flip(x[chosen], pad=4, flip=True, source=source), "sample", source=source)
    loss = hybrid_loss(route, y[chosen], alpha=0.3, rl_weight=0.05)
    loss.backward()
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        slope = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        torch.testing.assert_close(mine, theirs - 1e-4 * (slope + 1e-4 * theirs), rtol=1e-5, atol=1e-8)


def test_a_piece_is_computed_on_a_device() -> None:
    here = gated_arm(**TINY[gated_arm], arm="SkipNet", seed=3)
    with fake_device() as fake, recording_device():
        there = gated_arm(**TINY[gated_arm], arm="SkipNet", seed=3, device=str(fake.device))
    assert there["accuracy_before"] == pytest.approx(here["accuracy_before"], abs=4)
    assert there["same"] == here["same"]
