"""Costs and densities carried along a flow, against closed forms, finite differences and other Jacobians."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth.flows import Transport, draw_probes, exact_probes
from contdepth.schemes import RK4, ForwardEuler, RungeKutta, integrate, solve
from contdepth.seeds import generator

SPAN = torch.tensor([0.0, 1.0], dtype=torch.float64)


def bent(t: Tensor, x: Tensor) -> Tensor:
    """Not linear, with a Jacobian that is neither symmetric nor diagonal, and with time in it."""
    turned = torch.sin(x[..., 1]) - t * torch.sin(2 * x[..., 0])
    return torch.stack([turned, x[..., 0].sin() * x[..., 1] + t.cos()], dim=-1)


def points(n: int = 5) -> Tensor:
    return torch.randn(n, 2, generator=generator(0, "points"), dtype=torch.float64)


def jacobians(x: Tensor, t: float) -> Tensor:
    """df/dx of ``bent``, ``(n, 2, 2)``, by another way."""
    return vmap(jacrev(lambda one: bent(torch.tensor(t, dtype=x.dtype), one)))(x)


def test_exact_probes_give_trace_and_frobenius_norm() -> None:
    x, t = points(), 0.3
    field = Transport(bent, exact_probes(x), density=True)
    rate = field.carried(field(torch.tensor(t, dtype=x.dtype), field.start(x)))
    full = jacobians(x, t)
    torch.testing.assert_close(rate.x, bent(torch.tensor(t, dtype=x.dtype), x))
    torch.testing.assert_close(rate.kinetic, rate.x.square().sum(-1))
    torch.testing.assert_close(rate.jacobian, full.square().sum((-1, -2)))
    torch.testing.assert_close(rate.density, -full.diagonal(dim1=-2, dim2=-1).sum(-1))


def test_one_probe_is_the_product_from_the_left() -> None:
    """From the right it would be another number: the Jacobian is not symmetric."""
    x, t = points(), 0.3
    probe = draw_probes(x, generator(1, "probes"))
    field = Transport(bent, probe)
    rate = field.carried(field(torch.tensor(t, dtype=x.dtype), field.start(x)))
    pulled = torch.einsum("nij,ni->nj", jacobians(x, t), probe[0])
    torch.testing.assert_close(rate.jacobian, pulled.square().sum(-1))
    assert rate.density is None


def test_drawn_probes_are_right_on_average() -> None:
    x, t = points(2), 0.3
    field = Transport(bent, draw_probes(x, generator(2, "probes"), 4000), density=True)
    rate = field.carried(field(torch.tensor(t, dtype=x.dtype), field.start(x)))
    full = jacobians(x, t)
    torch.testing.assert_close(rate.jacobian, full.square().sum((-1, -2)), rtol=0.1, atol=0)
    torch.testing.assert_close(rate.density, -full.diagonal(dim1=-2, dim2=-1).sum(-1), rtol=0, atol=0.15)


def test_integrals_along_a_linear_flow_have_their_closed_form() -> None:
    """x' = -a x: energy a |x|² (1 - e^{-2aT}) / 2, Frobenius d a² T, logarithm of the density + d a T."""
    x, a = points(), 0.7
    field = Transport(lambda t, y: -a * y, exact_probes(x), density=True)
    end = field.carried(solve(field, field.start(x), SPAN, rtol=1e-10, atol=1e-12).u[-1])
    energy = a * x.square().sum(-1) * (1 - math.exp(-2 * a)) / 2
    torch.testing.assert_close(end.kinetic, energy, rtol=1e-8, atol=0)
    torch.testing.assert_close(end.jacobian, torch.full((5,), 2 * a**2, dtype=x.dtype))
    torch.testing.assert_close(end.density, torch.full((5,), 2 * a, dtype=x.dtype))


def test_the_density_is_the_determinant_of_the_flow() -> None:
    """On the non-linear field: minus the logarithm of the determinant of dx(1)/dx(0)."""
    x = points()
    field = Transport(bent, exact_probes(x), density=True)
    grid = torch.linspace(0, 1, 201, dtype=torch.float64)
    end = field.carried(integrate(field, field.start(x), grid, RungeKutta(RK4))[-1])
    through = vmap(jacrev(lambda one: integrate(bent, one, grid, RungeKutta(RK4))[-1]))(x)
    torch.testing.assert_close(end.density, -torch.linalg.slogdet(through)[1], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("scheme", "order"), [(ForwardEuler(), 1), (RungeKutta(RK4), 4)])
def test_the_integrals_have_the_order_of_the_scheme(scheme: object, order: int) -> None:
    x = points()
    field = Transport(bent, exact_probes(x), density=True)

    def end(steps: int, how: object) -> Tensor:
        return integrate(field, field.start(x), torch.linspace(0, 1, steps + 1, dtype=torch.float64), how)[
            -1, :, 2:
        ]

    true = end(640, RungeKutta(RK4))
    errors = [(end(n, scheme) - true).norm().item() for n in (40, 80)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_the_price_of_a_path_can_be_differentiated() -> None:
    """In a weight of f and in the start, against central differences; the solver's steps are fixed."""
    x, probe = points(), draw_probes(points(), generator(3, "probes"))
    grid = torch.linspace(0, 1, 21, dtype=torch.float64)

    def price(w: Tensor, start: Tensor) -> Tensor:
        field = Transport(lambda t, y: torch.tanh(w * bent(t, y)), probe, density=True)
        return integrate(field, field.start(start), grid, RungeKutta(RK4))[-1, :, 2:].sum()

    w = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(price, (w, x.requires_grad_()), eps=1e-6, atol=1e-7)


def test_a_field_that_does_not_read_the_state_costs_its_speed_alone() -> None:
    x = points()
    for f in (lambda t, y: torch.ones_like(y), lambda t, y: torch.ones_like(y) + 0 * t.detach()):
        field = Transport(f, draw_probes(x, generator(0, "probes")), density=True)
        rate = field(SPAN[0], field.start(x))
        torch.testing.assert_close(rate[:, :3], torch.tensor([1.0, 1.0, 2.0], dtype=x.dtype).expand(5, 3))
        assert not rate[:, 3:].any() and not rate.requires_grad


def test_without_a_graph_the_numbers_are_the_same() -> None:
    x = points()
    field = Transport(bent, draw_probes(x, generator(0, "probes"), 2), density=True)
    with torch.no_grad():
        quiet = field(SPAN[1], field.start(x))
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, field(SPAN[1], field.start(x)), rtol=0, atol=0)
