"""The tensors that a right-hand side holds and whose gradients are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from contdepth import checks
from contdepth.schemes.base import Field

__all__ = ["check_known", "check_named", "held_by"]


def held_by(f: Field, parameters: Iterable[Tensor] | None) -> tuple[Tensor, ...]:
    """Return those of ``parameters`` that need gradients; None stands for the parameters of a module ``f``."""
    if parameters is None:
        module = f if isinstance(f, torch.nn.Module) else getattr(f, "__self__", None)
        parameters = module.parameters() if isinstance(module, torch.nn.Module) else ()
    else:
        parameters = checks.several("parameters", parameters, "such as parameters=(rate,)")
        for one in parameters:
            checks.floating("parameters", one)
    return tuple({id(one): one for one in parameters if one.requires_grad}.values())


def check_named(f: Field, t: Tensor, u: Tensor, held: tuple[Tensor, ...]) -> None:
    """Raise ``ValueError`` if f(t, u) depends on a tensor that needs gradients and is not among ``held``.

    Its gradient would be missing without a word.
    """
    if torch.is_grad_enabled():
        check_known((f(t.detach(), u.detach()),), held)


def check_known(values: Sequence[Tensor], known: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` if the graph of ``values`` has a leaf that is not among ``known`` or behind them."""
    same = {id(one) for one in known}
    for leaf in _leaves([value.grad_fn for value in values], {one.grad_fn for one in known}):
        if id(leaf) not in same:
            found = f"one of shape {tuple(leaf.shape)} that is not named"
            hint = "take parameters=(…) with all of them, or requires_grad_(False)"
            checks.fail("parameters", "all tensors that f holds and that need gradients", found, hint)


def _leaves(waiting: list[Any], ends: set[Any]) -> Iterator[Tensor]:
    """Yield the leaves of a graph, which is not followed beyond ``ends``."""
    seen = {None, *ends}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [before for before, _ in node.next_functions]
