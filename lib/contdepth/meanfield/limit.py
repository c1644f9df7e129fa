"""The mean-field ODE Ẋ = ∫ f(X, θ) ρ(θ, t) dθ, its co-state and first variation, and a net's view of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchdiffeq import odeint

from contdepth import checks
from contdepth.meanfield.block import Block
from contdepth.meanfield.density import FLOAT64, TIMES, GaussianDensity, WindowedDensity
from contdepth.meanfield.network import Along, MeanFieldNet

__all__ = ["MeanFieldODE", "time_derivative"]

STEP_VARIANCE = {"uniform": 2.0, "stratified": 7 / 6, "grid": 1.0}
"""Limit of L Σ (t_l - t_{l-1})² for the three kinds of times."""


class MeanFieldODE:
    """Ẋ = F(X, t), X(0) = w2ᵀx, output ⟨w1, X(1)⟩, for a known drift F (Lu et al. 2020, arXiv 2003.05508).

    Args:
        density: the law ρ, through its ``drift``; ``first_variation`` and the like use its ``block``.
        w2: (inputs, d). w1: (d,).
        method: of torchdiffeq; "dopri5" by ``tolerance``, a fixed-grid method such as "rk4" by ``steps``.
        tolerance: relative and absolute.
        steps: of a fixed-grid method on [0, 1].

    Methods want x (batch, inputs), y (batch,) and times t (n,) in [0, 1], in any order.

    Raises:
        TypeError, ValueError: shapes that do not fit, times outside [0, 1], ``steps`` for an adaptive method or
            none for the others, a law with jumps and a fixed grid.
    """

    def __init__(
        self,
        density: GaussianDensity | WindowedDensity,
        w2: Tensor,
        w1: Tensor,
        *,
        method: str = "dopri5",
        tolerance: float = 1e-10,
        steps: int | None = None,
    ) -> None:
        if not (hasattr(density, "drift") and hasattr(density, "block")):
            raise TypeError(f"density: expected a law such as GaussianDensity, found {type(density).__name__}")
        self.density, self.block = density, density.block
        checks.reals("w2", w2, ndim=2, like=FLOAT64)
        self.net = MeanFieldNet(self.block, w2, w1)
        self.w2, self.w1, self.method = w2, w1, method
        self.tolerance = checks.real("tolerance", tolerance, at_least=1e-14)
        if steps is None and method != "dopri5":
            checks.fail("steps", "a number of steps for a fixed grid", "none", f"method is {method!r}")
        if steps is not None and method == "dopri5":
            checks.fail("steps", "none for dopri5", steps, "set the tolerance")
        self.options: dict[str, object] = {}
        if steps is not None:
            self.steps = checks.integer("steps", steps, at_least=1, at_most=1_000_000)
            self.options["grid_constructor"] = self.grid
        if density.jumps:
            if method != "dopri5":
                checks.fail("method", "dopri5 for a law with jumps", repr(method))
            self.options["jump_t"] = torch.tensor(density.jumps, dtype=torch.float64, device=w2.device)

    def grid(self, field: Callable[[Tensor, Tensor], Tensor], start: Tensor, t: Tensor) -> Tensor:
        """Equal steps over [0, 1] and the times asked for, so that nothing is interpolated."""
        even = torch.linspace(0, 1, self.steps + 1, dtype=t.dtype, device=t.device)
        low, high = t.min(), t.max()
        rising = torch.cat([even[(even > low) & (even < high)], t]).unique()
        return rising if t[0] < t[-1] else rising.flip(0)

    def solve(self, field: Callable[[Tensor, Tensor], Tensor], start: Tensor, t: Tensor) -> Tensor:
        """Solution of u' = ``field``(t, u) at the monotone times t (n,), u(t_0) = ``start``."""
        accuracy = {"rtol": self.tolerance, "atol": self.tolerance}
        return odeint(field, start, t, method=self.method, options=dict(self.options), **accuracy)

    def field(self, t: Tensor, x: Tensor) -> Tensor:
        """F in torchdiffeq's order of arguments."""
        return self.density.drift(x, t)

    def requested(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Rising times from 0 to 1 that hold all of ``t``, and where each of ``t`` is among them."""
        checks.reals("t", t, ndim=1)
        if not bool(((t >= 0) & (t <= 1)).all()):
            checks.fail("t", "times in [0, 1]", t.tolist())
        times = torch.cat([t.detach().to(self.w2), self.w2.new_tensor([0.0, 1.0])])
        grid, where = times.unique(return_inverse=True)
        return grid, where[:-2]

    def states(self, x: Tensor, t: Tensor) -> Tensor:
        """X(t), (n, batch, d)."""
        start = self.net.initial(checks.finite("x", checks.reals("x", x, ndim=2)))
        grid, where = self.requested(t)
        return self.solve(self.field, start, grid)[where]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs, (batch,)."""
        return self.states(x, self.w2.new_ones(1))[0] @ self.w1

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """E(ρ) = mean ½(output - y)²."""
        checks.same_shape("y", checks.reals("y", y), (len(x),))
        return 0.5 * (self(x) - y).square().mean()

    @torch.no_grad()
    def sensitivities(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """(X(t), λ(t)), each (n, batch, d): λ is the gradient of the output in X(t), λ̇ = -(∂F/∂X)ᵀλ, λ(1) = w1.

        Both are solved backwards together from X(1), so that no interpolation enters.
        """
        grid, where = self.requested(t)
        end = self.states(x, self.w2.new_ones(1))[0]

        def backwards(s: Tensor, both: Tensor) -> Tensor:
            drift, pull = torch.func.vjp(lambda state: self.density.drift(state, s), both[0])  # type: ignore[misc]
            return torch.stack([drift, -pull(both[1])[0]])

        both = self.solve(backwards, torch.stack([end, self.w1.expand_as(end)]), grid.flip(0)).flip(0)[where]
        return both[:, 0], both[:, 1]

    def costates(self, x: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """(X(t), p(t)), each (n, batch, d): p = (output - y) λ, sample by sample and without 1/batch."""
        checks.same_shape("y", checks.reals("y", y), (len(x),))
        states, sensitivities = self.sensitivities(x, t)
        return states, (self(x) - y)[:, None] * sensitivities

    def first_variation(self, x: Tensor, y: Tensor, theta: Tensor, t: Tensor) -> Tensor:
        """δE/δρ(θ, t) = mean over x of ⟨f(X(t), θ), p(t)⟩ at θ (n, k), t (n,): (n,); differentiable in θ."""
        candidates(self.block, theta, t)
        states, p = self.costates(x, y, t)
        return (self.block(theta, states) * p).sum(-1).mean(-1)

    def time_derivative(self, x: Tensor, y: Tensor, theta: Tensor, t: Tensor) -> Tensor:
        """∂/∂t of the first variation, mean over x of ⟨J_f F - J_F f, p⟩ at θ (n, k), t (n,): (n,).

        d/dt ⟨f(X), p⟩ = ⟨J_f Ẋ, p⟩ + ⟨f, ṗ⟩ with Ẋ = F and ṗ = -J_Fᵀ p.
        """
        self.smooth()
        candidates(self.block, theta, t)
        states, p = self.costates(x, y, t)
        drift = self.density.drift(states, t)
        f, along_drift = torch.func.jvp(lambda s: self.block(theta, s), (states,), (drift,))  # type: ignore[misc]
        along_f = torch.func.jvp(lambda s: self.density.drift(s, t), (states,), (f,))[1]
        return ((along_drift - along_f) * p).sum(-1).mean(-1)

    def smooth(self) -> None:
        """Refuse a law with windows, whose field has no derivative in t at their edges."""
        if isinstance(self.density, WindowedDensity):
            checks.fail(
                "density", "a GaussianDensity", "a WindowedDensity", "only states, outputs and the loss of it"
            )

    def fluctuation(self, x: Tensor, nodes: int = 24) -> dict[tuple[str, str], Tensor]:
        """lim L · E(output of the net with L sampled particles - output)², (times, weighting) -> (batch,).

        With q(θ, t) = ⟨λ(t), f(X(t), θ)⟩ it is the variance of q under ρ for equal weights and iid times, and
        c ∫ Var(q | t) dt otherwise, c = 1 for equal weights and lim L Σ (t_l - t_{l-1})² for "gaps". The integral
        over t is Gauss-Legendre with ``nodes``.
        """
        self.smooth()
        checks.integer("nodes", nodes, at_least=1, at_most=1000)
        points, weights = (torch.from_numpy(v).to(self.w2) for v in np.polynomial.legendre.leggauss(nodes))
        t, weights = (points + 1) / 2, weights / 2
        states, v = self.sensitivities(x, t)
        mean = (self.density.drift(states, t) * v).sum(-1)
        within = weights @ (self.density.second_moment(states, v, t) - mean.square())  # type: ignore[union-attr]
        between = weights @ (mean - weights @ mean).square()
        result = {(times, "gaps"): factor * within for times, factor in STEP_VARIANCE.items()}
        return result | {(times, "equal"): within + between if times == "uniform" else within for times in TIMES}


def candidates(block: Block, theta: Tensor, t: Tensor) -> None:
    """θ (n, k) and t (n,) belong together."""
    checks.reals("theta", theta, ndim=2)
    checks.same_shape(
        "theta", theta, (len(checks.floating("t", t, ndim=1)), block.size), "one candidate for each time"
    )


@torch.no_grad()
def time_derivative(net: MeanFieldNet, along: Along, window: int) -> Tensor:
    """Estimate of ∂_t δE/δρ(θ_l, t_l) at every particle of a finite net with weighting "equal", (L,).

    There the loss is constant in t until two particles change places, and has no gradient. What the limit has is
    mean ⟨J_f F - J_F f, p⟩; here f and p are the particle's own and F is the mean velocity of the ``window``
    blocks on either side (fewer at the ends), weighted by their masses, the particle itself left out (its bracket
    with itself is 0). This is the derivative along depth measured by mass, the ∂_t of the limit if t is uniform;
    else multiply it by the density of the times.

    Raises:
        TypeError, ValueError: weighting "gaps", a window below 1, one particle only.
    """
    checks.instance("net", net, MeanFieldNet)
    checks.instance("along", along, Along)
    if net.weighting != "equal":
        checks.fail("net", 'weighting "equal"', repr(net.weighting), "with gaps ask net.gradients")
    count = len(along.weights)
    if count < 2:
        checks.fail("along", "at least two particles", count)
    where = along.weights.device
    shift = torch.arange(1, checks.integer("window", window, at_least=1, at_most=100_000) + 1, device=where)
    near = torch.arange(count, device=where)[:, None] + torch.cat([-shift, shift])
    inside = (near >= 0) & (near < count)
    near = near.clamp(0, count - 1)
    theta, states = along.particles.theta, along.states[:-1]
    share = along.weights[near] * inside
    share = share / share.sum(1, keepdim=True)

    def drift(s: Tensor) -> Tensor:
        return torch.einsum("ln,lnbd->lbd", share, net.block(theta[near], s[:, None]))

    own, velocity = net.block(theta, states), drift(states)
    along_drift = torch.func.jvp(lambda s: net.block(theta, s), (states,), (velocity,))[1]
    along_own = torch.func.jvp(drift, (states,), (own,))[1]
    return ((along_drift - along_own) * along.costates[1:]).sum(-1).mean(-1)
