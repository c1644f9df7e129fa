"""States and adjoints of a stack of layers by sweeps over all layers at once."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.parallel_in_time.layers import Layers, check_states
from contdepth.schemes.parallel_in_time.multigrid import Multigrid, solve

__all__ = ["parallel_adjoints", "parallel_states"]


@torch.no_grad()
def parallel_states(
    layers: Layers, u0: Tensor, plan: Multigrid, sweeps: int, *, start: Tensor | None = None
) -> Tensor:
    """States u_0 … u_N of all layers after ``sweeps`` sweeps of ``plan``, without a graph.

    After k sweeps with relaxation "F" on two levels the first k C-points after u_0 are those of the serial solve,
    up to rounding, whatever the start; on smooth weights the others are close after few.

    Args:
        layers: N layers.
        u0: state before the first layer, ``(...)``.
        plan: blocks and relaxation.
        sweeps: number of sweeps, >= 0.
        start: states ``(N + 1, ...)`` to begin from, such as those of the weights before an update; None: a solve
            of the coarsest level.

    Returns:
        ``(N + 1, ...)``, within each block consistent with its C-point.

    Raises:
        TypeError, ValueError: a wrong argument, or blocks that do not divide the layers.
    """
    checked(layers, plan, sweeps)
    checks.reals("u0", u0, like=layers.weights[0])
    u = begin(layers, u0.detach(), start)
    return solve(layers.step, u, plan, sweeps, start is not None)


@torch.no_grad()
def parallel_adjoints(
    layers: Layers, states: Tensor, last: Tensor, plan: Multigrid, sweeps: int, *, start: Tensor | None = None
) -> Tensor:
    """Adjoints p_0 … p_N of all layers by the same sweeps backwards, linearised about ``states``, without a graph.

    Coarse steps are the transposes of those for the states: stride h (∂f/∂u)ᵀ at the layer where the step of the
    states begins. With exact states and enough sweeps this is backpropagation.

    Args:
        layers: N layers.
        states: u_0 … u_N, ``(N + 1, ...)``, exact or not.
        last: p_N, the gradient of the loss in u_N, ``(...)``.
        plan: blocks and relaxation.
        sweeps: number of sweeps, >= 0.
        start: adjoints ``(N + 1, ...)`` to begin from; None: a solve of the coarsest level.

    Returns:
        ``(N + 1, ...)``.

    Raises:
        TypeError, ValueError: a wrong argument, or blocks that do not divide the layers.
    """
    checked(layers, plan, sweeps)
    check_states("states", states, layers)
    checks.same_shape("last", checks.reals("last", last, like=states), tuple(states.shape[1:]))
    n = len(layers)
    turned = Layers(layers.f, [one.flip(0) for one in layers.weights], layers.h)
    along = states[:-1].detach().flip(0)

    def step(at: slice, stride: int, p: Tensor) -> Tensor:
        """Taken back over ``stride`` layers; point i stands at the layer N - i, so the step of the states began
        at the layer N - i - stride, which is row i + stride - 1 here.
        """
        rows = slice(at.start + stride - 1, min(at.stop + stride - 1, n), at.step)
        return turned.pull(rows, stride, along[rows], p)

    p = begin(layers, last.detach(), start, first=-1).flip(0)
    return solve(step, p, plan, sweeps, start is not None).flip(0)


def checked(layers: Layers, plan: Multigrid, sweeps: int) -> None:
    """Raise for what is no stack of layers, no plan that fits it, or no number of sweeps."""
    checks.instance("layers", layers, Layers)
    checks.instance("plan", plan, Multigrid).check_layers(len(layers))
    checks.integer("sweeps", sweeps, at_least=0)


def begin(layers: Layers, value: Tensor, start: Tensor | None, first: int = 0) -> Tensor:
    """A new tensor (N + 1, ...) whose row ``first`` is ``value``: its copies, or what ``start`` has."""
    if start is None:
        return value.expand(len(layers) + 1, *value.shape).clone()
    checks.same_shape("start", checks.reals("start", start, like=value), (len(layers) + 1, *value.shape))
    u = start.detach().clone()
    u[first] = value
    return u
