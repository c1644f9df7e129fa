"""What a recorder of calls does, on the fake device: operations are noted, and done again on the same tensors.

As with a CUDA graph, recording a call changes nothing; Python runs when it is recorded and never again; looking at
a number, and moving numbers between the CPU and the device, are errors meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from device.fake import DEVICE, READS, DeviceTensor, on_device
from torch import Tensor
from torch.optim import sgd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from contdepth import devices


class Noting(TorchDispatchMode):
    """Notes the operations on the device's tensors, and what they held that is overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        ours = [x for x in tensors if isinstance(x, DeviceTensor)]
        if not ours and not on_device(kwargs.get("device")):
            return func(*args, **kwargs)
        moved = kwargs.get("device") is not None and ours and not on_device(kwargs["device"])
        if func in READS or moved or any(x.dim() for x in tensors if not isinstance(x, DeviceTensor)):
            raise RuntimeError(f"{func}: operation not permitted while a call is recorded")
        unsaid = ("running_mean", "running_var") if func is torch.ops.aten.native_batch_norm.default else ()
        for about, value in zip(func._schema.arguments, args, strict=False):
            if about.name in unsaid or (about.alias_info is not None and about.alias_info.is_write):
                self.before += [(x.inner, x.inner.clone()) for x in tree_leaves(value) if x is not None]
        result = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, result))
        return result

    def undo(self) -> None:
        for tensor, held in reversed(self.before):
            tensor.copy_(held)

    def again(self) -> None:
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for func, args, kwargs, result in self.operations:
                fresh = func(*args, **kwargs)
                if any(out.alias_info is not None for out in func._schema.returns):
                    continue
                for kept, new in zip(tree_leaves(result), tree_leaves(fresh), strict=True):
                    if isinstance(kept, DeviceTensor):
                        kept.inner.copy_(new.inner)


class Tape:
    """A recorder of the fake device; counts what it is asked for."""

    def __init__(self, device: torch.device) -> None:
        self.warmed = self.replayed = 0
        self.recorded: list[Noting] = []
        TAPES.append(self)

    def warm(self, call: Callable[[], Any]) -> Any:
        self.warmed += 1
        return call()

    def record(self, call: Callable[[], Any], generators: Sequence[torch.Generator]) -> tuple[Any, Any]:
        noting, sources = Noting(), (torch.default_generator, *generators)
        states = [source.get_state() for source in sources]
        with noting:
            result = call()
        noting.undo()
        for source, state in zip(sources, states, strict=True):
            source.set_state(state)
        self.recorded.append(noting)

        def again() -> None:
            self.replayed += 1
            noting.again()

        return result, again


TAPES: list[Tape] = []


@contextlib.contextmanager
def recording_device() -> Iterator[list[Tape]]:
    """Inside, the fake device records; the tapes that were made."""
    TAPES.clear()
    kinds = [DEVICE.type, "cpu"]
    with (
        mock.patch.dict(devices.RECORDERS, {DEVICE.type: Tape}),
        mock.patch.object(sgd, "_get_fused_kernels_supported_devices", lambda: kinds, create=True),
        mock.patch("torch.utils._foreach_utils._get_fused_kernels_supported_devices", lambda: kinds),
        mock.patch("torch.optim.optimizer._get_fused_kernels_supported_devices", lambda: kinds, create=True),
    ):
        yield TAPES
