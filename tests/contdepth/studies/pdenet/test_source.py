"""The study's measures mean what they say: flow of the source, visited range, weighted error, training call."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from contdepth.pde import run_all
from contdepth.studies.pdenet import source as source_study
from contdepth.studies.pdenet.source import (
    amplification,
    diffusion_error,
    other_terms,
    prediction_error,
    relative_error,
    source,
    source_errors,
    step_source,
    textbook_block,
    train,
    visited,
)


@pytest.mark.parametrize("dt", [0.01, 0.1])
def test_step_source_is_the_flow_of_the_equation(dt):
    u = np.array([-12.0, -math.pi, -3.0, -0.4, 0.0, 0.3, 1.5, 3.1, 4.0, 9.0, 11.5])
    flow = solve_ivp(lambda t, w: 15 * np.sin(w), (0, dt), u, rtol=1e-11, atol=1e-13).y[:, -1]
    assert np.allclose(step_source(u, dt), (flow - u) / dt, rtol=1e-8, atol=1e-8)


def test_step_source_differs_from_the_source_by_half_a_step():
    u = np.linspace(-3, 3, 31)
    for dt in (1e-3, 1e-4):
        leading = dt / 2 * source(u) * 15 * np.cos(u)
        assert np.allclose(step_source(u, dt) - source(u), leading, atol=600 * dt**2)


def test_visited_counts_every_value_and_its_middle():
    draws = np.random.default_rng(0).normal(1.0, 2.0, 200_000)
    seen = visited(torch.from_numpy(draws.reshape(20, 10, 1, 10, 100)))
    assert math.isclose(seen.weights.sum(), 1)
    assert abs((seen.weights * seen.centres).sum() - 1) < 0.02
    assert abs(seen.low - (1 - 2 * 2.576)) < 0.1 and abs(seen.high - (1 + 2 * 2.576)) < 0.1
    assert seen.central(5)[[0, -1]].tolist() == [seen.low, seen.high]
    assert np.allclose(np.diff(seen.centres), 0.05)


def test_relative_error_weights_the_squares():
    truth, found = np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])
    assert math.isclose(relative_error(found, truth), 1 / 3)
    assert math.isclose(relative_error(found, truth, np.array([0.0, 3.0, 1.0])), 0.25)
    assert relative_error(found, truth, np.array([1.0, 1.0, 0.0])) == 0


def flat_states(n=8, steps=6):
    """Spatially uniform states and their exact flow, on a small grid, with a weak wave so that no size is zero."""
    u = np.linspace(-6, 6, 20)
    x = 2 * math.pi / n * np.arange(n)
    first = u[:, None, None] + 0.3 * np.cos(x)[:, None] + 0.3 * np.sin(x)
    dt, frames = source_study.DT, [first]
    k = np.fft.fftfreq(n, 1 / n)
    decay = np.exp(-source_study.DIFFUSION * dt / 2 * (k[:, None] ** 2 + k**2))

    def heat(w):
        return np.fft.ifft2(decay * np.fft.fft2(w)).real

    for _ in range(steps):  # Strang splitting: second order, exact for uniform states
        half = heat(frames[-1])
        frames.append(heat(half + dt * step_source(half)))
    return torch.from_numpy(np.stack(frames, 1))[:, :, None]


def test_training_reads_the_step_source_and_predicts():
    data = flat_states()
    options = dict(size=3, blocks=(1,), iterations=40, filters="frozen", batch=None)
    model = run_all(train, [dict(data=data, seed=0, options=options)])[0]
    u = np.linspace(-5, 5, 101)
    assert relative_error(model.source(u), step_source(u)) < 0.01
    assert relative_error(model.source(u), source(u)) > 0.03  # the half step is seen: not the source itself
    assert diffusion_error(model) < 0.1
    seen = visited(data)
    weighted, central = source_errors(model, seen)
    assert math.isclose(central, relative_error(model.source(seen.central()), source(seen.central())))
    assert 0.01 < weighted < 0.1
    error = prediction_error(model, data)
    assert error.shape == data.shape[:2] and (error[:, 0] == 0).all() and np.median(error[:, -1]) < 0.05


def test_amplification_is_the_growth_of_a_wave():
    block = textbook_block(10, 5)
    factors = amplification(block)
    x = 2 * math.pi / 10 * torch.arange(10, dtype=torch.float64)
    for k, l in ((0, 0), (1, 0), (2, 3), (5, 5)):
        wave = torch.cos(k * x[:, None] + l * x)[None, None]
        ahead = block(wave).detach()
        assert math.isclose(float(ahead.norm() / wave.norm()), factors[k, l], rel_tol=1e-12)
    # the fourth-order second difference has the symbol -16/3 at the shortest wave
    corner = abs(1 - 2 * 0.3 * 0.01 * (16 / 3) / (2 * math.pi / 10) ** 2)
    assert math.isclose(factors[5, 5], corner, rel_tol=1e-12)


def test_errors_of_the_coefficients():
    class Read:
        def coefficient_fields(self):
            means = {(1, 0): 0.003, (0, 1): -0.006, (1, 1): 0.0, (2, 0): 0.27, (0, 2): 0.31}
            return {alpha: np.full((4, 4), mean) for alpha, mean in means.items()}

    assert math.isclose(diffusion_error(Read()), 0.1) and math.isclose(other_terms(Read()), 0.02)


def test_a_blown_up_prediction_counts_as_infinite():
    class Bad:
        def rollout(self, u, steps):
            return torch.full((len(u), steps + 1, *u.shape[1:]), math.nan, dtype=u.dtype)

    assert np.isinf(prediction_error(Bad(), flat_states(steps=2))).all()


def test_wrong_inputs_are_named():
    with pytest.raises(ValueError, match="dt"):
        step_source(0.0, 0.0)
    with pytest.raises(ValueError, match="values"):
        visited(torch.tensor([math.nan]))
    with pytest.raises(ValueError, match="data"):
        train(torch.zeros(3, 4, 8, 8, dtype=torch.float64), 0, {})
