"""The policy gradient on problems small enough to enumerate, where the exact gradient is known."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from contdepth.control import leave_one_out, policy_gradient_loss, rewards_to_go
from contdepth.nets import Routed, gated_resnet, hybrid_loss, skip_rewards
from contdepth.restoration.stopping.learning_to_stop import log_stop_distribution
from contdepth.restoration.stopping.reinforce import decisions, draw_stops
from contdepth.seeds import generator

K = 3
PATHS = torch.tensor(list(product((0, 1), repeat=K)))
START = torch.sin(torch.arange(7.0, dtype=torch.float64))
"""Scores of a policy that sees the whole past: one for each of the 1 + 2 + 4 pasts."""


def past(paths: Tensor) -> Tensor:
    """The number of the past at every decision, (n, K): 0, 1 + a_0, 3 + 2a_0 + a_1."""
    a = paths
    return torch.stack([0 * a[:, 0], 1 + a[:, 0], 3 + 2 * a[:, 0] + a[:, 1]], 1)


def log_pi(theta: Tensor, paths: Tensor) -> Tensor:
    s = theta[past(paths)]
    return torch.where(paths == 1, logsigmoid(s), logsigmoid(-s))


def reward(paths: Tensor) -> Tensor:
    """Of the decision and all before it, none symmetric, (n, K)."""
    return torch.cos(3.0 * past(paths).double() + 2.0 * paths.double()) + 0.4


def exact(discount: float) -> Tensor:
    """∇ Σ_paths P(path) Σ_k γ^k r_k, by differentiating the sum."""
    theta = START.clone().requires_grad_()
    worth = (reward(PATHS) * discount ** torch.arange(K, dtype=torch.float64)).sum(1)
    return torch.autograd.grad((log_pi(theta, PATHS).sum(1).exp() * worth).sum(), theta)[0]


def estimate(paths: Tensor, **options: object) -> Tensor:
    theta = START.clone().requires_grad_()
    loss = policy_gradient_loss(log_pi(theta, paths), reward(paths), **options)
    return -torch.autograd.grad(loss, theta)[0]


@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("level", [0.0, -1.3])
def test_mean_over_all_paths_is_the_exact_gradient(discount: float, level: float) -> None:
    """Each path's estimate times its probability; any constant baseline, or one of the state, changes nothing."""
    weights = log_pi(START, PATHS).sum(1).exp()
    baseline = torch.full((), level, dtype=torch.float64)
    mean = sum(
        w * estimate(p[None], discount=discount, baseline=baseline) for w, p in zip(weights, PATHS, strict=True)
    )
    torch.testing.assert_close(mean, exact(discount), rtol=0, atol=1e-12)
    assert float(exact(discount).norm()) > 0.1


def test_finite_differences_of_the_expected_reward() -> None:
    worth = reward(PATHS).sum(1)
    for i in range(7):
        h = torch.zeros(7, dtype=torch.float64)
        h[i] = 1e-6
        up, down = ((log_pi(START + d, PATHS).sum(1).exp() * worth).sum() for d in (h, -h))
        assert float((up - down) / 2e-6) == pytest.approx(float(exact(1.0)[i]), abs=1e-8)


def test_leave_one_out_keeps_the_mean_of_pairs() -> None:
    """All 64 pairs of paths by their probabilities."""
    weights, mean = log_pi(START, PATHS).sum(1).exp(), torch.zeros(7, dtype=torch.float64)
    for (i, p), (j, q) in product(enumerate(PATHS), repeat=2):
        both = torch.stack([p, q])
        baseline = leave_one_out(rewards_to_go(reward(both)))
        mean += weights[i] * weights[j] * estimate(both, baseline=baseline)
    torch.testing.assert_close(mean, exact(1.0), rtol=0, atol=1e-12)


def drawn(count: int, seed: int) -> Tensor:
    weights = log_pi(START, PATHS).sum(1).exp()
    return PATHS[torch.multinomial(weights, count, replacement=True, generator=generator(seed, "paths"))]


def test_drawn_paths_estimate_the_gradient_and_the_baseline_lowers_the_variance() -> None:
    """Batches of eight: means within three standard errors, with less variance in every component with reward."""
    plain, based = [], []
    for paths in drawn(8 * 800, 0).view(800, 8, K):
        plain.append(estimate(paths))
        based.append(estimate(paths, baseline=leave_one_out(rewards_to_go(reward(paths)))))
    for found in (torch.stack(plain), torch.stack(based)):
        error = found.std(0) / 800**0.5
        assert ((found.mean(0) - exact(1.0)).abs() < 3 * error).all()
    assert torch.stack(based).var(0).sum() < 0.8 * torch.stack(plain).var(0).sum()


def test_rewards_to_go_by_hand() -> None:
    r = torch.tensor([[1.0, 2.0, 4.0]])
    assert rewards_to_go(r).tolist() == [[7.0, 6.0, 4.0]]
    assert rewards_to_go(r, 0.5).tolist() == [[3.0, 4.0, 4.0]]
    assert rewards_to_go(r, 0.0).tolist() == r.tolist()


def test_baseline_of_the_others_by_hand() -> None:
    returns = torch.tensor([[1.0, 9.0], [3.0, 5.0], [8.0, 7.0]])
    assert leave_one_out(returns).tolist() == [[5.5, 6.0], [4.5, 8.0], [2.0, 7.0]]
    taken = torch.tensor([[True, False], [True, True], [True, False]])
    assert leave_one_out(returns, taken)[:, 1].tolist() == [5.0, 0.0, 5.0]


