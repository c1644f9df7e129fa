"""A policy that chooses with all steps seen: its distribution by hand, its gradient, and what it learns."""

from __future__ import annotations

import pytest
import torch
from stopping_bank import BEST, LOSSES, N, Table, bank

from contdepth.restoration.stopping.choices import best_choice, log_choice_distribution, train_choice
from contdepth.restoration.stopping.learning_to_stop import StopPlan, forward_kl, log_oracle_posterior, variational
from contdepth.restoration.stopping.policy import continuation_values
from contdepth.seeds import generator


def test_distribution_by_hand() -> None:
    v = torch.randn(6, N, generator=generator(0, "test"), dtype=torch.float64)
    scores = torch.cat([(-v).exp(), torch.ones(6, 1).double()], 1)
    q = log_choice_distribution(v).exp()
    torch.testing.assert_close(q, scores / scores.sum(1, keepdim=True))
    assert torch.equal(best_choice(v), scores.argmax(1))
    assert best_choice(torch.zeros(2, N)).tolist() == [0, 0]
    assert best_choice(torch.ones(2, N)).tolist() == [N, N]


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_gradients_against_finite_differences(objective: str) -> None:
    losses, beta = LOSSES[0].double(), 0.7

    def f(v: torch.Tensor) -> torch.Tensor:
        log_q = log_choice_distribution(v)
        if objective == "forward-kl":
            return forward_kl(log_oracle_posterior(losses, beta), log_q)
        return variational(losses, log_q, beta)

    v = torch.tensor([0.3, -0.2, 0.5, -1.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(v), v)
    for n in range(N):
        h = torch.zeros(N, dtype=torch.float64)
        h[n] = 1e-6
        assert ((f(v + h) - f(v - h)) / 2e-6).item() == pytest.approx(float(gradient[n]), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("objective", ["forward-kl", "variational"])
def test_it_learns_the_best_step_of_every_episode(objective: str) -> None:
    """The forward KL finds the posterior itself, the reverse one its best step."""
    policy, rollouts = Table(), bank()
    plan = StopPlan(
        updates=300, episodes=5, beta=0.2, objective=objective, learning_rate=0.2, learning_rate_end=0.02,
        precision="fp32",
    )  # fmt: skip
    history = train_choice(policy, rollouts, plan)
    values = continuation_values(policy, rollouts)
    assert best_choice(values).tolist() == BEST and history[-1] < history[0]
    if objective == "forward-kl":
        wanted = log_oracle_posterior(LOSSES, 0.2).exp()
        torch.testing.assert_close(log_choice_distribution(values).exp(), wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: log_choice_distribution(torch.zeros(3, 0)), "values: expected shape"),
        (lambda: best_choice(torch.zeros(3)), "values: expected"),
        (lambda: train_choice(Table(), bank(), None), "plan: expected"),
    ],
)
def test_what_is_refused(call: object, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()
