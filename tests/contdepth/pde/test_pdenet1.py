"""PDE-Net 1: stencil, piecewise polynomials, block, estimator against independent forms, known equations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.interpolate import BarycentricInterpolator
from scipy.linalg import expm

from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.filters import stencil as stencil_module
from contdepth.pde.filters.stencil import apply_stencil, plan, steps
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.interpolation import PiecewisePolynomial, _Evaluate
from contdepth.pde.pdenet1.pdenet import PDENet
from contdepth.pde.pdenet1.training import last_block_loss, pairs, train_stage
from contdepth.training.loop import DivergenceError


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_stencil(stencil: torch.Tensor, u: torch.Tensor, boundary: str) -> torch.Tensor:
    """One gather of the field for each tap."""
    dim, out = u.ndim - 1, torch.zeros_like(u)
    half = round(stencil.shape[0] ** (1 / dim)) // 2
    for weight, tap in zip(stencil, itertools.product(range(-half, half + 1), repeat=dim), strict=True):
        moved = u
        for axis, shift in enumerate(tap):
            n = u.shape[1 + axis]
            where = torch.arange(n) + shift
            where = where % n if boundary == "periodic" else where.clamp(0, n - 1)
            moved = moved.index_select(1 + axis, where)
        out = out + weight * moved
    return out


@pytest.mark.parametrize("boundary", ["periodic", "replicate"])
@pytest.mark.parametrize(("space", "size"), [((19,), 5), ((7,), 7), ((13, 11), 5), ((20, 12), 7), ((6, 7, 5), 3)])
def test_stencil_equals_plain_form(space: tuple[int, ...], size: int, boundary: str) -> None:
    stencil = normal(size ** len(space), *space).requires_grad_()
    u, weight = normal(3, *space, seed=1).requires_grad_(), normal(3, *space, seed=2)
    found, plain = apply_stencil(stencil, u, boundary), plain_stencil(stencil, u, boundary)
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad((found * weight).sum(), (stencil, u)),
        torch.autograd.grad((plain * weight).sum(), (stencil, u)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_stencil_mutations_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stencil, u = normal(25, 9, 10), normal(2, 9, 10, seed=1)
    plain = plain_stencil(stencil, u, "periodic")
    assert (apply_stencil(stencil.flip(0), u) - plain).abs().max() > 0.1
    assert (apply_stencil(stencil, u, "replicate") - plain).abs().max() > 0.1
    table = stencil_module.StencilPlan((9, 10), 5)
    table.reads = table.reads.roll(1)
    monkeypatch.setattr(stencil_module, "plan", lambda *_: table)
    assert (apply_stencil(stencil, u) - plain).abs().max() > 0.1


@pytest.mark.parametrize("boundary", ["periodic", "replicate"])
def test_several_steps_and_gradcheck(boundary: str) -> None:
    table, stencil, u = plan((5, 6), 3, boundary), normal(9, 5, 6) / 3, normal(2, 5, 6, seed=1)

    def run(stencil: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        return table.unpack(steps(table, table.matrices(stencil), table.pack(u), 3))

    expected = u
    for _ in range(3):
        expected = plain_stencil(stencil, expected, boundary)
    torch.testing.assert_close(run(stencil, u), expected, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(run, (stencil.requires_grad_(), u.requires_grad_()))


def test_stencil_errors() -> None:
    with pytest.raises(ValueError, match="at least 5 points"):
        apply_stencil(normal(25, 4, 9), normal(2, 4, 9))
    with pytest.raises(ValueError, match="taps with odd N"):
        apply_stencil(normal(24, 9, 9), normal(2, 9, 9))
    with pytest.raises(ValueError, match="boundary"):
        apply_stencil(normal(9, 9, 9), normal(2, 9, 9), "open")
    with pytest.raises(ValueError, match="odd"):
        plan((9, 9), 4)


@pytest.mark.parametrize(("degree", "periodic"), [(1, False), (2, True), (4, False)])
def test_interpolation_order(degree: int, periodic: bool) -> None:
    points = torch.linspace(-1, 1, 501, dtype=torch.float64)[:-1]
    errors = []
    for cells in (8, 16, 32):
        p = PiecewisePolynomial(cells, degree, -1.0, 1.0, periodic=periodic)
        with torch.no_grad():
            p.values[0] = torch.exp(torch.sin(math.pi * p.nodes()))
        errors.append((p(points) - torch.exp(torch.sin(math.pi * points))).abs().max().item())
    assert math.log2(errors[1] / errors[2]) == pytest.approx(degree + 1, abs=0.25)
    assert not math.log2(errors[1] / errors[2]) == pytest.approx(degree, abs=0.25)


def test_interpolation_against_scipy_and_outside() -> None:
    p = PiecewisePolynomial(3, 4, -1.5, 1.5)
    with torch.no_grad():
        p.values.copy_(normal(1, 13))
    x = torch.linspace(-1.49, 1.49, 57, dtype=torch.float64)
    expected = []
    for value in x.tolist():
        cell = int((value + 1.5) // 1.0)
        nodes = slice(4 * cell, 4 * cell + 5)
        lagrange = BarycentricInterpolator(p.nodes()[nodes].numpy(), p.values[0, nodes].detach().numpy())
        expected.append(float(lagrange(value)))
    torch.testing.assert_close(p(x), torch.tensor(expected, dtype=torch.float64), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(p.on_grid(x)[0], p(x), rtol=1e-12, atol=1e-12)
    for end, sign in ((-1.5, -1), (1.5, 1)):  # the tangent goes on
        z = torch.tensor([end - sign * 1e-7, end, end + sign * 2.0], dtype=torch.float64, requires_grad=True)
        value = p(z)
        (slope,) = torch.autograd.grad(value.sum(), z)
        assert slope[2].item() == pytest.approx(slope[0].item(), rel=1e-4)
        assert value[2].item() == pytest.approx(value[1].item() + sign * 2.0 * slope[2].item(), rel=1e-9)
    inside = torch.tensor([-3.0, -0.7, 0.3, 2.2], dtype=torch.float64, requires_grad=True)
    table = (p.pieces @ p.values[0]).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: _Evaluate.apply(a, b, p), (inside, table))


def test_interpolation_two_axes() -> None:
    p = PiecewisePolynomial(10, 2, 0.0, (2 * math.pi, 2 * math.pi), dim=2, periodic=True, channels=2)
    x, y = 6.2 * torch.rand(2, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        p.values[0] = torch.sin(p.nodes(0))[:, None] * torch.cos(p.nodes(1))
    found = p.on_grid(x, y)
    assert found.shape == (2, 9, 9) and found[1].abs().max() == 0
    assert (found[0] - torch.sin(x)[:, None] * torch.cos(y)).abs().max() < 0.02
    assert (found[0].T - torch.sin(x)[:, None] * torch.cos(y)).abs().max() > 0.2
    with pytest.raises(ValueError, match="one axis"):
        p(x)
    with pytest.raises(ValueError, match="upper"):
        PiecewisePolynomial(2, 2, 1.0, 0.0)


def random_block(space: tuple[int, ...], **options: object) -> PDENetBlock:
    block = PDENetBlock(space, [0.3 + 0.1 * k for k in range(len(space))], 0.01, **options)
    with torch.no_grad():
        for seed, parameter in enumerate(block.parameters()):
            parameter.copy_(0.1 * normal(*parameter.shape, seed=seed))
    return block


def plain_block(block: PDENetBlock, u: torch.Tensor, dt: float) -> torch.Tensor:
    """The formula of the paper with convolutions first and coefficients afterwards."""
    found = block.filters(u)[:, 0]
    fields = block.coefficients()
    fields = fields if fields.ndim > 1 else fields.view(-1, *[1] * block.dim)
    terms = found if block.zero_order else found[:, 1:]
    out = found[:, :1] + dt * (fields * terms).sum(1, keepdim=True)
    return out if block.source is None else out + dt * block.source(u)


@pytest.mark.parametrize(
    ("space", "options"),
    [
        ((16,), {"order": 3, "size": 5, "mesh": 4, "source": {"cells": 6, "range": 2, "degree": 4}}),
        ((12, 11), {"order": 4, "size": 7, "mesh": 3}),
        ((10, 9), {"order": 2, "size": 5, "mesh": 3, "zero_order": True, "boundary": "replicate", "source": {}}),
        ((9, 8), {"order": 2, "size": 5, "coefficients": "constant"}),
        ((6, 7, 8), {"order": 2, "size": 5, "coefficients": "constant", "source": {}}),
    ],
)
def test_block_equals_plain_form(space: tuple[int, ...], options: dict) -> None:
    block, u = random_block(space, **options), normal(3, 1, *space, seed=9)
    plain = plain_block(block, plain_block(block, u, 0.01), 0.01)
    torch.testing.assert_close(block(u, 2), plain, rtol=0, atol=1e-12 * float(plain.detach().abs().max()))
    names = [name for name, _ in block.named_parameters()]
    ours = torch.autograd.grad(block(u, 2).square().sum(), list(block.parameters()))
    theirs = torch.autograd.grad(plain.square().sum(), list(block.parameters()))
    for name, a, b in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11 * float(b.abs().max()), msg=name)
    wrong = plain_block(block, plain_block(block, u, 0.011), 0.011)  # planted: dt ten per cent off
    assert (block(u, 2) - wrong).abs().max() > 1e-6 * wrong.abs().max()


def spectral_matrix(n: int, order: int) -> np.ndarray:
    k = np.fft.fftfreq(n, 1 / n)
    symbol = (1j * k) ** order * (np.abs(k) < n / 2)
    return np.fft.ifft(symbol[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real


def waves(n: int, count: int, frequency: int = 5, seed: int = 0) -> np.ndarray:
    x, rng = 2 * np.pi * np.arange(n) / n, np.random.default_rng(seed)
    u = sum(
        rng.standard_normal((count, 1)) * np.cos(k * x) + rng.standard_normal((count, 1)) * np.sin(k * x)
        for k in range(frequency + 1)
    )
    return u / np.abs(u).max(1, keepdims=True)


def linear_data(rates: np.ndarray, dt: float, frames: int, count: int) -> Trajectories:
    step, states = expm(dt * rates), [waves(len(rates), count)]
    for _ in range(frames - 1):
        states.append(states[-1] @ step.T)
    return Trajectories(torch.from_numpy(np.stack(states, 1)[:, :, None]), dt, 2 * math.pi / len(rates))


@pytest.fixture(scope="module")
def constant_data() -> Trajectories:
    return linear_data(-0.7 * spectral_matrix(32, 1) + 0.3 * spectral_matrix(32, 2), 1e-3, 6, 8)


def test_recovers_constant_coefficients(constant_data: Trajectories, capsys: pytest.CaptureFixture) -> None:
    model = PDENet(
        size=7,
        order=2,
        coefficients="constant",
        blocks=(1, 2, 4),
        accuracy=4,
        average="identity",
        jitter=0.0,
        iterations=20,
    ).fit(constant_data)
    found = model.coefficients()["u"]
    assert found["u_x"] == pytest.approx(-0.7, abs=2e-3)
    assert found["u_xx"] == pytest.approx(0.3, abs=2e-3)
    assert [stage.blocks for stage in model.stages_] == [0, 1, 2, 4]
    moments = model.block_.filters.moments().detach()
    for alpha, m, accuracy in zip([0, 1, 2], moments, [2, 4, 4], strict=True):
        fixed = torch.zeros(7, dtype=torch.float64)
        fixed[alpha] = 1.0
        high = 7 if alpha == 0 else alpha + accuracy
        torch.testing.assert_close(m[:high], fixed[:high], rtol=0, atol=1e-12)
    model.print()
    assert " u_x + 0.3 u_xx\n" in capsys.readouterr().out
    # planted: the data are said to be twice as slow
    slow = Trajectories(constant_data.values, 2e-3, constant_data.dx)
    assert abs(model.with_parameters(blocks=(1,)).fit(slow).coefficients()["u"]["u_x"] + 0.35) < 2e-3
    # planted: mirrored space turns the advection round
    turned = Trajectories(constant_data.values.flip(3), 1e-3, constant_data.dx)
    assert model.with_parameters(blocks=(1,)).fit(turned).coefficients()["u"]["u_x"] > 0.69


@pytest.fixture(scope="module")
def field_model() -> PDENet:
    n = 40
    x = 2 * np.pi * np.arange(n) / n
    rates = (0.5 + np.sin(x))[:, None] * spectral_matrix(n, 1) + 0.2 * spectral_matrix(n, 2)
    data = linear_data(rates, 2e-3, 8, 24)
    return PDENet(size=7, order=3, mesh=6, blocks=(1, 3), jitter=1e-4, iterations=60, batch=64, accuracy=2).fit(
        data
    )


def test_recovers_a_coefficient_field(field_model: PDENet) -> None:
    fields = field_model.coefficient_fields()
    x = 2 * np.pi * np.arange(40) / 40
    true = 0.5 + np.sin(x)
    assert np.linalg.norm(fields[1,] - true) / np.linalg.norm(true) < 0.05
    assert np.abs(fields[2,] - 0.2).max() < 0.05
    assert np.abs(fields[3,]).max() < 0.02
    effective = field_model.effective_fields()
    assert np.linalg.norm(effective[1,] - true) / np.linalg.norm(true) < 0.05
    assert np.linalg.norm(fields[1,] - true[::-1]) / np.linalg.norm(true) > 0.5


def test_estimator_interface(field_model: PDENet, capsys: pytest.CaptureFixture) -> None:
    text = str(field_model.equations()[0].rhs)
    assert text == "u_x*c_1(x) + u_xx*c_2(x) + u_xxx*c_3(x)"
    u0 = waves(40, 1, seed=5)[0]
    frames = field_model.simulate(u0, 4)
    assert frames.shape == (40, 5) and np.array_equal(frames[:, 0], u0)
    one = field_model.block_(torch.from_numpy(frames[:, 3])[None, None])[0, 0].detach().numpy()
    np.testing.assert_allclose(frames[:, 4], one, rtol=0, atol=1e-12)
    assert field_model.score(frames) == pytest.approx(1, abs=1e-9)
    assert field_model.predict(frames).shape == frames.shape
    early = field_model.at(0)
    assert len(early.stages_) == 1 and not torch.equal(early.block_.values, field_model.block_.values)
    field_model.print()
    assert "means of the coefficient fields of a whole step" in capsys.readouterr().out
    with pytest.raises(ValueError, match="a model with a source"):
        field_model.source([0.0])
    with pytest.raises(TypeError, match="unknown"):
        field_model.with_parameters(depth=3)


def test_recovers_a_source() -> None:
    n, dt = 32, 2e-3
    second = 0.3 * spectral_matrix(n, 2)
    frames = [
        solve_ivp(
            lambda _, u: second @ u + 3 * np.sin(u),
            (0, 8 * dt),
            start,
            t_eval=dt * np.arange(9),
            rtol=1e-9,
            atol=1e-10,
        ).y
        for start in 4 * waves(n, 20, 3)
    ]
    model = PDENet(
        size=5,
        order=2,
        coefficients="constant",
        source={"cells": 10, "range": 5, "degree": 4},
        blocks=(1, 3),
        iterations=60,
        jitter=1e-4,
    ).fit(list(frames), dt=dt, dx=2 * math.pi / n)
    u = np.linspace(-3, 3, 50)
    assert np.abs(model.source(u) - 3 * np.sin(u)).max() < 0.15
    assert model.coefficients()["u"]["u_xx"] == pytest.approx(0.3, abs=0.02)
    assert "f(u)" in str(model.equations()[0].rhs)


def test_pairs_and_stage() -> None:
    values = torch.arange(6.0).view(1, 6, 1, 1).expand(2, 6, 1, 8).clone()
    present = torch.ones(2, 6, dtype=torch.bool)
    present[0, 3] = False
    data = Trajectories(values, 0.1, 1.0, present=present)
    start, target = pairs(data, 2, None, 0)
    assert len(start) == 6 and bool((target - start == 2).all())
    few, _ = pairs(data, 1, 2, 0)
    assert len(few) == 2
    with pytest.raises(ValueError, match="6 blocks"):
        pairs(data, 6, None, 0)
    block = PDENetBlock((8,), (1.0,), 0.1, order=1, size=3, coefficients="constant")
    start = normal(4, 1, 8)
    size = (start.roll(1, 2) - start.roll(1, 2).mean(2, keepdim=True)).square().sum((1, 2))
    hand = (((start - start.roll(1, 2)) ** 2).sum((1, 2)) / size).mean()
    assert last_block_loss(block, start, start.roll(1, 2), 1).item() == pytest.approx(float(hand), rel=1e-12)
    with torch.no_grad():
        block.values.fill_(math.inf)
    with pytest.raises(DivergenceError, match="jitter"):
        train_stage(block, start, start, 1)


def test_errors() -> None:
    data = Trajectories(normal(2, 4, 2, 9), 0.1, 1.0)
    with pytest.raises(ValueError, match="one field"):
        PDENet().fit(data)
    with pytest.raises(ValueError, match="grid points"):
        PDENet(size=11).fit(Trajectories(normal(2, 4, 1, 9), 0.1, 1.0))
    with pytest.raises(ValueError, match="'constant' for three"):
        PDENet(size=3, order=1).fit(Trajectories(normal(1, 3, 1, 4, 4, 4), 0.1, 1.0))
    with pytest.raises(ValueError, match="source"):
        PDENet(source={"nodes": 3}).fit(Trajectories(normal(1, 3, 1, 9), 0.1, 1.0))
    with pytest.raises(ValueError, match="filters"):
        PDENet(filters="free")


def travelling(boundary: str = "periodic", frames: int = 5) -> tuple[torch.Tensor, float, float]:
    """Exact solutions of u_t = -0.7 u_x + 0.3 u_xx, (8, frames, 1, 48), dt and dx."""
    dt, points, length = 0.002, 48, 2 * math.pi if boundary == "periodic" else 5.0
    x = torch.arange(points, dtype=torch.float64) * length / points
    t = dt * torch.arange(frames, dtype=torch.float64)[:, None]
    draws = torch.rand(8, 3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    u = sum(
        torch.exp(-0.3 * k * k * t)
        * torch.sin(k * (x - 0.7 * t) + 6.28 * draws[:, k - 1, 0, None, None])
        * (0.5 + draws[:, k - 1, 1, None, None])
        for k in (1, 2, 3)
    )
    return u[:, :, None], dt, length / points


@pytest.mark.parametrize("boundary", ["periodic", "replicate"])
def test_constant_equation_is_read_and_predict_is_the_step(boundary):
    u, dt, dx = travelling(boundary)
    model = PDENet(
        order=2,
        size=5,
        coefficients="constant",
        blocks=(1, 2),
        iterations=30,
        boundary=boundary,
        filters="frozen",
        batch=None,
    ).fit(Trajectories(u, dt, (dx,)))
    found = {alpha: float(f.mean()) for alpha, f in model.effective_fields().items()}
    assert found[(1,)] == pytest.approx(-0.7, rel=0.03)
    assert found[(2,)] == pytest.approx(0.3, rel=0.03)
    rate = model.predict(Trajectories(u, dt, (dx,)))[:, 0]
    assert torch.allclose(rate, (model.rollout(u[:, 0], 1)[:, 1] - u[:, 0]) / dt, rtol=1e-9, atol=1e-9)


def test_data_that_do_not_fit_the_model():
    u, dt, dx = travelling()
    options = {"order": 2, "size": 5, "coefficients": "constant", "iterations": 2}
    with pytest.raises(ValueError, match="frames 9 steps apart for 9 blocks"):
        PDENet(blocks=(1, 9), **options).fit(Trajectories(u, dt, (dx,)))
    with pytest.raises(ValueError, match="at most 11 on a"):
        PDENet(blocks=(12,), boundary="replicate", **options).fit(Trajectories(u.repeat(1, 4, 1, 1), dt, (dx,)))
    model = PDENet(blocks=(1,), **options).fit(Trajectories(u, dt, (dx,)))
    short = Trajectories(u[..., :20], dt, (dx,))
    for call in (lambda: model.rollout(u[:, 0, :, :20], 2), lambda: model.score(short)):
        with pytest.raises(ValueError, match="the training grid"):
            call()


def test_a_blown_up_source_is_not_a_number_and_print_names_it(capsys):
    u, dt, dx = travelling()
    model = PDENet(order=2, size=5, coefficients="constant", iterations=2, blocks=(1,), source={"range": 3}).fit(
        Trajectories(u, dt, (dx,))
    )
    model.print()
    assert "f(u)" in capsys.readouterr().out
    values = torch.tensor([0.5, math.nan, math.inf], dtype=torch.float64)
    with torch.no_grad():
        out = model.block_.source(values)
    assert bool(torch.isfinite(out[0])) and not bool(torch.isfinite(out[1:]).any())
