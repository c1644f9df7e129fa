"""What sweeps must agree with: gradient descent, all controls at once, and Riccati's recursion."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import grad, hessian, jacrev

from contdepth.control import ControlProblem, DDPNOpt, solve_ddp
from contdepth.control.ddp.sweep import backward_sweep, roll_out, states_of
from contdepth.seeds import generator
from contdepth.studies.control.ddp.spirals import spirals

__all__ = ["dense_error", "exact_sgd_error", "layerwise_sgd_error", "riccati_error"]


def exact_sgd_error(seed: int, rate: float = 0.1, steps: int = 5) -> float:
    """Weights after ``steps`` by sweeps with Q_ux = 0 and Q_uu = I/``rate``, and by autograd's gradients."""
    task = spirals(seed)
    found = solve_ddp(task.problem, task.start, task.controls, steps, coupled=False, curvature=1 / rate)
    controls = task.controls
    for _ in range(steps):
        slopes = grad(task.objective)(controls)
        controls = tuple(u - rate * slope for u, slope in zip(controls, slopes, strict=True))
    return max(float((a - b).abs().max()) for a, b in zip(found.controls, controls, strict=True))


def layerwise_sgd_error(seed: int, rate: float = 0.1, steps: int = 5) -> float:
    """The same for ``DDPNOpt`` without feedback, on a net with tanh, and ``torch.optim.SGD``; float64."""
    g, sizes = generator(seed, "sgd"), (6, 8, 8, 4)
    matrices: list[Tensor] = []
    linears: list[nn.Linear] = []
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        matrices.append(torch.randn(b, a + 1, generator=g, dtype=torch.float64) / 2)
        layer = nn.Linear(a, b, dtype=torch.float64)
        layer.weight.data.copy_(matrices[-1][:, :-1])
        layer.bias.data.copy_(matrices[-1][:, -1])
        linears.append(layer)
        layers += [layer, nn.Tanh()]
    net = nn.Sequential(*layers[:-1])
    ours, theirs = DDPNOpt(matrices, rate=rate, feedback=False), torch.optim.SGD(net.parameters(), lr=rate)
    for k in range(steps):
        x, y = torch.randn(16, 6, generator=g, dtype=torch.float64), (torch.arange(16) + k) % 4
        ours.step(x, y)
        theirs.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        theirs.step()
    pairs = zip(matrices, linears, strict=True)
    return max(float((u - torch.cat((one.weight, one.bias[:, None]), 1)).detach().abs().max()) for u, one in pairs)


def dense_error(seed: int, damping: float = 0.1) -> float:
    """One linearised step on the spirals, and the damped Gauss-Newton step on all weights solved densely."""
    task = spirals(seed)
    states = states_of(task.problem, task.start, task.controls)
    policy = backward_sweep(task.problem, states, task.controls, damping=damping)
    if policy is None:
        return float("inf")
    _, new = roll_out(task.problem, states, task.controls, policy, feedback="linearised")
    flat, count = torch.cat(task.controls), len(task.controls)
    both = jacrev(
        lambda u: torch.cat((states_of(task.problem, task.start, tuple(u.view(count, -1)))[-1], u)),
    )(flat)
    n = len(task.start)

    def of_both(whole: Tensor) -> Tensor:
        controls = tuple(whole[n:].view(count, -1))
        return task.problem.terminal(whole[:n]) + cost_of_controls(task.problem, task.start, controls)

    whole = torch.cat((states[-1], flat))
    matrix = both.T @ hessian(of_both)(whole) @ both + damping * torch.eye(len(flat), dtype=torch.float64)
    wanted = torch.linalg.solve(matrix, both.T @ grad(of_both)(whole))
    return float((torch.cat(new) - flat + wanted).abs().max())


def cost_of_controls(problem: ControlProblem, x: Tensor, controls: tuple[Tensor, ...]) -> Tensor:
    """Σ ℓ_t where ℓ does not depend on the state."""
    total = x.new_zeros(())
    for t, u in enumerate(controls):
        total = total + (0 if problem.running is None else problem.running(t, x, u))
    return total


def riccati_error(seed: int, steps: int = 12, dim: int = 4, price: float = 0.3) -> float:
    """Controls after one sweep on a linear-quadratic problem, from random ones, and by Riccati's recursion."""
    g, h = generator(seed, "riccati"), 1 / steps
    eye = torch.eye(dim, dtype=torch.float64)
    move = eye + h * torch.randn(dim, dim, generator=g, dtype=torch.float64)
    push = h * torch.randn(dim, dim // 2, generator=g, dtype=torch.float64)
    start = torch.randn(dim, generator=g, dtype=torch.float64)
    first = torch.randn(steps, dim // 2, generator=g, dtype=torch.float64)
    problem = ControlProblem(
        lambda t, x, u: move @ x + push @ u,
        lambda x: x.square().sum() / 2,
        lambda t, x, u: h / 2 * (x.square().sum() + price * u.square().sum()),
    )
    found = solve_ddp(problem, start, tuple(first), 1, damping=0.0).controls
    p, gains = eye, []
    for _ in range(steps):
        weight = h * price * torch.eye(dim // 2, dtype=torch.float64) + push.T @ p @ push
        gains.append(torch.linalg.solve(weight, push.T @ p @ move))
        p = h * eye + move.T @ p @ (move - push @ gains[-1])
    x, worst = start, 0.0
    for gain, u in zip(reversed(gains), found, strict=True):
        worst = max(worst, float((u + gain @ x).abs().max()))
        x = move @ x - push @ gain @ x
    return worst
