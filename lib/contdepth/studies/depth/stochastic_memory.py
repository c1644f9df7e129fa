"""The most bytes that tensors hold at one time during a call: counted where they are made and freed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_bytes"]


class _Count(TorchDispatchMode):
    """Adds the storage of every new tensor, takes it off when it goes; what was there before counts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.held: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._see((args, kwargs), new=False)
        found = func(*args, **(kwargs or {}))
        self._see(found, new=True)
        return found

    def _see(self, values: Any, new: bool) -> None:
        for one in tree_leaves(values):
            if isinstance(one, Tensor) and id(storage := one.untyped_storage()) not in self.held:
                self._hold(storage, storage.nbytes() if new else 0)

    def _hold(self, storage: UntypedStorage, size: int) -> None:
        self.held.add(id(storage))
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._release, id(storage), size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self.held.discard(key)
        self.now -= size


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that tensors made by ``call()`` held at one time, its backward passes included.

    What an operation holds inside itself is not seen.
    """
    with _Count() as count:
        call()
    return count.most
