"""Steps towards the equilibrium: by hand, where they end, and gradients that keep their size over a series."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from contdepth.recurrent import EquilibriumCell, Recurrence, from_nan
from contdepth.seeds import generator


def cell(inner: int, hidden: int = 6, **more: object) -> EquilibriumCell:
    return EquilibriumCell(2, hidden, inner=inner, generator=generator(0, "cell"), **more).double()


def row(*shape: int, stream: str = "row") -> Tensor:
    return torch.randn(*shape, generator=generator(1, stream), dtype=torch.float64)


def test_two_inner_steps_by_hand() -> None:
    made, x, h = cell(2, decay=0.8), row(3, 2), row(3, 6, stream="state")
    with torch.no_grad():
        made.sizes.copy_(torch.tensor([0.3, 0.6]))
        made.b.copy_(0.1 * torch.arange(6))
    u, w, b = (one.detach().numpy() for one in (made.u, made.w, made.b))
    for i in range(3):
        before, g = h[i].numpy(), np.zeros(6)
        for size in (0.3, 0.6):
            g = g + size * (np.tanh(u @ (g + before) + w @ x[i].numpy() + b) - 0.8 * (g + before))
        np.testing.assert_allclose(made(x, h)[i].detach(), g, rtol=1e-6)


def test_many_steps_end_at_an_equilibrium_whose_jacobian_is_minus_the_identity() -> None:
    made, x, h = cell(80), row(3, 2), row(3, 6, stream="state")
    g = made(x, h)
    assert float(made.rate(x, h, g).detach().abs().max()) < 1e-12
    other = row(3, 6, stream="other")
    torch.testing.assert_close(g + h, made(x, other) + other)
    jacobian = jacrev(lambda one: made(x[:1], one[None])[0])(h[0])
    torch.testing.assert_close(jacobian, -torch.eye(6, dtype=torch.float64))


def over_rows(made: EquilibriumCell, rows: int = 48) -> Tensor:
    """∂h_T/∂h_0 over a series."""
    made.requires_grad_(False)
    series, start = from_nan(row(1, rows, 2)), torch.zeros(made.hidden, dtype=torch.float64)
    return jacrev(lambda h: Recurrence(made)(series, h[None])[0, -1])(start)


def test_with_more_inner_steps_the_norm_over_48_rows_tends_to_one() -> None:
    found = [float(torch.linalg.matrix_norm(over_rows(cell(inner)), 2)) for inner in (1, 5, 20, 60)]
    assert found[0] < 1e-3
    gaps = [abs(1 - one) for one in found]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-6


@pytest.mark.parametrize("inner", [1, 3, 10])
def test_without_coupling_the_jacobian_has_a_closed_form(inner: int) -> None:
    """U = 0: each inner step multiplies g + h - its limit by 1 - ηα, and ∂h_k/∂h_{k-1} = (1 - ηα)^K - 1."""
    made = cell(inner, spread=0.0, decay=0.7, size=0.5)
    wanted = ((1 - 0.35) ** inner - 1) ** 7 * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(over_rows(made, 7), wanted, rtol=1e-10, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    made, x, h = cell(3, hidden=3), row(2, 2), row(2, 3, stream="state")
    names, parameters = zip(*made.named_parameters(), strict=True)

    def call(one: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(names, values, strict=True)), (x, one))

    assert torch.autograd.gradcheck(call, (h.requires_grad_(), *parameters))
