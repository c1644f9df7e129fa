"""Contests and solver studies: results mean what they say, failures count, references are exact."""

import math

import numpy as np
import pytest
import torch

from contdepth.pde.fields.trajectories import Trajectories
from contdepth.pde.peers.known import KnownEquation
from contdepth.pde.simulate.catalogue import burgers1d, kdv
from contdepth.pde.simulate.spectral import SpectralRHS
from contdepth.studies.pdenet.solvers import (
    cole_hopf,
    etdrk4_errors,
    heun_errors,
    orders,
    soliton,
    upwind_errors,
)
from contdepth.studies.pdenet2.contest import CEILING, Entry, contest, prediction_errors, thinned

HEAT = {"u": {"u_xx": 0.1}}


def heat(dt: float = 0.1) -> torch.Tensor:
    x = torch.arange(16, dtype=torch.float64) * 2 * math.pi / 16
    t = dt * torch.arange(6, dtype=torch.float64)[:, None]
    return (torch.exp(-0.1 * t) * torch.sin(x) + torch.exp(-0.4 * t) * torch.cos(2 * x))[None, :, None]


def test_thinned_keeps_steps_and_spacing_true():
    data = thinned(heat(), 0.1, 0.5, in_time=2, in_space=4)
    assert data.values.shape == (1, 3, 1, 4) and data.dt == 0.2 and data.dx == (2.0,)
    assert torch.equal(data.values, heat()[:, ::2, :, ::4])


def test_the_true_equation_wins_and_a_wrong_one_is_worse():
    spacing = 2 * math.pi / 16
    data = Trajectories(heat(), 0.1, (spacing,))
    entries = {c: Entry(KnownEquation(equation={"u": {"u_xx": c}}), data, heat()) for c in (0.1, 0.2)}
    results = contest(entries)
    assert results[0.1].error_after(5) < 1e-5 < 0.05 < results[0.2].error_after(5)
    assert results[0.2].terms(HEAT).relative == pytest.approx(1.0)
    assert not results[0.1].failure and results[0.1].seconds >= 0


class Breaking(KnownEquation):
    """Fails in ``fit``, or blows up afterwards."""

    def _fit(self, data):
        if self.rtol < 1e-8:
            raise FloatingPointError("the loss is not a number")
        super()._fit(data)

    def _rollout(self, u, steps):
        return torch.full((len(u), steps + 1, *u.shape[1:]), math.nan, dtype=torch.float64)


def test_failures_and_blow_ups_count_as_the_ceiling():
    data = Trajectories(heat(), 0.1, (2 * math.pi / 16,))
    entries = {rtol: Entry(Breaking(equation=HEAT, rtol=rtol), data, heat()) for rtol in (1e-9, 1e-6)}
    results = contest(entries)
    assert results[1e-9].failure == "the loss is not a number" and results[1e-9].coefficients is None
    assert results[1e-9].terms(HEAT).relative == pytest.approx(1.0)
    for result in results.values():
        assert (result.errors == CEILING).all()
    model = Breaking(equation=HEAT).fit(data)
    assert (prediction_errors(model, heat()) == CEILING).all()


def residual(equation, u: torch.Tensor, dt: float) -> float:
    """Relative residual of (1, 3, 1, n): central difference in time against the right-hand side."""
    rate = (u[:, 2] - u[:, 0]) / (2 * dt)
    right = SpectralRHS(equation, (u.shape[-1],))(u[:, 1])
    return float((rate - right).norm() / rate.norm())


def test_closed_forms_solve_their_equations():
    times = [0.5 - 1e-4, 0.5, 0.5 + 1e-4]
    assert residual(burgers1d(0.3, 2 * math.pi), cole_hopf(64, times, 0.3), 1e-4) < 1e-6
    assert residual(burgers1d(0.29, 2 * math.pi), cole_hopf(64, times, 0.3), 1e-4) > 1e-3
    assert residual(kdv(length=40.0), soliton(256, times), 1e-4) < 1e-5
    assert residual(kdv(5.9, length=40.0), soliton(256, times), 1e-4) > 1e-3


def test_orders():
    assert orders([8.0, 4.0, 1.0]) == [1.0, 2.0]
    assert np.allclose(orders(upwind_errors(1, (64, 128)))[-1], 1, atol=0.2)
    assert np.allclose(orders(upwind_errors(2, (64, 128)))[-1], 2, atol=0.2)
    assert np.allclose(orders(heun_errors((16, 32)))[-1], 2, atol=0.2)
    assert np.allclose(orders(etdrk4_errors((16, 32)))[-1], 4, atol=0.3)
