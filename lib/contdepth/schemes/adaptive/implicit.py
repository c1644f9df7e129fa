"""Steps of a Rosenbrock scheme: one Jacobian a step, one factorisation an attempt, a solve a stage."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth.schemes.adaptive.flow import Flow, along, numbers_of
from contdepth.schemes.adaptive.jacobian import linearised
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock

__all__ = ["RosenbrockSteps"]


class RosenbrockSteps:
    """Steps of ``scheme`` for ``blocks`` (m, d): m samples that do not read one another, of d coordinates each."""

    def __init__(self, scheme: Rosenbrock, flow: Flow, u: Tensor, recorded: bool, blocks: tuple[int, int]) -> None:
        self.scheme, self.flow, self.recorded, self.blocks = scheme, flow, recorded, blocks
        self.a, self.m = numbers_of(scheme.a, u), numbers_of(scheme.m, u)
        self.dense = torch.tensor(scheme.dense, dtype=u.dtype, device=u.device)
        self.identity = torch.eye(blocks[1], dtype=u.dtype, device=u.device)
        self.here: tuple[Tensor, Tensor, Tensor | None] | None = None
        self.slopes = u.new_empty(0)
        if not recorded:
            self.slopes = u.new_empty((scheme.stages, u.numel()))
            self.known = [self.slopes[:i].T for i in range(scheme.stages)]

    def begin(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the slope at the start."""
        self.here = linearised(self.flow, t, u, self.blocks, self.recorded)
        return self.here[0]

    def attempt(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after a step of size ``h`` and the estimate of its error, of the shape of ``u``."""
        if self.here is None:
            self.here = linearised(self.flow, t, u, self.blocks, self.recorded)
        slope, jacobian, moving = self.here
        gamma, flat = self.scheme.gamma, u.reshape(-1)
        each = h.reshape(-1, 1, 1).to(u.dtype) if isinstance(h, Tensor) and h.ndim else h
        lu, pivots, _ = torch.linalg.lu_factor_ex(self.identity - gamma * each * jacobian)
        found: list[Tensor] = []
        stage = flat
        for i, c in enumerate(self.scheme.c):
            if i:
                known = torch.stack(found).T if self.recorded else self.known[i]
                stage = torch.addmv(flat, known, self.a[i])
                slope = self.flow(along(t, h, c), stage)
            right = (slope * (gamma * h)).reshape(-1)
            if i:
                right = torch.addmv(right, known, self.m[i], alpha=gamma)
            if moving is not None and self.scheme.d[i]:
                right = right + (moving * (gamma * self.scheme.d[i] * h * h)).reshape(-1)
            k = torch.linalg.lu_solve(lu, pivots, right.view(*self.blocks, 1)).reshape(-1)
            if self.recorded:
                found.append(k)
            else:
                self.slopes[i] = k
        if self.recorded:
            self.slopes = torch.stack(found)
        return (stage + k).view(u.shape), (self.scheme.caution * k).view(u.shape)

    def accept(self) -> None:
        """Forget the Jacobian: the next step has its own."""
        self.here = None

    def accept_where(self, accepted: Tensor) -> None:
        """Forget the Jacobians of all: they are formed together."""
        self.here = None

    def inside(self, u: Tensor, after: Tensor, theta: Tensor) -> Tensor:
        """Return the states at the shares ``theta`` ``(m,)`` of the last step, ``(m, *u.shape)``."""
        share = theta.to(u).unsqueeze(-1)
        bend = torch.cat([torch.ones_like(share), share, share**2], -1) @ (self.dense @ self.slopes)
        before, end = u.reshape(-1), after.reshape(-1)
        states = (1 - share) * before + share * (end + (1 - share) * bend)
        return states.reshape(len(theta), *u.shape)
