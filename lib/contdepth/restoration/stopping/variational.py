"""The stop as a latent variable: prior, posterior and marginal loss of Chen et al. 2020 (arXiv 2006.05082).

The stop n is a latent variable with prior p(n) and posterior q. The objective is E_q[L_n] + β KL(q ‖ p); its
minimum over all q is q*(n) ∝ p(n) exp(-L_n/β), with the value -β log Σ_n p(n) exp(-L_n/β), on which a predictor
is trained (stage 1, ``two_stages``). A policy then learns q* without the clean image (stage 2,
``learning_to_stop``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["geometric_prior", "marginal_loss", "penalised", "stop_values"]


def geometric_prior(steps: int, going_on: float) -> Tensor:
    """log p(n), n = 0 … N = ``steps``, float64 ``(N + 1,)``, of p(n) ∝ ``going_on``^n; 1 is the uniform prior.

    Raises:
        TypeError, ValueError: ``steps`` below 1, ``going_on`` not positive.
    """
    n = torch.arange(checks.integer("steps", steps, at_least=1, at_most=10_000) + 1, dtype=torch.float64)
    return (n * torch.tensor(checks.real("going_on", going_on, above=0), dtype=torch.float64).log()).log_softmax(0)


def penalised(losses: Tensor, beta: float, log_prior: Tensor) -> Tensor:
    """L_n - β log p(n), ``(…, N + 1)``: what takes the place of L where the prior is not uniform.

    ``log_oracle_posterior`` of it is q* ∝ p exp(-L/β), and ``variational`` of it E_q[L] + β KL(q ‖ p), exactly.

    Raises:
        TypeError, ValueError: tensors that do not go together, ``beta`` not positive.
    """
    checks.reals("losses", losses)
    checks.same_shape("log_prior", checks.reals("log_prior", log_prior), losses.shape[-1:], "one for each stop")
    return losses - checks.real("beta", beta, above=0) * log_prior.to(losses)


def marginal_loss(losses: Tensor, beta: float, log_prior: Tensor | None = None) -> Tensor:
    """-β log Σ_n p(n) exp(-L_n/β), ``(…)``: the smallest E_q[L] + β KL(q ‖ p) of all q, reached by q*.

    Its derivative by L_n is q*(n): stage 1 without the posterior. β → 0 is min_n L_n, β → ∞ the prior's mean.
    ``losses`` ``(…, N + 1)``; ``log_prior`` ``(N + 1,)``, uniform for None.

    Raises:
        TypeError, ValueError: as ``penalised``.
    """
    if log_prior is None:
        checks.floating("losses", losses)
        if losses.ndim == 0 or losses.shape[-1] == 0:
            checks.fail("losses", "shape (…, N + 1)", f"shape {tuple(losses.shape)}")
        log_prior = geometric_prior(max(1, losses.shape[-1] - 1), 1.0)[: losses.shape[-1]]
    return -beta * (-penalised(losses, beta, log_prior.to(losses.device)) / beta).logsumexp(-1)


def stop_values(log_q: Tensor) -> Tensor:
    """The v ``(…, N)`` whose ``log_stop_distribution`` is ``log_q`` ``(…, N + 1)``: π_n = q(n) / Σ_{s≥n} q(s).

    ±inf where π is 0 or 1; 0, which changes nothing, where nothing is left to stop.

    Raises:
        TypeError, ValueError: not a real tensor of two stops or more.
    """
    if checks.reals("log_q", log_q).ndim == 0 or log_q.shape[-1] < 2:
        checks.fail("log_q", "shape (…, N + 1) with N >= 1", f"shape {tuple(log_q.shape)}")
    later = log_q.flip(-1).logcumsumexp(-1).flip(-1)[..., 1:]
    here = log_q[..., :-1]
    return torch.where((later == -torch.inf) & (here == -torch.inf), 0.0, later - here)
