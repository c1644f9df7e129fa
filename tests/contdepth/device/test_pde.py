"""Estimators, reference solutions and data sets on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from device.cases import Case, Device, as_on_the_cpu
from fuzz import doors_light, doors_pde
from torch import Tensor, nn

from contdepth import pde
from contdepth.pde import peers, simulate
from contdepth.pde.filters.stencil import apply_stencil

pytestmark = pytest.mark.device


def plane() -> np.ndarray:
    """A wave that decays and moves on a square, (8, 8, time)."""
    x, y = np.meshgrid(*[2 * np.pi / 8 * np.arange(8)] * 2, indexing="ij")
    return np.stack([np.exp(-0.1 * t) * np.sin(x - t) * np.cos(y) for t in 0.01 * np.arange(6)], -1)


def estimated(make: Callable[..., pde.Estimator], u: Callable[[], np.ndarray], *uses: str) -> Case:
    """An estimator fitted to arrays and used on arrays, on trajectories and on tensors of the device."""

    def case(where: torch.device) -> Any:
        spacing = 2 * np.pi / u().shape[0]
        settings = {"dt": 0.01, "dx": (spacing,) * (u().ndim - 1)}
        model = make(device=where).fit(u(), **settings)
        data = pde.trajectories(u(), **settings)
        found = [model.predict(u()), model.simulate(u()[..., 0], 2), model.score(u(), dt=0.01)]
        found += [torch.as_tensor(getattr(model, use)()).to(where) for use in uses]
        tensors = [model.predict(data.to(where)), model.rollout(data.values[:, 0].to(where), 2)]
        tensors += [value for value in vars(model).values() if isinstance(value, nn.Module)]
        again = make(device=where).fit(data.to(where))
        return found, tensors, [value for value in vars(again).values() if isinstance(value, nn.Module)]

    return case


def several(device: torch.device) -> pde.Ensemble:
    return pde.Ensemble(pde.PDENet2(hidden=1, blocks=(1,), iterations=2, device=device), seeds=(0, 1))


def quick(**options: Any) -> Callable[..., pde.PDENet2]:
    return lambda device: pde.PDENet2(hidden=1, blocks=(1, 2), iterations=2, device=device, **options)


def first(**options: Any) -> Callable[..., pde.PDENet]:
    return lambda device: pde.PDENet(
        size=5, order=2, blocks=(1, 2), iterations=2, batch=3, device=device, **options
    )


def flat(device: torch.device) -> pde.Estimator:
    return peers.PlainCNN(layers=2, width=2, size=3, blocks=1, iterations=2, device=device)


def reference_solution(method: str) -> Case:
    def case(where: torch.device) -> Tensor:
        u0 = simulate.random_fourier(2, 16, dim=1, fields=1, seed=0, device=where)
        return simulate.solve(simulate.kuramoto_sivashinsky(), u0, [0.0, 0.01, 0.02], method=method, rtol=1e-4)

    return case


def variable_weights(where: torch.device) -> Any:
    stencil = doors_light.doubles(9, 8, 8).to(where).requires_grad_()
    u = doors_light.doubles(2, 8, 8).to(where)
    out = apply_stencil(stencil, u)
    return out, *torch.autograd.grad(out.square().sum(), stencil)


def data_set(make: Callable[..., Tensor], **options: Any) -> Case:
    return lambda where: make(2, 2, grid=8, seed=0, noise=0.01, device=where, **options)


CASES: dict[str, Case] = {
    "PDE-Net 2.0": estimated(quick(), doors_pde.waves),
    "PDE-Net 2.0, Adam, midpoint": estimated(quick(optimiser="adam", scheme="midpoint"), doors_pde.waves),
    "PDE-Net 2.0 on a plane": estimated(quick(relative=False), plane),
    "PDE-Net, constants": estimated(first(coefficients="constant", jitter=0.01), doors_pde.waves),
    "PDE-Net, fields": estimated(first(mesh=2), plane),
    "PDE-Net, fields and a source": estimated(first(mesh=2, source={"cells": 4}, zero_order=True), plane),
    "several seeds": estimated(several, doors_pde.waves),
    "plain CNN": estimated(flat, doors_pde.waves),
    "DOP853": reference_solution("dop853"),
    "ETDRK4": reference_solution("etdrk4"),
    "weights that vary": variable_weights,
    "Burgers, upwind": data_set(simulate.burgers_data, fine=16, late_time=0.01, max_step=0.005),
    "Burgers, spectral": data_set(simulate.burgers_data, fine=16, late_time=0.01, generator="spectral"),
    "variable coefficients": data_set(simulate.convection_diffusion_data, fine=16),
}


@pytest.mark.parametrize("name", CASES)
def test_a_device_gives_the_numbers_of_the_cpu(name: str, device: Device) -> None:
    as_on_the_cpu(CASES[name], device)
