"""Learning to stop by variational inference: Chen, Dai, Li, Gao, Song, ICML 2020 (arXiv 2006.05082), stage 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from contdepth import checks
from contdepth.restoration.stopping.learning import LinearRate, check_objective
from contdepth.restoration.stopping.policy import Encoded, Policy
from contdepth.restoration.stopping.rollouts import Rollouts
from contdepth.seeds import generator

__all__ = [
    "StopPlan",
    "forward_kl",
    "log_oracle_posterior",
    "log_stop_distribution",
    "most_likely",
    "train_stopping",
    "variational",
]

OBJECTIVES = ("forward-kl", "variational")


def log_stop_distribution(values: Tensor) -> Tensor:
    """log q(n), n = 0 … N, ``(…, N + 1)``, of q(n) = π_n ∏_{s<n} (1 − π_s), π_n = sigmoid(−v_n), π_N = 1.

    ``values``: v, ``(…, N)``, positive where going on is preferred. In logarithms throughout, so no product
    underflows; differentiable.

    Raises:
        TypeError, ValueError: not a floating-point tensor with a last axis.
    """
    checks.floating("values", values)
    if values.ndim == 0 or values.shape[-1] == 0:
        checks.fail("values", "shape (…, N) with N >= 1", f"shape {tuple(values.shape)}")
    zero = torch.zeros_like(values[..., :1])
    still_going = torch.cat([zero, logsigmoid(values).cumsum(-1)], dim=-1)
    return still_going + torch.cat([logsigmoid(-values), zero], dim=-1)


def log_oracle_posterior(losses: Tensor, beta: float) -> Tensor:
    """log q*(n) of q*(n) ∝ exp(−L_n/β), ``(…, N + 1)``; β → 0 is the oracle, β → ∞ uniform.

    Raises:
        TypeError, ValueError: ``losses`` is not floating point; ``beta`` is not positive.
    """
    return (-checks.floating("losses", losses) / checks.real("beta", beta, above=0)).log_softmax(-1)


def forward_kl(log_posterior: Tensor, log_q: Tensor) -> Tensor:
    """KL(q* ‖ q) = Σ_n q*(n) (log q*(n) − log q(n)), ``(…)``; a term with q*(n) = 0 is 0."""
    posterior = log_posterior.exp()
    return torch.where(posterior > 0, posterior * (log_posterior - log_q), 0.0).sum(-1)


def variational(losses: Tensor, log_q: Tensor, beta: float) -> Tensor:
    """E_q[L] − β H(q), ``(…)``: β KL(q ‖ q*) up to a constant, the paper's objective for predictor and policy."""
    return (log_q.exp() * (losses + beta * log_q)).sum(-1)


def most_likely(values: Tensor) -> Tensor:
    """The step of the largest q(n), the first among equals: int64 ``(episodes,)``; the rule next to ``greedy``."""
    log_q = log_stop_distribution(checks.tensor("values", values, ndim=2))
    return (log_q == log_q.amax(1, keepdim=True)).long().argmax(1)


@dataclass(frozen=True)
class StopPlan(LinearRate):
    """How to fit π to rollouts: Adam, its rate going linearly from ``learning_rate`` to ``learning_rate_end``.

    ``beta``: β in the unit of the losses (dB for −PSNR); ``objective``: ``"forward-kl"`` (stage 2 of the paper) or
    ``"variational"``; ``episodes``: whole trajectories a batch. Nothing is sampled: all losses are known.

    Raises:
        TypeError, ValueError: an unknown key, a value out of its range.
    """

    updates: int = 2000
    episodes: int = 8
    beta: float = 0.1
    objective: str = "forward-kl"
    learning_rate: float = 1e-3
    learning_rate_end: float = 1e-4
    precision: str = "bf16"
    seed: int = 0

    def __post_init__(self) -> None:
        self.check_rate()
        checks.integer("episodes", self.episodes, at_least=1)
        checks.real("beta", self.beta, above=0)
        checks.one_of("objective", self.objective, OBJECTIVES)

    def resolved(self) -> dict[str, Any]:
        """Every setting as plain data."""
        return asdict(self)


def train_stopping(
    policy: Policy,
    rollouts: Rollouts,
    plan: StopPlan,
    law: Callable[[Tensor], Tensor] = log_stop_distribution,
) -> list[float]:
    """Train ``policy`` in place as a stopping probability; the objective at every update (batch mean).

    ``law`` takes what the policy says of ``(episodes, N)`` states to ln q of as many steps.

    The predictor (the unit) is frozen: stage 2 alone. At test ``stopping.greedy`` stops at the first n with
    π_n ≥ 1/2, ``most_likely`` at the largest q(n).

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon.
        DivergenceError: the objective is not finite.
    """
    policy.train()
    encoded = Encoded.of(policy, rollouts, plan.precision)
    losses = rollouts.losses.float()
    log_posterior = log_oracle_posterior(losses, plan.beta)
    optimiser = torch.optim.Adam(policy.parameters(), lr=plan.learning_rate, fused=True)
    source = generator(plan.seed, "learning-to-stop")
    history = []
    for update in range(plan.updates):
        chosen = torch.randint(len(rollouts), (plan.episodes,), generator=source)
        rows = chosen[:, None] * rollouts.steps + torch.arange(rollouts.steps)
        log_q = law(encoded.values(rows.flatten()).view(rows.shape))
        chosen = chosen.to(losses.device)
        if plan.objective == "forward-kl":
            objective = forward_kl(log_posterior[chosen], log_q).mean()
        else:
            objective = variational(losses[chosen], log_q, plan.beta).mean()
        optimiser.param_groups[0]["lr"] = plan.rate(update)
        optimiser.zero_grad(set_to_none=True)
        objective.backward()
        optimiser.step()
        history.append(float(objective.detach()))
        check_objective(plan.objective, history[-1], update)
    policy.eval()
    return history
