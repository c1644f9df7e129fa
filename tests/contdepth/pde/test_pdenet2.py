"""PDE-Net 2.0: the fused block equals the plain one, training recovers known equations, faults are seen."""

import math

import pytest
import torch

from contdepth.pde.ensembles import Ensemble
from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.pdenet1.pdenet import PDENet
from contdepth.pde.pdenet2 import block as pdenet2_block
from contdepth.pde.pdenet2.block import PDENet2Block
from contdepth.pde.pdenet2.optimise import minimise
from contdepth.pde.pdenet2.pdenet2 import PDENet2, objective
from contdepth.pde.simulate.initial import random_fourier
from contdepth.studies.common.flat import flat_function
from contdepth.studies.pdenet2.reference import plain_objective, plain_rhs
from contdepth.training.loop import DivergenceError


def random_block(*, upwind: bool = True, scheme: str = "euler", dim: int = 2, fields: int = 2, substeps: int = 1):
    block = PDENet2Block(
        fields, 0.01, (0.3, 0.4, 0.5)[:dim], order=2, upwind=upwind, scheme=scheme, substeps=substeps, seed=3
    )
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in block.parameters():
            p.copy_(0.03 * torch.randn(p.shape, generator=source, dtype=torch.float64))
    return block


def states(count: int, *, dim: int = 2, fields: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(
        count, fields, *(8, 7, 6)[:dim], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize("upwind", [True, False])
@pytest.mark.parametrize("dim, fields", [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2)])
def test_right_hand_side_equals_the_plain_one(upwind, dim, fields):
    block, u = random_block(upwind=upwind, dim=dim, fields=fields), states(3, dim=dim, fields=fields)
    wanted = plain_rhs(block, u)
    assert (block.rhs(u) - wanted).abs().max() <= 1e-10 * wanted.abs().max()


@pytest.mark.parametrize("scheme, substeps", [("euler", 1), ("midpoint", 2)])
@pytest.mark.parametrize("upwind", [True, False])
def test_loss_and_gradient_equal_the_plain_ones(upwind, scheme, substeps):
    block = random_block(upwind=upwind, scheme=scheme, substeps=substeps)
    start, target = 0.1 * states(4), 0.1 * torch.stack([states(4, seed=2), states(4, seed=3)], 1)
    weight, options = torch.tensor([0.7, 1.4], dtype=torch.float64), {"sparsity": 0.01, "moments": 0.02}
    results = []
    for function in (
        lambda: objective(block, start, target, torch.ones(4, 2, dtype=torch.bool), weight, **options),
        lambda: plain_objective(block, start, target, weight, **options),
    ):
        block.zero_grad()
        value = function()
        value.backward()
        results.append((value.detach(), torch.cat([p.grad.flatten() for p in block.parameters()])))
    (value, grad), (plain_value, plain_grad) = results
    assert abs(value - plain_value) <= 1e-10 * abs(plain_value)
    assert (grad - plain_grad).abs().max() <= 1e-10 * plain_grad.abs().max()


def test_a_flipped_kernel_is_seen(monkeypatch):
    right = pdenet2_block.correlate
    monkeypatch.setattr(pdenet2_block, "correlate", lambda u, k, b: right(u, k.flip((1, 2)), b))
    with pytest.raises(AssertionError):
        test_right_hand_side_equals_the_plain_one(False, 2, 2)


def test_every_parameter_of_the_estimator_reaches_the_block():
    u, dt, dx = heat(points=40)
    options = {
        "order": 3,
        "size": 7,
        "accuracy": 1,
        "upwind": True,
        "hidden": 2,
        "scheme": "midpoint",
        "substeps": 2,
        "boundary": "replicate",
        "start": "one-sided",
        "seed": 5,
    }
    block = PDENet2(**options, normalise=False, blocks=(1,), iterations=0).fit(Trajectories(u, dt, (dx,))).block_
    same = PDENet2Block(1, dt, (dx,), **options)
    assert (block.scheme, block.substeps, block.upwind) == ("midpoint", 2, True)
    assert repr(block) == repr(same)
    assert all(torch.equal(p, q) for p, q in zip(block.parameters(), same.parameters(), strict=True))
    assert torch.equal(block(u[:, 0]), same(u[:, 0]))


def test_masked_targets_do_not_count():
    block, start = random_block(), states(4)
    target = torch.stack([states(4, seed=2), states(4, seed=3)], 1)
    mask = torch.tensor([[True, False]] * 4)
    weight = torch.ones(2, dtype=torch.float64)
    first = objective(block, start, target[:, :1], mask[:, :1], weight)
    target[:, 1] = torch.nan
    assert torch.equal(objective(block, start, target, mask, weight), first)


def test_upwind_takes_the_side_the_wave_comes_from():
    """u_t = -a u_x, one-sided filter: the upwind image damps the highest wave, the other one amplifies it."""
    for a in (2.0, -2.0):
        block = PDENet2Block(1, 0.01, (0.1,), order=1, size=3, accuracy=1, hidden=0, seed=0)
        with torch.no_grad():
            block.filters.free.zero_()
            labels = block.filters.labels()
            block.filters.free[labels.index(((1,), (2,)))] = 0.5  # forward difference (q = q_odd + q_even)
            block.symnet.weight.copy_(torch.tensor([[[0.0, -a]]]))
            block.symnet.bias.zero_()
        wave = torch.cos(math.pi * torch.arange(10, dtype=torch.float64)).view(1, 1, 10)
        assert (block(wave) / wave).max() < 1


def test_one_sided_start_is_the_second_order_difference():
    block = PDENet2Block(1, 0.01, (0.1, 0.1), start="one-sided")
    filters = block.filters.filters().detach()
    wanted = torch.zeros(5, 5, dtype=torch.float64)
    wanted[2:, 2] = torch.tensor([-1.5, 2.0, -0.5], dtype=torch.float64)
    assert torch.allclose(filters[block.filters.index((1, 0))], wanted, atol=1e-13)
    assert torch.allclose(filters[block.filters.index((0, 1))], wanted.T, atol=1e-13)
    for options in ({"upwind": False}, {"size": 3}, {"accuracy": 3}):
        with pytest.raises(ValueError, match="start: expected 'central' unless"):
            PDENet2Block(1, 0.01, (0.1, 0.1), start="one-sided", **options)


def heat(frames: int = 6, points: int = 16) -> tuple[torch.Tensor, float, float]:
    """Exact solutions of u_t = 0.1 u_xx, three trajectories (3, frames, 1, points)."""
    dx, dt = 2 * math.pi / points, 0.02
    x, t = dx * torch.arange(points, dtype=torch.float64), dt * torch.arange(frames, dtype=torch.float64)
    waves = [[(1, 0.9, 0.2), (2, 0.7, 1.0)], [(1, -0.6, 2.0), (3, 0.5, 0.4)], [(2, 1.0, 0.3), (3, -0.4, 1.2)]]
    return (
        torch.stack(
            [sum(a * torch.exp(-0.1 * k * k * t)[:, None] * torch.sin(k * x + p) for k, a, p in w) for w in waves]
        )[:, :, None],
        dt,
        dx,
    )


def fitted(**options) -> PDENet2:
    u, dt, dx = heat()
    return PDENet2(hidden=1, blocks=(1, 2), iterations=60, upwind=False, **options).fit(Trajectories(u, dt, (dx,)))


def test_heat_equation_is_found():
    coefficients = fitted().coefficients()["u"]
    assert coefficients.pop("u_xx") == pytest.approx(0.1, rel=0.03)
    assert max(abs(c) for c in coefficients.values()) < 3e-3


def test_training_without_scaling_reads_out_the_same():
    coefficients = fitted(normalise=False).coefficients()["u"]
    assert coefficients.pop("u_xx") == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("units, length", [(100.0, 1.0), (1.0, 1e-3)])
def test_units_do_not_matter(units, length):
    u, dt, dx = heat()
    model = PDENet2(hidden=1, blocks=(1, 2), iterations=60, upwind=False)
    found = model.fit(Trajectories(units * u, dt, (length * dx,))).coefficients()["u"]["u_xx"]
    assert found == pytest.approx(0.1 * length**2, rel=0.05)


def test_replicated_borders_do_not_enter_the_equation():
    points, dt = 48, 0.01
    x, t = torch.linspace(0, 3, points, dtype=torch.float64), dt * torch.arange(4, dtype=torch.float64)
    waves = [
        [(1.3, 0.9, 0.2), (2.1, 0.7, 1.0)],
        [(0.8, -0.6, 2.0), (2.9, 0.5, 0.4)],
        [(1.7, 1.0, 0.3), (3.3, -0.4, 1.2)],
    ]
    u = torch.stack(
        [sum(a * torch.exp(-0.5 * k * k * t)[:, None] * torch.sin(k * x + p) for k, a, p in w) for w in waves]
    )[:, :, None]
    model = PDENet2(hidden=1, blocks=(1, 2), iterations=100, upwind=False, boundary="replicate", substeps=4)
    found = model.fit(Trajectories(u, dt, (float(x[1]),))).coefficients()["u"]["u_xx"]
    assert found == pytest.approx(0.5, rel=0.05)
    with pytest.raises(ValueError, match="blocks: expected at most 2 on a"):
        model = PDENet2(boundary="replicate", substeps=4, blocks=(3,), iterations=0)
        model.fit(Trajectories(u, dt, (float(x[1]),)))


def test_two_fields_in_two_dimensions_upwind_with_gaps():
    """Convection of two fields by each other's constant parts, exact by Fourier shift; one frame is missing."""
    n, dt = 16, 0.01
    dx = 2 * math.pi / n
    start = random_fourier(6, n, fields=2, frequency=2, amplitude=1.0, seed=3)
    k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    symbol = -1j * (0.8 * k[:, None] - 0.5 * k[None, :]) - 0.05 * (k[:, None] ** 2 + k[None, :] ** 2)
    frames = torch.stack(
        [torch.fft.ifft2(torch.fft.fft2(start) * torch.exp(symbol * m * dt)).real for m in range(4)], 1
    )
    present = torch.ones(6, 4, dtype=torch.bool)
    present[0, 2] = False
    data = Trajectories(frames, dt, (dx, dx), ("u", "v"), present)
    model = PDENet2(hidden=1, blocks=(1, 2), iterations=120, scheme="midpoint").fit(data)
    for name, terms in model.coefficients().items():
        assert terms[f"{name}_x"] == pytest.approx(-0.8, rel=0.05)
        assert terms[f"{name}_y"] == pytest.approx(0.5, rel=0.05)
        assert terms[f"{name}_xx"] == pytest.approx(0.05, rel=0.1)


def test_a_wrong_time_step_scales_the_equation():
    u, dt, dx = heat()
    model = PDENet2(hidden=1, blocks=(1,), iterations=60, upwind=False)
    assert model.fit(Trajectories(u, 2 * dt, (dx,))).coefficients()["u"]["u_xx"] == pytest.approx(0.05, rel=0.05)


def test_prediction_score_and_remainder():
    u, dt, dx = heat()
    model = fitted()
    data = Trajectories(u, dt, (dx,))
    assert model.score(data) > 0.999
    frames = model.rollout(u[:, 0], 5)
    assert frames.shape == u.shape
    assert (frames[:, 5] - u[:, 5]).norm() < 0.01 * u[:, 5].norm()
    assert model.remainder(data)["u"] < 1e-8  # one product: nothing above degree 2


def test_frozen_filters_stay_and_constraints_hold():
    frozen, learned = fitted(filters="frozen"), fitted()
    assert float(frozen.block_.filters.free.detach().abs().max()) == 0
    assert float(learned.block_.filters.free.detach().abs().max()) > 1e-6
    moments, start = learned.block_.filters.moments().detach(), frozen.block_.filters.moments().detach()
    held = torch.ones(moments.numel(), dtype=torch.bool)
    held[learned.block_.filters.places] = False
    assert (moments - start).flatten()[held].abs().max() < 1e-12


def test_same_seed_same_bits():
    a, b, c = fitted(seed=0), fitted(seed=0), fitted(seed=1)
    assert all(torch.equal(p, q) for p, q in zip(a.block_.parameters(), b.block_.parameters(), strict=True))
    assert not torch.equal(a.block_.symnet.weight, c.block_.symnet.weight)


def test_adam_trains_too():
    u, dt, dx = heat()
    model = PDENet2(hidden=1, blocks=(1,), iterations=200, upwind=False, optimiser="adam", rate=0.02).fit(
        Trajectories(u, dt, (dx,))
    )
    assert model.stages_[-1][1].best < 0.2 * model.stages_[0][1].start


def test_scipy_and_torch_reach_the_same_minimum():
    from scipy.optimize import minimize

    u, dt, dx = heat()
    results = []
    for route in ("torch", "scipy"):
        block = PDENet2Block(1, dt, (dx,), hidden=0, upwind=False, seed=0)
        block.filters.freeze()
        start, target = u[:, 0], u[:, 1:2]
        parameters = list(block.symnet.parameters())

        def loss(block=block, start=start, target=target):
            present, weight = torch.ones(3, 1, dtype=torch.bool), torch.full((1,), 1e4, dtype=torch.float64)
            return objective(block, start, target, present, weight)

        if route == "torch":
            results.append(minimise(loss, parameters, iterations=200).losses[-1])
        else:
            function = flat_function(loss, parameters)
            flat = torch.cat([p.detach().flatten() for p in parameters]).numpy()
            results.append(minimize(function, flat, jac=True, method="BFGS", options={"gtol": 1e-10}).fun)
    assert results[0] == pytest.approx(results[1], rel=1e-3)


def test_divergence_is_one_clear_error():
    u, dt, dx = heat()
    with pytest.raises(DivergenceError, match="fewer blocks, a smaller time step or substeps"):
        model = PDENet2(hidden=3, blocks=(5,), iterations=(0, 3), upwind=False, normalise=False)
        model.fit(Trajectories(1e80 * u, dt, (dx,)))


def test_a_blow_up_inside_the_line_search_is_survived():
    x = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    seen = []

    def loss():
        seen.append(float(x.detach()))
        return (x.log() - 1).square().sum()  # not a number for x < 0, where the first step of L-BFGS overshoots

    x.data.fill_(30.0)
    result = minimise(lambda: loss() * 1e4, [x], iterations=40)
    assert min(seen) < 0 and math.isfinite(result.losses[-1]) and result.losses[-1] < result.start
    assert float(x.detach()) > 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"filters": "free"}, "filters: expected one of 'learned', 'frozen'"),
        ({"blocks": ()}, "blocks: expected at least one stage"),
        ({"blocks": (0,)}, "blocks: expected a number >= 1"),
        ({"iterations": (1, 2, 3)}, "iterations: expected one number or"),
        ({"optimiser": "sgd"}, "optimiser: expected one of 'lbfgs', 'adam'"),
        ({"scheme": "rk4"}, "scheme: expected one of 'euler', 'midpoint'"),
        ({"sparsity": -1.0}, "sparsity: expected a number >= 0"),
    ],
)
def test_bad_hyperparameters(options, message):
    with pytest.raises(ValueError, match=message):
        PDENet2(**options)


@pytest.mark.parametrize("make", [
    lambda: PDENet2(blocks=3),
    lambda: PDENet2(blocks="12"),
    lambda: PDENet(blocks=3),
    lambda: Ensemble(PDENet2(), seeds=3),
])  # fmt: skip
def test_one_where_several_are_expected(make):
    with pytest.raises(TypeError, match="(blocks|seeds): expected a sequence, found"):
        make()


def test_bad_data():
    u, dt, dx = heat()
    with pytest.raises(ValueError, match="at least 17 grid points"):
        PDENet2(size=17).fit(Trajectories(u, dt, (dx,)))
    with pytest.raises(ValueError, match="fields that change in time"):
        PDENet2(blocks=(1,)).fit(Trajectories(torch.ones_like(u), dt, (dx,)))
    with pytest.raises(ValueError, match="at least 9 frames for 8 blocks"):
        PDENet2(blocks=(8,), iterations=(1, 1)).fit(Trajectories(u, dt, (dx,)))
