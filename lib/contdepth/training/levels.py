"""Training from coarse to fine: cycles of one loop, and before each but the first twice the depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from contdepth import checks
from contdepth.nets.stepped import SteppedNet, prolong
from contdepth.seeds import derive
from contdepth.training.evaluation import Pair
from contdepth.training.loop import Fit, fit
from contdepth.training.recipes import Recipe

__all__ = ["Levels", "fit_levels"]


@dataclass(frozen=True)
class Levels:
    """What ``fit_levels`` leaves: the last net, and of every cycle what ``fit`` left and its net's blocks."""

    model: SteppedNet
    fits: tuple[Fit, ...]
    blocks: tuple[int, ...]

    @property
    def test_error(self) -> float:
        """Test error in percent after the last epoch of the last cycle."""
        return self.fits[-1].test_error

    @property
    def block_epochs(self) -> int:
        """Blocks times epochs, summed over the cycles: how often a training image passes a block."""
        return sum(blocks * len(one.history["epoch"]) for blocks, one in zip(self.blocks, self.fits, strict=True))


def fit_levels(
    model: SteppedNet,
    train: Pair,
    test: Pair,
    cycles: Sequence[Recipe],
    *,
    seed: int,
    grow: bool = True,
    by_time: bool = False,
    checkpoint: Path | str | None = None,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Levels:
    """Train ``model`` for one cycle, ``prolong`` it, train the finer net for the next cycle, and so on.

    Every cycle is a run of ``fit`` by its own recipe: its learning rate begins anew and momentum at zero, and the
    order of the images is another one (a stream of ``seed`` and the cycle's number). ``grow=False`` leaves the
    depth as it is and all else equal: the matched baseline. ``model`` is trained in place in the first cycle; the
    net of the last one is in what is returned.

    ``by_time`` multiplies the gradient by the weights of block n by 1/h_n. The loss has, by each of two copies,
    half of its gradient by the block they came from; so at an equal rate a net of twice the depth moves half as
    fast, and with ``by_time`` all depths move alike, to first order. Weight decay is not multiplied.

    ``checkpoint``: a folder with a file for each cycle, from which a
    run that was stopped goes on to the same bits (see ``fit``).

    Source: Chang et al. 2018 (arXiv 1710.10348). Departures: the paper, as far as we know it, says nothing of the
    optimiser's state; ``by_time`` is ours; how many cycles and which recipes is the caller's.

    Raises:
        TypeError, ValueError: no cycle, another net or recipe, and what ``fit`` raises.
    """
    checks.instance("model", model, SteppedNet, "contdepth.nets.stepped_resnet makes one")
    recipes = checks.several("cycles", cycles, "of recipes, one a cycle")
    checks.integer("seed", seed, at_least=0)
    checks.instance("grow", grow, bool)
    checks.instance("by_time", by_time, bool)
    if not recipes:
        checks.fail("cycles", "at least one recipe", "none")
    for one in recipes:
        checks.instance("cycles", one, Recipe, "contdepth.training.recipe(name) makes one")
    fits, blocks = [], []
    for cycle, recipe in enumerate(recipes):
        if cycle and grow:
            model = prolong(model)
        file = None if checkpoint is None else Path(checkpoint) / f"cycle-{cycle}.pt"
        own = derive(seed, f"cycle/{cycle}")
        settings = {"checkpoint": file, "device": device, "progress": progress}
        with _gradients_by_time(model, by_time):
            fits.append(fit(model, train, test, recipe, seed=own, **settings))  # type: ignore[arg-type]
        blocks.append(len(model.branches))
    return Levels(model, tuple(fits), tuple(blocks))


@contextmanager
def _gradients_by_time(model: SteppedNet, wanted: bool) -> Iterator[None]:
    """Inside the block, if wanted, gradients by the weights of block n arrive multiplied by 1/h_n."""

    def divided(h: float) -> Callable[[Tensor], Tensor]:
        return lambda gradient: gradient / h

    handles = [
        p.register_hook(divided(h))
        for branch, h in zip(model.branches, model.h.tolist(), strict=True)
        for p in branch.parameters()
        if wanted and p.requires_grad
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
