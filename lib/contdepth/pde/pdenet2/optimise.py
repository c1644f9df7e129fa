"""Full-batch minimisation on torch parameters: L-BFGS with a strong Wolfe line search, or Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.errors import DivergenceError
from contdepth.training.replay import Replay

__all__ = ["METHODS", "Minimised", "minimise"]

METHODS = ("lbfgs", "adam")
BLOWN_UP = 1e20
"""What a loss that is not finite counts as."""

REMEDIES = "take fewer blocks, a smaller time step or substeps, or normalise"


@dataclass(frozen=True)
class Minimised:
    """``losses``: value of every evaluation, in order; its length is the number of closures."""

    losses: tuple[float, ...]

    @property
    def start(self) -> float:
        """Loss before the first step."""
        return self.losses[0]

    @property
    def best(self) -> float:
        """Smallest loss seen."""
        return min(self.losses)


def returned(loss: Callable[[], Tensor]) -> Tensor:
    """What ``loss`` returns, if it is a tensor without dimensions."""
    return checks.tensor("loss()", loss(), ndim=0)


def minimise(
    loss: Callable[[], Tensor],
    parameters: Iterable[nn.Parameter],
    *,
    iterations: int,
    method: str = "lbfgs",
    history: int = 100,
    rate: float = 1e-3,
    recorded: bool = False,
) -> Minimised:
    """Minimise ``loss()`` over the parameters that require a gradient, in place.

    Parameters never leave torch: no copies to NumPy between evaluations. ``history`` pairs are kept by L-BFGS
    (the official codes: 500 for PDE-Net, SciPy's dense BFGS for PDE-Net 2.0); ``rate`` is Adam's, decayed to zero
    by a cosine. L-BFGS may use 1.25 evaluations an iteration and stops where gradient or change vanish.
    ``recorded``: where the parameters are on a device that can, loss and gradient are recorded and replayed; then
    ``loss`` must look at no number of the device.

    Raises:
        TypeError, ValueError: unknown method, sizes that are not positive.
        DivergenceError: the loss is not finite at the start. Later ones count as ``BLOWN_UP``, and where the last
            point is not better than the first, the parameters are those of the best point seen.
    """
    checks.one_of("method", method, METHODS)
    checks.integer("iterations", iterations, at_least=0)
    checks.integer("history", history, at_least=1, at_most=10_000)
    checks.real("rate", rate, above=0)
    parameters, loss = tuple(parameters), partial(returned, loss)
    for p in parameters:
        checks.tensor("parameters", p)
    trained = [p for p in parameters if p.requires_grad]
    losses: list[float] = []
    if iterations == 0 or not trained:
        return Minimised((float(loss().detach()),))

    kept = [p.detach().clone() for p in trained]

    def value_and_gradients() -> tuple[Tensor]:
        for p in trained:
            p.grad = None
        value = loss()
        if not value.requires_grad:
            raise ValueError(
                "loss(): expected a value that depends on the parameters, found one without a gradient"
            )
        value.backward()
        for p in trained:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        return (value.detach(),)

    evaluate = Replay(value_and_gradients, trained[0].device, wanted=recorded)

    def closure() -> Tensor:
        (value,) = evaluate()
        number = float(value)
        if not (math.isfinite(number) and all(bool(torch.isfinite(p.grad).all()) for p in trained)):  # type: ignore[arg-type]
            if not losses:
                raise DivergenceError(f"the loss starts at {number}: {REMEDIES}")
            number = BLOWN_UP  # the line search steps back
            for p in trained:
                p.grad.zero_()  # type: ignore[union-attr]
        elif number < min(losses, default=math.inf):
            for best, p in zip(kept, trained, strict=True):
                best.copy_(p.detach())
        losses.append(number)
        return value.new_tensor(number)

    if method == "lbfgs":
        optimiser: torch.optim.Optimizer = torch.optim.LBFGS(
            trained,
            lr=1,
            max_iter=iterations,
            max_eval=iterations * 5 // 4 + 1,
            history_size=history,
            tolerance_grad=1e-10,
            tolerance_change=1e-14,
            line_search_fn="strong_wolfe",
        )
        optimiser.step(closure)  # type: ignore[arg-type]
    else:
        optimiser = torch.optim.Adam(trained, lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
        for _ in range(iterations):
            optimiser.step(closure)
            schedule.step()
    with torch.no_grad():
        last = float(loss())
        if not last < losses[0]:  # blown up, or no better than at the start: the best point seen
            for p, best in zip(trained, kept, strict=True):
                p.copy_(best)
            last = min(losses)
    losses.append(last)
    return Minimised(tuple(losses))
