"""One backward sweep of differential dynamic programming, and the roll-out of the policy that it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev

from contdepth import checks

__all__ = ["ControlProblem", "Policy", "backward_sweep", "cost", "roll_out", "states_of"]

FEEDBACKS = ("states", "linearised", "off")
"""δx of the roll-out: of the new states, of the linearised system, or none."""


@dataclass(frozen=True)
class ControlProblem:
    """min over u of φ(x_T) + Σ_t ℓ_t(x_t, u_t) with x_{t+1} = f_t(x_t, u_t), all of x and u flat vectors.

    ``step`` is (t, x, u) -> x_{t+1}, ``terminal`` x -> φ without dimensions, ``running`` (t, x, u) -> ℓ_t without
    dimensions, or None for 0. All three must be differentiable by ``torch.func``. A batch is one long state, the
    samples one after another: the control is common to them all.
    """

    step: Callable[[int, Tensor, Tensor], Tensor]
    terminal: Callable[[Tensor], Tensor]
    running: Callable[[int, Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        for name, given in (("step", self.step), ("terminal", self.terminal), ("running", self.running)):
            if not (callable(given) or (name == "running" and given is None)):
                checks.fail(name, "a callable", type(given).__name__, error=TypeError)


@dataclass(frozen=True)
class Policy:
    """δu_t = k_t + K_t δx_t about a trajectory, with f_x and f_u there, and what the model expects of it.

    ``gains`` k_t (m_t,), ``feedback`` K_t (m_t, n_t), ``by_state`` f_x (n_{t+1}, n_t), ``by_control`` f_u
    (n_{t+1}, m_t). ``decrease`` is Σ Q_uᵀ Q_uu⁻¹ Q_u / 2, by which the damped quadratic model falls; ``slope``
    holds V_x at t = 0. Where some Q_uu is not positive definite the sweep stops and returns None instead.
    """

    gains: tuple[Tensor, ...]
    feedback: tuple[Tensor, ...]
    by_state: tuple[Tensor, ...]
    by_control: tuple[Tensor, ...]
    decrease: Tensor
    slope: Tensor


def states_of(problem: ControlProblem, start: Tensor, controls: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """x_0 … x_T."""
    states = [start]
    for t, u in enumerate(controls):
        states.append(problem.step(t, states[-1], u))
    return tuple(states)


def cost(problem: ControlProblem, states: Sequence[Tensor], controls: Sequence[Tensor]) -> Tensor:
    """J along a trajectory, a tensor without dimensions."""
    total = problem.terminal(states[-1])
    if problem.running is not None:
        for t, u in enumerate(controls):
            total = total + problem.running(t, states[t], u)
    return total


def backward_sweep(
    problem: ControlProblem,
    states: Sequence[Tensor],
    controls: Sequence[Tensor],
    *,
    damping: float = 0.0,
    full: bool = False,
    coupled: bool = True,
    curvature: float | None = None,
) -> Policy | None:
    """Bellman's recursion to second order about a trajectory, from t = T - 1 down to 0.

    Q_x = ℓ_x + f_xᵀV_x, Q_u = ℓ_u + f_uᵀV_x, Q_uu = ℓ_uu + f_uᵀV_xx f_u, Q_ux = ℓ_ux + f_uᵀV_xx f_x and
    Q_xx = ℓ_xx + f_xᵀV_xx f_x, with V of t + 1; ``full`` adds V_x·f_uu, V_x·f_ux and V_x·f_xx, without which the
    sweep is that of the iterative LQR. k = -Q_uu⁻¹Q_u and K = -Q_uu⁻¹Q_ux, V_x = Q_x + Q_xu k,
    V_xx = Q_xx + Q_xu K. ``damping`` μ is added to the diagonal of every Q_uu, which is Levenberg's damping
    of the joint problem. ``coupled=False`` puts Q_ux = 0, ``curvature`` c puts Q_uu = cI: both together make k
    the step of gradient descent with rate 1/c.
    """
    value, curve = grad(problem.terminal)(states[-1]), hessian(problem.terminal)(states[-1])
    found: list[tuple[Tensor, ...]] = []
    decrease = value.new_zeros(())
    for t in reversed(range(len(controls))):
        x, u = states[t], controls[t]
        of_x, of_u = jacrev(problem.step, argnums=(1, 2))(t, x, u)
        (q_x, q_u), ((q_xx, q_xu), (_, q_uu)) = _local(problem, t, x, u, value, full)
        q_x, q_u = q_x + of_x.T @ value, q_u + of_u.T @ value
        q_xx = q_xx + of_x.T @ curve @ of_x
        q_xu = (q_xu + of_x.T @ curve @ of_u) * float(coupled)
        q_uu = q_uu + of_u.T @ curve @ of_u
        eye = torch.eye(len(u), dtype=u.dtype, device=u.device)
        q_uu = q_uu + damping * eye if curvature is None else curvature * eye
        root, bad = torch.linalg.cholesky_ex((q_uu + q_uu.T) / 2)
        if bool(bad):
            return None
        both = -torch.cholesky_solve(torch.cat((q_u[:, None], q_xu.T), 1), root)
        k, gain = both[:, 0], both[:, 1:]
        decrease = decrease - q_u @ k / 2
        value, curve = q_x + q_xu @ k, q_xx + q_xu @ gain
        curve = (curve + curve.T) / 2
        found.append((k, gain, of_x, of_u))
    gains, feedback, by_state, by_control = zip(*reversed(found), strict=True)
    return Policy(gains, feedback, by_state, by_control, decrease, value)


def _local(
    problem: ControlProblem, t: int, x: Tensor, u: Tensor, value: Tensor, full: bool
) -> tuple[tuple[Tensor, Tensor], tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    """Gradients of ℓ in (x, u), and second derivatives of ℓ, if ``full`` of ℓ + V_x·f."""
    n, m = len(x), len(u)
    slopes = (torch.zeros_like(x), torch.zeros_like(u))
    if problem.running is None and not full:
        return slopes, ((x.new_zeros(n, n), x.new_zeros(n, m)), (x.new_zeros(m, n), x.new_zeros(m, m)))

    def total(x: Tensor, u: Tensor) -> Tensor:
        first = 0 * x.sum() if problem.running is None else problem.running(t, x, u)
        return first + value @ problem.step(t, x, u) if full else first

    if problem.running is not None:
        slopes = grad(problem.running, argnums=(1, 2))(t, x, u)
    return slopes, jacrev(grad(total, argnums=(0, 1)), argnums=(0, 1))(x, u)


def roll_out(
    problem: ControlProblem,
    states: Sequence[Tensor],
    controls: Sequence[Tensor],
    policy: Policy,
    length: float = 1.0,
    feedback: str = "states",
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """New states and controls u + ``length``·k + K δx from the same x_0.

    δx is the new state less the old one (``"states"``), what the linearised system gives for it, so that the step
    is the one that minimises the quadratic model over all controls (``"linearised"``), or 0 (``"off"``).
    """
    new_states, new_controls = [states[0]], []
    change = torch.zeros_like(states[0])
    for t, u in enumerate(controls):
        if feedback == "states":
            change = new_states[-1] - states[t]
        moved = length * policy.gains[t]
        if feedback != "off":
            moved = moved + policy.feedback[t] @ change
        if feedback == "linearised":
            change = policy.by_state[t] @ change + policy.by_control[t] @ moved
        new_controls.append(u + moved)
        new_states.append(problem.step(t, new_states[-1], new_controls[-1]))
    return tuple(new_states), tuple(new_controls)
