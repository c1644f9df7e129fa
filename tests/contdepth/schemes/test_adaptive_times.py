"""Members at times of their own: what each has alone, against torchdiffeq at the union, gradients, odd times."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchdiffeq import odeint

from contdepth import errors
from contdepth.schemes import RODAS5P, TSITOURAS, solve, solve_at
from contdepth.seeds import generator

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def field(matrix: Tensor):
    return lambda t, u: torch.tanh(u @ matrix.T) * (1 + 0.5 * torch.cos(3 * t))


def turning() -> Tensor:
    return torch.tensor([[0.1, 2.0], [-2.0, -0.2]], dtype=torch.float64, requires_grad=True)


def start(n: int = 5) -> Tensor:
    drawn = torch.randn(n, 2, generator=generator(0, "start"), dtype=torch.float64)
    return drawn.requires_grad_()


def moments() -> Tensor:
    """Five members' four times: usual ones, a repeated one at each end, none that passes, some backwards."""
    rows = [
        [0.0, 0.3, 0.7, 2.0],
        [1.0, 1.0, 1.5, 4.0],
        [-1.0, 0.5, 0.9, 0.9],
        [2.0, 2.0, 2.0, 2.0],
        [1.0, 0.4, 0.1, -1.0],
    ]
    return torch.tensor(rows, dtype=torch.float64).T


def alone(f, u0: Tensor, t: Tensor) -> Tensor:
    """Each member by torchdiffeq at its own distinct times."""
    found = []
    for i in range(len(u0)):
        times, where = t[:, i].unique(return_inverse=True)
        if t[-1, i] < t[0, i]:
            times, where = times.flip(0), len(times) - 1 - where
        path = odeint(f, u0[i], times, rtol=1e-10, atol=1e-12) if len(times) > 1 else u0[i].unsqueeze(0)
        found.append(path[where])
    return torch.stack(found, dim=1)


def test_states_and_gradients_are_those_of_each_alone() -> None:
    matrix, u0, t = turning(), start(), moments()
    other = alone(field(matrix), u0, t)
    weight = torch.randn(other.shape, generator=generator(0, "weight"), dtype=torch.float64)
    theirs = torch.autograd.grad((weight * other).sum(), (matrix, u0))
    for gradient in ("backprop", "checkpoints"):
        found = solve_at(field(matrix), u0, t, gradient=gradient, parameters=(matrix,), **TIGHT)
        torch.testing.assert_close(found.u, other, rtol=1e-7, atol=1e-7)
        ours = torch.autograd.grad((weight * found.u).sum(), (matrix, u0))
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(solve_at(field(matrix), u0, t, **TIGHT).u, found.u, rtol=1e-9, atol=1e-9)


def test_gradients_are_finite_differences() -> None:
    u0, t = start(3), moments()[:, :3]

    def last(matrix: Tensor, u0: Tensor) -> Tensor:
        return solve_at(field(matrix), u0, t, rtol=1e-8, atol=1e-10).u.square().sum((0, 2))

    torch.autograd.gradcheck(last, (turning(), u0), eps=1e-5, atol=1e-5, rtol=1e-5, fast_mode=True)


def test_no_member_and_no_other_time_changes_a_member() -> None:
    matrix, u0, t = turning().detach(), start(3).detach(), moments()[:, :3]
    found = solve_at(field(matrix), u0, t)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        solve_at(field(matrix), u0[order], t[:, order]).u, found.u[:, order], rtol=1e-12, atol=1e-12
    )
    for i in range(3):
        one = solve_at(field(matrix), u0[i : i + 1], t[[0, 2, 2, 3], i : i + 1])
        torch.testing.assert_close(one.u[[0, 1, 3], 0], found.u[[0, 2, 3], i], rtol=1e-12, atol=1e-12)
        assert int(one.statistics.accepted[0]) == int(found.statistics.accepted[i])


def test_shared_times_are_those_of_solve_and_batches_have_any_shape() -> None:
    matrix, t = turning().detach(), torch.linspace(0, 2, 5, dtype=torch.float64)
    u0 = start(6).detach().reshape(2, 3, 2)
    wanted = solve(field(matrix), u0, t, TSITOURAS, steps="own")
    found = solve_at(field(matrix), u0, t[:, None, None].expand(5, 2, 3), TSITOURAS)
    torch.testing.assert_close(found.u, wanted.u, rtol=1e-5, atol=1e-6)
    assert found.statistics.accepted.shape == (2, 3)


def test_states_inside_steps_are_of_the_tolerance_in_single_precision() -> None:
    matrix, u0, t = turning().detach(), start().detach(), moments()
    exact = alone(field(matrix), u0, t)
    found = solve_at(field(matrix.float()), u0.float(), t.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.u.double(), exact, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"t": [[0.0, 0.0], [1.0, 1.0], [0.5, 2.0]]},
            r"t: expected times of a member that never turn back, found ",
        ),
        ({"t": [[0.0, 0.0]]}, "t: expected at least 2 times for each member, found 1"),
        ({"t": [[0.0], [1.0]]}, r"t: expected shape \(2, 2\), found shape \(2, 1\); a row for each time"),
        ({"t": [[0.0, float("nan")], [1.0, 1.0]]}, "t: expected finite values"),
        ({"scheme": RODAS5P}, "scheme: expected an EmbeddedPair, found Rosenbrock; a scheme for stiff"),
        ({"gradient": "adjoint"}, "gradient: expected one of"),
        ({"f": lambda t, u: u[..., :1]}, r"f\(t, u\): expected shape \(2, 2\), found shape \(2, 1\)"),
    ],
)
def test_what_does_not_fit_is_told(change: dict[str, object], said: str) -> None:
    good = {"f": lambda t, u: -u, "u0": torch.ones(2, 2).double(), "t": [[0.0, 0.0], [1.0, 2.0]], **change}
    good["t"] = torch.tensor(good["t"], dtype=torch.float64)
    with pytest.raises((TypeError, ValueError), match=said):
        solve_at(**good)


def test_an_end_that_is_not_there_is_told() -> None:
    t = torch.tensor([[0.0, 0.0], [0.5, 2.0]], dtype=torch.float64)
    with pytest.raises(errors.IntegrationError, match="member 1 of 2"):
        solve_at(lambda t, u: u.square(), torch.ones(2, 1, dtype=torch.float64), t)