def test_gradients_of_gates() -> None:
    """Gates as decisions: enumerated, the RL term's mean is the gradient of E[α share skipped - loss]."""
    alpha, losses = 0.6, 0.3 + torch.linspace(0, 1, 8, dtype=torch.float64)
    scores = torch.tensor([0.4, -0.8, 1.1], dtype=torch.float64, requires_grad=True)

    def log_p(gates: Tensor) -> Tensor:
        return (gates * logsigmoid(scores) + (1 - gates) * logsigmoid(-scores)).sum(-1)

    gates = PATHS.double()
    worth = alpha * (1 - gates).mean(1) - losses
    wanted = torch.autograd.grad((log_p(gates).exp() * worth).sum(), scores)[0]
    assert torch.allclose(skip_rewards(gates, losses, alpha).sum(1), worth)
    found = torch.zeros(3, dtype=torch.float64)
    for i, row in enumerate(gates):
        # logits whose cross-entropy for label 0 is the loss of this path
        logits = torch.stack([-losses[i], torch.log1p(-(-losses[i]).exp())])[None]
        route = Routed(logits, row[None], scores[None])
        loss = hybrid_loss(route, torch.zeros(1, dtype=torch.int64), alpha=alpha, rl_weight=2.0)
        found -= log_p(row).exp().detach() * torch.autograd.grad(loss, scores)[0] / 2.0
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gate", ["recurrent", "feedforward-II"])
def test_gradients_of_the_gates_of_a_net(gate: str) -> None:
    """Three blocks, two gates, four paths, whose scores are those met along the path."""
    model = gated_resnet(8, width=2, in_channels=1, num_classes=3, gate=gate).double().eval()
    x, y = torch.sin(torch.arange(64.0, dtype=torch.float64)).view(1, 1, 8, 8), torch.tensor([2])
    weights, alpha, wanted, found = list(model.gates.parameters()), 3.0, 0.0, 0.0
    for path in product((0.0, 1.0), repeat=2):
        route = model.route(x, gates=torch.tensor([path]))
        chance = route.log_probabilities.sum().exp()
        loss = torch.nn.functional.cross_entropy(route.logits, y).detach()
        wanted += chance * (alpha * (1 - sum(path) / 2) - loss)
        found -= chance.detach() * hybrid_loss(route, y, alpha=alpha, rl_weight=1.0)
    exactly, estimated = (torch.autograd.grad(one, weights, retain_graph=True) for one in (wanted, found))
    for a, b in zip(exactly, estimated, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert float(exactly[-1].abs().max()) > 1e-3


def test_skipped_blocks_learn_nothing_and_the_task_loss_is_the_first_term() -> None:
    model = gated_resnet(8, width=2, in_channels=1, num_classes=3).double().eval()
    x, y = torch.sin(torch.arange(128.0, dtype=torch.float64)).view(2, 1, 8, 8), torch.tensor([2, 0])
    route = model.route(x, gates=torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    loss = hybrid_loss(route, y, rl_weight=0.0)
    assert float(loss.detach()) == float(torch.nn.functional.cross_entropy(route.logits, y).detach())
    loss.backward()
    skipped, met = ([p.grad for p in model.branches[n].parameters()] for n in (1, 2))
    assert all(g is None for g in skipped) and all(g is not None for g in met)


def test_gradients_of_stopping() -> None:
    """Stopping as decisions: by all stops with their q, the gradient of Σ q(n) (L_0 - L_n)."""
    losses = torch.tensor([[5.0, 3.0, 1.0, 2.0, 4.0]], dtype=torch.float64)
    v = torch.tensor([[0.4, -0.3, 0.9, 0.2]], dtype=torch.float64, requires_grad=True)
    q = log_stop_distribution(v).exp()
    wanted = torch.autograd.grad((q * (losses[:, :1] - losses)).sum(), v)[0]
    found = torch.zeros_like(v)
    for n in range(5):
        made = decisions(v, losses, torch.tensor([n]))
        assert float(made.rewards.sum()) == float(losses[0, 0] - losses[0, n])
        baseline = torch.tensor(0.7, dtype=torch.float64)
        loss = policy_gradient_loss(made.log_probabilities, made.rewards, taken=made.taken, baseline=baseline)
        found -= q[0, n].detach() * torch.autograd.grad(loss, v)[0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_stops_are_drawn_by_their_distribution() -> None:
    v = torch.tensor([0.4, -0.3, 0.9, 0.2], dtype=torch.float64)
    stops = draw_stops(v.expand(40_000, 4), generator(0, "test"))
    q = log_stop_distribution(v).exp()
    found = torch.bincount(stops, minlength=5) / 40_000
    assert ((found - q).abs() < 4 * (q * (1 - q) / 40_000).sqrt()).all()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x: policy_gradient_loss(x, x[:1]), ValueError, "rewards: expected shape"),
        (
            lambda x: policy_gradient_loss(x, x, baseline=torch.zeros(5).double()),
            ValueError,
            "baseline: expected a",
        ),
        (lambda x: policy_gradient_loss(x, x, taken=x), TypeError, "taken: expected dtype torch.bool"),
        (lambda x: policy_gradient_loss(x[:0], x[:0]), ValueError, "expected at least one decision"),
        (lambda x: rewards_to_go(x, 1.5), ValueError, "discount: expected a number <= 1"),
        (lambda x: skip_rewards(x, x[0]), ValueError, "losses: expected shape"),
    ],
)
def test_what_is_refused(call: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(torch.zeros(2, 3, dtype=torch.float64))
