"""The stop as a latent variable: closed forms against a numerical minimum, gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from stopping_bank import BEST, LOSSES, N, Table, bank
from torch import Tensor, nn

from contdepth import restoration
from contdepth.restoration.models.unit import RestorationUnit
from contdepth.restoration.stopping.learning_to_stop import (
    StopPlan,
    forward_kl,
    log_oracle_posterior,
    log_stop_distribution,
    train_stopping,
    variational,
)
from contdepth.restoration.stopping.rollouts import roll_out
from contdepth.restoration.stopping.rules import greedy, mean_steps, oracle
from contdepth.restoration.stopping.two_stages import PredictorPlan, step_losses, train_predictor, two_stages
from contdepth.restoration.stopping.variational import geometric_prior, marginal_loss, penalised, stop_values
from contdepth.seeds import generator

L = LOSSES.double()
PRIORS = {"uniform": geometric_prior(N, 1.0), "short": geometric_prior(N, 0.4), "long": geometric_prior(N, 2.0)}


def minimum(losses: np.ndarray, beta: float, prior: np.ndarray) -> tuple[np.ndarray, float]:
    """The best q on the simplex and its E_q[L] + β KL(q ‖ p), by SciPy, which knows no closed form."""

    def objective(q: np.ndarray) -> float:
        return float(q @ losses + beta * (q * np.log(np.maximum(q, 1e-300) / prior)).sum())

    whole = {"type": "eq", "fun": lambda q: q.sum() - 1}
    start = np.full(len(losses), 1 / len(losses))
    found = minimize(
        objective,
        start,
        bounds=[(1e-12, 1)] * len(losses),
        constraints=[whole],
        tol=1e-13,
        options={"maxiter": 500},
    )
    return found.x, found.fun


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("row", range(3))
def test_posterior_and_marginal_loss_are_the_numerical_minimum(prior: str, row: int) -> None:
    beta, log_p = 0.8, PRIORS[prior]
    q, value = minimum(L[row].numpy(), beta, log_p.exp().numpy())
    posterior = log_oracle_posterior(penalised(L[row], beta, log_p), beta).exp()
    np.testing.assert_allclose(posterior.numpy(), q, atol=2e-5)
    assert float(marginal_loss(L[row], beta, log_p)) == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("prior", PRIORS)
def test_objective_is_the_marginal_loss_and_the_reverse_kl(prior: str) -> None:
    """E_q[L] + β KL(q ‖ p) by hand = marginal loss + β KL(q ‖ q*), for any q."""
    beta, log_p = 0.7, PRIORS[prior]
    log_q = log_stop_distribution(torch.randn(len(L), N, generator=generator(0, "test"), dtype=torch.float64))
    by_hand = (log_q.exp() * (L + beta * (log_q - log_p))).sum(1)
    torch.testing.assert_close(variational(penalised(L, beta, log_p), log_q, beta), by_hand)
    posterior = log_oracle_posterior(penalised(L, beta, log_p), beta)
    torch.testing.assert_close(marginal_loss(L, beta, log_p) + beta * forward_kl(log_q, posterior), by_hand)


def test_limits_of_beta() -> None:
    """β → 0 is the oracle rule of ``restoration.oracle`` and its loss; β → ∞ the prior and its mean loss."""
    for log_p in PRIORS.values():
        cold = log_oracle_posterior(penalised(L, 1e-3, log_p), 1e-3)
        assert torch.equal(cold.argmax(1), oracle(L)) and oracle(L).tolist() == BEST
        assert (cold.exp().amax(1) > 1 - 1e-12).all()
        torch.testing.assert_close(marginal_loss(L, 1e-6, log_p), L.amin(1), atol=1e-5, rtol=0)
        hot = log_oracle_posterior(penalised(L, 1e7, log_p), 1e7)
        torch.testing.assert_close(hot, log_p.expand_as(hot), atol=1e-6, rtol=0)
        torch.testing.assert_close(marginal_loss(L, 1e7, log_p), L @ log_p.exp(), atol=1e-5, rtol=0)


def test_derivative_of_the_marginal_loss_is_the_posterior() -> None:
    x = L.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(marginal_loss(x, 0.6, PRIORS["short"]).sum(), x)
    torch.testing.assert_close(gradient, log_oracle_posterior(penalised(L, 0.6, PRIORS["short"]), 0.6).exp())
    torch.testing.assert_close(marginal_loss(L, 0.6), marginal_loss(L, 0.6, PRIORS["uniform"]))


def test_prior_is_geometric_and_sums_to_one() -> None:
    p = geometric_prior(4, 0.5).exp()
    torch.testing.assert_close(p, torch.tensor([16, 8, 4, 2, 1], dtype=torch.float64) / 31)
    assert geometric_prior(300, 1e-3).exp().sum() == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12))
def test_values_of_a_distribution_give_it_back(scores: list[float]) -> None:
    log_q = torch.tensor(scores, dtype=torch.float64).log_softmax(0)
    again = log_stop_distribution(stop_values(log_q))
    torch.testing.assert_close(again, log_q, atol=1e-9, rtol=1e-9)
    assert again.exp().sum() == pytest.approx(1.0, abs=1e-12)


def test_values_of_distributions_with_zeros() -> None:
    q = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]], dtype=torch.float64)
    v = stop_values(q.log())
    assert v.tolist()[0] == [torch.inf, -torch.inf, 0.0]
    torch.testing.assert_close(log_stop_distribution(v).exp(), q)


def test_a_prior_on_few_steps_stops_earlier() -> None:
    """Both ways of training π follow the penalised losses: to the same stops, those of the posterior's mode."""
    beta, log_p = 1.0, geometric_prior(N, 0.3)
    losses = penalised(LOSSES, beta, log_p)
    wanted = oracle(losses)
    assert wanted.double().mean() < oracle(LOSSES).double().mean()
    for objective in ("forward-kl", "variational"):
        policy = Table()
        plan = StopPlan(
            updates=400, episodes=5, beta=0.1, objective=objective, learning_rate=0.1, learning_rate_end=0.01,
            precision="fp32",
        )  # fmt: skip
        train_stopping(policy, bank(losses), plan)
        assert torch.equal(greedy(policy, bank(losses)), wanted)


