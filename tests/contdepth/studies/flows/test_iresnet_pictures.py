"""The residual flow on pictures: volumes, starts and bits against what is known; a stopped piece goes on."""

from __future__ import annotations

import math

import pytest
import torch

from contdepth.data import load
from contdepth.flows import ExactLogDet, SeriesLogDet
from contdepth.seeds import generator
from contdepth.studies.flows.iresnet import pieces
from contdepth.studies.flows.iresnet.pictures import PictureFlow, bits, opened


@pytest.fixture
def flow():
    """A flow of two scales on pictures of 4 × 4 whose affine maps are no identities."""
    flow = PictureFlow(1, 4, (2, 1), 6, seed=3).double().eval()
    with torch.no_grad():
        for number, part in enumerate([*flow.shifts, *flow.stretches]):
            part.copy_(0.2 * torch.randn(part.shape, generator=generator(number, "parts")))
    return flow


def test_the_volume_is_that_of_the_whole_jacobian(flow):
    x = torch.randn(3, 1, 4, 4, generator=generator(0, "x"), dtype=torch.float64)
    z, volume = flow(x, ExactLogDet())
    assert z.shape == (3, 16)
    for point, found in zip(x, volume, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda p: flow(p[None], ExactLogDet()).x[0], point)
        torch.testing.assert_close(found, torch.linalg.slogdet(jacobian.reshape(16, 16)).logabsdet)
    near = flow(x, SeriesLogDet(60, None)).log_det
    torch.testing.assert_close(near, volume, rtol=0, atol=1e-2)


def test_it_begins_with_channels_of_mean_nought_and_spread_one():
    x = opened(load("digits", "train", 200)[0].float(), 17, generator(0, "noise")).x
    flow = PictureFlow(1, 8, (1, 1), 4, seed=0).eval()
    flow.begin(x)
    seen = []
    for scale in flow.scales:
        scale[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        flow(x, SeriesLogDet(1), generator(0, "probes"))
    for state in seen:
        assert float(state.mean((0, 2, 3)).abs().max()) < 1e-3
        assert float((state.std((0, 2, 3)) - 1).abs().max()) < 1e-2


def test_logits_of_noisy_pictures_know_their_volume():
    """One pixel of 3 levels: the derivative of the logit by the pixel, from autograd."""
    x = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).reshape(3, 1, 1, 1).requires_grad_()
    y, steep = opened(x, 3, generator(1, "noise"))
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(steep, slope.reshape(3).log())


def test_bits_are_those_of_the_density_and_no_flow_needs_less_than_one_for_coins(flow):
    x = torch.randint(0, 2, (400, 1, 4, 4), generator=generator(0, "pixels")).double()
    needed = bits(flow, x, 2, ExactLogDet(), generator(5, "noise")).detach()
    y, steep = opened(x, 2, generator(5, "noise"))
    z, volume = flow(y, ExactLogDet())
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(needed, -(normal + volume + steep).detach() / (16 * math.log(2)))
    assert 1 < float(needed.mean()) < 6


TINY = {"dataset": "digits", "blocks": (1, 1), "width": 4, "terms": 2, "long": 6, "batch": 50, "test_size": 60}


def test_a_piece_learns_and_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    options = {**TINY, "seed": 0, "train_size": 200, "epochs": 3}
    whole = pieces.density_arm(**options)
    assert whole["losses"][0] > whole["losses"][-1] > whole["bits"] - 1 and len(whole["losses"]) == 3
    assert 1 < whole["bits"] < math.log2(17) + 1 and abs(whole["bits_long"] - whole["bits"]) < 0.1

    def stops(path, identity, content):
        keep(path, identity, content)
        if len(content["losses"]) == 2:
            raise KeyboardInterrupt

    keep = pieces.save_checkpoint
    monkeypatch.setattr(pieces, "save_checkpoint", stops)
    with pytest.raises(KeyboardInterrupt):
        pieces.density_arm(**options, checkpoint=tmp_path)
    monkeypatch.undo()
    again = pieces.density_arm(**options, checkpoint=tmp_path)
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in whole.items() if k != "seconds"}
