"""What a scheme is, and the one loop that runs it over a grid of times.

Letters: ``u`` state of shape ``(..., d)``, ``t`` time, ``h`` signed step (the unit of ``t``), ``f`` the
right-hand side of u' = f(t, u). A network reads the same way: ``u`` features, ``f`` residual branch, a step
of size h a block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad

from contdepth import checks

__all__ = ["Field", "Scheme", "axpy", "axpy_", "integrate", "listed", "plain", "transforms"]

Field = Callable[[Tensor, Tensor], Tensor]
"""Right-hand side ``f(t, u) -> du/dt``: ``t`` 0-D, result of the shape and dtype of ``u``."""


class Scheme(Protocol):
    """Attributes every scheme states; see the two kinds below for what it does.

    One-step schemes have ``step(f, t, u, h) -> u_next``. Two-step schemes have ``two_step = True``,
    ``first_step(f, t, u, h) -> u_1`` and ``next_step(n, f, t, u, previous, h) -> u_{n+1}``. Schemes with
    ``fields = 2`` take a pair ``(f1, f2)`` in place of ``f``. Schemes with ``random = True`` take a
    ``generator`` keyword in those methods. Optional members default to ``two_step = False``, ``fields = 1``,
    ``random = False``. A scheme with one coefficient per step has ``check_steps(count)``, which raises if it
    holds another number of them.
    """

    @property
    def name(self) -> str:
        """What tables and errors call it."""
        ...

    @property
    def order(self) -> float:
        """Order for every smooth right-hand side."""
        ...

    @property
    def stages(self) -> int:
        """Evaluations of the right-hand side in a step."""
        ...


def axpy(u: Tensor, k: Tensor, a: float | Tensor) -> Tensor:
    """Return ``u + a k`` in one pass if ``a`` is a number, by ordinary arithmetic if it is a tensor."""
    return u + a * k if isinstance(a, Tensor) else torch.add(u, k, alpha=a)


def axpy_(u: Tensor, k: Tensor, a: float | Tensor) -> Tensor:
    """As :func:`axpy`, but overwrite ``u`` where possible (``u`` must be a temporary of the caller)."""
    return u + a * k if isinstance(a, Tensor) else u.add_(k, alpha=a)


def transforms() -> int:
    """Return how many levels of torch.func and of forward mode are at work; ``requires_grad`` tells of neither.

    Where ``torch.compile`` makes a graph, one: no number may be looked at there either.
    """
    compiling = torch.compiler.is_compiling()
    return 1 if compiling else (torch._C._functorch.maybe_current_level() or 0) + forward_ad._current_level + 1


def plain(value: Tensor) -> Tensor:
    """Return the numbers of ``value``, with the batches of torch.func: what a check may look at."""
    return torch.func.debug_unwrap(value).detach()


def listed(steps: Tensor) -> Any:
    """Return ``steps`` as numbers (fast), or as tensors where they may be differentiated or batched."""
    return steps.unbind() if steps.requires_grad or transforms() else steps.tolist()


def integrate(
    f: Field | tuple[Field, Field],
    u0: Tensor,
    t: Tensor,
    scheme: Scheme,
    *,
    keep: str = "all",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Integrate u' = f(t, u) from ``u0`` at ``t[0]`` with one step of ``scheme`` per interval of ``t``.

    Args:
        f: right-hand side ``f(t, u)``; a pair ``(f1, f2)`` for schemes with ``fields = 2``.
        u0: state ``(..., d)`` at ``t[0]``, floating point (complex where the scheme allows).
        t: grid ``(N + 1,)``, strictly increasing or strictly decreasing; equal steps for two-step schemes,
            increasing for random schemes.
        scheme: any scheme of ``contdepth.schemes``.
        keep: ``"all"`` returns every state, ``"last"`` only the final one (no trajectory is stored).
        generator: source of randomness, required by random schemes and refused by the others. It draws on its
            own device, and the numbers are moved to that of ``u0``.

    Returns:
        ``(N + 1, ..., d)`` with the first entry ``u0``, or ``(..., d)`` for ``keep="last"``. Differentiable
        in ``u0``, in whatever ``f`` and the scheme hold, and in ``t``, by autograd, forward mode and torch.func.
        ``torch.compile`` traces it whole unless the scheme is random or implicit; what a check would have to know
        of numbers, and writes of ``f``, are not looked at there.

    Raises:
        TypeError, ValueError: a wrong argument; a value of ``f`` whose shape or dtype is not that of its
            ``u``; an ``f`` that writes into its arguments; a scheme whose new state has not the shape and dtype
            of ``u0``.
    """
    checks.floating("u0", u0)
    checks.one_of("keep", keep, ("all", "last"))
    if not torch.compiler.is_compiling():
        _check_grid(t)
    _check_scheme(f, scheme, generator)
    if getattr(scheme, "random", False) and bool(plain(t[-1] < t[0]).any()):
        checks.fail(
            "t",
            f"an increasing grid for {scheme.name}",
            "a decreasing one",
            "a stochastic equation runs forward only",
        )
    if hasattr(scheme, "check_steps"):
        scheme.check_steps(len(t) - 1)
    states = _states(f, u0, t, scheme, generator)
    if keep == "all":
        return _stack(u0, len(t), states)
    return deque(states, maxlen=1).pop()