class Smooth(RestorationUnit):
    """X_n = X_{n-1} + a (local mean of X_{n-1} - X_{n-1}): one step suits weak noise, more suit strong noise."""

    def __init__(self, a: float = 0.3) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        mean = nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return self.a * (mean - x)


def waves(count: int = 12, side: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Clean waves, noisy ones, and the levels: weak noise for the first half, strong for the second."""
    grid = torch.linspace(0, 6, side, dtype=torch.float64)
    phase = torch.arange(count, dtype=torch.float64)[:, None, None]
    clean = (0.5 + 0.25 * torch.sin(grid[:, None] + phase) * torch.cos(grid))[:, None]
    levels = torch.where(torch.arange(count) < count // 2, 0.02, 0.2).double()
    noise = torch.randn(clean.shape, generator=generator(0, "test"), dtype=torch.float64)
    return clean, clean + levels[:, None, None, None] * noise, levels


@pytest.mark.parametrize("objective", ["marginal", "softmin", "mean", "last", "given"])
@pytest.mark.parametrize("loss", ["psnr", "mse"])
def test_gradient_of_the_predictor_against_finite_differences(objective: str, loss: str) -> None:
    clean, noisy, _ = waves()
    plan = PredictorPlan(steps=3, objective=objective, beta=2.0, loss=loss)
    stops = torch.arange(len(clean)) % 4 if objective == "given" else None

    def f(a: float) -> Tensor:
        unit = Smooth(a)
        value = plan.of(step_losses(unit, clean, noisy, 3, loss), stops)
        return torch.stack([value, torch.autograd.grad(value, unit.a)[0]]).detach()

    h = 1e-6
    assert abs(float(f(0.3)[1])) > 1
    assert float(f(0.3)[1]) == pytest.approx(float(f(0.3 + h)[0] - f(0.3 - h)[0]) / (2 * h), rel=1e-5)


def test_objectives_of_a_predictor_by_hand() -> None:
    for objective, wanted in (("last", L[:, -1]), ("mean", L.mean(1)), ("marginal", marginal_loss(L, 0.5))):
        assert float(PredictorPlan(objective=objective, beta=0.5).of(L)) == pytest.approx(float(wanted.mean()))


def test_a_given_stop_is_its_own_loss_and_the_softmin_is_the_posterior_mean() -> None:
    stops = torch.tensor(BEST)
    by_hand = sum(float(row[n]) for row, n in zip(L, BEST, strict=True)) / len(BEST)
    assert float(PredictorPlan(objective="given").of(L, stops)) == pytest.approx(by_hand)
    weights = (-L / 0.5).exp()
    mean = ((weights * L).sum(1) / weights.sum(1)).mean()
    assert float(PredictorPlan(objective="softmin", beta=0.5).of(L)) == pytest.approx(float(mean))


def test_a_schedule_trains_the_step_it_names() -> None:
    """With stops 1 for weak noise and 4 for strong the unit restores better there than one trained for step 4."""
    clean, noisy, levels = (part.float() for part in waves())
    stops = torch.where(levels > 0.1, 4, 1)
    options = {"steps": 4, "updates": 60, "batch": 12, "learning_rate": 0.02, "learning_rate_end": 0.002}
    named, last = Smooth(0.05).float(), Smooth(0.05).float()
    train_predictor(named, clean, noisy, PredictorPlan(objective="given", **options), stops)
    train_predictor(last, clean, noisy, PredictorPlan(objective="last", **options))
    with torch.no_grad():
        found = [
            PredictorPlan(objective="given").of(step_losses(u, clean, noisy, 4), stops) for u in (named, last)
        ]
    assert float(found[0]) < float(found[1])


def test_a_batch_keeps_the_stops_of_its_own_pictures() -> None:
    clean, noisy, _ = waves()
    stops = torch.arange(len(clean)) % 4
    plan = PredictorPlan(steps=3, updates=1, batch=5, objective="given", seed=3)
    chosen = torch.randint(len(clean), (5,), generator=generator(3, "predictor"))
    by_hand = step_losses(Smooth(), clean[chosen], noisy[chosen], 3)[torch.arange(5), stops[chosen]].mean()
    assert train_predictor(Smooth(), clean, noisy, plan, stops) == pytest.approx([float(by_hand.detach())])


def test_losses_are_those_of_the_rollouts() -> None:
    clean, noisy, levels = (part.float() for part in waves())
    unit = Smooth().float()
    with torch.no_grad():
        for loss in ("psnr", "mse"):
            wanted = roll_out(unit, clean, noisy.clamp(0, 1), levels, 3, loss).losses
            found = step_losses(unit, clean, noisy.clamp(0, 1), 3, loss)
            torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=1e-3)


def test_both_stages_on_pictures() -> None:
    """The predictor's objective falls; the policy leaves it alone, and stops later where there is more noise."""
    pictures = tuple(part.float() for part in waves())
    unit, policy = Smooth(0.05).float(), restoration.make_policy(4, 0, width=2)
    first = PredictorPlan(steps=4, updates=60, batch=12, learning_rate=0.02, learning_rate_end=0.002)
    second = StopPlan(updates=150, episodes=12, learning_rate=0.01, precision="fp32")
    alone = Smooth(0.05).float()
    history = train_predictor(alone, *pictures[:2], first)
    done = two_stages(unit, policy, pictures, first, second)
    assert done.predictor == history and torch.equal(unit.a, alone.a) and not unit.training
    assert history[-1] < history[0] - 1 and done.policy[-1] < 0.5 * done.policy[0]
    depth = mean_steps(greedy(policy, roll_out(unit, *pictures, 4)), pictures[2])
    assert depth[min(depth)] + 1 < depth[max(depth)]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: marginal_loss(L, -1.0), "beta: expected a number > 0"),
        (lambda: penalised(L, 1.0, torch.zeros(2)), "log_prior: expected shape"),
        (lambda: geometric_prior(3, 0.0), "going_on: expected a number > 0"),
        (lambda: stop_values(L[:, :1]), "log_q: expected shape"),
        (lambda: PredictorPlan(objective="best"), "objective: expected one of 'marginal'"),
        (lambda: PredictorPlan(objective="given").of(L), "stops: expected stops with objective"),
        (lambda: PredictorPlan().of(L, torch.tensor(BEST)), "stops: expected stops with objective"),
        (lambda: PredictorPlan(objective="given").of(L, torch.tensor(BEST) + 1), "stops: expected steps in 0"),
        (lambda: step_losses(Smooth(), *waves()[:2], 2, "l1"), "loss: expected one of 'psnr'"),
        (lambda: step_losses(Smooth(), waves(3)[0], waves(4)[0], 2), "noisy: expected shape"),
    ],
)
def test_what_is_refused(call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
