"""A stop chosen with all steps seen: the policy that decides at once, beside the one that decides on the way.

The authors' code of Chen et al. 2020 (arXiv 2006.05082) calls the two ``multiclass`` and ``sequential``. The first
needs no hazard, but every iterate has to be computed before it can choose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.restoration.stopping.learning_to_stop import StopPlan, train_stopping
from contdepth.restoration.stopping.policy import Policy
from contdepth.restoration.stopping.rollouts import Rollouts

__all__ = ["best_choice", "log_choice_distribution", "train_choice"]


def log_choice_distribution(values: Tensor) -> Tensor:
    """log q(n), n = 0 … N, ``(…, N + 1)``, of q(n) ∝ exp(−v_n) with v_N = 0.

    ``values``: v, ``(…, N)``, as for ``log_stop_distribution``: positive where another step is preferred. The last
    step has no state of its own to be asked in, so the others are measured against it.

    Raises:
        TypeError, ValueError: not a floating-point tensor with a last axis.
    """
    checks.floating("values", values)
    if values.ndim == 0 or values.shape[-1] == 0:
        checks.fail("values", "shape (…, N) with N >= 1", f"shape {tuple(values.shape)}")
    return torch.cat([-values, torch.zeros_like(values[..., :1])], dim=-1).log_softmax(-1)


def best_choice(values: Tensor) -> Tensor:
    """The step of the largest q(n) of ``log_choice_distribution``, the first among equals: int64 ``(episodes,)``.

    Raises:
        TypeError, ValueError: not a real tensor ``(episodes, N)``.
    """
    log_q = log_choice_distribution(checks.reals("values", values, ndim=2, hint="(episodes, N)"))
    return (log_q == log_q.amax(1, keepdim=True)).long().argmax(1)


def train_choice(policy: Policy, rollouts: Rollouts, plan: StopPlan) -> list[float]:
    """``train_stopping`` with ``log_choice_distribution`` in place of the sequential q; the same plan and draws.

    Raises:
        TypeError, ValueError: not a policy or rollouts, more steps than the policy's horizon.
        DivergenceError: the objective is not finite.
    """
    checks.instance("plan", plan, StopPlan)
    return train_stopping(policy, rollouts, plan, log_choice_distribution)
