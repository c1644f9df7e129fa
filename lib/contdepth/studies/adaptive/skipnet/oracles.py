"""What must hold: paths are Euler steps of sizes 0 and 1, and rewards give the slope of what is expected."""

from __future__ import annotations

import copy
from itertools import product

import torch
from torch.nn.functional import cross_entropy

from contdepth.nets import GatedNet, gated_resnet, hybrid_loss
from contdepth.seeds import generator
from contdepth.studies.adaptive.skipnet.together import Together

__all__ = ["alone_gap", "euler_gap", "slope_gap", "straight_gap"]


def a_net(seed: int = 1, gate: str = "recurrent") -> tuple[GatedNet, torch.Tensor, torch.Tensor]:
    net = gated_resnet(14, width=2, in_channels=1, num_classes=3, gate=gate, seed=seed).double().eval()
    x = torch.randn(2, 1, 8, 8, generator=generator(seed, "skipnet/oracle"), dtype=torch.float64)
    return net, x, torch.tensor([2, 0])


@torch.no_grad()
def euler_gap() -> float:
    """Largest difference of logits, float64: paths against Euler's scheme with those step sizes, written out.

    All 32 paths of a net of six blocks; paths 1 … 1 0 … 0 also against the state at which they stop, taken
    through what shortcuts are left.
    """
    net, x, _ = a_net()
    gaps = []
    for path in product((0.0, 1.0), repeat=5):
        found = net.route(x, gates=torch.tensor([path] * 2)).logits
        u = net.stem(x)
        for n, h in enumerate((1.0, *path)):
            u = net.shortcuts[n](u) + h * net.branches[n](u)
        gaps.append((found - net.head(u)).abs().max())
        if list(path) == sorted(path, reverse=True):
            states = list(net.trajectory(x))
            u = states[1 + int(sum(path))]
            for shortcut in net.shortcuts[1 + int(sum(path)) :]:
                u = shortcut(u)
            gaps.append((found - net.head(u)).abs().max())
    return float(max(gaps))


def expected(net: GatedNet, x: torch.Tensor, y: torch.Tensor, alpha: float) -> list[torch.Tensor]:
    """Gradient by the gates' weights of E[loss + α · share computed], all paths enumerated."""
    worth = torch.zeros((), dtype=torch.float64)
    for path in product((0.0, 1.0), repeat=5):
        route = net.route(x, gates=torch.tensor([path] * len(x)))
        loss = cross_entropy(route.logits, y, reduction="none").detach()
        worth = worth + (route.log_probabilities.sum(1).exp() * (loss + alpha * sum(path) / 5)).mean()
    return list(torch.autograd.grad(worth, list(net.gates.parameters())))


def slope_gap(alpha: float = 0.7) -> float:
    """Relative distance of the mean of the hybrid loss's gradient over all paths from the exact one, by gates."""
    net, x, y = a_net()
    weights, found = list(net.gates.parameters()), None
    for path in product((0.0, 1.0), repeat=5):
        parts = []
        for i in range(len(x)):
            route = net.route(x[i : i + 1], gates=torch.tensor([path]))
            loss = hybrid_loss(route, y[i : i + 1], alpha=alpha, rl_weight=1.0)
            chance = route.log_probabilities.sum().exp().detach() / len(x)
            parts.append([chance * g for g in torch.autograd.grad(loss, weights)])
        each = [sum(g) for g in zip(*parts, strict=True)]
        found = each if found is None else [a + b for a, b in zip(found, each, strict=True)]
    exact = torch.cat([g.flatten() for g in expected(net, x, y, alpha)])
    assert found is not None
    return float((torch.cat([g.flatten() for g in found]) - exact).norm() / exact.norm())


def straight_gap(alpha: float = 0.7) -> float:
    """Relative distance of the straight-through gradient from the exact one of the same objective, gates only."""
    net, x, y = a_net()
    route = net.route(x, "straight-through")
    loss = cross_entropy(route.logits, y) + alpha * route.gates.mean()
    found = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.gates.parameters()))])
    exact = torch.cat([g.flatten() for g in expected(net, x, y, alpha)])
    return float((found - exact).norm() / exact.norm())


def alone_gap(gate: str = "recurrent") -> float:
    """Largest distance of weights, float64: three members after two steps side by side, and each alone."""
    members = [a_net(seed, gate)[0].train() for seed in (1, 2, 3)]
    alone = copy.deepcopy(members)
    nets = Together(members)
    x = torch.randn(8, 3, 8, 8, generator=generator(0, "skipnet/oracle"), dtype=torch.float64)
    y = torch.arange(24).view(8, 3) % 3
    rules = [torch.optim.SGD(one.parameters(), 0.1) for one in (nets, *alone)]
    for way in ("straight-through", "sample"):
        routes = nets.route(x, way, sources=[generator(i, "skipnet/oracle") for i in range(3)])
        losses = [hybrid_loss(route, y[:, i], rl_weight=1.0, baseline=True) for i, route in enumerate(routes)]
        torch.stack(losses).sum().backward()
        for i, one in enumerate(alone):
            route = one.route(x[:, i : i + 1], way, source=generator(i, "skipnet/oracle"))
            hybrid_loss(route, y[:, i], rl_weight=1.0, baseline=True).backward()
        for rule in rules:
            rule.step()
            rule.zero_grad()
    nets.give_back(members)
    pairs = zip(members, alone, strict=True)
    return max(
        float((a - b).abs().max())
        for mine, theirs in pairs
        for a, b in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
    )
