"""The measures of the simulators: exact solutions satisfy their equations, orders come out, faults show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from contdepth.pde.simulate import integrate, upwind
from contdepth.studies.pdenet.solvers import (
    cole_hopf,
    distance,
    etdrk4_errors,
    heun_errors,
    orders,
    soliton,
    upwind_errors,
)


def residual(exact, length: float, right) -> float:
    """u_t by differences in time against the right-hand side by Fourier derivatives."""
    h = 1e-3
    u = exact([1.0 - 2 * h, 1.0 - h, 1.0, 1.0 + h, 1.0 + 2 * h])[0, :, 0]
    rate = (u[0] - 8 * u[1] + 8 * u[3] - u[4]) / (12 * h)
    k = 2j * math.pi / length * torch.fft.fftfreq(u.shape[1], 1 / u.shape[1], dtype=torch.float64)

    def d(order: int) -> torch.Tensor:
        return torch.fft.ifft(k**order * torch.fft.fft(u[2])).real

    return float((rate - right(u[2], d)).norm() / rate.norm())


def test_exact_solutions_satisfy_their_equations():
    def burgers(viscosity):
        return residual(lambda t: cole_hopf(64, t, 0.3), 2 * math.pi, lambda u, d: -u * d(1) + viscosity * d(2))

    def kdv(factor):
        return residual(lambda t: soliton(256, t), 40.0, lambda u, d: -factor * u * d(1) - d(3))

    assert burgers(0.3) < 1e-8 and burgers(0.297) > 1e-3
    assert kdv(6.0) < 1e-6 and kdv(5.95) > 1e-3


def test_distance_is_relative_over_fields_and_space():
    exact = torch.ones(2, 3, 2, 4, dtype=torch.float64)
    assert torch.allclose(distance(1.5 * exact, exact), torch.full((2, 3), 0.5, dtype=torch.float64))
    with pytest.raises(ValueError, match="found"):
        distance(exact[:1], exact)


def test_orders_of_known_errors():
    assert np.allclose(orders([0.8, 0.2, 0.05]), 2)


@pytest.mark.parametrize("order", [1, 2])
def test_upwind_orders(order, monkeypatch):
    assert orders(upwind_errors(order, [32, 64]))[0] == pytest.approx(order, abs=0.2)
    monkeypatch.setattr(upwind._Upwind, "FAR", {1: (1.1, 0.0), 2: (2.0, 0.4)})
    assert abs(orders(upwind_errors(order, [32, 64]))[0] - order) > 0.3


def test_time_orders(monkeypatch):
    assert orders(heun_errors([8, 16]))[0] == pytest.approx(2, abs=0.2)
    assert orders(etdrk4_errors([20, 40]))[0] == pytest.approx(4, abs=0.2)
    original = integrate._Etdrk4.__init__

    def wrong(self, *args):
        original(self, *args)
        self.middle = self.middle * 1.01

    monkeypatch.setattr(integrate._Etdrk4, "__init__", wrong)
    assert orders(etdrk4_errors([20, 40]))[0] < 3
