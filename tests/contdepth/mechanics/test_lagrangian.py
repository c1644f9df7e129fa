"""The Euler-Lagrange acceleration: of exact Lagrangians against Newton's formulas, of a network by torch.func."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import hessian, jacrev

from contdepth.mechanics import (
    AccelerationNet,
    DoublePendulum,
    LagrangianNet,
    PlanePendulum,
    RelativisticOscillator,
    lagrangian_acceleration,
)
from contdepth.schemes import RK4, RungeKutta, integrate
from contdepth.seeds import generator

NOW = torch.tensor(0.0, dtype=torch.float64)
SYSTEMS = [
    PlanePendulum(2.0, 0.7, 9.8),
    DoublePendulum(),
    DoublePendulum((1.3, 0.7), (0.9, 1.4), 3.0),
    RelativisticOscillator(2.0, 3.0, 1.5),
]


def pair(n: int, *shape: int, bound: float = 1.4) -> tuple[Tensor, Tensor]:
    both = 2 * torch.rand(2, *shape, n, generator=generator(0, "states"), dtype=torch.float64) - 1
    return 3 * both[0], bound * both[1]


@pytest.mark.parametrize("system", SYSTEMS, ids=repr)
def test_an_exact_lagrangian_gives_the_exact_acceleration(system: DoublePendulum) -> None:
    q, v = pair(system.degrees, 40)
    found = lagrangian_acceleration(system.lagrangian, q, v)
    torch.testing.assert_close(found, system.acceleration(q, v), rtol=1e-10, atol=1e-10)
    assert not found.requires_grad


def test_the_double_pendulum_by_its_textbook_equations() -> None:
    """(m1 + m2) l1 a1 + m2 l2 (a2 cos d + v2² sin d) + (m1 + m2) g sin q1 = 0 and its twin, solved by NumPy."""
    (m1, m2), (l1, l2), g = (1.3, 0.7), (0.9, 1.4), 3.0
    system = DoublePendulum((m1, m2), (l1, l2), g)
    q, v = pair(2, 10)
    for (q1, q2), (v1, v2), a in zip(q.tolist(), v.tolist(), system.acceleration(q, v).numpy(), strict=True):
        c, s = np.cos(q1 - q2), np.sin(q1 - q2)
        matrix = [[(m1 + m2) * l1, m2 * l2 * c], [l1 * c, l2]]
        right = [-m2 * l2 * v2**2 * s - (m1 + m2) * g * np.sin(q1), l1 * v1**2 * s - g * np.sin(q2)]
        np.testing.assert_allclose(a, np.linalg.solve(matrix, right), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("system", SYSTEMS, ids=repr)
def test_exact_energies_are_kept(system: DoublePendulum) -> None:
    """Their rates are 0 along the field, and along a solution they stay."""
    q, v = pair(system.degrees, 20)
    u = torch.cat((q, v), -1)
    rate = torch.func.jvp(system.energy, (u,), (system.field(NOW, u),))[1]
    scale = 1 + torch.func.vjp(system.energy, u)[1](torch.ones(20).double())[0].norm(dim=-1)
    assert (rate.abs() / scale).max() < 1e-12
    grid = torch.linspace(0, 0.6, 601, dtype=torch.float64)
    states = integrate(system.field, u[:3] / 2, grid, RungeKutta(RK4))
    assert (system.energy(states) - system.energy(states[0])).abs().max() < 1e-8


@pytest.mark.parametrize("system", SYSTEMS, ids=repr)
def test_the_energy_is_that_of_the_lagrangian(system: DoublePendulum) -> None:
    """v·∂L/∂v - L, up to a constant."""
    q, v = pair(system.degrees, 20)
    momentum = torch.func.grad(lambda v: system.lagrangian(q, v).sum())(v)
    gap = (v * momentum).sum(-1) - system.lagrangian(q, v) - system.energy(torch.cat((q, v), -1))
    assert (gap - gap[0]).abs().max() < 1e-12


def net(degrees: int, **more: object) -> LagrangianNet:
    made = LagrangianNet(degrees, (8, 7), generator=generator(5, "net"), **more).double()
    with torch.no_grad():  # away from a singular mass matrix
        made.net.weights[0][:, degrees:] *= 1.5
    return made


@pytest.mark.parametrize("degrees", [1, 2, 3])
def test_a_network_gives_the_acceleration_of_its_own_lagrangian(degrees: int) -> None:
    made = net(degrees)
    q, v = pair(degrees, 6)
    found = made.acceleration(q, v)
    torch.testing.assert_close(found, lagrangian_acceleration(made, q, v), rtol=1e-8, atol=1e-8)
    for a, one, its in zip(found, q, v, strict=True):  # as the paper writes it, one state at a time
        mass = hessian(made, argnums=1)(one, its)
        mixed = jacrev(torch.func.grad(made, argnums=1), argnums=0)(one, its)
        force = torch.func.grad(made, argnums=0)(one, its) - mixed @ its
        torch.testing.assert_close(mass @ a, force, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(made.field(NOW, torch.cat((q, v), -1)), torch.cat((v, found), -1))


def test_a_network_keeps_its_own_energy() -> None:
    made = net(2)
    q, v = pair(2, 8)
    u = torch.cat((q, v), -1)
    rate = torch.func.jvp(made.energy, (u,), (made.field(NOW, u).detach(),))[1]
    scale = made.field(NOW, u).norm(dim=-1) * torch.func.grad(lambda u: made.energy(u).sum())(u).norm(dim=-1)
    assert (rate.abs() / (1 + scale)).max() < 1e-10


def test_a_loss_on_accelerations_has_the_gradients_of_finite_differences() -> None:
    made = net(2)
    q, v = pair(2, 3)
    loss = made.acceleration(q, v).square().mean()
    for weight, slope in zip(made.parameters(), torch.autograd.grad(loss, list(made.parameters())), strict=True):
        h = 1e-6
        with torch.no_grad():
            at = weight.flatten()[1].item()
            values = []
            for shift in (h, -h):
                weight.view(-1)[1] = at + shift
                values.append(made.acceleration(q, v).square().mean())
            weight.view(-1)[1] = at
        wanted = float(values[0] - values[1]) / (2 * h)
        assert float(slope.flatten()[1]) == pytest.approx(wanted, rel=1e-4, abs=1e-5 * loss.item())


def test_a_given_lagrangian_can_be_differentiated() -> None:
    length = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    q, v = pair(1, 5)

    def acceleration(length: Tensor) -> Tensor:
        def lagrangian(q: Tensor, v: Tensor) -> Tensor:
            return ((length * v).square() / 2 + 9.8 * length * q.cos()).squeeze(-1)

        return lagrangian_acceleration(lagrangian, q, v)

    assert torch.autograd.gradcheck(acceleration, (length,))
    torch.testing.assert_close(acceleration(length), -9.8 / length * q.sin())


@pytest.mark.parametrize(
    ("lagrangian", "index"),
    [
        (lambda q, v: (q * v).sum(-1), "index 0"),
        (lambda q, v: v[..., 0].square() - q[..., 1], "index 0"),
        (lambda q, v: (v.sum(-1)).square() + q[..., 0], "index 0"),
        (lambda q, v: (v.square() * torch.tensor([[1.0, 1], [1, 1], [1, 0]])).sum(-1), "index 2"),
    ],
)
def test_a_singular_mass_matrix_is_named_and_not_made_up_for(lagrangian: object, index: str) -> None:
    q, v = pair(2, 3)
    with pytest.raises(ValueError, match=f"mass matrix: expected an invertible .*index .{index[-1]}"):
        lagrangian_acceleration(lagrangian, q, v)


def test_a_mass_matrix_that_is_singular_up_to_rounding_is_named() -> None:
    """Its last pivot is not exactly 0, by which a plain solve would divide."""
    matrix = torch.tensor([[0.1, 0.3], [0.3, 0.9]], dtype=torch.float64)
    assert 0 < torch.linalg.lu_factor(matrix)[0][1, 1].abs() < 1e-15
    q, v = pair(2, 3)
    with pytest.raises(ValueError, match="mass matrix: expected an invertible"):
        lagrangian_acceleration(lambda q, v: ((v @ matrix) * v).sum(-1) / 2 + q.sum(-1), q, v)


def test_a_network_that_does_not_hold_a_velocity_is_singular() -> None:
    made = net(1)
    with torch.no_grad():
        made.net.weights[0][:, 1] = 0
    with pytest.raises(ValueError, match="mass matrix: expected an invertible"):
        made.acceleration(*pair(1, 3))
    assert made.field(NOW, torch.cat(pair(1, 3), -1))[:, 1].isnan().all()


@pytest.mark.parametrize("kind", [LagrangianNet, AccelerationNet])
def test_angles_within_their_period(kind: type[LagrangianNet]) -> None:
    made = kind(2, (8,), period=2 * np.pi, generator=generator(5, "net")).double()
    q, v = pair(2, 5)
    torch.testing.assert_close(made.acceleration(q + 4 * np.pi, v), made.acceleration(q, v))
    free = kind(2, (8,), generator=generator(5, "net")).double()
    torch.testing.assert_close(made.acceleration(q, v), free.acceleration(q % (2 * np.pi), v))
    assert (free.acceleration(q + 4 * np.pi, v) - free.acceleration(q, v)).abs().max() > 1e-3


def test_batches_of_every_shape_agree() -> None:
    system, made = DoublePendulum(), net(2)
    q, v = pair(2, 3, 4)
    for call in (made.acceleration, lambda q, v: lagrangian_acceleration(system.lagrangian, q, v)):
        torch.testing.assert_close(call(q, v)[1, 2], call(q[1, 2], v[1, 2]), rtol=1e-9, atol=1e-9)
