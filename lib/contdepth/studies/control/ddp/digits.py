"""The layer-wise optimiser on digits: nets of many seeds and rates side by side, with and without feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contdepth.control import DDPNOpt
from contdepth.control.ddp.layerwise import cross_entropy_slopes
from contdepth.seeds import generator
from contdepth.studies.control.discrete.training import Images, images

__all__ = ["ARMS", "CURVATURES", "GRIDS", "Arm", "Plan", "course", "courses", "multiplications", "tuned"]

CURVATURES = ("identity", "diagonal", "kronecker")
ARMS = (*((curvature, feedback) for curvature in CURVATURES for feedback in (False, True)), ("Adam", False))
"""What stands for Q_uu, and whether there is feedback; without it: SGD, RMSprop, K-FAC. And Adam."""
GRIDS = {
    "identity": tuple(10 ** (k / 4) for k in range(-10, 7)),
    "diagonal": tuple(10 ** (k / 4) for k in range(-16, 1)),
    "kronecker": tuple(10 ** (k / 4) for k in range(-14, 3)),
    "Adam": tuple(10 ** (k / 4) for k in range(-16, 1)),
}
"""Seventeen rates for every arm, a quarter of a decade apart, the same with and without feedback."""
CAP = 100.0
Kind = tuple[str, bool]


@dataclass(frozen=True)
class Plan:
    """``widths`` of the hidden layers, their ``activation``, images in a ``batch``, ``steps`` of training."""

    widths: tuple[int, ...] = (32, 32, 32, 32)
    activation: str = "tanh"
    batch: int = 32
    steps: int = 600

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels, hidden units, classes."""
        return (64, *self.widths, 10)


@dataclass(frozen=True)
class Arm:
    """(rates, seeds) after the last step, and with ``early`` in front at equal work: mean training ``loss``, at
    most 100, and ``accuracy`` in per cent of what is judged on."""

    loss: np.ndarray
    accuracy: np.ndarray
    early_loss: np.ndarray


class Adam:
    """Adam on the matrices of ``DDPNOpt`` without feedback, with PyTorch's defaults."""

    def __init__(self, matrices: Sequence[Tensor], rate: Tensor, activation: str) -> None:
        self.inner = DDPNOpt(matrices, rate=torch.ones_like(rate), feedback=False, activation=activation)
        self.rate, self.n = rate[:, None, None], 0
        self.means = [torch.zeros_like(one) for one in matrices]
        self.squares = [torch.zeros_like(one) for one in matrices]

    def states(self, x: Tensor) -> list[Tensor]:
        """As of ``DDPNOpt``."""
        return self.inner.states(x)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step; the losses before it."""
        old, self.n = [one.clone() for one in self.inner.matrices], self.n + 1
        losses = self.inner.step(x, y)
        for one, before, mean, square in zip(self.inner.matrices, old, self.means, self.squares, strict=True):
            slope = before - one
            mean.lerp_(slope, 0.1)
            square.mul_(0.999).addcmul_(slope, slope, value=0.001)
            size = (square / (1 - 0.999**self.n)).sqrt() + 1e-8
            one.copy_(before - self.rate * mean / (1 - 0.9**self.n) / size)
        return losses


def multiplications(kind: Kind, plan: Plan) -> int:
    """Multiplications of one net in the matrix products (and inverses, n³ each) of one step of an arm."""
    curvature, feedback = kind
    total = 0
    for t, (before, b) in enumerate(zip(plan.sizes, plan.sizes[1:], strict=False)):
        a, one = before + 1, plan.batch * (before + 1) * b
        back = plan.batch * before * b
        total += 2 * one + back
        if curvature == "kronecker":
            total += plan.batch * (a * a + b * b) + a**3 + b**3 + a * b * (a + b)
        if feedback:
            total += back + one + (one if t else 0) + (one if t + 2 < len(plan.sizes) else 0)
            total += one if curvature == "diagonal" else 0
            if curvature == "kronecker":
                total += plan.batch * (a * a + b * b) + (a * b * (a + b) if t else 0)
    return total


def first_matrices(plan: Plan, seeds: Sequence[int]) -> list[Tensor]:
    """Glorot's uniform weights and biases 0, (S, out, in + 1), of each seed by itself."""
    found = []
    for t, (a, b) in enumerate(zip(plan.sizes, plan.sizes[1:], strict=False)):
        drawn = [2 * torch.rand(b, a + 1, generator=generator(seed, f"ddp/{t}")) - 1 for seed in seeds]
        found.append(torch.stack(drawn) * (6 / (a + b)) ** 0.5)
        found[-1][..., -1] = 0
    return found


def course(kind: Kind, rates: Sequence[float], plan: Plan, seeds: Sequence[int], data: Images) -> Arm:
    """Nets of every rate and seed trained by one arm; images in the same order for all arms and rates.

    ``early_loss`` is the loss at the step to which the work that the arm without feedback has done in all
    suffices; for that arm itself the last.
    """
    curvature, feedback = kind
    count, size = len(rates), len(seeds)
    rate = torch.tensor(rates)[:, None].expand(count, size).flatten()
    matrices = [one.repeat(count, 1, 1) for one in first_matrices(plan, seeds)]
    rule: DDPNOpt | Adam
    if curvature == "Adam":
        rule = Adam(matrices, rate, plan.activation)
    else:
        rule = DDPNOpt(matrices, curvature, rate=rate, feedback=feedback, activation=plan.activation)
    share = multiplications((curvature, False), plan) / multiplications(kind, plan)
    early, a_epoch = max(1, round(share * plan.steps)), len(data.x) // plan.batch
    losses: list[np.ndarray] = []
    for n in range(plan.steps):
        if n % a_epoch == 0:
            orders = [
                torch.randperm(len(data.x), generator=generator(seed, f"order/{n // a_epoch}")) for seed in seeds
            ]
            order = torch.stack(orders).repeat(count, 1)
        chosen = order[:, n % a_epoch * plan.batch : (n % a_epoch + 1) * plan.batch]
        rule.step(data.x[chosen], data.y[chosen])
        if n + 1 in (early, plan.steps):
            losses.append(judged(rule, data.x, data.y)[0].view(count, size).numpy())
    right = judged(rule, data.test_x, data.test_y)[1].view(count, size).numpy()
    return Arm(losses[-1], 100 * right, losses[0])


def judged(rule: DDPNOpt | Adam, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss, at most 100 and so where it is not finite, and share of right answers of each member."""
    final = rule.states(x)[-1]
    loss = cross_entropy_slopes(final, y.expand(len(final), -1)).losses.mean(1)
    return loss.nan_to_num(CAP, CAP, CAP).clamp(max=CAP), (final.argmax(2) == y).double().mean(1)


def courses(
    plan: Plan, seeds: Sequence[int], kinds: Sequence[Kind] = ARMS, held_out: bool = False
) -> dict[Kind, Arm]:
    """Every arm over the rates of its grid; ``held_out`` as in ``images``, for the choice of settings."""
    data = images("digits", held_out=held_out)
    return {kind: course(kind, GRIDS[kind[0]], plan, seeds, data) for kind in kinds}


def tuned(trials: Mapping[Kind, Arm], by: str) -> dict[Kind, int]:
    """Index of the rate with the least mean of ``"loss"`` or ``"early_loss"``, or the best mean ``"accuracy"``."""
    sign = -1 if by == "accuracy" else 1
    return {kind: int(np.argmin(sign * getattr(arm, by).mean(1))) for kind, arm in trials.items()}
