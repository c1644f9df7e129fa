"""The antisymmetric step: by hand, its spectrum, Euler's amplification, its limit, gradients over 500 rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import jacrev

from contdepth.recurrent import AntisymmetricCell, Recurrence, from_nan
from contdepth.schemes import ForwardEuler, amplification, solve
from contdepth.seeds import generator


def cell(inputs: int = 2, hidden: int = 5, **more: object) -> AntisymmetricCell:
    made = AntisymmetricCell(inputs, hidden, generator=generator(0, "cell"), **more).double()
    with torch.no_grad():
        made.b.copy_(0.3 * torch.arange(1.0, len(made.b) + 1).sin())
    return made


def row(*shape: int, stream: str = "row") -> Tensor:
    return torch.randn(*shape, generator=generator(1, stream), dtype=torch.float64)


def matrix(made: AntisymmetricCell) -> np.ndarray:
    """W - Wᵀ - γI entry by entry."""
    n, numbers = made.hidden, iter(made.upper.tolist())
    a = np.diag(np.full(n, -made.diffusion))
    for i in range(n):
        for j in range(i + 1, n):
            a[i, j] = next(numbers)
            a[j, i] = -a[i, j]
    return a


@pytest.mark.parametrize("gated", [False, True])
def test_a_step_by_hand(gated: bool) -> None:
    made, x, h = cell(step=0.7, diffusion=0.2, gated=gated), row(3, 2), row(3, 5, stream="state")
    a, v, b = matrix(made), made.v.detach().numpy(), made.b.detach().numpy()
    for i in range(3):
        driven = v @ x[i].numpy() + b
        turned = a @ h[i].numpy()
        wanted = np.tanh(turned + driven[:5])
        if gated:
            wanted = wanted / (1 + np.exp(-turned - driven[5:]))
        np.testing.assert_allclose(made.rate(x, h)[i].detach(), wanted, rtol=1e-13)
        np.testing.assert_allclose(made(x, h)[i].detach(), h[i] + 0.7 * wanted, rtol=1e-13)


def spectrum(made: AntisymmetricCell, x: Tensor, h: Tensor) -> Tensor:
    return torch.linalg.eigvals(jacrev(lambda one: made.rate(x[None], one[None])[0])(h))


def test_the_spectrum_is_imaginary_without_diffusion_and_left_of_zero_with_it() -> None:
    x, h = row(2), row(7, stream="state")
    still = spectrum(cell(hidden=7, diffusion=0.0, spread=2.0), x, h)
    assert still.real.abs().max() < 1e-12
    assert still.imag.abs().max() > 0.5
    damped = spectrum(cell(hidden=7, diffusion=0.3, spread=2.0), x, h).real
    assert damped.max() < 0
    assert damped.min() >= -0.3


def at_zero(made: AntisymmetricCell) -> Tensor:
    """Eigenvalues of a step's Jacobian at 0, where D = 1."""
    with torch.no_grad():
        made.b.zero_()
        x, h = torch.zeros(1, made.inputs).double(), torch.zeros(made.hidden).double()
        return torch.linalg.eigvals(jacrev(lambda one: made(x, one[None])[0])(h))


def radius(made: AntisymmetricCell) -> float:
    return float(at_zero(made).abs().max())


def test_eulers_step_enlarges_without_diffusion_and_not_up_to_the_step_that_diffusion_allows() -> None:
    for step in (1e-3, 0.1, 1.0):
        assert radius(cell(step=step, diffusion=0.0)) > 1
    gamma = 0.4
    omega = float(np.abs(np.linalg.eigvals(matrix(cell(diffusion=0.0)))).max())
    largest = 2 * gamma / (gamma**2 + omega**2)
    assert radius(cell(step=0.999 * largest, diffusion=gamma)) < 1
    assert radius(cell(step=1.001 * largest, diffusion=gamma)) > 1


def test_a_steps_eigenvalues_are_eulers_amplification() -> None:
    made = cell(step=0.3, diffusion=0.2)
    z = 0.3 * torch.from_numpy(np.linalg.eigvals(matrix(made)))
    found, wanted = at_zero(made), amplification(ForwardEuler(), z)
    torch.testing.assert_close(found.abs().sort().values, wanted.abs().sort().values)


def test_short_steps_tend_to_the_differential_equation_with_order_one() -> None:
    x, h, errors = row(1, 2), row(1, 5, stream="state"), []
    made = cell(diffusion=0.1)
    wanted = solve(lambda _, u: made.rate(x, u), h, torch.tensor([0.0, 2.0]).double(), rtol=1e-10).u[-1]
    for steps in (100, 200):
        short = cell(step=2.0 / steps, diffusion=0.1)
        found = Recurrence(short)(from_nan(x.expand(1, steps, 2)), h)[:, -1]
        errors.append(float((found - wanted).detach().norm()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("gated", [False, True])
def test_gradients_are_those_of_finite_differences(gated: bool) -> None:
    made, x, h = cell(hidden=3, gated=gated, step=0.5), row(2, 2), row(2, 3, stream="state")
    names, parameters = zip(*made.named_parameters(), strict=True)

    def call(one: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(names, values, strict=True)), (x, one))

    assert torch.autograd.gradcheck(call, (h.requires_grad_(), *parameters))


def test_draws_and_numbers_of_parameters_are_the_papers() -> None:
    gated = AntisymmetricCell(8, 32, gated=True)
    assert sum(one.numel() for one in gated.parameters()) == 32 * 31 // 2 + 2 * (32 * 8 + 32)
    made = AntisymmetricCell(50, 100, spread=4.0, generator=generator(0, "draw"))
    assert float(made.upper.detach().var()) == pytest.approx(16 / 100, rel=0.1)
    assert float(made.v.detach().var()) == pytest.approx(1 / 50, rel=0.1)
    assert not bool(made.b.any())


def test_over_500_rows_gradients_stay_where_those_of_a_plain_network_vanish() -> None:
    n, values = 8, row(1, 500, 2)
    made = cell(hidden=n, step=0.01, diffusion=0.01)
    series, start = from_nan(values), torch.zeros(n, dtype=torch.float64)
    made.requires_grad_(False)
    ours = jacrev(lambda h: Recurrence(made)(series, h[None])[0, -1])(start)
    w = row(n, n, stream="plain") / math.sqrt(n)

    def plain(h: Tensor) -> Tensor:
        for x in values[0]:
            h = torch.tanh(w @ h + made.v @ x)
        return h

    assert 0.1 < float(torch.linalg.matrix_norm(ours, 2)) < 10
    assert float(torch.linalg.matrix_norm(jacrev(plain)(start), 2)) < 1e-6
