"""The gated unit as a differential equation: by hand, against another solver, its bound, jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from contdepth.recurrent import GRUODE, GRUJump
from contdepth.seeds import generator


def row(*shape: int, stream: str = "row") -> Tensor:
    return torch.randn(*shape, generator=generator(1, stream), dtype=torch.float64)


def scaled(made: torch.nn.Module, factor: float) -> None:
    """Weights ``factor`` times as large, biases drawn."""
    with torch.no_grad():
        for name, one in made.named_parameters():
            one.copy_(factor * (row(*one.shape, stream=name) if one.ndim == 1 else one))


def between(factor: float = 1.5, **more: object) -> GRUODE:
    made = GRUODE(4, generator=generator(0, "ode"), **more).double()
    scaled(made, factor)
    return made


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def rate(made: GRUODE, h: np.ndarray) -> np.ndarray:
    """h' of one state."""
    (u_r, u_z, u_g), (b_r, b_z, b_g) = (
        made.u.detach().numpy().reshape(3, 4, 4),
        made.b.detach().numpy().reshape(3, 4),
    )
    r, z = sigmoid(u_r @ h + b_r), sigmoid(u_z @ h + b_z)
    return (1 - z) * (np.tanh(u_g @ (r * h) + b_g) - h)


def test_the_rate_by_hand() -> None:
    made, h = between(), row(3, 4)
    for i in range(3):
        np.testing.assert_allclose(made.rate(h)[i].detach(), rate(made, h[i].numpy()), rtol=1e-12)


def test_each_member_takes_its_own_equal_steps() -> None:
    made, h = between(step=0.1), row(3, 4)
    found = made(h, torch.tensor([0.25, 0.0, 1.0], dtype=torch.float64)).detach()
    for i, (steps, size) in enumerate([(3, 0.25 / 3), (0, 0.0), (10, 0.1)]):
        state = h[i].numpy()
        for _ in range(steps):
            state = state + size * rate(made, state)
        np.testing.assert_allclose(found[i], state, rtol=1e-12)


def test_rounding_of_times_changes_no_number_of_steps() -> None:
    made, h = between(step=0.1), row(1, 4)
    exact, above = (made(h, torch.tensor([gap], dtype=torch.float64)) for gap in (0.4, 0.4 + 1e-12))
    torch.testing.assert_close(above, exact, rtol=1e-10, atol=1e-11)


def test_to_a_tolerance_it_is_what_scipy_finds_and_short_euler_steps_tend_to_with_order_one() -> None:
    h, gaps, errors = row(3, 4), torch.tensor([0.3, 0.0, 2.0], dtype=torch.float64), []
    exact = between(step=None, rtol=1e-9, atol=1e-11)
    found = exact(h, gaps).detach()
    for i in range(3):
        other = solve_ivp(lambda _, u: rate(exact, u), (0, float(gaps[i])), h[i].numpy(), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found[i], other.y[:, -1], atol=1e-7)
    for step in (0.02, 0.01):
        errors.append(float((between(step=step)(h, gaps).detach() - found).norm()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("step", [0.1, 1.0, None])
def test_states_stay_between_minus_one_and_one(step: float | None) -> None:
    made, h = between(factor=20.0, step=step, rtol=1e-6, atol=1e-9), row(50, 4).sign()
    slack = 1e-6 if step is None else 1e-12
    for _ in range(5):
        h = made(h, torch.linspace(0, 2, 50, dtype=torch.float64)).detach()
        assert float(h.abs().max()) <= 1 + slack


def test_a_step_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="step: expected a number <= 1, found 1.5; a longer step may leave"):
        GRUODE(2, step=1.5)
    with pytest.raises(ValueError, match="gaps: expected at most 100,000 steps of 0.1"):
        between()(row(1, 4), torch.tensor([1e6], dtype=torch.float64))
    with pytest.raises(ValueError, match="gaps: expected times >= 0, found -1.0"):
        between()(row(1, 4), torch.tensor([-1.0], dtype=torch.float64))


def jump() -> GRUJump:
    made = GRUJump(2, 4, features=3, generator=generator(0, "jump")).double()
    scaled(made, 1.5)
    with torch.no_grad():
        made.offset.copy_(row(2, 3, stream="offset"))
    return made


MASK = torch.tensor([[True, True], [False, True], [False, False]])


def told() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return row(3, 2), row(3, 4, stream="state"), row(3, 2, stream="mean"), row(3, 2, stream="variance")


def test_a_jump_by_hand() -> None:
    made, (x, h, mean, log_variance) = jump(), told()
    found = made(x, h, MASK, mean, log_variance).detach()
    prepare, offset, w, u, b = (one.detach().numpy() for one in made.parameters())
    for i in range(3):
        seen = np.zeros((2, 3))
        for d in range(2):
            y, m, v = (float(one[i, d]) for one in (x, mean, log_variance))
            four = np.array([y, m, v, (y - m) / math.exp(v / 2)])
            if MASK[i, d]:
                seen[d] = np.maximum(four @ prepare[d] + offset[d], 0)
        a, state = (w @ seen.ravel() + b).reshape(3, 4), h[i].numpy()
        r, z = sigmoid(a[0] + u[:4] @ state), sigmoid(a[1] + u[4:8] @ state)
        g = np.tanh(a[2] + u[8:] @ (r * state))
        wanted = z * state + (1 - z) * g if MASK[i].any() else state
        np.testing.assert_allclose(found[i], wanted, rtol=1e-12)


def test_what_is_missing_changes_no_jump() -> None:
    made, (x, h, mean, log_variance) = jump(), told()
    other = torch.where(MASK, x, 1e3)
    torch.testing.assert_close(
        made(other, h, MASK, mean, log_variance), made(x, h, MASK, mean, log_variance), rtol=0, atol=0
    )
