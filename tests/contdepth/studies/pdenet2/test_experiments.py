"""The studies' building blocks: the hand-set scheme is the textbook scheme, errors mean what they say."""

import math

import pytest
import torch

from contdepth.pde import run_all
from contdepth.pde.fields.errors import prediction_error
from contdepth.pde.simulate.datasets import heat_data
from contdepth.pde.simulate.initial import random_fourier
from contdepth.studies.pdenet2.experiments import BURGERS, burgers_by_hand, errors, train

DX = 2 * math.pi / 16


def test_the_hand_set_block_is_the_textbook_scheme():
    u = random_fourier(2, 16, fields=2, amplitude=1.5, mean=1.0, seed=4)
    block = burgers_by_hand(0.01, DX)

    def one_sided(w, velocity, axis):
        back = (3 * w - 4 * w.roll(1, axis) + w.roll(2, axis)) / (2 * DX)
        ahead = (-3 * w + 4 * w.roll(-1, axis) - w.roll(-2, axis)) / (2 * DX)
        return velocity * torch.where(velocity > 0, back, ahead)

    def rate(w):
        laplacian = sum(w.roll(1, a) - 2 * w + w.roll(-1, a) for a in (1, 2)) / DX**2
        return -one_sided(w, w_u, 1) - one_sided(w, w_v, 2) + 0.05 * laplacian

    w_u, w_v = u[:, 0], u[:, 1]
    wanted = torch.stack([w_u + 0.01 * rate(w_u), w_v + 0.01 * rate(w_v)], 1)
    # the block takes each field's own first derivatives upwind, which for Burgers is the velocity's side
    assert torch.allclose(block(u), wanted, rtol=1e-12, atol=1e-12)


def test_its_read_out_is_burgers_equation():
    block = burgers_by_hand(0.01, DX)
    names = ["u", "u_x", "u_y", "u_xx", "u_xy", "u_yy", "v", "v_x", "v_y", "v_xx", "v_xy", "v_yy"]
    found = block.symnet.expressions(names, degree=2)

    class Model:
        def terms(self):
            return dict(zip(("u", "v"), found, strict=True))

    assert errors(Model(), BURGERS) == (0.0, 0.0)


def test_prediction_error():
    truth = torch.randn(2, 3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert prediction_error(truth, truth).max() == 0
    centred = truth - truth.mean((3, 4), keepdim=True)
    assert torch.allclose(prediction_error(truth + 0.1 * centred, truth), torch.full((2, 3), 0.1).double())
    broken = truth.clone()
    broken[1, 2, 0, 0, 0] = torch.nan
    assert prediction_error(broken, truth)[1, 2] == math.inf


@pytest.mark.slow
def test_processes_give_the_values_of_one():
    values = heat_data(2, 1, grid=8)
    options = {"blocks": (1,), "iterations": 5, "hidden": 1}
    jobs = [{"values": values, "seed": s, "options": options} for s in (0, 1)]
    # equal in value: the number of threads may differ between the two ways
    for a, b in zip(run_all(train, jobs), run_all(train, jobs, workers=2), strict=True):
        assert torch.allclose(a.block_.symnet.weight, b.block_.symnet.weight, rtol=1e-9, atol=1e-12)


def test_an_error_in_a_job_is_raised():
    with pytest.raises(ValueError, match="fields that change in time"):
        run_all(train, [{"values": torch.ones(2, 2, 1, 8, 8), "seed": 0, "options": {"blocks": (1,)}}])
