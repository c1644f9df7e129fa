"""How gates learn to skip: rewards for what is skipped, and the hybrid loss of SkipNet's second stage."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth import checks, devices
from contdepth.control.policy_gradient import leave_one_out, policy_gradient_loss, rewards_to_go
from contdepth.nets.gated.net import Routed

__all__ = ["hybrid_loss", "skip_rewards"]


def skip_rewards(gates: Tensor, losses: Tensor, alpha: float = 0.1) -> Tensor:
    """r_k = (α/G)(1 - g_k), and -loss with the last: (n, G) for ``gates`` (n, G) and ``losses`` (n,).

    Σ_{j≥k} r_j is what the authors' CIFAR code gives to gate k. (Their ImageNet code has -(α/G) loss.)

    Raises:
        TypeError, ValueError: shapes that do not go together, no gate, a negative ``alpha``.
    """
    checks.reals("gates", gates, ndim=2, hint="(pictures, gates)")
    checks.same_shape("losses", checks.reals("losses", losses, like=gates), (len(gates),), "one for each picture")
    devices.common(gates=gates, losses=losses)
    checks.real("alpha", alpha, at_least=0)
    if gates.shape[1] == 0:
        checks.fail("gates", "at least one gate", f"shape {tuple(gates.shape)}")
    rewards = (1 - gates.detach()) * (alpha / gates.shape[1])
    rewards[:, -1] -= losses.detach()
    return rewards


def hybrid_loss(
    route: Routed, y: Tensor, *, alpha: float = 0.1, rl_weight: float = 0.01, baseline: bool = False
) -> Tensor:
    """Mean cross-entropy + ``rl_weight`` · REINFORCE's loss, for a route in the way ``"sample"``.

    The first term teaches the blocks that were computed, the second the gates (Wang et al. 2018; α, the weight
    and γ = 1 as in the authors' code). ``y``: int64 (n,). ``baseline``: subtract the mean of the other pictures'
    rewards to go; ours, off as the authors have none. Departure: the second term is a mean over pictures, as in
    their ImageNet code; in their CIFAR code it is a sum, so that their 0.01 with 128 pictures is 1.28 here.

    Raises:
        TypeError, ValueError: not a ``Routed``, labels that do not fit, negative ``alpha`` or ``rl_weight``.
    """
    checks.instance("route", route, Routed, "model.route(x, 'sample') makes one")
    checks.real("rl_weight", rl_weight, at_least=0)
    checks.instance("baseline", baseline, bool)
    checks.reals("route.logits", route.logits, ndim=2, hint="(pictures, classes)")
    checks.same_shape("y", y, (len(route.logits),), "one label for each picture")
    devices.common(logits=route.logits, y=y)
    checks.indices("y", y, route.logits.shape[1])
    losses = cross_entropy(route.logits, y.long(), reduction="none")
    rewards = skip_rewards(route.gates, losses, alpha)
    against = leave_one_out(rewards_to_go(rewards)) if baseline else None
    return losses.mean() + rl_weight * policy_gradient_loss(route.log_probabilities, rewards, baseline=against)
