"""REINFORCE: the gradient of an expected reward from decisions that were drawn, for whoever decides.

Episodes are rows, decisions columns: action a_k was drawn with log π(a_k | what was known), reward r_k came after.
The decisions may be the gates of a net or when a restoration stops.
"""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks, devices

__all__ = ["leave_one_out", "policy_gradient_loss", "rewards_to_go"]

WIDE = "(episodes, decisions)"


def rewards_to_go(rewards: Tensor, discount: float = 1.0) -> Tensor:
    """G_k = Σ_{j≥k} γ^{j-k} r_j, of the shape of ``rewards`` (episodes, decisions); without gradients.

    Raises:
        TypeError, ValueError: rewards of another shape or dtype, a ``discount`` γ outside [0, 1].
    """
    left = checks.reals("rewards", rewards, ndim=2, hint=WIDE).detach()
    checks.real("discount", discount, at_least=0, at_most=1)
    if discount == 1:
        return left.flip(1).cumsum(1).flip(1)
    found, following = [], torch.zeros_like(left[:, :1])
    for k in reversed(range(left.shape[1])):
        following = left[:, k : k + 1] + discount * following
        found.append(following)
    return torch.cat([left[:, :0], *found[::-1]], dim=1)


def leave_one_out(returns: Tensor, taken: Tensor | None = None) -> Tensor:
    """A baseline b_k for each episode: the mean of the other episodes' G_k, (episodes, decisions).

    ``taken``: of the same shape, True where the decision was made; only such ones count, and where no other
    episode made one b is 0. Independent of the episode's own actions, so that the mean of the gradient stays as
    it is, provided that episodes do not depend on each other (batch norms in training mix them).

    Raises:
        TypeError, ValueError: shapes that do not go together.
    """
    checks.reals("returns", returns, ndim=2, hint=WIDE)
    counted = made(taken, returns)
    values = torch.where(counted, returns, 0).detach()
    others = counted.sum(0, keepdim=True) - counted.long()
    return torch.where(others > 0, (values.sum(0, keepdim=True) - values) / others.clamp_min(1), 0)


def policy_gradient_loss(
    log_probabilities: Tensor,
    rewards: Tensor,
    *,
    baseline: Tensor | None = None,
    discount: float = 1.0,
    taken: Tensor | None = None,
) -> Tensor:
    """-mean over episodes of Σ_k γ^k (G_k - b_k) log π(a_k): a number whose derivative is what counts.

    Its gradient is an unbiased estimate of -∇E[Σ_k γ^k r_k] (Williams 1992; with rewards to go). Derivatives run
    through ``log_probabilities`` alone. ``baseline``: b, a number or a tensor that broadcasts to (episodes,
    decisions), such as ``leave_one_out``'s; it may depend on the state and on other episodes, not on a_k.
    ``taken``: True where the decision was made, False after an episode's end.

    Raises:
        TypeError, ValueError: tensors that are not real or do not go together, a ``discount`` outside [0, 1].
    """
    checks.reals("log_probabilities", log_probabilities, ndim=2, hint=WIDE)
    checks.same_shape("rewards", checks.reals("rewards", rewards, like=log_probabilities), log_probabilities.shape)
    devices.common(log_probabilities=log_probabilities, rewards=rewards)
    counted = made(taken, log_probabilities)
    if log_probabilities.numel() == 0:
        checks.fail("log_probabilities", "at least one decision", f"shape {tuple(log_probabilities.shape)}")
    advantage = rewards_to_go(torch.where(counted, rewards, 0), discount)
    if baseline is not None:
        advantage = advantage - broadcast(baseline, advantage)
    if discount != 1:
        powers = torch.arange(advantage.shape[1], device=advantage.device, dtype=advantage.dtype)
        advantage = advantage * discount**powers
    return -torch.where(counted, advantage * log_probabilities, 0).sum(1).mean()


def made(taken: Tensor | None, like: Tensor) -> Tensor:
    """``taken`` as a mask of the shape of ``like``; all True for None."""
    if taken is None:
        return torch.ones_like(like, dtype=torch.bool)
    if checks.same_shape("taken", taken, like.shape).dtype != torch.bool:
        raise TypeError(f"taken: expected dtype torch.bool, found {taken.dtype}")
    devices.common(rewards=like, taken=taken)
    return taken


def broadcast(baseline: Tensor, like: Tensor) -> Tensor:
    """``baseline`` without its graph if it broadcasts to the shape of ``like``."""
    checks.reals("baseline", baseline, like=like)
    devices.common(rewards=like, baseline=baseline)
    try:
        return baseline.detach().expand_as(like)
    except RuntimeError:
        shape = tuple(baseline.shape)
        raise ValueError(
            f"baseline: expected a shape that broadcasts to {tuple(like.shape)}, found {shape}"
        ) from None
