"""Layer-parallel training: its objective, optimiser, data, and the net cut into two halves."""

from __future__ import annotations

import math
import queue
import threading

import pytest
import torch
from scipy.optimize import rosen, rosen_der
from torch import Tensor

from contdepth.schemes import Multigrid
from contdepth.studies.depth.lbfgs import lbfgs
from contdepth.studies.depth.parallel_digits import train_digits
from contdepth.studies.depth.parallel_halves import Half, Link, serial_gradient
from contdepth.studies.depth.parallel_nets import drawn, falls, smooth_relu, sweep_errors
from contdepth.studies.depth.parallel_peaks import opening, peaks, peaks_data, train_peaks
from contdepth.studies.depth.parallel_processes import half_of, race, whole
from contdepth.studies.depth.parallel_training import Objective


def close(found: Tensor, wanted: Tensor, tolerance: float) -> None:
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max().clamp(min=1e-3)


def test_the_quasi_newton_method_finds_the_minimum_of_rosenbrock() -> None:
    def gradient(x: Tensor) -> tuple[float, Tensor]:
        return float(rosen(x.numpy())), torch.from_numpy(rosen_der(x.numpy()))

    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    x, values = lbfgs(lambda x: gradient(x)[0], gradient, start, 120)
    close(x, torch.ones(2, dtype=torch.float64), 1e-6)
    assert all(after <= before for before, after in zip(values, values[1:], strict=False))


def test_on_a_quadratic_it_needs_few_steps() -> None:
    """With all pairs remembered it is much faster than the steepest descent, which needs thousands of steps."""
    scale = torch.logspace(0, 3, 6, dtype=torch.float64)
    x, _ = lbfgs(
        lambda x: float((scale * x * x).sum()),
        lambda x: (float((scale * x * x).sum()), 2 * scale * x),
        torch.ones(6, dtype=torch.float64),
        60,
    )
    assert x.norm() < 1e-6


def test_the_smoothed_activation_is_the_definition() -> None:
    x = torch.linspace(-1, 1, 2001, dtype=torch.float64, requires_grad=True)
    wanted = torch.where(x.abs() < 0.1, x * x / 0.4 + x / 2 + 0.025, x.clamp(min=0))
    close(smooth_relu(x), wanted, 1e-14)
    slopes = torch.autograd.grad(smooth_relu(x).sum(), x)[0]
    assert slopes.diff().abs().max() < 0.006  # continuous: 1/(2 eta) times the grid's step


def test_classes_of_the_plane_are_equally_many() -> None:
    x, y = peaks_data(500, 3)
    again = peaks_data(500, 3)
    assert torch.equal(x, again[0]) and not torch.equal(x, peaks_data(500, 4)[0])
    assert y.bincount().tolist() == [100] * 5 and x.abs().max() <= 3
    found = peaks(torch.zeros(1).double(), torch.zeros(1).double())
    close(found, torch.tensor([8 / 3 / math.e], dtype=torch.float64), 1e-12)


@pytest.mark.parametrize("sweeps", [0, 8])
def test_the_objective_s_gradient_is_backpropagation_s(sweeps: int) -> None:
    rng = torch.Generator().manual_seed(0)
    shapes = [(2, 4), (1,), (8, 4, 4), (8, 1), (4, 5), (5,)]
    held = tuple(torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_() for shape in shapes)
    x, y = torch.randn(6, 2, generator=rng, dtype=torch.float64), torch.arange(6) % 5

    def branch(u: Tensor, K: Tensor, b: Tensor) -> Tensor:
        return smooth_relu(u @ K + b[:, None])

    u = smooth_relu(x @ held[0] + held[1])
    for n in range(8):
        u = u + smooth_relu(u @ held[2][n] + held[3][n]) / 8
    loss = torch.nn.functional.cross_entropy(u @ held[4] + held[5], y)
    loss = loss + 0.05 * sum(one.square().sum() for one in held)
    loss = loss + 0.1 * sum((8 * one.diff(dim=0)).square().sum() for one in held[2:4])
    wanted = torch.autograd.grad(loss, held)
    how = {"tikhonov": 0.1, "smoothness": 0.2}
    plan = Multigrid((2,)) if sweeps else None
    of = Objective(branch, opening, 1 / 8, plan=plan, sweeps=sweeps, warm=True, **how)
    plain = tuple(one.detach() for one in held)
    value, found = of.gradient(plain, x, y)
    assert abs(value - loss.item()) < 1e-12 and abs(of.value(plain, x, y) - value) < 1e-12
    for one, other in zip(found, wanted, strict=True):
        close(one, other, 1e-12)
    lost = Objective(branch, opening, 1 / 8, smoothness_gradient=False, **how).gradient(plain, x, y)
    assert abs(lost[0] - value) < 1e-12
    assert (lost[1][2] - wanted[2]).norm() > 0.1 * wanted[2].norm()
    close(lost[1][0], wanted[0], 1e-12)


