"""Implicit Euler steps: the solution against SciPy and backward Euler, its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import root
from torch import Tensor, nn

from contdepth.nets import Dissipative, implicit_euler, relaxed_euler
from contdepth.nets.implicit.amplification import amplification
from contdepth.nets.implicit.systems import Dense, Symmetric
from contdepth.schemes import BackwardEuler
from contdepth.seeds import generator

STEPS = (0.5, 2.0, 5.0)


def noise(*shape: int, purpose: str) -> Tensor:
    return torch.randn(*shape, generator=generator(3, purpose), dtype=torch.float64)


def dissipative(scale: float = 0.7) -> Dissipative:
    return Dissipative(scale * noise(7, 5, purpose="W"), noise(7, purpose="b"))


class Turning(nn.Module):
    """A field with a Jacobian that is not symmetric, nor that of any potential."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.into = (nn.Parameter(0.5 * noise(*s, purpose=str(s))) for s in ((5, 6), (6, 5)))

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(y @ self.into.T) @ self.out.T - y


FIELDS = {"dissipative": dissipative, "turning": Turning}


@pytest.mark.parametrize("h", STEPS)
@pytest.mark.parametrize("name", FIELDS)
def test_the_solution_is_that_of_scipy_and_of_backward_euler(name, h):
    field, x = FIELDS[name](), noise(3, 5, purpose="x")
    found = implicit_euler(field, x, h)
    with torch.no_grad():
        for one, y in zip(x, found.state.detach(), strict=True):
            solved = root(lambda v, one=one: v - one.numpy() - h * field(torch.tensor(v)).numpy(), one, tol=1e-13)
            assert solved.success
            np.testing.assert_allclose(y, solved.x, rtol=0, atol=1e-10)
        other = BackwardEuler().step(lambda t, u: field(u), torch.tensor(0.0), x, 0.1)
        torch.testing.assert_close(implicit_euler(field, x, 0.1).state, other, rtol=0, atol=1e-11)
    assert found.iterations < 20


def loss_of(field, x, h, solver):
    weights = noise(3, 5, purpose="g")
    return (weights * torch.sin(solver(field, x, h))).sum()


def by_newton_unrolled(field, x, h):
    """Plain Newton iterations that autograd follows."""
    y = implicit_euler(field, x.detach(), h).state.detach()
    for _ in range(3):
        jacobian = torch.func.vmap(torch.func.jacrev(field))(y)
        matrix = torch.eye(5, dtype=y.dtype) - h * jacobian
        y = y - torch.linalg.solve(matrix, (y - x - h * field(y)).unsqueeze(-1)).squeeze(-1)
    return y


