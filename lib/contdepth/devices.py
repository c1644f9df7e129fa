"""Where tensors lie: a call computes where its tensors are, and all of them lie on one device."""

from __future__ import annotations

import torch
from torch import Tensor

from contdepth import checks

__all__ = ["common"]


def common(**parts: Tensor) -> torch.device:
    """The device of the tensors ``parts``; raise ``ValueError`` naming the first that lies elsewhere."""
    (first, tensor), *rest = parts.items()
    for name, other in rest:
        if other.device != tensor.device:
            wanted = f"a tensor on {tensor.device}, as {first}"
            checks.fail(name, wanted, f"one on {other.device}", "move it there")
    return tensor.device
