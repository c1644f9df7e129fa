"""Where tensors lie, and what differs between devices: a call computes where its tensors are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from contdepth import checks

__all__ = ["common", "drawn_on", "lane", "named", "now", "of", "random_state_kept", "recorder", "records", "seed"]


def named(argument: str, value: object) -> torch.device:
    """The device that ``value`` names; raise ``TypeError`` or ``ValueError`` where there is none."""
    device = checks.device(argument, value)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as reason:
        said = str(reason).partition("\n")[0]
        raise ValueError(f"{argument}: expected a device of this machine, found {value!r} ({said})") from None
    return device


def of(module: nn.Module) -> torch.device:
    """Where the parameters of ``module`` are; the CPU if it has none."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def common(**parts: Tensor) -> torch.device:
    """The device of the tensors ``parts``; raise ``ValueError`` naming the first that lies elsewhere."""
    (first, tensor), *rest = parts.items()
    for name, other in rest:
        if other.device != tensor.device:
            wanted = f"a tensor on {tensor.device}, as {first}"
            checks.fail(name, wanted, f"one on {other.device}", "move it there")
    return tensor.device


def drawn_on(source: torch.Generator | None) -> torch.device:
    """Where ``source`` draws; the CPU for None, its global generator. ``TypeError`` for what is no generator."""
    if source is None:
        return torch.device("cpu")
    return checks.instance("source", source, torch.Generator, "contdepth.seeds.generator makes one").device


def accelerator(device: torch.device) -> Any:
    """PyTorch's module for a device with clock and random numbers of its own, such as ``torch.cuda``, or None."""
    module = getattr(torch, device.type, None)
    return module if device.type != "cpu" and hasattr(module, "synchronize") else None


def now(device: torch.device) -> float:
    """CPU time of the process, or where a device computes beside it the clock after all work is done."""
    module = accelerator(device)
    if module is None:
        return time.process_time()
    module.synchronize()
    return time.perf_counter()


def random_state_kept(device: torch.device) -> AbstractContextManager[None]:
    """Afterwards the global generators of the CPU and of ``device`` are as they were."""
    if accelerator(device) is None:
        return torch.random.fork_rng(devices=[])
    return torch.random.fork_rng(devices=[device], device_type=device.type)


def seed(value: int, device: torch.device) -> None:
    """Seed the global generators of the CPU and of ``device``: dropout draws from the second."""
    torch.default_generator.manual_seed(value)
    module = accelerator(device)
    if module is not None:
        module.manual_seed(value)


Result = TypeVar("Result")


class Recorder(Protocol):
    """Records what a device is given to do, so that it can be given again at one stroke."""

    def warm(self, call: Callable[[], Result]) -> Result:
        """Make the call where calls are recorded, without recording it."""

    def record(
        self, call: Callable[[], Result], generators: Sequence[torch.Generator]
    ) -> tuple[Result, Callable[[], None]]:
        """Record the call without making it; what it returned is written by each call of the second result."""


RECORDERS: dict[str, str | Callable[[torch.device], Recorder]] = {"cuda": "contdepth.cuda_graphs"}
"""Makers of recorders by kind of device, or modules with ``recorder`` and ``lane``: loaded where they are used."""


def records(device: torch.device) -> bool:
    """Whether calls can be recorded on ``device``."""
    return device.type in RECORDERS


def recorder(device: torch.device) -> Recorder | None:
    """A recorder for ``device``, or None where calls cannot be recorded."""
    maker = RECORDERS.get(device.type)
    if isinstance(maker, str):
        maker = import_module(maker).recorder
    return None if maker is None else maker(device)


def lane(device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Makes the context of work that waits for no other lane: on CUDA a stream, elsewhere nothing."""
    maker = RECORDERS.get(device.type)
    return import_module(maker).lane(device) if isinstance(maker, str) else nullcontext
