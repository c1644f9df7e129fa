"""Steps of an embedded pair: the sums over slopes are one product each."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes.adaptive.flow import Flow, along, numbers_of
from contdepth.schemes.adaptive.pairs import EmbeddedPair
from contdepth.schemes.base import axpy

__all__ = ["ExplicitSteps"]


class ExplicitSteps:
    """Steps of ``pair``, the first from a state with slope ``first``. ``slopes`` ``(s, n)`` is h times the slopes.

    Unless derivatives are recorded the slopes stand in one buffer, which the next step overwrites.
    """

    def __init__(self, pair: EmbeddedPair, flow: Flow, u: Tensor, first: Tensor, recorded: bool) -> None:
        self.pair, self.flow, self.recorded = pair, flow, recorded
        self.rows = numbers_of(pair.a[1:], u)
        self.weights = numbers_of((pair.error,), u)[0]
        self.dense = torch.tensor(pair.dense, dtype=u.dtype, device=u.device)
        self.powers = torch.arange(1, self.dense.shape[1] + 1, device=u.device)
        self.first = self.last = first
        self.before_last = u
        self.slopes = u.new_empty(0)
        if not recorded:
            self.slopes = u.new_empty((len(pair.c), u.numel()))
            self.slots = self.slopes.view(len(pair.c), *u.shape).unbind()
            self.known = [self.slopes[:i].T for i in range(1, len(pair.c) + 1)]

    def begin(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the slope at the start, which the first step uses."""
        return self.first

    def attempt(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after a step of size ``h`` and the estimate of its error, of the shape of ``u``."""
        if self.recorded:
            return self._recorded(t, u, h)
        flow, flat = self.flow, u.view(-1)
        torch.mul(self.first, h, out=self.slots[0])
        stage, time, node = flat, t, 0.0
        for row, known, slot, c in zip(self.rows, self.known, self.slots[1:], self.pair.c[1:], strict=False):
            stage = torch.addmv(flat, known, row)
            if c != node:
                time, node = along(t, h, c), c
            self.last = flow(time, stage)
            torch.mul(self.last, h, out=slot)
        return stage.view(u.shape), torch.mv(self.known[-1], self.weights).view(u.shape)

    def _recorded(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        slopes, stage, before = [self.first], u, u
        for row, c in zip(self.pair.a[1:], self.pair.c[1:], strict=True):
            stage, before = u, stage
            for a, k in zip(row, slopes, strict=True):
                if a:
                    stage = axpy(stage, k, a * h)
            slopes.append(self.flow(along(t, h, c), stage))
        self.last, self.before_last = slopes[-1], before
        scaled = torch.stack([k * h for k in slopes])
        self.slopes = scaled.reshape(len(slopes), -1)
        error = torch.mv(self.slopes.T, self.weights)
        return stage, error.reshape(u.shape)

    def accept(self) -> None:
        """Take the last slope for the first one of the next step."""
        self.first = self.last

    def accept_where(self, accepted: Tensor) -> None:
        """Do so where ``accepted``."""
        self.first = torch.where(accepted, self.last, self.first)

    def inside(self, u: Tensor, after: Tensor, theta: Tensor) -> Tensor:
        """Return the states at the shares ``theta`` ``(m,)`` of the last step, ``(m, *u.shape)``."""
        shares = theta.to(u).unsqueeze(-1) ** self.powers @ self.dense.T
        return (u.reshape(-1) + shares @ self.slopes).reshape(len(theta), *u.shape)

    def inside_own(self, u: Tensor, after: Tensor, theta: Tensor, which: Tensor) -> Tensor:
        """As :meth:`inside`, for members ``which`` ``(m,)`` of a batch ``(members, d)``, each at its ``theta``."""
        shares = theta.to(u).unsqueeze(-1) ** self.powers @ self.dense.T
        slopes = self.slopes.reshape(len(self.pair.c), *u.shape)[:, which]
        return u[which] + torch.einsum("ms,smd->md", shares, slopes)
