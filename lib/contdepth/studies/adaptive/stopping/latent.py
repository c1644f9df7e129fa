"""Measurements on the latent stop: what the temperature bridges, and what the authors' code descends."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from contdepth.restoration.stopping.learning_to_stop import (
    log_oracle_posterior,
    log_stop_distribution,
    variational,
)
from contdepth.restoration.stopping.policy import Policy, continuation_values
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.restoration.stopping.two_stages import PredictorPlan
from contdepth.restoration.stopping.variational import marginal_loss, stop_values
from contdepth.seeds import generator

__all__ = ["bound_gap", "bridge", "bridge_gap", "entropy", "mean_q", "pushed_up", "softmin_weights"]


def losses_of(bank: Rollouts) -> Tensor:
    """L in dB, float64 ``(episodes, N + 1)``."""
    return bank.losses.double()


def bound_gap(losses: Tensor, beta: float, seed: int) -> tuple[float, float]:
    """How the variational objective misses the marginal loss: at the posterior (largest), elsewhere (smallest).

    The first is of the hazards of q* put together again, and is zero; the second, over as many random hazards, is
    positive.
    """
    posterior = log_oracle_posterior(losses, beta)
    least = marginal_loss(losses, beta) - beta * torch.tensor(float(losses.shape[-1])).double().log()
    at_best = variational(losses, log_stop_distribution(stop_values(posterior)), beta) - least
    v = torch.randn(losses[:, 1:].shape, generator=generator(seed, "stopping/bound"), dtype=losses.dtype)
    elsewhere = variational(losses, log_stop_distribution(v), beta) - least
    return float(at_best.abs().max()), float(elsewhere.min())


def bridge(losses: Tensor, betas: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Mean marginal loss and mean entropy of the posterior, nats, for each temperature, ``(betas,)``."""
    value = torch.stack([marginal_loss(losses, beta).mean() for beta in betas])
    spread = torch.stack([entropy(log_oracle_posterior(losses, beta)).mean() for beta in betas])
    return value, spread


def bridge_gap(losses: Tensor, cold: float, hot: float) -> float:
    """Largest distance of the marginal loss to the best step's at ``cold``, and to the mean's at ``hot``."""
    ends = (marginal_loss(losses, cold) - losses.amin(1), marginal_loss(losses, hot) - losses.mean(1))
    return max(float(end.abs().max()) for end in ends)


def entropy(log_q: Tensor) -> Tensor:
    """Entropy in nats of log q ``(…, N + 1)``."""
    return -torch.where(log_q > -torch.inf, log_q.exp() * log_q, 0.0).sum(-1)


def softmin_weights(losses: Tensor, beta: float) -> Tensor:
    """∂/∂L_n of Σ q* L: q*(n) (1 − (L_n − Σ q* L)/β), ``(episodes, N + 1)``; negative weights reward a loss."""
    q = (-losses / beta).softmax(-1)
    return q * (1 - (losses - (q * losses).sum(-1, keepdim=True)) / beta)


def pushed_up(losses: Tensor, beta: float) -> tuple[float, float]:
    """Largest error of ``softmin_weights`` against autograd, and the share of steps whose weight is negative."""
    x = losses.clone().requires_grad_()
    plan = PredictorPlan(objective="softmin", beta=beta)
    (slope,) = torch.autograd.grad(plan.of(x), x)
    weights = softmin_weights(losses, beta)
    error = (slope * len(losses) - weights).abs().max()
    return float(error), float((weights < 0).double().mean())


def mean_q(policy: Policy, bank: Rollouts, beta: float) -> tuple[Tensor, Tensor]:
    """Mean q(n) of the policy and of the oracle posterior for each level of ``bank``, each ``(levels, N + 1)``."""
    chosen = log_stop_distribution(continuation_values(policy, bank).double()).exp()
    wanted = log_oracle_posterior(losses_of(bank), beta).exp()
    rows = [bank.levels == level for level in bank.levels.unique()]
    return tuple(torch.stack([q[row].mean(0) for row in rows]) for q in (chosen, wanted))  # type: ignore[return-value]
