"""CUDA graphs as a recorder of steps; loaded by ``contdepth.devices`` where a step is to be recorded on CUDA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch

__all__ = ["CudaGraphs", "lane", "recorder"]

Result = TypeVar("Result")


class CudaGraphs:
    """Calls captured on a stream of their own; the graphs share one pool of memory, so they run one at a time."""

    def __init__(self, device: torch.device) -> None:
        self.stream, self.pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()

    def warm(self, call: Callable[[], Result]) -> Result:
        """The call on the stream of the capture, in order with what runs on the caller's."""
        mine, callers = self.stream, torch.cuda.current_stream(self.stream.device)
        mine.wait_stream(callers)
        with torch.cuda.stream(mine):
            result = call()
        callers.wait_stream(mine)
        return result

    def record(
        self, call: Callable[[], Result], generators: Sequence[torch.Generator]
    ) -> tuple[Result, Callable[[], None]]:
        """The call captured, not run: what it returned is written by each call of the second result."""
        graph = torch.cuda.CUDAGraph()
        for source in generators:
            graph.register_generator_state(source)
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = call()
        return result, graph.replay


recorder = CudaGraphs


def lane(device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """A stream that begins where the caller's is now."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return lambda: torch.cuda.stream(stream)
