"""Modified equations of the raw LM scheme: which ODE it follows to second order.

Derived here (the coefficients of the paper are not known to us first hand). Insert a smooth u in
u_{n+1} = (1 - k) u_n + k u_{n-1} + h f(u_n) and expand about t_n:

    full form:     (1 + k) u' + (1 - k) (h/2) u'' = f(t, u) + O(h²)

To leading order u' = f/(1 + k), hence u'' = (f_t + f_u f/(1 + k))/(1 + k); put that in:

    reduced form:  u' = f/(1 + k) - (1 - k) h / (2 (1 + k)²) (f_t + f_u f/(1 + k)) + O(h²)

which for autonomous f is f/(1 + k) - (1 - k) h f'f / (2 (1 + k)³). k = 0 gives the equation of the plain
ResNet. The full form has a second, fast solution decaying like exp(-2 (1 + k) t / ((1 - k) h)); only its slow
solution means anything, so it is started there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth import checks
from contdepth.problems import Problem, Scaled, reference
from contdepth.schemes.base import Field, integrate
from contdepth.schemes.multistep import LinearTwoStep
from contdepth.schemes.order import OrderMeasurement, checked_problem, counted

__all__ = ["ModifiedEquationGaps", "full_field", "modified_equation_gaps", "reduced_field"]


def reduced_field(f: Field, k: float, h: float) -> Field:
    """Return the right-hand side of the reduced form; f' is taken by forward-mode differentiation.

    ``k`` must be above -1. The field maps ``t`` (0-D tensor) and ``u`` ``(..., d)`` to ``(..., d)``.
    """
    checks.real("k", k, above=-1.0)
    checks.real("h", h)

    def field(t: Tensor, u: Tensor) -> Tensor:
        value = f(t, u)
        _, rate = torch.func.jvp(f, (t, u), (torch.ones_like(t), value / (1 + k)))  # type: ignore[misc]
        return value / (1 + k) - (1 - k) * h / (2 * (1 + k) ** 2) * rate

    return field


def full_field(f: Field, k: float, h: float) -> Field:
    """Return the full form as a first-order system in (u, u'), ``(..., 2d)``, for -1 < k < 1 and h > 0."""
    checks.real("k", k, above=-1.0, below=1.0)
    checks.real("h", h, above=0.0)

    def field(t: Tensor, state: Tensor) -> Tensor:
        u, v = state.chunk(2, -1)
        return torch.cat([v, (f(t, u) - (1 + k) * v) * (2 / ((1 - k) * h))], -1)

    return field


@dataclass(frozen=True)
class ModifiedEquationGaps:
    """Distance at T of the LM scheme from each ODE it might be said to solve; ``full`` is None where skipped.

    Attributes:
        original: from u' = f.
        plain: from u' = f/(1 + k).
        reduced: from the reduced form.
        full: from the full form, started on its slow solution.
    """

    original: OrderMeasurement
    plain: OrderMeasurement
    reduced: OrderMeasurement
    full: OrderMeasurement | None

    @property
    def gain(self) -> float:
        """How many times closer the reduced form is than the plain ODE, at the smallest step."""
        return self.plain.errors[-1] / self.reduced.errors[-1]


def modified_equation_gaps(
    problem: Problem, k: float, steps: Sequence[int] = (40, 80, 160, 320, 640), *, full: bool = True
) -> ModifiedEquationGaps:
    """Run the raw LM scheme on ``problem`` and measure how far it lands from the four ODEs.

    The state before u_0 comes from the reduced form run one step back, so that LM starts on the slow
    solution. The modified equations are solved by DOP853, to 1e-13 (the full form, which is stiff, to 1e-10).

    Args:
        problem: autonomous or not.
        k: coefficient, -1 < k < 1. Below about -0.9 these steps are not yet asymptotic.
        steps: numbers of steps.
        full: whether the full form is solved too (most of the time goes there).
    """
    checked_problem("problem", problem)
    T, k = problem.T, checks.real("k", k, above=-1.0, below=1.0)
    counts = counted(steps)
    original, plain = problem.solution(T), Scaled(problem, 1 / (1 + k)).solution(T)
    rows = []
    for n in counts:
        slow = reduced_field(problem.f, k, T / n)
        scheme = LinearTwoStep(k=k, rescale=False, start=reference(slow, problem.u0, -T / n))
        t = torch.linspace(0.0, T, n + 1, dtype=torch.float64, device=problem.u0.device)
        u = integrate(problem.f, problem.u0, t, scheme, keep="last")
        targets = [original, plain, reference(slow, problem.u0, T)]
        if full:
            start = torch.cat([problem.u0, slow(torch.zeros_like(t[0]), problem.u0)])
            targets.append(reference(full_field(problem.f, k, T / n), start, T, tolerance=1e-10).chunk(2)[0])
        rows.append([torch.linalg.vector_norm(u - target).item() for target in targets])
    sizes = tuple(T / n for n in counts)
    found = [OrderMeasurement(counts, sizes, errors) for errors in zip(*rows, strict=True)]
    return ModifiedEquationGaps(*found, *([] if full else [None]))
