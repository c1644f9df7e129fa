"""How many bytes of tensors live while a gradient along many steps is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from contdepth.schemes import RK4, RungeKutta, march
from contdepth.studies.common.peak_bytes import peak_bytes

__all__ = ["gradient_peaks"]


def gradient_peaks(f: torch.nn.Module, u0: Tensor, steps: Sequence[int], gradient: str) -> list[int]:
    """Return the peak bytes of ∂Σu_N/∂(what f holds) by RK4 from 0 to 1 for each number of ``steps``."""

    def work(n: int) -> Callable[[], object]:
        t = torch.linspace(0, 1, n + 1, dtype=u0.dtype, device=u0.device)

        def once() -> object:
            end = march(f, u0, t, RungeKutta(RK4), keep="last", gradient=gradient)
            return torch.autograd.grad(end.sum(), tuple(f.parameters()))

        return once

    return [peak_bytes(work(n)) for n in steps]
