"""The controller of a batch: steps, what is left to go and who may go on, written in place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from contdepth.schemes.adaptive.control import CONTROL, TINY, Allowance

__all__ = ["OwnControl"]


class OwnControl:
    """The PI controller of ``CONTROL`` for members ``(m, 1)`` in float64, as logarithms of norms.

    ``h`` is the next step and ``left`` what is left to go, both without sign. Errors are norms, not means: the
    root of the number of coordinates ``width`` stands in the constants. Three rows change together where a step is
    accepted: what is left, the logarithm of the last error, and by how much the next step may grow.
    """

    def __init__(self, allowed: Allowance, h: Tensor, left: Tensor, width: int) -> None:
        self.atol, self.rtol = allowed.atol, allowed.rtol
        bound, real = math.sqrt(max(1, width)), allowed.atol.dtype
        aim = math.log(CONTROL.aim * bound)
        self.bound = torch.full_like(h, bound, dtype=real)
        self.floor, self.narrow = TINY * self.bound, real != h.dtype
        self.h = h
        self.rows = torch.stack([left, torch.full_like(h, CONTROL.now * aim), _log(h, CONTROL.most)])
        self.accepted = torch.stack([left, left, _log(h, CONTROL.most)])
        self.left, self.last, self.most = self.rows.unbind()
        self.next_left, self.next_last, _ = self.accepted.unbind()
        self.offset = torch.full_like(h, (CONTROL.now - CONTROL.before) * aim)
        self.shorter, self.least = _log(h, CONTROL.shorter), _log(h, CONTROL.least)
        self.norm, self.exponent, self.top = self.floor.clone(), torch.empty_like(h), torch.empty_like(h)
        self.scale = self.share = torch.empty(0)

    def error(self, estimate: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return the norms of ``estimate`` as shares of what is allowed; the others are |u|.

        They stand where the next ones are written.
        """
        if self.share.shape != estimate.shape:
            self.scale, self.share = torch.empty_like(before), torch.empty_like(estimate)
        torch.maximum(before, after, out=self.scale)
        torch.add(self.atol, self.scale, alpha=self.rtol, out=self.scale)
        torch.div(estimate, self.scale, out=self.share)
        return torch.linalg.vector_norm(self.share, dim=-1, keepdim=True, out=self.norm)

    def judge(self, norm: Tensor, step: Tensor) -> Tensor:
        """Return whose steps are accepted, and set ``left`` and ``h``.

        fmax passes over what is no number.
        """
        good = norm <= self.bound
        size = torch.maximum(norm, self.floor).log_()
        size = size.to(step.dtype) if self.narrow else size
        exponent, top = self.exponent, self.top
        torch.add(self.last, size, alpha=-CONTROL.now, out=exponent)
        torch.fmax(exponent, self.least, out=exponent)
        torch.where(good, self.most, self.shorter, out=top)
        factor = torch.minimum(exponent, top, out=exponent).exp_()
        torch.sub(self.left, step, out=self.next_left)
        torch.add(self.offset, size, alpha=CONTROL.before, out=self.next_last)
        self.most.zero_()
        torch.where(good, self.accepted, self.rows, out=self.rows)
        self.h = step * factor
        return good


def _log(like: Tensor, value: float) -> Tensor:
    return torch.full_like(like, math.log(value))
