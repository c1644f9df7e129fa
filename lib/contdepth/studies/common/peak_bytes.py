"""The most bytes that tensors hold at one time during a call: counted where they are made and freed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["peak_bytes"]


class _Held:
    """The storages that are known, and the bytes of those that were made since."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.known: set[int] = set()

    def see(self, values: Any, new: bool) -> None:
        """Take note of the tensors in ``values``; what was there before counts nothing."""
        for one in tree_leaves(values):
            if isinstance(one, Tensor) and id(storage := one.untyped_storage()) not in self.known:
                self._hold(storage, storage.nbytes() if new else 0)

    def _hold(self, storage: UntypedStorage, size: int) -> None:
        self.known.add(id(storage))
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._release, id(storage), size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most bytes that tensors made by ``call()`` held at one time, its backward passes included.

    What an operation holds inside itself is not seen.
    """
    held = _Held()

    class Count(TorchDispatchMode):  # here, since torch puts another function in the place of its method
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            held.see((args, kwargs), new=False)
            found = func(*args, **(kwargs or {}))
            held.see(found, new=True)
            return found

    with Count():
        call()
    return held.most
