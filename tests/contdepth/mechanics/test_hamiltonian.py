"""Fields of Hamiltonians against finite differences; what symplectic schemes keep of a learned one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from contdepth import problems, schemes
from contdepth.mechanics import HamiltonianNet, hamiltonian_field, hamiltonian_parts
from contdepth.seeds import generator

NOW = torch.tensor(0.0, dtype=torch.float64)
KINDS = pytest.mark.parametrize("separable", [True, False])


def net(separable: bool, degrees: int = 2) -> HamiltonianNet:
    return HamiltonianNet(degrees, (9, 8), separable=separable, generator=generator(3, "net")).double()


def states(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(1, "states"), dtype=torch.float64)


def by_differences(energy: Any, u: Tensor, h: float = 1e-5) -> Tensor:
    """(∂H/∂p, -∂H/∂q) of one state."""
    shifts = h * torch.eye(len(u), dtype=u.dtype)
    slope = (energy(u + shifts) - energy(u - shifts)) / (2 * h)
    along_q, along_p = slope.chunk(2)
    return torch.cat((along_p, -along_q)).detach()


@KINDS
def test_the_field_is_that_of_finite_differences(separable: bool) -> None:
    made, u = net(separable), states(3, 4)
    wanted = torch.stack([by_differences(made, one) for one in u])
    torch.testing.assert_close(made.field(NOW, u), wanted, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(hamiltonian_field(made)(NOW, u), made.field(NOW, u), rtol=1e-12, atol=1e-14)


def test_parts_are_the_halves_of_the_field() -> None:
    made, u = net(True), states(3, 4)
    q, p = u.chunk(2, -1)
    for velocity, force in (made.parts, hamiltonian_parts(made.nets[1], made.nets[0])):
        torch.testing.assert_close(torch.cat((velocity(NOW, p), force(NOW, q)), -1), made.field(NOW, u))


def test_a_given_hamiltonian_gives_the_pendulum() -> None:
    pendulum, u = problems.Pendulum(), states(5, 2)
    found = hamiltonian_field(pendulum.energy)(NOW, u)
    torch.testing.assert_close(found, pendulum.f(NOW, u), rtol=1e-13, atol=1e-15)
    assert not found.requires_grad


@KINDS
def test_the_field_can_be_differentiated_in_weights(separable: bool) -> None:
    made, u = net(separable, 1), states(2, 2).requires_grad_()
    names = [name for name, _ in made.named_parameters()]

    class Field(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = made

        def forward(self, u: Tensor) -> Tensor:
            return self.net.field(NOW, u)

    def field(u: Tensor, *weights: Tensor) -> Tensor:
        held = {f"net.{name}": one for name, one in zip(names, weights, strict=True)}
        return torch.func.functional_call(Field(), held, (u,))

    assert torch.autograd.gradcheck(field, (u, *made.parameters()), fast_mode=True)


def defect(scheme: Any, f: Any, u: Tensor, h: float) -> float:
    n = len(u) // 2
    omega = torch.zeros(2 * n, 2 * n, dtype=u.dtype)
    omega[:n, n:], omega[n:, :n] = torch.eye(n), -torch.eye(n)
    j = jacrev(lambda u: scheme.step(f, NOW, u, h))(u).detach()
    return float((j.T @ omega @ j - omega).abs().max())


def test_steps_under_a_learned_energy_are_symplectic() -> None:
    u = states(4)
    assert defect(schemes.Leapfrog(), net(True).parts, u, 0.7) < 1e-13
    assert defect(schemes.Yoshida4(), net(True).parts, u, 0.7) < 1e-13
    assert defect(schemes.ImplicitMidpoint(), net(False).field, u, 0.7) < 1e-12
    assert defect(schemes.ForwardEuler(), net(True).field, u, 0.7) > 1e-3


@pytest.mark.parametrize(
    ("scheme", "separable"),
    [(schemes.Leapfrog(), True), (schemes.Yoshida4(), True), (schemes.ImplicitMidpoint(), False)],
)
def test_a_learned_energy_is_kept_to_the_order_of_the_scheme(scheme: Any, separable: bool) -> None:
    """Of the network and a spring to 0, so that the motion does not leave."""
    made, u, worst = net(separable), states(4) / 2, []
    f: Any = lambda t, u: made.field(t, u) + torch.cat((u[..., 2:], -u[..., :2]), -1)  # noqa: E731
    if separable:
        velocity, force = made.parts
        f = (lambda t, p: velocity(t, p) + p), (lambda t, q: force(t, q) - q)
    for steps in (20, 40) if not separable else (80, 160):
        grid = torch.linspace(0, 8, steps + 1, dtype=torch.float64)
        with torch.no_grad():
            found = schemes.integrate(f, u, grid, scheme)
            energy = made.energy(found) + found.square().sum(-1) / 2
        worst.append((energy - energy[0]).abs().max())
    assert float((worst[0] / worst[1]).log2()) == pytest.approx(scheme.order, abs=0.3)


def test_leapfrog_goes_back_under_a_learned_energy() -> None:
    made, u = net(True), states(4)
    grid = torch.linspace(0, 10, 21, dtype=torch.float64)
    with torch.no_grad():
        there = schemes.integrate(made.parts, u, grid, schemes.Leapfrog(), keep="last")
        turned = there * torch.tensor([1, 1, -1, -1])
        back = schemes.integrate(made.parts, there, grid.flip(0), schemes.Leapfrog(), keep="last")
        # T is not even in p here, so that turning momenta is no way back; time is
        other = schemes.integrate(made.parts, turned, grid, schemes.Leapfrog(), keep="last")
    assert (back - u).abs().max() < 1e-12
    assert (other * torch.tensor([1, 1, -1, -1]) - u).abs().max() > 1e-3


def test_what_does_not_separate_has_no_parts() -> None:
    with pytest.raises(ValueError, match="parts: expected a separable H"):
        net(False).parts  # noqa: B018
