"""A loss on torch parameters as SciPy's optimisers want it: a function of one flat NumPy vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["flat_function"]


def flat_function(
    loss: Callable[[], Tensor], parameters: Sequence[Tensor], after: Callable[[], object] | None = None
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """``loss`` and its gradient as a function of one flat NumPy vector, the values of ``parameters`` in order.

    Each call copies the vector into the parameters; ``after`` is called behind the backward pass and may change
    their gradients.
    """

    def function(vector: np.ndarray) -> tuple[float, np.ndarray]:
        at = 0
        with torch.no_grad():
            for p in parameters:
                p.copy_(torch.from_numpy(vector[at : at + p.numel()].copy()).view_as(p))
                at += p.numel()
        for p in parameters:
            p.grad = None
        value = loss()
        value.backward()
        if after is not None:
            after()
        return float(value.detach()), np.concatenate([p.grad.flatten().numpy() for p in parameters])  # type: ignore[union-attr]

    return function