def _states(f: Any, u0: Tensor, t: Tensor, scheme: Any, generator: torch.Generator | None) -> Iterator[Tensor]:
    """Yield u_1, …, u_N; steps are numbers (fast) unless the grid itself is differentiated."""
    random = {"generator": generator} if generator is not None else {}
    u0, t = (x if x.requires_grad else x.clone() for x in (u0, t))  # f may write into what it gets
    times = t.unbind()
    two_step = getattr(scheme, "two_step", False)
    mean = (t[-1] - t[0]) / (len(t) - 1) if two_step and torch.compiler.is_compiling() else None
    sizes = t.diff() if not two_step else _equal_steps(t) if mean is None else mean.expand(len(t) - 1)
    steps = listed(sizes)
    u, shape, dtype = u0, u0.shape, u0.dtype
    f = tuple(_checked(part) for part in f) if isinstance(f, tuple) else _checked(f, shape)
    if two_step:
        previous, u = u0, scheme.first_step(f, times[0], u0, steps[0], **random)
        _check_state(u, shape, dtype)
        yield u
        advance = partial(scheme.next_step, **random) if random else scheme.next_step
        for n in range(1, len(steps)):
            u, previous = advance(n, f, times[n], u, previous, steps[n]), u
            _check_state(u, shape, dtype)
            yield u
        return
    advance = partial(scheme.step, **random) if random else scheme.step
    for time, h in zip(times, steps, strict=False):  # one more time than steps
        u = advance(f, time, u, h)
        _check_state(u, shape, dtype)
        yield u


def _check_state(u: Tensor, shape: torch.Size, dtype: torch.dtype) -> None:
    """Raise if a new state has another shape or dtype than u0: with a checked f, the scheme's own doing."""
    if u.shape != shape or u.dtype != dtype:
        checks.fail(
            "state",
            f"shape {tuple(shape)} and {dtype}, those of u0",
            f"shape {tuple(u.shape)} and {u.dtype}",
            "check what the scheme holds, such as its start",
            error=ValueError if u.shape != shape else TypeError,
        )


def _stack(u0: Tensor, length: int, states: Iterator[Tensor]) -> Tensor:
    """Stack ``u0`` and ``states``, into one preallocated tensor unless gradients are recorded."""
    out: Any
    kept: list[Tensor] | None
    out, kept = None, [u0] if transforms() else None
    for n, u in enumerate(states, start=1):
        if kept is None and (u.requires_grad or u0.requires_grad):
            kept = [u0] if out is None else list(out[:n].unbind())
        if kept is not None:
            kept.append(u)
            continue
        if out is None:
            out = u.new_empty((length, *u.shape))
            out[0] = u0
        out[n] = u
    return out if kept is None else torch.stack(kept)


