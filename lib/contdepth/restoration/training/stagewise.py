"""Training of reaction diffusion as its paper does it: stage after stage, then all stages together, by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.errors import DivergenceError
from contdepth.restoration.models.reaction import ReactionDiffusion, pictures

__all__ = ["fit_stages"]

WAYS = ("greedy", "joint")

UNIT = 0.03
"""Of the Gaussians' weights: influence functions are about so large, filters have norm 1."""

SEARCH = 25
"""Evaluations of one line search; with none left, PyTorch's L-BFGS counts an iteration and takes no step."""


def fit_stages(model: ReactionDiffusion, f: Tensor, clean: Tensor, *, way: str, iterations: int) -> list[float]:
    """Train in place on the pictures ``f`` for ``clean``, both ``(n, 1, h, w)``; return the loss after each part.

    ``greedy`` minimises for each stage t in turn the squared error of u_t (half the sum over pixels, a picture),
    the stages before it fixed; ``joint`` that of u_T over all stages at once. Chen, Yu & Pock 2015 do the first,
    then the second from there. Both take the whole batch and L-BFGS with a line search (strong Wolfe conditions),
    at most ``iterations`` iterations a part, and a quarter more evaluations than that and one search.

    Raises:
        TypeError, ValueError: another ``way``; pictures of different shapes; ``iterations`` below 1; ``greedy``
            for stages that share their weights.
        DivergenceError: the loss is not finite.
    """
    checks.instance("model", model, ReactionDiffusion)
    pictures(f)
    checks.same_shape("clean", checks.floating("clean", clean), tuple(f.shape))
    checks.one_of("way", way, WAYS)
    checks.integer("iterations", iterations, at_least=1)
    if way == "joint":
        return [_minimise(model, lambda: half_squares(model(f), clean), iterations)]
    if len(model.stages) < model.depth:
        checks.fail("way", "joint, as all stages share their weights", way)
    losses, u = [], f
    for stage in model.stages:
        loss = partial(stage_loss, stage, u, f, clean)
        losses.append(_minimise(stage, loss, iterations))
        with torch.no_grad():
            u = stage(u, f)
    return losses


def half_squares(u: Tensor, clean: Tensor) -> Tensor:
    """½ ‖u − clean‖², a mean over the pictures."""
    return 0.5 * (u - clean).square().sum() / len(u)


def stage_loss(stage: nn.Module, u: Tensor, f: Tensor, clean: Tensor) -> Tensor:
    """The loss of the state that one stage makes of ``u``."""
    return half_squares(stage(u, f), clean)


def _minimise(module: nn.Module, loss: Callable[[], Tensor], iterations: int) -> float:
    """Minimise over all parameters of ``module``, each in its unit, in place; the loss after it."""
    named = dict(module.named_parameters())
    units = [UNIT if name.endswith("influence.weights") else 1.0 for name in named]
    scaled = [nn.Parameter(p.detach() / unit) for p, unit in zip(named.values(), units, strict=True)]
    options = {"max_iter": iterations, "max_eval": iterations * 5 // 4 + SEARCH, "history_size": 10}
    rule = torch.optim.LBFGS(scaled, line_search_fn="strong_wolfe", **options)

    @torch.no_grad()
    def take() -> None:
        for p, q, unit in zip(named.values(), scaled, units, strict=True):
            p.copy_(q * unit)

    def closure() -> Tensor:
        take()
        module.zero_grad()
        value = loss()
        if not torch.isfinite(value):
            raise DivergenceError(f"training of stages: expected a finite loss, found {value.item()}")
        value.backward()
        for p, q, unit in zip(named.values(), scaled, units, strict=True):
            q.grad = None if p.grad is None else p.grad * unit
        return value

    rule.step(closure)
    take()
    with torch.no_grad():
        return float(loss())