def test_sweeps_fall_faster_on_smooth_weights() -> None:
    fall = [min(falls(sweep_errors(drawn(128, 8, 0, smooth=smooth), Multigrid((8,)), 3, 0))) for smooth in (1, 0)]
    assert fall[0] > 2 * fall[1] > 2
    spread = [float(drawn(512, 8, 0, smooth=smooth).weights[0].square().mean()) for smooth in (True, False)]
    assert 0.5 < spread[0] / spread[1] < 2


def test_small_trainings_learn_with_sweeps_as_without() -> None:
    small = {"seed": 5, "steps": 12, "count": 100, "layers": 8}
    serial, two = (train_peaks(sweeps=sweeps, **small) for sweeps in (0, 2))
    assert serial["loss"] < 1.5 and abs(serial["loss"] / two["loss"] - 1) < 0.02
    small = {"seed": 5, "epochs": 2, "layers": 16, "block": 4}
    serial, two = (train_digits(sweeps=sweeps, **small) for sweeps in (0, 2))
    assert serial["loss"] < 1.5 and abs(serial["loss"] / two["loss"] - 1) < 0.02 and two["fall"] > 3


def test_two_halves_with_fixed_weights_find_backpropagation_s_gradient() -> None:
    net = {name: one.double() if one.is_floating_point() else one for name, one in whole(1, 16, 6, 12).items()}
    net["K"] = net["K"] + 0.3 * torch.randn(16, 6, 6, generator=torch.Generator().manual_seed(1)).double()
    exact = [net[key].clone().requires_grad_() for key in ("K", "b", "closing")]
    loss, wanted = serial_gradient(*exact, net["first"], net["labels"], 1 / 16)
    there, back = queue.Queue(), queue.Queue()
    front = half_of(net, 1 / 16, 2, Link(there.put, back.get), behind=False)
    rear = half_of(net, 1 / 16, 2, Link(back.put, there.get), behind=True)
    gaps: list[float] = []

    def run(half: Half, into: list[list[Tensor]]) -> None:
        for _ in range(17):  # eight blocks forwards, eight backwards, one for the start
            into.append(half.step())

    fronts: list[list[Tensor]] = []
    rears: list[list[Tensor]] = []
    thread = threading.Thread(target=run, args=(rear, rears), daemon=True)
    thread.start()
    run(front, fronts)
    thread.join(30)
    for first, second in zip(fronts, rears, strict=True):
        found = [torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]]), second[2]]
        gaps.append(max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, wanted, strict=True)))
    assert gaps[0] > 1e-3 and gaps[3] < gaps[0] / 30 and gaps[-1] < 1e-12
    assert abs(rear.loss - loss) < 1e-13


def test_two_processes_train_the_net() -> None:
    found = race(seed=0, layers=8, width=8, batch=64, block=2, rate=0.01, rounds=2, steps=4)
    assert len(found["serial"]) == len(found["two"]) == 2 and min(found["two_busy"]) > 0
    serial, two = found["serial_losses"], found["two_losses"]
    assert len(serial) == len(two) == 12 and serial[-1] < 0.95 * serial[0]
    assert abs(two[-1] / serial[-1] - 1) < 0.02
