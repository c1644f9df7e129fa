"""How large a step may be: the error over what is allowed, the controller, the first step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.schemes.adaptive.flow import Flow, along, number

__all__ = ["CONTROL", "Allowance", "Control", "first_step"]


@dataclass(frozen=True)
class Control:
    """A PI controller (Gustafsson 1991) for an error of order 5 in h.

    Steps aim at the share ``aim`` of the allowed error. Where the last two errors were e and e' as shares of that
    aim, the next step is e^-``now`` e'^``before`` times as long: between ``least`` and ``most`` times, at most
    ``shorter`` times after a rejection. With these numbers Dormand–Prince needs fewer evaluations than
    torchdiffeq's ``dopri5``, at an error that is not larger (``benchmarks/adaptive.py``).
    """

    aim: float = 0.9**5
    now: float = 1.0 / 5
    before: float = 0.2 / 5
    least: float = 0.2
    most: float = 10.0
    shorter: float = 0.9

    def factor(self, error: float, last: float, again: bool) -> float:
        """Return the factor after a step with ``error``, before which an accepted one had ``last``.

        A rejected step shrinks, and the one after it, ``again``, does not grow; one whose error is no number
        shrinks most.
        """
        if not math.isfinite(error):
            return self.least
        now, before = max(error, TINY) / self.aim, max(last, TINY) / self.aim
        most = self.shorter if error > 1.0 else 1.0 if again else self.most
        return min(most, max(self.least, now**-self.now * before**self.before))


TINY = 1e-10
CONTROL = Control()


@dataclass(frozen=True)
class Allowance:
    """The error that a step may make: ``atol`` + ``rtol`` times the larger of |u| before and after.

    The error of a step is the root mean square of its shares of that, over the coordinates that step together.
    """

    rtol: float
    atol: Tensor
    own: bool

    def size(self, values: Tensor, scale: Tensor) -> Tensor:
        """Return the root mean square of ``values / scale``: a number, or ``(..., 1)`` for own steps."""
        share = values / scale
        if self.own:
            return torch.linalg.vector_norm(share, dim=-1, keepdim=True) / math.sqrt(max(1, share.shape[-1]))
        return torch.linalg.vector_norm(share) / math.sqrt(max(1, share.numel()))

    def of(self, error: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Return the error as a share of the allowed one, and |after|; ``before`` is |u| before the step."""
        size = after.abs()
        return self.size(error, torch.add(self.atol, torch.maximum(before, size), alpha=self.rtol)), size


def first_step(flow: Flow, t: Tensor, u: Tensor, slope: Tensor, sign: float, allowed: Allowance) -> Tensor:
    """Return the size of the first step (Hairer, Nørsett and Wanner, section II.4): one evaluation of f.

    A number, or ``(..., 1)`` for own steps.
    """
    scale = torch.add(allowed.atol, u.abs(), alpha=allowed.rtol)
    state, rate = allowed.size(u, scale), allowed.size(slope, scale)
    small = (state < 1e-5) | (rate < 1e-5)
    guess = torch.where(small, 1e-6, 0.01 * state / torch.where(small, 1.0, rate))
    ahead = flow(along(t, sign * guess if allowed.own else sign * number(guess), 1.0), u + sign * guess * slope)
    bend = allowed.size(ahead - slope, scale) / guess
    largest = torch.maximum(rate, bend)
    flat = largest <= 1e-15
    step = torch.where(flat, torch.clamp(guess * 1e-3, min=1e-6), (0.01 / torch.where(flat, 1.0, largest)) ** 0.2)
    return torch.nan_to_num(torch.minimum(100 * guess, step), nan=1e-6, posinf=1e-6)
