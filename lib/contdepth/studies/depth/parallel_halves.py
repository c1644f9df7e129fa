"""Part of a deep net in a process of its own: blocks relaxed at once, neighbours told a state and a co-state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from contdepth.studies.depth.parallel_nets import tanh_branch

__all__ = ["Half", "Link", "serial_gradient"]


@dataclass
class Link:
    """How a part speaks to its neighbour: what it sends, and what it waits for."""

    send: Callable[[Tensor], None]
    receive: Callable[[], Tensor]


class Half:
    """Blocks of ``block`` layers u + h tanh(u K_n + b_n), and what coarse steps over a block lack beside them.

    A step is one sweep of parareal for states and co-states, with the corrections F - G of the step before, and
    the weights' gradient from what was relaxed: Günther et al.'s simultaneous optimisation. While the weights are
    held fixed, repeated steps lead to the gradient of backpropagation. Departure: their sweep takes the
    corrections from the weights as they are now, and then needs a second relaxation for the states in the blocks.

    Args:
        K, b: weights ``(n, d, d)`` and ``(n, d)`` of its layers, n a multiple of ``block``; the user updates them.
        h: step size.
        block: layers a block.
        link: to the other half.
        first: state before the first of all layers, ``(batch, d)``; None in the half behind.
        closing, labels: of the half behind, ``(d, classes)`` and ``(batch,)``; else None.
    """

    def __init__(
        self,
        K: Tensor,
        b: Tensor,
        h: float,
        block: int,
        link: Link,
        *,
        first: Tensor | None = None,
        closing: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> None:
        self.K, self.b = K.clone().requires_grad_(), b.clone().requires_grad_()
        self.h, self.block, self.link, self.first, self.labels = h, block, link, first, labels
        self.closing = None if closing is None else closing.clone().requires_grad_()
        self.blocks = len(K) // block
        self.lacks: Tensor | None = None
        self.back_lacks: Tensor | None = None
        self.loss = float("nan")

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained here."""
        return [self.K, self.b, *([] if self.closing is None else [self.closing])]

    def coarse(self, u: Tensor, at: slice) -> Tensor:
        """One step over a whole block for the blocks ``at``, with the weights of their first layers."""
        K, b = self.K.detach()[:: self.block][at], self.b.detach()[:: self.block][at]
        return u + self.block * self.h * tanh_branch(u, K, b)

    def pull(self, u: Tensor, p: Tensor, at: slice) -> Tensor:
        """The transpose of ``coarse`` at ``u``."""
        with torch.enable_grad():
            u = u.detach().requires_grad_()
            return torch.autograd.grad(self.coarse(u, at), u, p)[0]

    def relax(self, u: Tensor) -> Tensor:
        """The ends of all blocks from their starts (blocks, batch, d), with the graph."""
        K, b = (one.unflatten(0, (self.blocks, self.block)).unbind(1) for one in (self.K, self.b))
        for k, c in zip(K, b, strict=True):
            u = u + self.h * tanh_branch(u, k, c)
        return u

    def step(self) -> list[Tensor]:
        """One sweep; the gradients of ``parameters``. The half behind has the ``loss`` of its last state then.

        First the coarse solve with the weights as they are now, corrected by what it lacked in the step before;
        then the blocks, all at once. The same for the co-states.
        """
        old = self.forwards(self.lacks).requires_grad_()
        out = self.relax(old)
        self.lacks = out.detach() - self.coarse(old.detach(), slice(None))
        end, grown = (None, []) if self.closing is None else self.leave(out[-1])
        ends = self.backwards(old, self.back_lacks, end)
        back, *found = torch.autograd.grad(out, [old, self.K, self.b], ends)
        self.back_lacks = back - self.pull(old, ends, slice(None))
        return [*found, *grown]

    @torch.no_grad()
    def forwards(self, lacks: Tensor | None) -> Tensor:
        """States before each block, by coarse steps and what these lack."""
        u = self.link.receive() if self.first is None else self.first
        found = []
        for j in range(self.blocks):
            found.append(u)
            u = self.coarse(u[None], slice(j, j + 1))[0]
            u = u if lacks is None else u + lacks[j]
        if self.labels is None:
            self.link.send(u)
        return torch.stack(found)

    def backwards(self, u: Tensor, lacks: Tensor | None, end: Tensor | None) -> Tensor:
        """Co-states behind each block, by the coarse steps' transposes at ``u`` and what these lack."""
        p = self.link.receive() if end is None else end
        found = []
        for j in reversed(range(self.blocks)):
            found.append(p)
            p = self.pull(u[j : j + 1], p[None], slice(j, j + 1))[0]
            p = p if lacks is None else p + lacks[j]
        if self.first is None:
            self.link.send(p)
        return torch.stack(found[::-1])

    def leave(self, final: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradients of the loss in the last state, and in the closing matrix."""
        assert self.closing is not None and self.labels is not None
        final = final.detach().requires_grad_()
        loss = cross_entropy(final @ self.closing, self.labels)
        self.loss = float(loss.detach())
        end, grown = torch.autograd.grad(loss, [final, self.closing])
        return end, [grown]


def serial_gradient(
    K: Tensor, b: Tensor, closing: Tensor, u: Tensor, labels: Tensor, h: float
) -> tuple[float, list[Tensor]]:
    """Loss and gradients by backpropagation, one layer after the other."""
    for k, c in zip(K.unbind(), b.unbind(), strict=True):  # K[n] would cost a whole K in each layer's gradient
        u = u + h * torch.tanh(torch.addmm(c, u, k))
    loss = cross_entropy(u @ closing, labels)
    return float(loss.detach()), list(torch.autograd.grad(loss, [K, b, closing]))
