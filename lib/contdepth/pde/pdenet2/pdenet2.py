"""PDE-Net 2.0 as an estimator: constrained filters, SymNet, sparsity, block-wise training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy
import torch
from torch import Tensor

from contdepth import checks, devices
from contdepth.pde.doors import boolean
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.trajectories import Trajectories, require_grid, windows
from contdepth.pde.filters.constrained import BOUNDARIES
from contdepth.pde.pdenet2.block import SCHEMES, STARTS, PDENet2Block
from contdepth.pde.pdenet2.optimise import METHODS, Minimised, minimise
from contdepth.pde.symbolic.terms import symbols

if TYPE_CHECKING:
    from contdepth.pde.fields.grids import Array

__all__ = ["PDENet2", "objective"]


def there(mask: Tensor) -> list[Tensor | None]:
    """The windows (m,) whose frame is known after each block, None for all of them; ``mask`` (M, n)."""
    return [None if bool(column.all()) else column.nonzero()[:, 0] for column in mask.unbind(1)]


def objective(
    block: PDENet2Block,
    start: Tensor,
    target: Tensor,
    mask: Tensor | Sequence[Tensor | None],
    weight: Tensor,
    *,
    sparsity: float = 0.0,
    moments: float = 0.0,
) -> Tensor:
    """Loss of n blocks: Σ over blocks of the weighted data error + n sparsity |SymNet| + n moments |free moments|.

    start (M, F, *space), target (M, n, F, *space), mask (M, n) or ``there(mask)``, weight (F,): factors of the
    squared errors of the fields. Without periodicity the points that a border has reached do not count
    (``PDENet2Block.interior``). The penalties are the Huber-type norms of ``SymNet.penalty`` and
    ``PDENet2Block.moment_penalty`` (PDE-Net 2.0, section 2.4).
    """
    blocks = target.shape[1]
    total = start.new_zeros(())
    scale = weight.view(1, -1, *[1] * (start.ndim - 2))
    known = there(mask) if isinstance(mask, Tensor) else mask
    for n, state in enumerate(block.unroll(start, blocks)):
        present, inner = known[n], (..., *block.interior(n + 1, start.shape[2:]))
        wanted = target[:, n]
        if present is not None:
            state, wanted = state[present], wanted[present]
        if len(state):
            total = total + ((state[inner] - wanted[inner]).square() * scale).mean()  # type: ignore[index]
    if sparsity:
        total = total + blocks * sparsity * block.symnet.penalty()
    if moments:
        total = total + blocks * moments * block.moment_penalty()
    return total


class PDENet2(Estimator):
    r"""PDE-Net 2.0: learn :math:`u_t = F(u, ∇u, ∇²u, …)` and its discretisation together, then read F.

    Args:
        order: highest total order of the derivatives offered to F.
        size: points N of a filter along each axis, odd.
        accuracy: order of accuracy to which the filters are constrained (official code: integer constraint).
        filters: "learned", or "frozen" for finite differences.
        upwind: pseudo-upwind first derivatives (see ``PDENet2Block``).
        hidden: products in each SymNet.
        sparsity: factor of the ℓ1-like penalty on the SymNet's weights; 0 in the warm-up.
        moment_penalty: factor of the same on the free moments; 0 in the warm-up.
        relative: divide the squared error of each field by the mean square of its increment over one time step,
            so that one ``sparsity`` serves data of any scale; otherwise by δt², as the official code does
            (with sparsity 0.005 and moment_penalty 0.001).
        scheme: "euler" (paper) or "midpoint" (official code), see ``PDENet2Block``.
        blocks: numbers of δt-blocks, one training stage each; a warm-up of one block with frozen filters and no
            penalty goes before.
        iterations: iterations of the optimiser in each stage, one number or (warm-up, other stages).
        optimiser: "lbfgs" or "adam".
        history: pairs that L-BFGS keeps.
        rate: Adam's step size at the start of a stage.
        batch: at most that many training windows, spread evenly over the data.
        substeps: Euler steps in one block.
        boundary: "periodic" or "replicate".
        start: "central" or "one-sided" first derivatives at the start (official code: one-sided), see
            ``PDENet2Block``.
        normalise: divide each input of the SymNet by its root mean square over the data (finite differences) and
            multiply outputs by that of the rate of change, so that units do not matter; the read-out is in the
            unscaled variables. The official code does not.
        degree: degree up to which ``equations`` expands the polynomial.
        seed: start of the SymNet's weights.
        device: where it is trained and computes, such as "cuda"; arrays go in and come out on the CPU.

    Attributes after ``fit``:
        block_: the trained ``PDENet2Block``.
        stages_: list of (blocks, ``Minimised``), warm-up first with blocks 0.

    Departures from the official code. L-BFGS with ``history`` pairs on torch parameters replaces SciPy's dense
    BFGS. The constraint on moments holds by parametrisation. With ``relative`` the errors are scaled as above.

    Raises:
        TypeError, ValueError: a hyper-parameter out of range; data as in ``Estimator.fit``.
        DivergenceError: the learned step blows up in training.
    """

    def __init__(
        self,
        *,
        order: int = 2,
        size: int = 5,
        accuracy: int = 2,
        filters: str = "learned",
        upwind: bool = True,
        hidden: int = 5,
        sparsity: float = 1e-4,
        moment_penalty: float = 2e-5,
        relative: bool = True,
        scheme: str = "euler",
        blocks: Sequence[int] = (1, 2, 3, 4, 5, 6),
        iterations: int | Sequence[int] = 200,
        optimiser: str = "lbfgs",
        history: int = 200,
        rate: float = 1e-3,
        batch: int = 28,
        substeps: int = 1,
        boundary: str = "periodic",
        start: str = "central",
        normalise: bool = True,
        degree: int = 3,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.order = checks.integer("order", order, at_least=1)
        self.size = checks.integer("size", size, at_least=3)
        self.accuracy = checks.integer("accuracy", accuracy, at_least=1)
        self.filters = checks.one_of("filters", filters, ("learned", "frozen"))
        self.upwind = boolean("upwind", upwind)
        self.hidden = checks.integer("hidden", hidden, at_least=0)
        self.sparsity = checks.real("sparsity", sparsity, at_least=0)
        self.moment_penalty = checks.real("moment_penalty", moment_penalty, at_least=0)
        self.blocks = checks.several("blocks", blocks, "one stage for each, such as (1, 2, 3)")
        for n in self.blocks:
            checks.integer("blocks", n, at_least=1)
        if not self.blocks:
            checks.fail("blocks", "at least one stage, such as (1, 2, 3)", blocks)
        self.relative = boolean("relative", relative)
        self.scheme = checks.one_of("scheme", scheme, SCHEMES)
        self.iterations = stage_iterations(iterations)
        self.optimiser = checks.one_of("optimiser", optimiser, METHODS)
        self.history = checks.integer("history", history, at_least=1)
        self.rate = checks.real("rate", rate, above=0)
        self.batch = checks.integer("batch", batch, at_least=1)
        self.substeps = checks.integer("substeps", substeps, at_least=1)
        self.boundary = checks.one_of("boundary", boundary, tuple(BOUNDARIES))
        self.start = checks.one_of("start", start, STARTS)
        self.normalise = boolean("normalise", normalise)
        self.degree = checks.integer("degree", degree, at_least=1)
        self.seed = checks.integer("seed", seed, at_least=0)
        devices.named("device", device)
        self.device = device

    def _fit(self, data: Trajectories) -> None:
        require_grid(data, self.size)
        windows(data, max(self.blocks), at_most=1)  # too few frames: an error before training, not after
        self.block_ = PDENet2Block(
            len(data.names),
            data.dt,
            data.dx,
            order=self.order,
            size=self.size,
            accuracy=self.accuracy,
            hidden=self.hidden,
            upwind=self.upwind,
            scheme=self.scheme,
            substeps=self.substeps,
            boundary=self.boundary,
            start=self.start,
            seed=self.seed,
        ).to(data.values.device)
        self.stages_: list[tuple[int, Minimised]] = []
        weight = self._scales(data)
        self._stage(data, 0, weight)
        for n in self.blocks:
            self._stage(data, n, weight)

    def _scales(self, data: Trajectories) -> Tensor:
        """Factors of the squared errors (F,); sets the SymNet's scales if ``normalise``."""
        start, target, _ = windows(data, 1, at_most=self.batch)
        change = (target[:, 0] - start).transpose(0, 1).flatten(1).square().mean(1)
        if not bool((change > 0).all()):
            still = [n for n, c in zip(data.names, change.tolist(), strict=True) if c == 0]
            checks.fail("u", "fields that change in time", f"{', '.join(still)} at rest")
        if self.normalise:
            net, upwind = self.block_.symnet, self.block_.upwind
            self.block_.upwind = False
            with torch.no_grad():
                size = self.block_.features(start).square().mean((0, 2)).sqrt()
            self.block_.upwind = upwind
            net.input_scale.copy_(torch.where(size > 0, size, torch.ones_like(size)))
            net.output_scale.copy_(change.sqrt() / data.dt)
        return 1 / change if self.relative else torch.full_like(change, 1 / data.dt**2)

    def _stage(self, data: Trajectories, blocks: int, weight: Tensor) -> None:
        """Train ``blocks`` blocks from the present weights; 0 is the warm-up."""
        start, target, mask = windows(data, max(blocks, 1), at_most=self.batch)
        warm_up, known = blocks == 0, there(mask)
        self.block_.filters.freeze(warm_up or self.filters == "frozen")
        frozen = not self.block_.filters.free.requires_grad

        def loss() -> Tensor:
            return objective(
                self.block_,
                start,
                target,
                known,
                weight,
                sparsity=0.0 if warm_up else self.sparsity,
                moments=0.0 if frozen else self.moment_penalty,
            )

        result = minimise(
            loss,
            self.block_.parameters(),
            iterations=self.iterations[min(blocks, 1)],
            method=self.optimiser,
            history=self.history,
            rate=self.rate,
            recorded=True,
        )
        self.stages_.append((blocks, result))

    def _rhs(self, u: Tensor) -> Tensor:
        return self.block_.rhs(u)

    def _step(self, u: Tensor) -> Tensor:
        return self.block_(u)

    def _rollout(self, u: Tensor, steps: int) -> Tensor:
        return torch.stack([u, *self.block_.unroll(u, steps)], 1)

    def _expressions(self) -> dict[str, sympy.Expr]:
        names = [str(s) for s in symbols(self.names_, self.block_.alphas)]
        found = self.block_.symnet.expressions(names, degree=self.degree)
        return dict(zip(self.names_, found, strict=True))

    def remainder(self, u: Array | Sequence[Array] | Trajectories) -> dict[str, float]:
        """What ``equations`` leaves out: relative root mean square of F minus the read-out on the frames u."""
        self._require_fit()
        data = self._again(u)
        frames = data.values[data.present]
        with torch.no_grad():
            x = self.block_.features(frames)
            whole = self.block_.symnet(x).transpose(0, 1).flatten(1)
        points = x.transpose(1, 2).flatten(0, 1)
        names = symbols(self.names_, self.block_.alphas)
        out = {}
        for name, values, expression in zip(self.names_, whole, self._expressions().values(), strict=True):
            read = sympy.lambdify(names, expression, "numpy", cse=True)(*points.cpu().numpy().T)
            left = values - torch.as_tensor(read, device=values.device)
            out[name] = float(left.square().mean().sqrt() / values.square().mean().sqrt())
        return out


def stage_iterations(iterations: int | Sequence[int]) -> tuple[int, ...]:
    """(warm-up, other stages) from one number or two."""
    pair: tuple[int, ...] = (iterations, iterations) if isinstance(iterations, int) else tuple(iterations)
    if len(pair) != 2:
        checks.fail("iterations", "one number or (warm-up, other stages)", iterations)
    for n in pair:
        checks.integer("iterations", n, at_least=0)
    return pair
