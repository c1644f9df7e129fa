"""Parameter counts: closed form against the built nets, and against the numbers of the authors' code."""

from __future__ import annotations

import pytest
import torch

from contdepth.nets import (
    lm_resnet,
    lm_resnext,
    parameter_count,
    reported_parameter_count,
    resnet,
    resnext,
    unused_parameter_count,
)

AUTHORS = {
    (20, "basic"): 273_475,
    (32, "basic"): 467_913,
    (44, "basic"): 662_351,
    (56, "basic"): 856_789,
    (110, "basic"): 1_731_760,
    (164, "bottleneck"): 1_703_760,
    (110, "bottleneck"): 1_147_326,
}


@pytest.mark.parametrize(("depth", "block"), AUTHORS)
def test_built_net_plus_unused_layers_is_the_authors_count(depth: int, block: str) -> None:
    assert reported_parameter_count(depth, block) == AUTHORS[depth, block]
    assert parameter_count(lm_resnet(depth, block)) + unused_parameter_count(block) == AUTHORS[depth, block]


def test_lm_adds_one_number_per_two_step_block() -> None:
    assert parameter_count(lm_resnet(56)) - parameter_count(resnet(56)) == 27 - 3
    assert parameter_count(lm_resnet(56, startup="repeat")) - parameter_count(resnet(56)) == 27 - 1


def test_every_counted_parameter_gets_a_gradient() -> None:
    for model in (
        lm_resnet(20, width=4),
        lm_resnet(29, "bottleneck", width=4, startup="repeat"),
        resnet(20, width=4),
    ):
        model(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().sum().backward()
        assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_resnext_has_the_published_size() -> None:
    """ResNeXt-29, 8x64d, 100 classes: 34.4 million."""
    assert parameter_count(resnext(num_classes=100)) == pytest.approx(34.4e6, rel=0.005)
    small = {"cardinality": 2, "group_width": 2, "base": 4}
    assert parameter_count(lm_resnext(**small)) - parameter_count(resnext(**small)) == 6