def _checked(f: Field, shape: torch.Size | None = None) -> Field:
    """Wrap ``f`` so that a value of the wrong kind, shape or dtype is named, not broadcast or promoted.

    ``shape`` is that of every ``u`` that ``f`` will see, if known: asking each tensor for it costs more.
    """

    counted = not (torch.compiler.is_compiling() or torch.is_inference_mode_enabled())  # writes, in _version

    def checked(t: Tensor, u: Tensor) -> Tensor:
        before = (t._version, u._version) if counted else None
        value = f(t, u)
        if counted and before != (t._version, u._version):
            hint = "let f return a new tensor, as t * u is one and u.mul_(t) is not"
            checks.fail("f", "a function that leaves t and u as they are", "one that writes into them", hint)
        if isinstance(value, Tensor) and value.shape == (shape or u.shape) and value.dtype == u.dtype:
            return value
        checks.tensor("f(t, u)", value, hint="f must return du/dt as a tensor")
        checks.same_shape("f(t, u)", value, tuple(u.shape), hint="f must return du/dt with the shape of u")
        checks.fail(
            "f(t, u)",
            f"dtype {u.dtype}, that of u",
            f"dtype {value.dtype}",
            "convert u0 or what f holds",
            error=TypeError,
        )

    return checked


def _check_grid(t: Tensor) -> None:
    checks.floating("t", t, ndim=1)
    if t.is_complex() or len(t) < 2:
        checks.fail("t", "a real grid with at least 2 points", f"dtype {t.dtype} and {len(t)} points")
    checks.finite("t", plain(t))
    steps = t.detach().diff()
    if not bool(plain((steps > 0).all() | (steps < 0).all()).all()):
        checks.fail("t", "a strictly increasing or strictly decreasing grid", "steps of both signs or zero")


def _check_scheme(f: Any, scheme: Scheme, generator: torch.Generator | None) -> None:
    if isinstance(scheme, type) or not (hasattr(scheme, "step") or hasattr(scheme, "next_step")):
        checks.fail("scheme", "a scheme object such as ForwardEuler()", repr(scheme), error=TypeError)
    fields, pair = getattr(scheme, "fields", 1), isinstance(f, tuple)
    if (fields == 2) != (pair and len(f) == 2) or not all(callable(g) for g in (f if pair else (f,))):
        wanted = "a pair (f1, f2) of functions of (t, u)" if fields == 2 else "one function of (t, u)"
        checks.fail("f", f"{wanted} for {scheme.name}", type(f).__name__, error=TypeError)
    if getattr(scheme, "random", False) != (generator is not None):
        wanted = "a torch.Generator" if generator is None else "None"
        checks.fail("generator", f"{wanted} for {scheme.name}", generator, "only random schemes take one")


def _equal_steps(t: Tensor) -> Tensor:
    """Return the N steps as equal numbers; raise if they differ by more than 1e-5 or rounding."""
    values = t.detach()
    steps, mean = values.diff(), (values[-1] - values[0]) / (len(t) - 1)
    allowed = 1e-5 * mean.abs() + 16 * torch.finfo(t.dtype).eps * values.abs().max()
    if bool(plain((steps - mean).abs().max() > allowed).any()):
        checks.fail(
            "t",
            "equal steps for a two-step scheme",
            f"steps from {plain(steps).min().item():.6g} to {plain(steps).max().item():.6g}",
            "its coefficients hold for equal steps only; use torch.linspace or a one-step scheme",
        )
    return ((t[-1] - t[0]) / (len(t) - 1)).expand(len(t) - 1)
