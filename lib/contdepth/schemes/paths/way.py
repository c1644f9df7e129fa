"""An equation, a grid and a path, checked: what all gradients of its solution walk along, forth and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from contdepth import checks
from contdepth.errors import IntegrationError
from contdepth.schemes.base import Field
from contdepth.schemes.base import _check_grid as check_grid
from contdepth.schemes.gradients.reversible import ReversibleHeun
from contdepth.schemes.paths.steps import EulerMaruyama, StratonovichHeun

__all__ = ["Path", "PathScheme", "Way", "made"]

Path = Callable[[float], Tensor]
"""W as a function of time, such as a :class:`BrownianTree`."""

PathScheme = EulerMaruyama | StratonovichHeun | ReversibleHeun


@dataclass(frozen=True)
class Way:
    """The equation, the grid as tensor and as numbers, and the path; its values are moved to where ``like`` is."""

    drift: Field
    diffusion: Field
    t: Tensor
    numbers: list[float]
    path: Path
    scheme: PathScheme
    like: Tensor

    def both(self, t: Tensor, u: Tensor) -> Tensor:
        """Return what holds all that drift and diffusion hold."""
        return self.drift(t, u) + self.diffusion(t, u)

    def value(self, n: int) -> Tensor:
        """Return W at a time of the grid."""
        found = checks.tensor("path(t)", self.path(self.numbers[n]), hint="a path gives W(t)")
        shape = tuple(self.like.shape)
        if tuple(found.shape) not in (shape, (*shape[:-1], 1)):
            checks.fail("path(t)", f"shape {shape} or {(*shape[:-1], 1)}", f"shape {tuple(found.shape)}")
        if found.requires_grad:
            checks.fail("path(t)", "values without gradients", "some with", "let path return W(t).detach()")
        return found.to(device=self.like.device, dtype=self.like.dtype)

    def between(self, n: int, m: int) -> tuple[float, Tensor]:
        """Return how far it is from time n to time m of the grid, and what the path does there."""
        return self.numbers[m] - self.numbers[n], self.value(m) - self.value(n)

    def states(self, u: Tensor, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
        """Yield the states after ``u`` at time ``start`` of the grid, by a scheme that carries nothing else."""
        assert not isinstance(self.scheme, ReversibleHeun)
        times, w = self.t.unbind(), self.value(start)
        for n in range(start, len(times) - 1 if stop is None else stop):
            h, then = self.numbers[n + 1] - self.numbers[n], self.value(n + 1)
            u = self.scheme.step(self.drift, self.diffusion, times[n], times[n + 1], u, h, then - w)
            w = then
            yield u

    def refuse(self, before: Tensor, states: Iterator[Tensor]) -> None:
        """Raise ``IntegrationError`` for the first of the ``states`` after ``before`` that is not finite."""
        for n, u in enumerate(states):
            if not bool(u.isfinite().all()):
                time, h = self.numbers[n], self.numbers[n + 1] - self.numbers[n]
                said = f"state: not finite after the step from t = {time:.6g} of size {h:.3g}"
                hint = "take smaller steps, or a drift and a diffusion that grow more slowly"
                raise IntegrationError(f"{said}; {hint}", time=time, state=before, step=h)
            before = u


def made(drift: Field, diffusion: Field, u0: Tensor, t: Tensor, path: Path, scheme: PathScheme) -> Way:
    """Return the way of these arguments; raise ``TypeError`` or ``ValueError`` for the first wrong one."""
    for name, one, of in (("drift", drift, "(t, u)"), ("diffusion", diffusion, "(t, u)"), ("path", path, "t")):
        if not callable(one) or isinstance(one, type):
            checks.fail(name, f"a function of {of}", type(one).__name__, error=TypeError)
    if not isinstance(scheme, EulerMaruyama | StratonovichHeun | ReversibleHeun):
        found = f"the class {scheme.__name__}" if isinstance(scheme, type) else type(scheme).__name__
        wanted = "EulerMaruyama(), StratonovichHeun() or ReversibleHeun()"
        checks.fail("scheme", wanted, found, error=TypeError)
    checks.reals("u0", u0)
    check_grid(t)
    if t.requires_grad:
        checks.fail(
            "t", "times without gradients", "some with", "a path has no derivative in time; take t.detach()"
        )
    if isinstance(scheme, EulerMaruyama) and bool(t[-1] < t[0]):
        hint = "backwards the rule solves another equation; take StratonovichHeun with stratonovich_drift"
        checks.fail("t", "an increasing grid for Itô's equation", "a decreasing one", hint)
    return Way(_checked("drift", drift, u0), _checked("diffusion", diffusion, u0), t, t.tolist(), path, scheme, u0)


def _checked(name: str, f: Field, u0: Tensor) -> Field:
    """Wrap a function so that a value of the wrong kind, shape or dtype is named, not broadcast or promoted."""
    shape, dtype = u0.shape, u0.dtype

    def checked(t: Tensor, u: Tensor) -> Tensor:
        value = f(t, u)
        if not (isinstance(value, Tensor) and value.shape == shape and value.dtype == dtype):
            said = f"{name}(t, u)"
            checks.same_shape(said, value, tuple(shape), hint="return a tensor of the shape of u")
            checks.fail(said, f"dtype {dtype}, that of u", f"dtype {value.dtype}", "convert u0", error=TypeError)
        return value

    return checked