@pytest.mark.parametrize("h", STEPS)
@pytest.mark.parametrize("name", FIELDS)
def test_the_gradient_is_that_of_finite_differences_and_of_unrolled_newton(name, h):
    field, x = FIELDS[name](), noise(3, 5, purpose="x").requires_grad_()
    into = [x, *field.parameters()]
    found = torch.autograd.grad(loss_of(field, x, h, lambda *a: implicit_euler(*a).state), into)
    unrolled = torch.autograd.grad(loss_of(field, x, h, by_newton_unrolled), into)
    for one, other in zip(found, unrolled, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    for k, part in enumerate(into):
        direction = noise(*part.shape, purpose=f"d{k}")
        ends = []
        for size in (2e-5, 1e-5, -1e-5, -2e-5):
            with torch.no_grad():
                part += size * direction
                ends.append(loss_of(field, x, h, lambda *a: implicit_euler(*a).state))
                part -= size * direction
        slope = (8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / 12e-5
        assert float(slope) == pytest.approx(float((found[k] * direction).sum()), abs=1e-7)


@pytest.mark.parametrize("h", STEPS)
def test_an_implicit_step_of_a_dissipative_field_enlarges_nothing(h):
    x = 2 * noise(20, 5, purpose="x")
    for scale in (0.3, 1.0, 3.0):
        field = dissipative(scale)
        found = amplification(lambda u, f=field: implicit_euler(f, u, h).state, x)
        y = implicit_euler(field, x, h).state.detach()
        jacobian = torch.func.vmap(torch.func.jacrev(field))(y)
        inverse = torch.linalg.inv(torch.eye(5, dtype=x.dtype) - h * jacobian).detach()
        torch.testing.assert_close(found, torch.linalg.svdvals(inverse)[:, 0], rtol=1e-9, atol=0)
        assert float(found.max()) <= 1 + 1e-9
    explicit = amplification(lambda u: u + h * field(u), x)
    assert float(explicit.max()) > 2
    short = amplification(lambda u: u + 2 / torch.linalg.matrix_norm(field.weight, 2) ** 2 * field(u), x)
    assert float(short.max()) <= 1 + 1e-12


def test_the_field_is_minus_the_gradient_of_its_potential_and_has_the_jacobian_that_it_says():
    field, y = dissipative(), noise(4, 5, purpose="y").requires_grad_()
    (gradient,) = torch.autograd.grad(field.potential(y).sum(), y)
    torch.testing.assert_close(field(y), -gradient, rtol=1e-12, atol=1e-14)
    jacobian = torch.func.vmap(torch.func.jacrev(field))(y).detach()
    v = noise(4, 5, purpose="v")
    torch.testing.assert_close(field.product(y)(v), (jacobian @ v.unsqueeze(-1)).squeeze(-1), rtol=0, atol=1e-13)
    assert float(torch.linalg.eigvalsh(jacobian).max()) <= 1e-12
    far = field.potential(400 * y).detach()
    assert float(far.min()) > 0 and bool(torch.isfinite(far).all())


def test_both_kinds_of_systems_solve_the_same():
    field, y, r = dissipative(), noise(4, 5, purpose="y"), noise(4, 5, purpose="r")
    one, other = Dense(field, y, 2.0), Symmetric(field, y, 2.0)
    torch.testing.assert_close(one.solve(r, 0.0).detach(), other.solve(r, 1e-13).detach(), rtol=0, atol=1e-11)
    assert other.evaluations <= 7 and one.evaluations == 6


def test_members_are_nets_side_by_side():
    weight, bias, x = noise(2, 7, 5, purpose="W"), noise(2, 7, purpose="b"), noise(2, 3, 5, purpose="x")
    both = implicit_euler(Dissipative(weight, bias), x, 2.0).state
    for k in range(2):
        alone = implicit_euler(Dissipative(weight[k], bias[k]), x[k], 2.0).state
        torch.testing.assert_close(both[k], alone, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", FIELDS)
def test_gradient_steps_tend_to_the_solution_and_are_differentiated_as_they_stand(name):
    field = Turning() if name == "turning" else dissipative(0.3)
    x = noise(3, 5, purpose="x").requires_grad_()
    exact = implicit_euler(field, x, 0.5).state
    left = [(relaxed_euler(field, x, 0.5, steps=k, rate=0.15) - exact).norm().item() for k in (0, 5, 400)]
    assert left[0] > left[1] > left[2] and left[2] < 1e-9
    assert torch.equal(relaxed_euler(field, x, 0.5, steps=0), x + 0.5 * field(x))
    start = x + 0.5 * field(x)
    matrix = torch.eye(5, dtype=x.dtype) - 0.5 * torch.func.vmap(torch.func.jacrev(field))(start)
    slope = (matrix.mT @ (start - x - 0.5 * field(start)).unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(relaxed_euler(field, x, 0.5, steps=1, rate=0.15), start - 0.15 * slope)
    one = [x, *field.parameters()]
    found = torch.autograd.grad(relaxed_euler(field, x, 0.5, steps=3, rate=0.15).sin().sum(), one)
    for k, part in enumerate(one):
        direction, ends = noise(*part.shape, purpose=f"d{k}"), []
        for size in (1e-5, -1e-5):
            with torch.no_grad():
                part += size * direction
                ends.append(relaxed_euler(field, x, 0.5, steps=3, rate=0.15).sin().sum())
                part -= size * direction
        slope = float(ends[0] - ends[1]) / 2e-5
        assert slope == pytest.approx(float((found[k] * direction).sum()), abs=1e-7)


def test_a_step_without_a_solution_says_so():
    with pytest.raises(RuntimeError, match="implicit Euler, step 1"):
        implicit_euler(lambda y: 1 + y, noise(2, 3, purpose="x"), 1.0)


def test_no_gradient_is_recorded_where_none_is_wanted():
    field, x = dissipative(), noise(2, 5, purpose="x")
    for part in field.parameters():
        part.requires_grad_(False)
    assert not implicit_euler(field, x, 1.0).state.requires_grad
    assert not relaxed_euler(field, x, 1.0).requires_grad
    with torch.no_grad():
        assert not implicit_euler(dissipative(), x, 1.0).state.requires_grad
    assert amplification(lambda u: torch.ones_like(u), x).tolist() == [0, 0]


def test_the_gradient_is_taken_once():
    x = noise(2, 5, purpose="x").requires_grad_()
    y = implicit_euler(dissipative(), x, 1.0).state
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(gradient.sum(), x)


def test_bad_arguments_are_told():
    x, field = noise(2, 5, purpose="x"), dissipative()
    with pytest.raises(ValueError, match=r"h: expected a number > 0"):
        implicit_euler(field, x, 0.0)
    with pytest.raises(ValueError, match=r"y: expected \(\.\.\., 5\)"):
        implicit_euler(field, noise(2, 4, purpose="x"), 1.0)
    with pytest.raises(TypeError, match="field: expected a function"):
        implicit_euler(3, x, 1.0)
    with pytest.raises(ValueError, match=r"field\(x\): expected shape"):
        relaxed_euler(lambda y: y.sum(-1), x, 1.0)
    with pytest.raises(ValueError, match="bias: expected shape"):
        Dissipative(noise(7, 5, purpose="W"), noise(5, purpose="b"))
    with pytest.raises(ValueError, match=r"step\(x\)"):
        amplification(lambda u: u.sum(0), x)
