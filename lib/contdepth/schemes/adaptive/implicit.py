"""Steps of a Rosenbrock scheme: one Jacobian a step, one factorisation an attempt, a solve a stage."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contdepth.schemes.adaptive.flow import Flow, along, numbers_of
from contdepth.schemes.adaptive.jacobian import linearised
from contdepth.schemes.adaptive.rosenbrock import Rosenbrock

__all__ = ["RosenbrockSteps"]

FEW = 16
"""Up to so many coordinates a product with the inverse is several times as quick as solving with factors."""


class RosenbrockSteps:
    """Steps of ``scheme`` for ``blocks`` (m, d): m samples that do not read one another, of d coordinates each.

    Unless derivatives are recorded the stages stand in one buffer, which the next attempt overwrites.
    """

    def __init__(self, scheme: Rosenbrock, flow: Flow, u: Tensor, recorded: bool, blocks: tuple[int, int]) -> None:
        self.scheme, self.flow, self.recorded, self.blocks = scheme, flow, recorded, blocks
        self.a, self.m = numbers_of(scheme.a, u), numbers_of(scheme.m, u)
        self.dense = torch.tensor(scheme.dense, dtype=u.dtype, device=u.device)
        self.identity = torch.eye(blocks[1], dtype=u.dtype, device=u.device)
        self.here: tuple[Tensor, Tensor, Tensor | None] | None = None
        self.slopes = u.new_empty(0)
        if not recorded:
            self._prepare(u)

    def _prepare(self, u: Tensor) -> None:
        """Make what the attempts share: the buffer, its parts and the nodes."""
        scheme = self.scheme
        self.slopes = u.new_empty((scheme.stages, u.numel()))
        nodes = sorted({c for c in scheme.c if c})
        self.nodes = torch.tensor(nodes, dtype=torch.float64, device=u.device)
        which = [nodes.index(c) if c else -1 for c in scheme.c]
        known = [self.slopes[:i].T for i in range(scheme.stages)]
        self.plan = list(zip(which, known, self.a, self.m, scheme.d, self.slopes.unbind(), strict=True))

    def begin(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the slope at the start."""
        self.here = linearised(self.flow, t, u, self.blocks, self.recorded, self.identity)
        return self.here[0]

    def attempt(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after a step of size ``h`` and the estimate of its error, of the shape of ``u``."""
        if self.here is None:
            self.begin(t, u)
        if self.recorded:
            return self._recorded(t, u, h)
        return self._own(t, u, h) if isinstance(h, Tensor) else self._common(t, u, h)

    def _common(self, t: Tensor, u: Tensor, h: float) -> tuple[Tensor, Tensor]:
        """As :meth:`attempt`, the equations divided by gamma h: one matrix, of which no stage needs a multiple."""
        assert self.here is not None
        slope, jacobian, moving = self.here
        flat, flow, line = u.view(-1), self.flow, u.ndim == 1
        matrix = torch.sub(self.identity * (1 / (self.scheme.gamma * h)), jacobian)
        solve = self._solver(matrix)
        times = self._times(t, torch.add(t, self._nodes(t), alpha=h))
        for i, (time, known, a, m, d, slot) in enumerate(self.plan):
            if i:
                stage = torch.addmv(flat, known, a)
                slope = flow(times[time], stage)
                right = torch.addmv(slope if line else slope.reshape(-1), known, m, alpha=1 / h)
            else:
                stage, right = flat, slope.reshape(-1)
            if moving is not None and d:
                right = right.add(moving.reshape(-1), alpha=d * h)
            solve(right, slot)
        after, error = torch.add(stage, slot), self.scheme.caution * slot
        return (after, error) if line else (after.view(u.shape), error.view(u.shape))

    def _own(self, t: Tensor, u: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`attempt`, each with a size of its own, which is 0 where a member is at the end."""
        assert self.here is not None
        slope, jacobian, moving = self.here
        flat, size = u.view(-1), self.scheme.gamma * h
        solve = self._solver(self.identity - size.reshape(-1, 1, 1).to(jacobian.dtype) * jacobian)
        nodes = self._nodes(t).view(-1, *(1 for _ in t.shape))
        times = self._times(t, torch.addcmul(t, nodes, h.to(t.dtype)))
        for i, (time, known, a, m, d, slot) in enumerate(self.plan):
            stage = torch.addmv(flat, known, a) if i else flat
            slope = self.flow(times[time], stage) if i else slope
            right = (slope * size).reshape(-1)
            if i:
                right = torch.addmv(right, known, m, alpha=self.scheme.gamma)
            if moving is not None and d:
                right = right + (moving * (size * d * h)).reshape(-1)
            solve(right, slot)
        return torch.add(stage, slot).view(u.shape), (self.scheme.caution * slot).view(u.shape)

    def _nodes(self, t: Tensor) -> Tensor:
        if self.nodes.dtype != t.dtype or self.nodes.device != t.device:
            self.nodes = self.nodes.to(t)
        return self.nodes

    def _times(self, t: Tensor, ahead: Tensor) -> list[Tensor]:
        return [*ahead.unbind(), t]

    def _solver(self, matrix: Tensor) -> Callable[[Tensor, Tensor], object]:
        """Return what solves with ``matrix`` for a right side and writes the solution."""
        members, width = self.blocks
        if width > FEW:
            lu, pivots, _ = torch.linalg.lu_factor_ex(matrix)
            column = (members, width, 1)
            return lambda b, x: x.copy_(torch.linalg.lu_solve(lu, pivots, b.view(column)).view(-1))
        inverse = torch.linalg.inv_ex(matrix)[0]
        if members > 1:
            column = (members, width, 1)
            return lambda b, x: torch.bmm(inverse, b.view(column), out=x.view(column))
        one = inverse[0]
        return lambda b, x: torch.mv(one, b, out=x)

    def _recorded(self, t: Tensor, u: Tensor, h: float | Tensor) -> tuple[Tensor, Tensor]:
        assert self.here is not None
        slope, jacobian, moving = self.here
        gamma, flat = self.scheme.gamma, u.reshape(-1)
        each = h.reshape(-1, 1, 1).to(u.dtype) if isinstance(h, Tensor) and h.ndim else h
        lu, pivots, _ = torch.linalg.lu_factor_ex(self.identity - gamma * each * jacobian)
        found: list[Tensor] = []
        stage = flat
        for i, c in enumerate(self.scheme.c):
            if i:
                known = torch.stack(found).T
                stage = torch.addmv(flat, known, self.a[i])
                slope = self.flow(along(t, h, c), stage)
            right = (slope * (gamma * h)).reshape(-1)
            if i:
                right = torch.addmv(right, known, self.m[i], alpha=gamma)
            if moving is not None and self.scheme.d[i]:
                right = right + (moving * (gamma * self.scheme.d[i] * h * h)).reshape(-1)
            k = torch.linalg.lu_solve(lu, pivots, right.view(*self.blocks, 1)).reshape(-1)
            found.append(k)
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
