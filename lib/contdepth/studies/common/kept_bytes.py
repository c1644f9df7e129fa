"""The bytes that autograd keeps for a way back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bytes_kept"]


def bytes_kept(call: Callable[[], Tensor]) -> int:
    """Bytes of the storages that autograd keeps from ``call`` for the way back, each once."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def note(t: Tensor) -> Tensor:
        alive.append(t)  # so that no address comes twice
        sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        call()
    return sum(sizes.values())
