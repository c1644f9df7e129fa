"""The gap between adjoint and backprop: its orders, its leading term, and where the way back breaks."""

from __future__ import annotations

import pytest
import torch

from contdepth import schemes
from contdepth.schemes import HEUN2, HEUN3, KUTTA3, MIDPOINT, RALSTON2, RK4, RungeKutta, Tableau
from contdepth.studies.depth import node_gaps

U0 = torch.linspace(-1, 1, 4, dtype=torch.float64)
EXPECTED = {HEUN2: 3, MIDPOINT: 2, RALSTON2: 2, HEUN3: 3, KUTTA3: 3, RK4: 4}


@pytest.mark.parametrize("table", EXPECTED, ids=lambda table: table.name)
def test_the_gap_closes_at_the_orders_of_theory(table: Tableau) -> None:
    field = node_gaps.SmallField()
    found = node_gaps.gaps(field, U0, 1.0, {"one": RungeKutta(table)}, (48, 96))["one"]
    assert node_gaps.slope((48, 96), found) == pytest.approx(EXPECTED[table], abs=0.1)


def test_forward_euler_is_of_order_one() -> None:
    found = node_gaps.gaps(node_gaps.SmallField(), U0, 1.0, {"one": schemes.ForwardEuler()}, (64, 128))["one"]
    assert node_gaps.slope((64, 128), found) == pytest.approx(1, abs=0.05)


class Autonomous(node_gaps.SmallField):
    def forward(self, t: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.zeros_like(t), u)


@pytest.mark.parametrize("table", [MIDPOINT, RALSTON2], ids=lambda table: table.name)
def test_one_step_differs_by_the_leading_term(table: Tableau) -> None:
    """Against -h³ (b·c² + b·Ac - 1/2)(Nᵀ Aᵀ + Aᵀ Nᵀ) a with Jacobians by torch.func."""
    field, h, still = Autonomous(), 1e-3, torch.tensor(0.0, dtype=torch.float64)

    def f(u: torch.Tensor) -> torch.Tensor:
        return field(still, u)

    jacobian = torch.func.jacrev(f)
    a = jacobian(U0)
    n = torch.func.jvp(jacobian, (U0,), (f(U0),))[1]
    costate = -U0.sin()
    term = -(h**3) * node_gaps.strain(table) * (n.T @ a.T + a.T @ n.T) @ costate
    grid = torch.tensor([0.0, h], dtype=torch.float64)
    exact, found = (node_gaps.gradients(field, U0, grid, RungeKutta(table), g) for g in ("backprop", "adjoint"))
    torch.testing.assert_close((found - exact)[:4], term.detach(), rtol=0.02, atol=0)


def test_strain_of_two_stages() -> None:
    """(c₂ - 1) / 2 for every scheme of order 2 with two stages."""
    for node in (0.3, 0.5, 2 / 3, 0.9, 1.0):
        weight = 1 / (2 * node)
        table = Tableau("of two stages", 2, ((), (node,)), (1 - weight, weight), (0.0, node))
        assert node_gaps.strain(table) == pytest.approx((node - 1) / 2, abs=1e-15)


def test_the_start_is_lost_where_the_flow_contracts() -> None:
    calm, damped = node_gaps.SmallField(), node_gaps.SmallField(damping=10.0)
    t = torch.linspace(0, 4, 81, dtype=torch.float64)
    good, bad = (node_gaps.way_back(one, U0, t, RungeKutta(RK4)) for one in (calm, damped))
    assert good.start < 1e-3 and good.state < 1e-3
    assert bad.start > 0.5 and bad.held < 1e-2 and bad.state > 1e3
    exact, found = (node_gaps.gradients(damped, U0, t, RungeKutta(RK4), g) for g in ("backprop", "checkpoints"))
    torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-20)
