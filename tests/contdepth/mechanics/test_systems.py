"""Chains and bodies: forces against autograd, what is conserved, known solutions, the law of the starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Tensor

from contdepth.mechanics import SpringChain, ThreeBody, hamiltonian_field, simulate
from contdepth.schemes import Yoshida4, integrate
from contdepth.seeds import generator

NOW = torch.tensor(0.0, dtype=torch.float64)
CHAIN = SpringChain.drawn(5, generator(0, "chain"))
SYSTEMS = [CHAIN, ThreeBody(), ThreeBody((1.0, 2.0, 0.5), softening=0.3)]
EACH = pytest.mark.parametrize("system", SYSTEMS, ids=repr)


def starts(system: Any, count: int = 4) -> Tensor:
    return torch.randn(count, 2 * system.degrees, generator=generator(1, "starts"), dtype=torch.float64)


@EACH
def test_forces_are_slopes_of_the_energy(system: Any) -> None:
    u = starts(system)
    torch.testing.assert_close(system.field(NOW, u), hamiltonian_field(system.energy)(NOW, u))
    velocity, force = system.parts
    q, p = u.chunk(2, -1)
    torch.testing.assert_close(torch.cat((velocity(NOW, p), force(NOW, q)), -1), system.field(NOW, u))


@EACH
def test_the_reference_keeps_the_energy(system: Any) -> None:
    u = starts(system, 3)
    if isinstance(system, ThreeBody) and not system.softening:
        u = system.draw(3, generator(2, "starts"))
    times = torch.linspace(1.0, 3.0, 9, dtype=torch.float64)
    found = simulate(system.field, u, times)
    assert found.shape == (9, *u.shape)
    assert bool((found[0] == u).all())
    energy = system.energy(found)
    assert ((energy - energy[0]).abs() / energy[0].abs()).max() < 1e-9
    fine = torch.linspace(1.0, 3.0, 401, dtype=torch.float64)
    other = integrate(system.parts, u, fine, Yoshida4(), keep="last")
    torch.testing.assert_close(found[-1], other, rtol=1e-5, atol=1e-5)


def test_a_chain_by_the_exponential_of_its_matrix() -> None:
    n, m, k = CHAIN.degrees, np.array(CHAIN.masses), np.array(CHAIN.stiffness)
    spring = np.zeros((n, n))
    for i in range(n):
        spring[i, i] = k[i] + k[i + 1]
        if i:
            spring[i, i - 1] = spring[i - 1, i] = -k[i]
    matrix = np.block([[np.zeros((n, n)), np.diag(1 / m)], [-spring, np.zeros((n, n))]])
    u, times = starts(CHAIN), torch.tensor([0.0, 0.7, 2.5], dtype=torch.float64)
    found = simulate(CHAIN.field, u, times)
    for row, t in zip(found, times.tolist(), strict=True):
        np.testing.assert_allclose(row, u.numpy() @ expm(t * matrix).T, rtol=1e-8, atol=1e-8)
    wanted = (u[:, n:].numpy() ** 2 / m).sum(1) / 2 + np.einsum("bi,ij,bj->b", u[:, :n], spring, u[:, :n]) / 2
    np.testing.assert_allclose(CHAIN.energy(u), wanted, rtol=1e-12)


def test_a_drawn_chain_and_its_starts() -> None:
    large = SpringChain.drawn(10_000, generator(0, "chain"))
    masses, stiffness = torch.tensor(large.masses), torch.tensor(large.stiffness)
    assert float(masses.mean()) == pytest.approx(1, abs=0.01)
    assert float(masses.std()) == pytest.approx(0.25, abs=0.01)
    assert float(masses.min()) == pytest.approx(0.2)
    assert float(stiffness.mean()) == pytest.approx(5, abs=0.05)
    u = SpringChain.drawn(20, generator(0, "chain")).draw(2000, generator(0, "u"))
    free = u.unflatten(1, (2, 20))[..., 1:-1]
    assert float(u.abs().max()) <= 2.5
    assert float(free.std()) == pytest.approx(2.5 / math.sqrt(3), rel=0.01)
    assert not bool(u.unflatten(1, (2, 20))[..., [0, -1]].any())


def test_three_bodies_keep_momenta_and_turn_for_ever_on_a_circle() -> None:
    system = ThreeBody((2.0, 2.0, 2.0))
    u = system.draw(2, generator(4, "starts"), disturbed=0.0)
    r = u[:, :2].norm(dim=1)
    assert bool(((r >= 0.9) & (r <= 1.2)).all())
    for i in range(2):  # a period of 2πr/v with v² = m/(√3 r)
        period = 2 * math.pi * float(r[i] ** 1.5) * math.sqrt(math.sqrt(3) / 2)
        found = simulate(system.field, u[i : i + 1], torch.tensor([0.0, period / 3, period]).double())
        torch.testing.assert_close(found[2], found[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[1, 0, :2], u[i, 2:4], rtol=1e-5, atol=1e-6)
    system = SYSTEMS[2]
    u = starts(system)
    found = simulate(system.field, u, torch.tensor([0.0, 1.0, 3.0]).double())
    for kept in (system.angular_momentum, lambda u: u[..., 6:].unflatten(-1, (3, 2)).sum(-2)):
        torch.testing.assert_close(kept(found[2]), kept(found[0]), rtol=1e-8, atol=1e-8)


def test_disturbed_starts_lie_beside_the_circle() -> None:
    system = ThreeBody()
    u, still = (system.draw(500, generator(5, "starts"), disturbed=one) for one in (0.2, 0.0))
    torch.testing.assert_close(u[:, :6], still[:, :6])
    ratio = (u / still)[:, 6:]
    assert bool((ratio - 1).abs().max() <= 0.2)
    assert float((ratio - 1).std()) == pytest.approx(0.2 / math.sqrt(3), rel=0.05)
    assert float(still[:, :2].norm(dim=1).mean()) == pytest.approx(1.05, abs=0.01)


def test_unequal_bodies_have_no_circle() -> None:
    with pytest.raises(ValueError, match="masses: expected three equal ones"):
        SYSTEMS[2].draw(1, generator(0, "starts"))
