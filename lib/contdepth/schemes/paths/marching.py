"""Solving a stochastic equation along a path, with a choice of how its gradient is found."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field, transforms
from contdepth.schemes.gradients.held import check_named, held_by
from contdepth.schemes.gradients.pulled import apart
from contdepth.schemes.gradients.reversible import ReversibleHeun
from contdepth.schemes.paths.adjoint import StochasticAdjoint
from contdepth.schemes.paths.reversal import PathReversal
from contdepth.schemes.paths.way import Path, PathScheme, Way, made

__all__ = ["march_sde"]

GRADIENTS = ("backprop", "checkpoints", "adjoint", "reversible")


def march_sde(
    drift: Field,
    diffusion: Field,
    u0: Tensor,
    t: Tensor,
    path: Path,
    scheme: PathScheme,
    *,
    keep: str = "all",
    gradient: str = "backprop",
    parameters: Iterable[Tensor] | None = None,
) -> Tensor:
    """Solve dX = b dt + σ dW along a path, one step of ``scheme`` for each interval, with the gradient of choice.

    Args:
        drift: b, a function of ``(t, u)`` of the shape and dtype of u.
        diffusion: σ, likewise. With a motion for each number of u, each factor depends on t and its own number
            only; nothing can check that. With a motion that all share, on all.
        u0: state ``(..., d)`` at ``t[0]``, float32 or float64.
        t: grid ``(N + 1,)``, strictly increasing; for Stratonovich's equation also strictly decreasing: the same
            equation backwards, which returns along the path that it came.
        path: W(t), of the shape of u0 or ``(..., 1)``, such as a ``BrownianTree``; any function of a number.
        scheme: ``EulerMaruyama`` reads the equation in Itô's sense, ``StratonovichHeun`` and ``ReversibleHeun`` in
            Stratonovich's.
        keep: ``"all"`` states or the ``"last"``.
        gradient: ``"backprop"`` keeps the graph of every step. ``"checkpoints"``, exact too, for the first two
            schemes, keeps a state for every stretch of about √(N / 2s) steps of s stages, and takes each step once
            more. ``"adjoint"``, for these, solves the stochastic adjoint backwards along the same path in steps of
            ``StratonovichHeun`` (of an equation in Itô's notation, with its drift converted): it differs by an
            error of the scheme's order, and keeps only the states that are returned. Where the equation contracts,
            the way back expands, and the error with it. ``"reversible"``, for ``ReversibleHeun``, takes the steps
            back: exact to rounding, and nothing else is kept.
        parameters: what checkpoints, adjoint and reversal differentiate of that which drift and diffusion hold;
            None: the parameters of modules.

    Returns:
        ``(N + 1, ..., d)`` or ``(..., d)``, differentiable in ``u0`` and in what drift and diffusion hold; not in
        ``t``, in which a path has no derivative.

    Raises:
        TypeError, ValueError: a wrong argument or value of a function, a gradient that the scheme does not have, a
            tensor that needs gradients and is not named, a time outside of the path, a decreasing grid for Itô's
            equation.
        IntegrationError: a state that is not finite, forwards or backwards; it holds the last good one.
    """
    checks.one_of("keep", keep, ("all", "last"))
    checks.one_of("gradient", gradient, GRADIENTS)
    way = made(drift, diffusion, u0, t, path, scheme)
    _check_gradient(scheme, gradient)
    if gradient == "backprop" or not torch.is_grad_enabled():
        return _kept(way, u0, keep)
    held = _held(drift, diffusion, parameters)
    check_named(way.both, t[0], u0, held)
    stops = tuple(range(1, len(t))) if keep == "all" else (len(t) - 1,)
    if gradient != "adjoint":
        found = (
            PathReversal(way, held, stops).attach(u0) if gradient == "reversible" else _stretches(way, u0, held)
        )
        _check(way, u0, found[-1])
        check_named(way.both, t[-1], found[-1], held)
        return torch.stack([u0, *found]) if keep == "all" else found[-1]
    with torch.no_grad():
        known = _kept(way, u0.detach(), keep)
    states = known[1:] if keep == "all" else known.unsqueeze(0)
    check_named(way.both, t[-1], states[-1], held)
    states = StochasticAdjoint(way, held).attach(states, u0, stops)
    return torch.cat([u0.unsqueeze(0), states]) if keep == "all" else states[0]


def _check_gradient(scheme: PathScheme, gradient: str) -> None:
    """Raise ``ValueError`` if the scheme does not have the gradient."""
    known: tuple[str, ...] = GRADIENTS[:3]
    if isinstance(scheme, ReversibleHeun):
        known = ("backprop", "reversible")
    if transforms():
        known = ("backprop",)
    if gradient not in known:
        inside = " inside torch.func" if transforms() else ""
        checks.fail("gradient", f"one of {', '.join(map(repr, known))} for {scheme.name}", repr(gradient) + inside)


def _held(drift: Field, diffusion: Field, parameters: Iterable[Tensor] | None) -> tuple[Tensor, ...]:
    held = held_by(drift, parameters)
    held += held_by(diffusion, None) if parameters is None else ()
    return tuple({id(one): one for one in held}.values())


def _states(way: Way, u0: Tensor) -> Iterator[Tensor]:
    if isinstance(way.scheme, ReversibleHeun):
        reversal = PathReversal(way)
        return (state[0] for state in reversal.walk(reversal.start(u0)))
    return way.states(u0)


def _stretches(way: Way, u0: Tensor, held: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the states after the first: each stretch of steps without a graph, and asked again for gradients."""
    steps, u, found = len(way.numbers) - 1, u0, list[Tensor]()
    stretch = max(1, math.isqrt(steps // (2 * way.scheme.stages)))
    for start in range(0, steps, stretch):
        stop = min(start + stretch, steps)

        def taken(u: Tensor, start: int = start, stop: int = stop) -> tuple[Tensor, ...]:
            return tuple(way.states(u, start, stop))

        found += apart(taken, (u,), held)
        u = found[-1]
    return found


def _kept(way: Way, u0: Tensor, keep: str) -> Tensor:
    states = _states(way, u0)
    kept = [u0, *states] if keep == "all" else list(deque(states, maxlen=1))
    _check(way, u0, kept[-1])
    return torch.stack(kept) if keep == "all" else kept[-1]


def _check(way: Way, u0: Tensor, last: Tensor) -> None:
    """Raise ``IntegrationError`` if the last state is not finite, as is every one after the first that is not."""
    if not transforms() and not bool(last.isfinite().all()):
        with torch.no_grad():
            way.refuse(u0.detach(), _states(way, u0.detach()))
