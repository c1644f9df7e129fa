"""How many bytes of tensors live while a gradient is computed: counted, not measured by the operating system."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from contdepth.schemes import RK4, RungeKutta, march

__all__ = ["gradient_peaks", "peak_bytes"]


class _Living:
    """How many bytes there are now, and the most there were; storages are known by their ids while they live."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.known: set[int] = set()

    def meet(self, values: Any, *, counted: bool) -> None:
        """Note the storages of all tensors in ``values``; those that were there before are not counted."""
        for one in tree_iter(values):
            if isinstance(one, Tensor) and id(one.untyped_storage()) not in self.known:
                self._enter(one.untyped_storage(), one.untyped_storage().nbytes() if counted else 0)

    def _enter(self, storage: torch.UntypedStorage, size: int) -> None:
        key = id(storage)
        self.known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._leave, key, size).atexit = False

    def _leave(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the most bytes that tensors made by ``work()`` held at one time, on any device, gradients included.

    Tensors that were there before do not count, nor what an operation uses inside itself.
    """
    living = _Living()

    class Watched(TorchDispatchMode):  # PyTorch wraps its method
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            living.meet((args, kwargs), counted=False)
            found = func(*args, **(kwargs or {}))
            living.meet(found, counted=True)
            return found

    with Watched():
        work()
    return living.most


def gradient_peaks(f: torch.nn.Module, u0: Tensor, steps: Sequence[int], gradient: str) -> list[int]:
    """Return the peak bytes of ∂Σu_N/∂(what f holds) by RK4 from 0 to 1 for each number of ``steps``."""

    def work(n: int) -> Callable[[], object]:
        t = torch.linspace(0, 1, n + 1, dtype=u0.dtype, device=u0.device)

        def once() -> object:
            end = march(f, u0, t, RungeKutta(RK4), keep="last", gradient=gradient)
            return torch.autograd.grad(end.sum(), tuple(f.parameters()))

        return once

    return [peak_bytes(work(n)) for n in steps]
