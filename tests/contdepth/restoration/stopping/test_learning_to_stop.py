"""Learning to stop: the distribution, its objectives and their gradients against independent oracles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stopping_bank import BEST, EPISODES, LOSSES, N, Table, bank
from torch import nn

from contdepth.restoration.stopping.learning_to_stop import (
    StopPlan,
    forward_kl,
    log_oracle_posterior,
    log_stop_distribution,
    most_likely,
    train_stopping,
    variational,
)
from contdepth.restoration.stopping.rules import (
    first_stop,
    greedy,
    oracle,
)
from contdepth.seeds import generator


def test_stop_distribution_is_the_product_of_its_definition():
    values = torch.randn(7, 5, generator=generator(0, "test"), dtype=torch.float64)
    pi = 1 / (1 + values.exp())
    q = log_stop_distribution(values).exp()
    for n in range(5):
        by_hand = pi[:, n] * (1 - pi[:, :n]).prod(1)
        torch.testing.assert_close(q[:, n], by_hand)
    torch.testing.assert_close(q[:, 5], (1 - pi).prod(1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12))
def test_stop_distribution_sums_to_one(values):
    log_q = log_stop_distribution(torch.tensor([values], dtype=torch.float64))
    assert torch.isfinite(log_q).all() and float(log_q.exp().sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_gradients_against_finite_differences(objective):
    losses, beta = LOSSES[0].double(), 0.7
    posterior = log_oracle_posterior(losses, beta)

    def f(v):
        log_q = log_stop_distribution(v)
        return forward_kl(posterior, log_q) if objective == "forward-kl" else variational(losses, log_q, beta)

    v = torch.tensor([0.3, -0.2, 0.5, -1.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(v), v)
    assert gradient.abs().min() > 1e-3
    for n in range(N):
        h = torch.zeros(N, dtype=torch.float64)
        h[n] = 1e-6
        assert ((f(v + h) - f(v - h)) / 2e-6).item() == pytest.approx(float(gradient[n]), rel=1e-6)


def test_kl_is_zero_only_at_the_posterior_and_its_hazard_is_the_minimum():
    posterior = log_oracle_posterior(LOSSES.double(), 0.5)
    tail = posterior.exp().flip(1).cumsum(1).flip(1)
    hazard = (posterior.exp() / tail)[:, :-1]
    log_q = log_stop_distribution(torch.log(1 / hazard - 1))
    torch.testing.assert_close(log_q, posterior, atol=1e-9, rtol=1e-9)
    assert forward_kl(posterior, log_q).abs().max() < 1e-9
    assert (forward_kl(posterior, log_stop_distribution(torch.zeros(EPISODES, N).double())) > 0.1).all()
    spike = torch.tensor([0.0, -math.inf], dtype=torch.float64)
    assert forward_kl(spike, torch.tensor([0.5, 0.5]).double().log()).item() == pytest.approx(math.log(2))


def test_objective_is_the_reverse_kl_up_to_its_constant():
    losses, beta = LOSSES.double(), 0.7
    log_q = log_stop_distribution(torch.randn(EPISODES, N, generator=generator(0, "test"), dtype=torch.float64))
    reverse = forward_kl(log_q, log_oracle_posterior(losses, beta))
    constant = -beta * torch.logsumexp(-losses / beta, dim=1)
    torch.testing.assert_close(variational(losses, log_q, beta), beta * reverse + constant)


def test_posterior_limits():
    cold, hot = log_oracle_posterior(LOSSES, 1e-3).exp(), log_oracle_posterior(LOSSES, 1e6).exp()
    torch.testing.assert_close(cold, nn.functional.one_hot(oracle(LOSSES), N + 1).float())
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / (N + 1)), atol=1e-5, rtol=0)
    by_hand = torch.exp(-LOSSES[0] / 0.5) / torch.exp(-LOSSES[0] / 0.5).sum()
    torch.testing.assert_close(log_oracle_posterior(LOSSES, 0.5)[0].exp(), by_hand)


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_stopping_probabilities_learn_the_oracle(objective):
    policy = Table()
    plan = StopPlan(
        updates=800, episodes=5, beta=0.1, objective=objective, learning_rate=0.1, learning_rate_end=0.01,
        precision="fp32",
    )  # fmt: skip
    history = train_stopping(policy, bank(), plan)
    assert len(history) == 800 and history[-1] < history[0]
    assert greedy(policy, bank()).tolist() == BEST
    assert most_likely(policy.grid()).tolist() == BEST
    again = Table()
    assert train_stopping(again, bank(), plan) == history and torch.equal(again.values, policy.values)


def test_first_above_half_and_most_likely_differ():
    values = -torch.logit(torch.tensor([[0.4, 0.45, 0.55, 0.5], [0.1, 0.1, 0.1, 0.1]], dtype=torch.float64))
    assert first_stop(values).tolist() == [2, 4]
    assert most_likely(values).tolist() == [0, 4]
