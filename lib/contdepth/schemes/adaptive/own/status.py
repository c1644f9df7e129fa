"""How members of a batch end: at the end, or where they cannot go on, with the reason."""

from __future__ import annotations

from enum import IntEnum

from torch import Tensor

from contdepth.errors import IntegrationError

__all__ = ["Status", "raised"]


class Status(IntEnum):
    """What became of a member of a batch with own steps; the numbers stand in ``Statistics.status``."""

    DONE = 0
    """It reached the end."""
    ERROR_TOO_LARGE = 1
    """No step that moves the time keeps the error: the solution may end there."""
    NOT_FINITE = 2
    """No such step, and the last one tried gave values that are not finite."""
    TOO_MANY_STEPS = 3
    """The end is farther than the steps allowed."""


def raised(u: Tensor, first: int, time: float, step: float, said: str) -> IntegrationError:
    """Return the error that names member ``first`` of the states ``u``."""
    return IntegrationError(
        f"solve, member {first} of {len(u)} at t = {time:.10g}, step {step:.3g}: {said}; the solution may end "
        "there, more steps may be needed, or RODAS5P if it is stiff",
        time=time,
        state=u.detach()[first].clone(),
        step=step,
    )
