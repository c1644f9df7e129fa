"""Successive approximations of the maximum principle (MSA) on a residual net whose maximiser is closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.control.system import ControlledSystem, Trajectory

__all__ = ["Approximations", "ResidualControl", "ResidualStep", "augmented_maximiser", "successive_approximations"]


def features(x: Tensor) -> Tensor:
    """φ(x) = (tanh x, 1): (batch, d) -> (batch, d + 1)."""
    return torch.cat((x.tanh(), torch.ones_like(x[:, :1])), dim=1)


class ResidualStep(nn.Module):
    """x + h θ φ(x) with ``theta`` (d, d + 1) as the only parameter; x is (batch, d)."""

    def __init__(self, theta: Tensor, h: float) -> None:
        super().__init__()
        checks.floating("theta", theta, ndim=2)
        self.theta, self.h = nn.Parameter(theta.detach().clone()), checks.real("h", h)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.h * features(x) @ self.theta.T


def half_square(final: Tensor, y: Tensor) -> Tensor:
    """½‖x_T - y‖² of every sample."""
    return (final - y).square().sum(1) / 2


@dataclass(frozen=True)
class ResidualControl:
    """T = ``depth`` steps x_{t+1} = x_t + h θ_t φ(x_t), h = ``horizon``/T, with R_t = h (``decay``/2) ‖θ_t‖².

    Terminal loss ½‖x_T - y‖². H_t is linear in θ_t up to R_t, so the maximiser is θ_t = (1/decay) Σ_i p_{t+1} φᵀ.
    Scaling θ shows that basic MSA depends on ``horizon``/``decay`` alone, not on either of them.

    Raises:
        TypeError, ValueError: a horizon or decay that is not positive, less than one step.
    """

    depth: int
    horizon: float
    decay: float

    def __post_init__(self) -> None:
        checks.integer("depth", self.depth, at_least=1)
        checks.real("horizon", self.horizon, above=0)
        checks.real("decay", self.decay, above=0, hint="without a penalty H has no maximiser")

    @property
    def h(self) -> float:
        """Step size."""
        return self.horizon / self.depth

    def system(self, theta: Tensor) -> ControlledSystem:
        """The controlled system with the weights ``theta`` (T, d, d + 1)."""
        checks.floating("theta", theta)
        if theta.ndim != 3 or len(theta) != self.depth or theta.shape[2] != theta.shape[1] + 1:
            checks.fail("theta", f"shape ({self.depth}, d, d + 1)", f"shape {tuple(theta.shape)}")
        return ControlledSystem([ResidualStep(part, self.h) for part in theta], half_square, self.h * self.decay)

    def maximiser(self, along: Trajectory) -> Tensor:
        """argmax over θ of Σ_i H_t at the given states and co-states, for every t: (T, d, d + 1)."""
        checks.instance("along", along, Trajectory)
        pairs = zip(along.states[:-1], along.costates[1:], strict=True)
        return torch.stack([p.T @ features(x) / self.decay for x, p in pairs])


def augmented_maximiser(problem: ResidualControl, theta: Tensor, along: Trajectory, rho: float) -> Tensor:
    """argmax over θ of Σ_i H_t - h(ρ/2) mean_i(‖Δφ‖² + ‖∇_x⟨Bp_{t+1}, Δφ⟩‖²), Δ = θ - ``theta``_t: (T, d, d + 1).

    The augmented Hamiltonian of Li et al. 2017: the new weights must keep the old states (first penalty) and
    co-states (second) nearly feasible. Co-states here carry 1/B; the penalty takes them without it, so that ρ does
    not depend on the batch size. Solved exactly, as one linear system of size d(d + 1) a stage.
    """
    result = []
    for old, x, p in zip(theta, along.states[:-1], along.costates[1:], strict=True):
        phi, scaled = features(x), len(x) * p
        slope = torch.cat((1 - x.tanh().square(), torch.zeros_like(x[:, :1])), dim=1)
        outer = torch.einsum("bi,bj,bk->ijk", scaled, scaled, slope.square()) / len(x)
        second = torch.einsum("ijk,kl->ikjl", outer, torch.eye(phi.shape[1], dtype=x.dtype, device=x.device))
        eye = torch.eye(old.numel(), dtype=x.dtype, device=x.device)
        first = torch.kron(torch.eye(x.shape[1], dtype=x.dtype, device=x.device), phi.T @ phi / len(x))
        matrix = problem.decay * eye + rho * (first + second.reshape(eye.shape))
        slack = p.T @ phi - problem.decay * old
        result.append(old + torch.linalg.solve(matrix, slack.flatten()).view_as(old))
    return torch.stack(result)


def infeasibility(problem: ResidualControl, change: Tensor, along: Trajectory) -> Tensor:
    """h Σ_t mean_i(‖Δφ‖² + ‖∇_x⟨Bp_{t+1}, Δφ⟩‖²) for Δ = ``change`` (T, d, d + 1): how far old paths are left."""
    total = change.new_zeros(())
    for delta, x, p in zip(change, along.states[:-1], along.costates[1:], strict=True):
        pulled = (1 - x.tanh().square()) * (len(x) * p @ delta[:, :-1])
        total += problem.h * ((features(x) @ delta.T).square().sum(1) + pulled.square().sum(1)).mean()
    return total


@dataclass(frozen=True)
class Approximations:
    """What K sweeps did; fewer than asked for if the cost left the finite numbers (its last entry shows it).

    ``costs`` (K + 1,): J before the first and after every sweep. ``gaps`` (K,): Σ_t Σ_i (max H_t - H_t), zero
    where the maximum principle holds. ``gains`` (K,): Σ_t Σ_i H_t(new θ) - H_t(old θ) on the old states and
    co-states, the predicted decrease of J. ``penalties`` (K,): infeasibility; J falls by at least
    gain - C·penalty (Li et al. 2017). ``theta`` (K + 1, T, d, d + 1).
    """

    costs: Tensor
    gaps: Tensor
    gains: Tensor
    penalties: Tensor
    theta: Tensor

    @property
    def diverged(self) -> bool:
        """The cost left the finite numbers."""
        return not bool(self.costs.isfinite().all())


def successive_approximations(
    problem: ResidualControl,
    x: Tensor,
    y: Tensor,
    steps: int,
    *,
    rule: str = "maximise",
    damping: float = 1.0,
    rho: float = 0.0,
    rate: float = 0.1,
    theta: Tensor | None = None,
) -> Approximations:
    """``steps`` sweeps of: states forward, co-states backward, then new weights in every stage at once.

    ``rule="maximise"``: θ moves by ``damping`` in (0, 1] towards the maximiser of the Hamiltonian (``rho`` = 0,
    basic MSA) or of the augmented one (``rho`` > 0, extended MSA). ``rule="gradient"``: θ + ``rate``·∇_θ Σ_i H,
    which is gradient descent on J. Here basic MSA is the same with ``rate`` = damping/(h·decay), since H is an
    isotropic parabola in θ. ``x`` and ``y`` are (batch, d); ``theta`` (T, d, d + 1) starts at 0.

    Raises:
        TypeError, ValueError: wrong shapes, an unknown rule, numbers outside their range.
    """
    checks.instance("problem", problem, ResidualControl)
    checks.reals("x", x, ndim=2)
    checks.same_shape("y", checks.reals("y", y, like=x), x.shape)
    checks.integer("steps", steps, at_least=1)
    checks.one_of("rule", rule, ("maximise", "gradient"))
    checks.real("damping", damping, above=0, at_most=1)
    checks.real("rho", rho, at_least=0)
    checks.real("rate", rate, above=0)
    rows: list[tuple[Tensor, Tensor, Tensor]]
    theta = x.new_zeros(problem.depth, x.shape[1], x.shape[1] + 1) if theta is None else theta
    theta = checks.reals("theta", theta, ndim=3, like=x).detach()
    thetas, costs, rows = [theta], [problem.system(theta).cost(x, y)], []
    checks.finite("cost of the first weights", costs[0], "give finite x, y and theta")
    while len(rows) < steps and costs[-1].isfinite():
        system = problem.system(theta)
        along = system.trajectory(x, y)
        best = problem.maximiser(along)
        if rule == "gradient":
            pairs = enumerate(zip(along.states[:-1], along.costates[1:], strict=True))
            new = theta + rate * torch.stack([system.gradient(t, *pair)["theta"] for t, pair in pairs])
        else:
            target = augmented_maximiser(problem, theta, along, rho) if rho else best
            new = theta + damping * (target - theta)
        now = system.hamiltonians(along).sum()
        rows.append(
            (
                problem.system(best).hamiltonians(along).sum() - now,
                problem.system(new).hamiltonians(along).sum() - now,
                infeasibility(problem, new - theta, along),
            )
        )
        theta = new
        thetas.append(theta)
        costs.append(problem.system(theta).cost(x, y))
    gaps, gains, penalties = (torch.stack(column) for column in zip(*rows, strict=True))
    return Approximations(torch.stack(costs), gaps, gains, penalties, torch.stack(thetas))
