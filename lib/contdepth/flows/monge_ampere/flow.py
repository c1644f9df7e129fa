"""A density carried along the gradient of a potential."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.flows.continuous import ContinuousFlow
from contdepth.flows.monge_ampere.potential import Potential
from contdepth.schemes.base import Field, Scheme

__all__ = ["MongeAmpereFlow", "Velocity"]


class Velocity(nn.Module):
    """∇φ as a right-hand side (t, x), in closed form for a ``Potential``, by autograd for another function."""

    def __init__(self, potential: Potential | Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.potential = potential

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Return ∇φ(x) ``(..., d)``."""
        if isinstance(self.potential, Potential):
            return self.potential.gradient(x)
        recorded = torch.is_grad_enabled()
        with torch.enable_grad():
            at = x if x.requires_grad else x.detach().requires_grad_()
            hint = "the potential must return a number for each point"
            value = checks.same_shape("potential(x)", self.potential(at), tuple(x.shape[:-1]), hint)
            if not value.requires_grad:
                return torch.zeros_like(x)
            (found,) = torch.autograd.grad(value.sum(), at, create_graph=True, materialize_grads=True)
        return found if recorded else found.detach()


class MongeAmpereFlow(ContinuousFlow):
    """x' = ∇φ(x) from a standard normal law, (ln p)' = -Δφ along a path.

    Zhang, E & Wang 2018 (arXiv 1809.10188). A symmetry of φ is one of the law, since the base has all of them. By
    default RK4 in equal steps, as in the paper; what else ``ContinuousFlow`` takes, this takes too.

    Args:
        potential: φ, a ``Potential`` or a twice differentiable function from points ``(..., d)`` to ``(...)``.
        dimension: d.
        time: length of the paths; the authors take 50 steps for the Ising model.
        steps: equal ones; None steps to the tolerances.
        trace: Δφ ``"fused"`` with ∇φ in one pass, for a ``Potential``; ``"exact"`` by d products with the second
            derivatives; ``"hutchinson"`` by ``probes`` of them.
        probes: normal probes of the estimate.
        scheme: see ``ContinuousFlow``, as the others.
        rtol: relative tolerance.
        atol: absolute one.
        gradient: how the solver finds gradients.
        parameters: None takes those of a module.

    Raises:
        TypeError, ValueError: as of ``ContinuousFlow``; ``"fused"`` for another function than a ``Potential``.
    """

    TRACES = ("fused", "exact", "hutchinson")

    def __init__(
        self,
        potential: Potential | Callable[[Tensor], Tensor],
        dimension: int,
        *,
        time: float = 5.0,
        steps: int | None = 50,
        trace: str = "fused",
        probes: int = 1,
        scheme: Scheme | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        gradient: str = "backprop",
        parameters: Iterable[Tensor] | None = None,
    ) -> None:
        if not callable(potential):
            wanted = "a Potential or a function of points"
            checks.fail("potential", wanted, type(potential).__name__, error=TypeError)
        checks.integer("dimension", dimension, at_least=1)
        known = isinstance(potential, Potential)
        if isinstance(potential, Potential) and potential.weight.shape[1] != dimension:
            checks.fail("dimension", f"{potential.weight.shape[1]}, that of the potential", dimension)
        if checks.one_of("trace", trace, self.TRACES) == "fused" and not known:
            hint = "only a Potential has its Laplacian in closed form"
            checks.fail("trace", "'exact' or 'hutchinson' for this potential", repr(trace), hint)
        length = checks.real("time", time, above=0)
        super().__init__(
            Velocity(potential),
            dimension,
            span=(0.0, length),
            trace=trace,
            probes=probes,
            steps=steps,
            scheme=scheme,
            rtol=rtol,
            atol=atol,
            gradient=gradient,
            parameters=parameters,
        )

    def _rates(self, x: Tensor, generator: torch.Generator | None) -> Field:
        if self.trace != "fused":
            return super()._rates(x, generator)
        potential: Potential = self.f.potential  # type: ignore[union-attr,assignment]

        def rates(t: Tensor, u: Tensor) -> Tensor:
            gradient, laplacian = potential.slopes(u[..., :-1])
            return torch.cat([gradient, laplacian.unsqueeze(-1)], dim=-1)

        return rates
