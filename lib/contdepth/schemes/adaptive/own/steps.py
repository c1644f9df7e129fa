"""Steps of an embedded pair for members with sizes of their own, where no derivative is recorded."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes.adaptive.explicit import ExplicitSteps
from contdepth.schemes.adaptive.flow import Flow
from contdepth.schemes.adaptive.pairs import EmbeddedPair

__all__ = ["OwnPairSteps"]


class OwnPairSteps(ExplicitSteps):
    """As ``ExplicitSteps``, for states ``(members, d)`` and sizes ``(members, 1)``, in few kernels.

    The times of all stages are made at once, and sizes stand in one tensor of the shape of the state. A value of f
    is looked at shortly; where it is odd, f is called again and says what is wrong.
    """

    def __init__(self, pair: EmbeddedPair, flow: Flow, u: Tensor, first: Tensor) -> None:
        super().__init__(pair, flow, u, first, recorded=False)
        self.first = first.clone(memory_format=torch.contiguous_format)
        self.sizes = torch.empty_like(u, memory_format=torch.contiguous_format)
        nodes = sorted(set(pair.c[1:]))
        self.nodes = torch.tensor(nodes, dtype=torch.float64, device=u.device).view(-1, 1, 1)
        which = [nodes.index(c) for c in pair.c[1:]]
        self.weight, known = pair.a[1][0], [None, *self.known[1:]]
        self.stages = list(zip(which, self.rows, known, self.slots[1:], strict=False))

    def attempt(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after a step of size ``h`` and the estimate of its error, of the shape of ``u``."""
        assert isinstance(h, Tensor)
        sizes, flat, (members, width) = self.sizes.copy_(h), u.view(-1), u.shape
        raw, dtype, shape, counted = self.flow.raw, u.dtype, u.shape, not torch.is_inference_mode_enabled()
        if self.nodes.dtype != t.dtype:
            self.nodes = self.nodes.to(t.dtype)
        together = torch.addcmul(t, self.nodes, h if h.dtype == t.dtype else h.to(t.dtype))
        times, addmv, mul = together.unbind(), torch.addmv, torch.mul
        old = together._version if counted else 0
        mul(self.first, sizes, out=self.slots[0])
        stage = torch.add(u, self.slots[0], alpha=self.weight)
        for which, row, known, slot in self.stages:
            if known is not None:
                stage = addmv(flat, known, row).resize_(members, width)
            time, before = times[which], stage._version if counted else 0
            value = raw(time, stage)
            odd = not isinstance(value, Tensor) or value.shape != shape or value.dtype != dtype
            if odd or counted and (stage._version != before or together._version != old):
                value = self.flow.f(time, stage)
            mul(value, sizes, out=slot)
        self.flow.calls += len(self.stages)
        self.last = value
        return stage, torch.mv(self.known[-1], self.weights).resize_(members, width)

    def accept_where(self, accepted: Tensor) -> None:
        """Take the last slopes for the first ones of the next step where ``accepted``, of the shape of a state."""
        torch.where(accepted, self.last, self.first, out=self.first)
