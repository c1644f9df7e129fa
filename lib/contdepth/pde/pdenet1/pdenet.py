"""PDE-Net 1 as an estimator: fit trajectories of one field, read coefficient fields and source, simulate."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy
import torch

from contdepth import checks, devices
from contdepth.pde.doors import boolean
from contdepth.pde.estimator import Estimator
from contdepth.pde.fields.trajectories import Trajectories, require_change, require_grid
from contdepth.pde.pdenet1.block import PDENetBlock
from contdepth.pde.pdenet1.training import Stage, pairs, train_stage
from contdepth.pde.symbolic.terms import symbol_name
from contdepth.seeds import generator

__all__ = ["PDENet"]


class PDENet(Estimator):
    """Linear equations with unknown coefficient fields and a source of the value: PDE-Net (arXiv 1710.09668).

    Model: blocks u(t + dt) = D_0 u + dt sum_a c_a(x) D_a u + dt f(u) with shared weights. Training: a warm-up
    of one block with frozen filters, then the numbers in ``blocks`` one after the other, each from the last,
    by L-BFGS on the relative squared error at the last block (section 2.3; details in ``pdenet_training``).
    Departures: scaled unknowns, memory 50 instead of 500, and new pairs of frames drawn for each stage.

    Args:
        size: filter width N.
        order: highest order of the derivatives.
        filters: ``"learned"`` within their moment constraints, or ``"frozen"`` finite differences.
        coefficients: ``"fields"`` c_a(x) (1 or 2 space axes) or ``"constant"``.
        mesh: cells along each axis for the piecewise quadratic fields.
        source: None or a mapping with keys cells (20), range R (15; the interval [-R, R]), degree (4).
        blocks: numbers of blocks of the stages after the warm-up.
        iterations: L-BFGS iterations in each stage.
        memory: update pairs that L-BFGS keeps.
        batch: pairs of frames in a stage (all there are if fewer); None for all. The paper has 24; more pairs
            average more noise at proportional cost.
        accuracy: order to which the derivative filters are constrained, 1 as in the paper.
        average: ``"filter"`` for a learned D_0 or ``"identity"``.
        zero_order: include a term c_0(x) D_0 u.
        jitter: standard deviation of Gaussian noise added to the start frames, relative to their largest value.
            Data without noise say nothing about short waves, and a step may then amplify them; 0.002 settles
            it. It is an error of the input: much more of it competes with the increment and biases what is read.
        boundary: ``"periodic"`` or ``"replicate"``.
        seed: for the draw of pairs.
        device: where it is trained and computes, such as "cuda"; arrays go in and come out on the CPU.

    Attributes:
        block_: the trained ``PDENetBlock``; ``stages_``: one ``Stage`` each; ``states_``: parameters after
            each stage.

    Raises:
        TypeError, ValueError: for hyper-parameters or data that do not fit, in one sentence.
    """

    def __init__(
        self,
        *,
        size: int = 7,
        order: int = 4,
        filters: str = "learned",
        coefficients: str = "fields",
        mesh: int = 20,
        source: Mapping[str, Any] | None = None,
        blocks: Sequence[int] = (1, 2, 3, 4, 5, 6),
        iterations: int = 50,
        memory: int = 50,
        batch: int | None = 96,
        accuracy: int = 1,
        average: str = "filter",
        zero_order: bool = False,
        jitter: float = 0.0,
        boundary: str = "periodic",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.filters = checks.one_of("filters", filters, ("learned", "frozen"))
        self.size, self.order, self.coefficients_kind = size, order, coefficients
        self.mesh, self.source_options = mesh, source
        self.blocks = checks.several("blocks", blocks, "one stage for each, such as (1, 2, 3)")
        for n in self.blocks:
            checks.integer("blocks", n, at_least=1)
        self.iterations = checks.integer("iterations", iterations, at_least=1)
        self.memory = checks.integer("memory", memory, at_least=1)
        self.batch = None if batch is None else checks.integer("batch", batch, at_least=1)
        self.accuracy, self.average = accuracy, average
        self.zero_order = boolean("zero_order", zero_order)
        self.jitter = checks.real("jitter", jitter, at_least=0)
        self.boundary, self.seed = boundary, checks.integer("seed", seed, at_least=0)
        devices.named("device", device)
        self.device = device
        checks.integer("size", size, at_least=3)
        checks.one_of("coefficients", coefficients, ("fields", "constant"))

    def parameters(self) -> dict[str, object]:
        """Hyper-parameters by name."""
        renamed = {"coefficients": "coefficients_kind", "source": "source_options"}
        names = PDENet.__init__.__kwdefaults__
        return {name: getattr(self, renamed.get(name, name)) for name in names}  # type: ignore[union-attr]

    def _fit(self, data: Trajectories) -> None:
        if len(data.names) != 1:
            checks.fail("u", "one field", f"{len(data.names)}: {', '.join(data.names)}", "use PDENet2 for systems")
        require_grid(data, self.size)
        require_change(data)
        self.block_ = PDENetBlock(
            data.grid,
            data.dx,
            data.dt,
            order=self.order,
            size=self.size,
            coefficients=self.coefficients_kind,
            mesh=self.mesh,
            source=self.source_options,
            zero_order=self.zero_order,
            accuracy=self.accuracy,
            average=self.average,
            boundary=self.boundary,
        ).to(data.values.device)
        pairs(data, max(self.blocks), 1, self.seed)  # too few frames: an error before training, not after
        self.block_.interior(max(self.blocks))
        self.stages_: list[Stage] = []
        self.states_: list[dict[str, torch.Tensor]] = []
        for blocks in (0, *self.blocks):
            start, target = pairs(data, max(blocks, 1), self.batch, self.seed)
            if self.jitter:
                draws = torch.randn(
                    start.shape, dtype=start.dtype, generator=generator(self.seed, f"jitter/{blocks}")
                )
                largest = start.flatten(1).abs().amax(1).view(-1, *[1] * (start.ndim - 1))
                start = start + self.jitter * largest * draws.to(start)
            self.stages_.append(
                train_stage(
                    self.block_,
                    start,
                    target,
                    blocks,
                    iterations=self.iterations,
                    memory=self.memory,
                    learn_filters=self.filters == "learned",
                )
            )
            self.states_.append({key: value.clone() for key, value in self.block_.state_dict().items()})

    def at(self, stage: int) -> PDENet:
        """The estimator as it was after stage number ``stage`` (0 is the warm-up), a separate copy."""
        self._require_fit()
        checks.integer("stage", stage, at_least=0, at_most=len(self.states_) - 1)
        other = copy.copy(self)
        other._terms = None
        other.block_ = copy.deepcopy(self.block_)
        other.block_.load_state_dict(self.states_[stage])
        other.stages_, other.states_ = self.stages_[: stage + 1], self.states_[: stage + 1]
        return other

    def coefficient_fields(self) -> dict[tuple[int, ...], np.ndarray]:
        """Multi-index -> c_a on the training grid, (*space); a constant fills it."""
        self._require_fit()
        found = self.block_.coefficients().detach()
        if self.block_.mesh is None:
            found = found.view(-1, *[1] * len(self.grid_)).expand(-1, *self.grid_)
        return {alpha: found[i].cpu().numpy().copy() for i, alpha in enumerate(self.block_.alphas)}

    def effective_fields(self) -> dict[tuple[int, ...], np.ndarray]:
        """Multi-index -> coefficient that a whole step gives the derivative: ``PDENetBlock.effective``."""
        self._require_fit()
        found = self.block_.effective()
        return {alpha: value.expand(self.grid_).cpu().numpy().copy() for alpha, value in found.items()}

    def source(self, values: object) -> np.ndarray:
        """f at ``values``, any shape; cells never visited say nothing. ``ValueError`` without a source."""
        self._require_fit()
        if self.block_.source is None:
            checks.fail("source", "a model with a source", "none", "pass source={'cells': 20, 'range': 15}")
        with torch.no_grad():
            points = torch.as_tensor(np.asarray(values, dtype=np.float64), device=self._where)
            return self.block_.source(points).cpu().numpy()

    def _collected(self) -> dict[str, dict[sympy.Expr, float]]:
        """Of ``effective_fields``, what a whole step uses, the means over the grid; the source is no term."""
        name, fields = self.names_[0], self.effective_fields()
        means = {alpha: float(fields[alpha].mean()) for alpha in self.block_.alphas}
        return {name: {sympy.Symbol(symbol_name(name, alpha)): mean for alpha, mean in means.items()}}

    def print(self, *, precision: int = 3, threshold: float | None = None) -> None:
        """Print the equation that a whole step obeys: with the means over the grid of ``effective_fields``.

        They count what D_0 and the free moments add to the coefficients c_a of ``coefficient_fields``.
        """
        if self.coefficients_kind == "fields":
            print("means of the coefficient fields of a whole step:")
        super().print(precision=precision, threshold=threshold)
        if self._require_fit() is None and self.block_.source is not None:  # type: ignore[func-returns-value]
            print(f"    + f({self.names_[0]}), see source(values)")

    def _expressions(self) -> dict[str, sympy.Expr]:
        name, letters = self.names_[0], sympy.symbols("x y z")[: len(self.grid_)]
        right: sympy.Expr = sympy.Integer(0)
        if self.block_.mesh is None:
            right = sympy.Add(*(sympy.Float(value) * term for term, value in self._collected()[name].items()))
        else:
            for alpha in self.block_.alphas:
                coefficient = sympy.Function("c_" + "".join(map(str, alpha)))(*letters)
                right += coefficient * sympy.Symbol(symbol_name(name, alpha))
        if self.block_.source is not None:
            right += sympy.Function("f")(sympy.Symbol(name))
        return {name: right}

    def _on_training_grid(self, u: torch.Tensor) -> torch.Tensor:
        if tuple(u.shape[2:]) != self.grid_:
            checks.fail(
                "u", f"the training grid {self.grid_}, to which the coefficient fields belong", tuple(u.shape[2:])
            )
        return u

    def _rhs(self, u: torch.Tensor) -> torch.Tensor:
        return self.block_.rate(self._on_training_grid(u))

    def _step(self, u: torch.Tensor) -> torch.Tensor:
        return self.block_(self._on_training_grid(u))

    def _rollout(self, u: torch.Tensor, steps: int) -> torch.Tensor:
        return torch.stack([u, *(self.block_.frames(self._on_training_grid(u), steps) if steps else [])], 1)
