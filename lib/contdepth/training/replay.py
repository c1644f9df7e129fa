"""A step made once and replayed: one launch in the place of thousands, where a device can record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contdepth import devices

__all__ = ["WARM_UP", "Replay", "recording"]

WARM_UP = 3
"""Calls of a shape that run as they are before the next is recorded: what is made at first use is made by then."""

Tensors = tuple[Tensor, ...]
_now = False


def recording() -> bool:
    """Whether a step is being recorded: numbers cannot be looked at, and have been while it warmed up."""
    return _now


@dataclass(frozen=True)
class Recording:
    """A call on ``inputs`` that can be done again; it writes to the same ``outputs`` each time."""

    inputs: Tensors
    outputs: Tensors
    again: Callable[[], None]


class Replay:
    """``step(*inputs) -> outputs``, tensors of ``device`` all; called as it is where the device cannot record.

    A recorded step does to the device what it did when it was recorded, with what its tensors hold now; Python
    does not run again. So it must not look at the device's numbers (no ``.item()``; see ``recording``), and what
    changes from call to call must be an input, or a tensor written in place. ``generators`` of the device from
    which it draws may be seeded before every call. A step that draws from the CPU's global generator, as random
    depth does, is noticed while it warms up and never recorded. A replayed call overwrites the last outputs.
    """

    def __init__(
        self,
        step: Callable[..., Tensors],
        device: torch.device,
        *,
        generators: Sequence[torch.Generator] = (),
        wanted: bool = True,
    ) -> None:
        self.step, self.generators = step, tuple(generators)
        self.recorder = devices.recorder(device) if wanted else None
        self.calls: dict[Any, int] = {}
        self.recordings: dict[Any, Recording] = {}

    def __call__(self, *inputs: Tensor) -> Tensors:
        if self.recorder is None:
            return self.step(*inputs)
        key = tuple((one.shape, one.dtype) for one in inputs)
        if key in self.recordings:
            return self.replayed(self.recordings[key], inputs)
        count = self.calls[key] = self.calls.get(key, 0) + 1
        if count <= WARM_UP:
            return self.warm(inputs)
        kept = tuple(one.clone() for one in inputs)
        outputs, again = self.recorder.record(lambda: self.recorded(kept), self.generators)
        self.recordings[key] = Recording(kept, outputs, again)
        return self.replayed(self.recordings[key], inputs)

    def recorded(self, inputs: Tensors) -> Tensors:
        global _now
        _now = True
        try:
            return self.step(*inputs)
        finally:
            _now = False

    def warm(self, inputs: Tensors) -> Tensors:
        before = torch.default_generator.get_state()
        outputs = self.recorder.warm(lambda: self.step(*inputs))  # type: ignore[union-attr]
        if not torch.equal(before, torch.default_generator.get_state()):
            self.recorder = None
        return outputs

    def replayed(self, recording: Recording, inputs: Tensors) -> Tensors:
        for kept, given in zip(recording.inputs, inputs, strict=True):
            kept.copy_(given)
        recording.again()
        return recording.outputs
