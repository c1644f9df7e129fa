"""A density carried along an ordinary differential equation, with its exact or estimated volume.

Letters: ``f`` right-hand side of x' = f(t, x), J = df/dx, ``z`` the state at the first time, ``x`` at the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.flows.base import DensityModel, Pushed, like_of
from contdepth.flows.transport import Transport, draw_probes, exact_probes
from contdepth.schemes.adaptive.pairs import DORMAND_PRINCE, EmbeddedPair
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock
from contdepth.schemes.adaptive.solution import solve
from contdepth.schemes.base import Field, Scheme
from contdepth.schemes.gradients.marching import march
from contdepth.schemes.runge_kutta import RK4, RungeKutta

__all__ = ["ContinuousFlow"]


class ContinuousFlow(DensityModel):
    """x(t₁) of x' = f(t, x) from a standard normal x(t₀): (ln p)' = -tr J along a path.

    Chen et al. 2018, theorem 1, with the trace exact, or as εᵀJε with probes drawn once for a path (Grathwohl et
    al. 2019). Points and ∫tr J are one state, so that a tolerance holds for both.

    Args:
        f: right-hand side ``f(t, x)``, each point's value from that point alone; a module's parameters and device
            are the model's.
        dimension: d.
        span: the times t₀ of the base and t₁ of the points.
        trace: ``"exact"``, d products a step, or ``"hutchinson"``: unbiased in ln|det| for fixed paths.
        probes: normal probes of the estimate.
        steps: that many equal steps of ``scheme``; None steps to the tolerances.
        scheme: for ``steps`` any scheme with one right-hand side (RK4 if None), else one of ``schemes.solve``
            (DORMAND_PRINCE if None).
        rtol: relative tolerance.
        atol: absolute one.
        gradient: how the solver finds gradients: ``"backprop"``, ``"checkpoints"`` or ``"adjoint"``, as
            ``schemes.solve`` and ``schemes.march`` explain.
        parameters: what the last two differentiate of that which ``f`` holds; None: those of a module.

    Raises:
        TypeError, ValueError: a wrong argument; points of another dtype or dimension; a generator where none is
            drawn from, none where one is.
        IntegrationError: the tolerances cannot be kept.
    """

    def __init__(
        self,
        f: Field | nn.Module,
        dimension: int,
        *,
        span: Sequence[float] = (0.0, 1.0),
        trace: str = "exact",
        probes: int = 1,
        steps: int | None = None,
        scheme: Scheme | EmbeddedPair | Rosenbrock | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-9,
        gradient: str = "backprop",
        parameters: Iterable[Tensor] | None = None,
    ) -> None:
        if not callable(f):
            checks.fail("f", "a function of (t, x)", type(f).__name__, error=TypeError)
        held = None if parameters is None else checks.several("parameters", parameters, "give a list of tensors")
        for one in held or ():
            checks.floating("parameters", one)
        super().__init__(dimension, like_of(f) if held is None else next(iter(held), None))
        self.f, self._held = f, held
        times = checks.several("span", span, "two times")
        if len(times) != 2:
            checks.fail("span", "two times (t0, t1)", f"{len(times)} of them")
        self.span = (checks.real("span", times[0]), checks.real("span", times[1]))
        if self.span[0] == self.span[1]:
            checks.fail("span", "two different times", self.span)
        self.trace = checks.one_of("trace", trace, self.TRACES)
        checks.affordable("probes", checks.integer("probes", probes, at_least=1), self.dimension)
        self.probes = probes
        self.steps = None if steps is None else checks.integer("steps", steps, at_least=1)
        pair = isinstance(scheme, EmbeddedPair | Rosenbrock)
        if scheme is not None and pair != (steps is None):
            wanted = "one of schemes.solve, as steps is None" if steps is None else "a scheme for equal steps"
            checks.fail("scheme", wanted, type(scheme).__name__, error=TypeError)
        self.scheme = scheme or (DORMAND_PRINCE if steps is None else RungeKutta(RK4))
        self.rtol, self.atol = checks.real("rtol", rtol, at_least=0), checks.real("atol", atol, above=0)
        self.gradient = checks.one_of("gradient", gradient, ("backprop", "checkpoints", "adjoint"))

    TRACES: tuple[str, ...] = ("exact", "hutchinson")
    f: Field | nn.Module

    @property
    def chance(self) -> bool:
        """Whether the trace is estimated."""
        return self.trace == "hutchinson"

    def to_base(self, x: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return z = x(t₀) of the paths that end in ``x``, with -∫tr J dt."""
        return self._carried(self._points("x", x, generator), self.span[::-1], generator)

    def from_base(self, z: Tensor, generator: torch.Generator | None = None) -> Pushed:
        """Return x(t₁) of the paths from ``z``, with ∫tr J dt."""
        return self._carried(self._points("z", z, generator), self.span, generator)

    def moved(self, z: Tensor) -> Tensor:
        """Return x(t₁) of the paths from ``z``: without the volume, so that f alone is evaluated."""
        return self._solved(self.f, self._placed("z", z), self.span)

    def _probes(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what the trace is taken by, for points like ``x``."""
        return exact_probes(x) if generator is None else draw_probes(x, generator, self.probes)

    def _rates(self, x: Tensor, generator: torch.Generator | None) -> Field:
        """Return the right-hand side of (x, ∫tr J), for points like ``x``."""
        transport, width = Transport(self.f, self._probes(x, generator), density=True), self.dimension

        def rates(t: Tensor, u: Tensor) -> Tensor:
            costs = u.new_zeros(*u.shape[:-1], 2)
            rate = transport(t, torch.cat([u[..., :width], costs, u[..., width:]], dim=-1))
            return torch.cat([rate[..., :width], -rate[..., -1:]], dim=-1)

        return rates

    def _carried(self, x: Tensor, span: Sequence[float], generator: torch.Generator | None) -> Pushed:
        start = torch.cat([x, x.new_zeros(*x.shape[:-1], 1)], dim=-1)
        u = self._solved(self._rates(x, generator), start, span)
        return Pushed(u[..., :-1], u[..., -1])

    def _solved(self, f: Field | nn.Module, u: Tensor, span: Sequence[float]) -> Tensor:
        held, anchor = self._held, u.new_zeros((), requires_grad=self.gradient != "backprop")
        if held is None:
            held = tuple(self.f.parameters()) if isinstance(self.f, nn.Module) else ()
        if self.gradient != "backprop":
            f, held = _anchored(f, anchor), (*held, anchor)
        more = {"gradient": self.gradient, "parameters": held}
        if self.steps is not None:
            t = torch.linspace(span[0], span[1], self.steps + 1, dtype=u.dtype, device=u.device)
            return march(f, u, t, self.scheme, keep="last", **more)  # type: ignore[arg-type]
        t = torch.tensor(span, dtype=u.dtype, device=u.device)
        return solve(f, u, t, self.scheme, rtol=self.rtol, atol=self.atol, **more).u[-1]  # type: ignore[arg-type]


def _anchored(f: Field | nn.Module, anchor: Tensor) -> Field:
    """Return f at u + ``anchor``, a zero, where it has to differentiate in a u without a graph.

    It would do so by a leaf of its own, and the solver refuses leaves that are not named; the anchor is.
    """

    def anchored(t: Tensor, u: Tensor) -> Tensor:
        return f(t, u + anchor if torch.is_grad_enabled() and not u.requires_grad else u)

    return anchored
