"""DnCNN and TNRD: the published size, filters, influence functions, and the adjoint."""

from __future__ import annotations

import numpy as np
import torch
from restoration_plans import images

from contdepth.restoration.models.dncnn import DnCNNShape, make_dncnn
from contdepth.restoration.models.tnrd import TNRD, TNRDShape, dct_filters, make_tnrd, mirror
from contdepth.restoration.training.plan import TrainingPlan
from contdepth.restoration.training.train import train


def test_dncnn_is_the_published_size_and_starts_as_the_identity():
    net, y = make_dncnn(DnCNNShape(), 0), images(1, 1, 9, 12)
    assert sum(p.numel() for p in net.parameters()) == 667_073  # two biases and batch norms included
    assert torch.equal(net.eval()(y), y)


def test_tnrd_filters_are_an_orthonormal_basis_without_the_mean():
    basis = dct_filters(5).double().flatten(1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(24).double(), rtol=0, atol=1e-6)
    assert basis.sum(dim=1).abs().max() < 1e-6


def test_tnrd_keeps_a_constant_image_and_diffuses_by_an_adjoint():
    net = make_tnrd(TNRDShape(stages=2))
    flat = torch.full((1, 1, 12, 10), 0.4)
    torch.testing.assert_close(net(flat), flat, rtol=0, atol=1e-6)
    k = net.stages[0].filters()
    inner = torch.zeros(1, 24, 16, 16)
    inner[:, :, 4:-4, 4:-4] = images(1, 24, 8, 8)
    u = torch.zeros(1, 1, 16, 16)
    u[:, :, 4:-4, 4:-4] = images(1, 1, 8, 8, seed=2)
    forward = torch.nn.functional.conv2d(mirror(u, 2), k)
    backward = torch.nn.functional.conv_transpose2d(mirror(inner, 2), k, padding=4)
    torch.testing.assert_close((forward * inner).sum(), (u * backward).sum(), rtol=1e-5, atol=1e-6)


def test_tnrd_influence_is_linear_between_knots():
    stage = make_tnrd(TNRDShape(knots=7, reach=1.0)).stages[0]
    stage.influence.data = images(24, 7)
    z = 3 * images(1, 24, 3, 3) - 1.5
    grid = np.linspace(-1, 1, 7)
    expected = np.stack([np.interp(z[0, i], grid, stage.influence[i].detach()) for i in range(24)])
    np.testing.assert_allclose(stage.respond(z)[0].detach(), expected, atol=1e-5)


def test_tnrd_learns():
    plan = TrainingPlan(
        TNRDShape(stages=2, size=3),
        levels=(25,),
        iterations=60,
        batch=4,
        patch=16,
        rate=5e-3,
        precision="fp32",
        data="photos",
        clip=5.0,
    )
    done = train(plan, progress=False)
    assert isinstance(done.model, TNRD) and done.losses[0] < -20.2
